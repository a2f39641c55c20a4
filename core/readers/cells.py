"""What a sheet's XML holds, told before it is read: how many rows and columns, and whether a cell stands twice or lacks its value.

The library that reads it lets the last of two cells win, stops at the first table's end, and makes room for every place up to the
farthest cell. Rows as all spreadsheets write them are proven by one pattern, at memory speed; any other sheet is parsed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from operator import lt
from pathlib import Path
from typing import Any, Final
from xml.parsers import expat
from zipfile import ZipFile

LAST_ROW: Final = 1 << 20
LAST_COLUMN: Final = 1 << 14
LETTERS: Final = 26
"""Columns whose names have one letter."""

FORMULA: Final = rb"(?:<f(?: [^>/]*+)?+(?:/>|>[^<]*+</f>))?+"
VALUE: Final = rb"(?:" + FORMULA + rb"<v>[^<]++</v>|<v></v>|<is>(?:<t(?: [^>/]*+)?+>[^<]*+</t>|<t/>)</is>)?+"
OTHER: Final = rb'(?: t="(?:n|str|b|d|e|inlineStr)")?+(?: [cv]m="[0-9]++")*+(?:/>|>' + VALUE + rb"</c>)"
PLAIN: Final = (rb"><v>[^<]++</v></c>", rb' t="inlineStr"><is><t>[^<]*+</t></is></c>', rb' t="(?:n|str|b|d|e)"><v>[^<]++</v></c>')
"""What nearly all cells are, which OTHER would tell, too: asked first, it takes half the time."""

NARROW: Final = rb"[A-Z]"
ANY: Final = rb"[A-Z]{1,3}"
PLACE: Final = re.compile(rb'<c r="([A-Z]{1,3})[0-9]')
WIDE: Final = re.compile(rb'<c r="([A-Z]{2,3})')
UNUSUAL: Final = re.compile(rb"<(?:\w+:)?(?:c|row)[\s/>]|<!|\w:sheetData")
NAMED: Final = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6})")
BEYOND: Final = "a cell beyond XFD1048576, the last that a sheet has"


class Odd(Exception):
    """What no spreadsheet writes, in words."""


@dataclass
class Cells:
    """The farthest row and column that hold a cell (from 1), how many hold a value, and where formulas stand without theirs.

    What the usual pattern says is at most so wide and so many (a cell may be empty), and another cell of the same row may stand in the
    same column.
    """

    rows: int = 0
    columns: int = 0
    values: int = 0
    unvalued: list[tuple[int, int]] = field(default_factory=list)


def usual(chunks: Iterator[bytes], sink: Any) -> Cells | None:
    """Copy a sheet, and say what it holds; None where it is not written the usual way: then `parsed` tells."""
    found: Cells | None = Cells()
    rest: list[bytes] = []
    tables = 0
    for chunk in chunks:
        sink.write(chunk)
        before, end, after = chunk.rpartition(b"</row>")
        if found is not None and end:
            found, tables = _block(b"".join([*rest, before, end]), found, tables)
            rest = [after]
        elif found is not None:
            rest.append(chunk)
    return _block(b"".join(rest), found, tables)[0] if found is not None else None


def _block(block: bytes, found: Cells, tables: int) -> tuple[Cells | None, int]:
    """Add whole rows, and what stands around them."""
    letters = NARROW if found.columns <= LETTERS else ANY
    numbers, around = _rows_of(block, letters)
    if letters == NARROW and UNUSUAL.search(around):
        letters = ANY
        numbers, around = _rows_of(block, letters)
    tables += around.count(b"<sheetData")
    if UNUSUAL.search(around) or tables > 1:
        return None, tables
    if not all(map(lt, [found.rows, *numbers], numbers)) or (numbers and numbers[-1] > LAST_ROW):
        return None, tables
    wide = max(map(column_number, map(bytes.decode, set(WIDE.findall(block)))), default=0) if letters == ANY else 0
    if wide > LAST_COLUMN:
        raise Odd(BEYOND)
    rows = numbers[-1] if numbers else found.rows
    return Cells(rows, max(found.columns, wide, LETTERS), found.values + block.count(b"</c>")), tables


@cache
def _pattern(letters: bytes) -> re.Pattern[bytes]:
    """Return the pattern of a row whose cells stand in columns with such names; made at its first use, because it takes a millisecond."""
    cell = rb'<c r="' + letters + rb'\1"(?: s="[0-9]++")?+(?:' + rb"|".join((rb' t="s"><v>[0-9]++</v></c>', *PLAIN, OTHER)) + rb")"
    return re.compile(rb'<row r="([1-9][0-9]{0,6})"(?: [^>/]*+)?+(?:/>|>(?:' + cell + rb")*+</row>)")


def _rows_of(block: bytes, letters: bytes) -> tuple[list[int], bytes]:
    """Return the numbers of the rows that the pattern knows, and all that stands around them."""
    pieces = _pattern(letters).split(block)
    return [int(number) for number in pieces[1::2]], b" ".join(pieces[::2])


def width(path: Path, part: str) -> int:
    """Return the last column in which a sheet that is written the usual way has a cell."""
    found, rest = set(), b""
    with ZipFile(path) as archive, archive.open(part) as source:
        while chunk := source.read(1 << 20):
            found |= set(PLACE.findall(rest + chunk))
            rest = chunk[-16:]
    return max((column_number(letters.decode()) for letters in found), default=0)


def parsed(path: Path, part: str) -> Cells:
    """Say what a sheet holds by parsing it."""
    reading = _Reading()
    with ZipFile(path) as archive, archive.open(part) as source:
        try:
            reading.parser.ParseFile(source)
        except expat.ExpatError as error:
            raise Odd(f"XML that is not well formed at line {error.lineno}") from error
    return reading.found


def column_number(letters: str) -> int:
    """Return 1 for A, 27 for AA."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number


class _Reading:
    """One pass over a sheet's elements. A row or a cell without a number follows the one before."""

    def __init__(self) -> None:
        self.found = Cells()
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.text
        self.parser.StartDoctypeDeclHandler = self.doctype
        self.row = self.column = self.tables = self.seen = 0
        self.element = self.kind = self.value = ""
        self.formula = self.filled = False

    def doctype(self, *_: Any) -> None:
        raise Odd("a document type declaration")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.element = name.rpartition(":")[2]
        if self.element == "sheetData":
            self.tables += 1
            if self.tables > 1:
                raise Odd("two tables of cells in one sheet")
        elif self.element == "row":
            self.begin(attributes.get("r", str(self.row + 1)))
        elif self.element == "c":
            self.cell(attributes)
        elif self.element == "f":
            self.formula = True

    def begin(self, given: str) -> None:
        row = int(given) if re.fullmatch("[0-9]{1,7}", given) else 0
        if row <= self.row or row > LAST_ROW:
            raise Odd(f"row {given[:20]!r} after row {self.row}")
        self.row, self.column, self.seen = row, 0, 0

    def cell(self, attributes: dict[str, str]) -> None:
        self.column += 1
        if given := attributes.get("r"):
            named = NAMED.fullmatch(given)
            if named is None or int(named[2]) != self.row:
                raise Odd(f"a cell {given[:20]!r} in row {self.row}")
            self.column = column_number(named[1])
        if not self.row or self.column > LAST_COLUMN:
            raise Odd(BEYOND)
        if self.seen >> self.column & 1:
            raise Odd(f"two cells in row {self.row}, column {self.column}")
        self.seen |= 1 << self.column
        self.kind, self.value, self.formula, self.filled = attributes.get("t", "n"), "", False, False

    def text(self, text: str) -> None:
        self.filled = self.filled or self.element in ("v", "t")
        if self.kind == "s" and self.element == "v":
            self.value += text

    def end(self, name: str) -> None:
        self.element = ""
        if name.rpartition(":")[2] != "c":
            return
        if self.kind == "s" and not self.value.strip().isdecimal():
            raise Odd(f"a text of number {self.value[:20]!r} in row {self.row}, column {self.column}")
        found = self.found
        found.rows, found.columns, found.values = max(found.rows, self.row), max(found.columns, self.column), found.values + self.filled
        if self.formula and not self.filled and self.kind != "str":
            found.unvalued.append((self.row, self.column))
