"""The grammar of delimited text (RFC 4180 with a declared delimiter, quote and escape), as patterns that run over a whole file at once.

Says whether a file is regular, where its records are, and which of them no reader could be sure of. Guesses nothing, changes nothing.
"""

import re
from collections.abc import Generator
from dataclasses import dataclass
from functools import cached_property
from mmap import mmap

from core.source import CsvOptions

NEWLINE = rb"(?:\r\n|\n|\r)"
LINE_END = re.compile(rb"[\r\n]")
BLANK = re.compile(rb"[\r\n]*+")
Buffer = bytes | mmap


@dataclass(frozen=True)
class Piece:
    """A stretch of a file: whole regular records, or one that is not (`bad`). `stop` is after its terminator, `end` before it."""

    start: int
    end: int
    stop: int
    bad: bool = False


@dataclass(frozen=True)
class Dialect:
    """How one file's fields are written. An empty quote: nothing is quoted, a record is a line."""

    delimiter: bytes
    quote: bytes
    escape: bytes

    @classmethod
    def of(cls, options: CsvOptions, *, quoted: bool = True) -> "Dialect":
        quote, escape = (options.quote, options.escape) if quoted and options.quote else ("", "")
        return cls(options.delimiter.encode(), quote.encode(), escape.encode())

    @property
    def misplaced(self) -> bytes:
        """The mark in the place of a record with a quote out of place: a text that no record is and no part of the dialect stands in."""
        return self._mark * 12

    @property
    def second_table(self) -> bytes:
        """The mark in the place of a record of a second table."""
        return self._mark * 13

    @property
    def impossible(self) -> bytes:
        """A text that no field is: DuckDB wants one that NULL is written as, and refuses it where the delimiter stands in it."""
        return self._mark * 32

    @property
    def _mark(self) -> bytes:
        taken = self.delimiter + self.quote + self.escape
        return next(mark for code in range(1, 9) if (mark := bytes([code])) not in taken)

    def _body(self, newlines: bool) -> bytes:
        """The inside of quotes. An escape before anything but a quote or itself is irregular: readers disagree about it."""
        q, e, breaks = re.escape(self.quote), re.escape(self.escape), b"" if newlines else rb"\r\n"
        if self.escape in (b"", self.quote):
            doubled = b"(?:" + q + q + b"[^" + q + breaks + b"]*+)*+" if self.escape else b""
            return b"[^" + q + breaks + b"]*+" + doubled
        free = b"[^" + q + e + breaks + b"]*+"
        return free + b"(?:" + e + b"[" + q + e + b"]" + free + b")*+"

    def _quoted(self, newlines: bool = True) -> bytes:
        q = re.escape(self.quote)
        return q + self._body(newlines) + q

    @cached_property
    def _free(self) -> bytes:
        """An unquoted field."""
        d, q = re.escape(self.delimiter), re.escape(self.quote)
        if len(self.delimiter) == 1:
            return b"[^" + q + d + rb"\r\n]*+"
        return b"(?:(?!" + d + b")[^" + q + rb"\r\n])*+"

    @cached_property
    def _field(self) -> bytes:
        return b"(?:" + self._quoted() + b"|" + self._free + b")" if self.quote else self._free

    @cached_property
    def _fields(self) -> bytes:
        return self._field + b"(?:" + re.escape(self.delimiter) + self._field + b")*+"

    @cached_property
    def record(self) -> "re.Pattern[bytes]":
        return re.compile(b"(" + self._fields + b")(?:" + NEWLINE + rb"|\Z)")

    @cached_property
    def run(self) -> "re.Pattern[bytes]":
        """Regular records one after another; not more at once than memory can easily hold."""
        return re.compile(b"(?:" + self._fields + NEWLINE + b"){0,65536}+(?:" + self._fields + rb"\Z)?")

    @cached_property
    def field(self) -> "re.Pattern[bytes]":
        return re.compile(self._field)

    @cached_property
    def _good_beginning(self) -> "re.Pattern[bytes]":
        d = re.escape(self.delimiter)
        return re.compile(b"(?:" + self._field + d + b")*+(?:" + self._quoted() + b")?")

    def first(self, data: Buffer, line: int) -> int:
        """Return where the first record begins, the header among them: at this line, counted from 1, or behind blank lines there."""
        start = 0
        for _ in range(line - 1):
            start = _after(data, _line_end(data, start))
        found = BLANK.match(data, start)
        return found.end() if found else start

    def regular(self, data: Buffer, *, newlines: bool) -> bool:
        """Tell whether every quote of the file stands where the grammar wants it; with `newlines` they may enclose line breaks."""
        d, q = re.escape(self.delimiter), re.escape(self.quote)
        if len(self.delimiter) == 1:
            before, after = b"(?<![^" + d + rb"\r\n])", b"(?![^" + d + rb"\r\n])"
        else:
            before, after = b"(?:(?<=" + d + rb")|(?<![^\r\n]))", b"(?=" + d + rb"|[\r\n]|\Z)"
        free = b"[^" + q + b"]*+"
        found = re.compile(free + b"(?:" + before + self._quoted(newlines) + after + free + b")*+").match(data)
        return found is not None and found.end() == len(data)

    def one_newline(self, data: Buffer) -> bool:
        """Tell whether all records end alike. Those inside quotes don't count: Excel ends records by CRLF, a cell's lines by LF."""
        returns, breaks = _has(data, b"\r"), _has(data, b"\n")
        if not (returns and breaks):
            return True
        free = rb"[^\r\n" + re.escape(self.quote) + b"]*+"
        quoted = b"|" + self._quoted() if self.quote else b""
        found = re.compile(free + rb"(?:(?:\r\n" + quoted + b")" + free + b")*+").match(data)
        return found is not None and found.end() == len(data)

    def escapes_outside(self, data: Buffer) -> bool:
        """Tell whether an escape stands outside quotes, where it is a text like any other; DuckDB would drop it."""
        if self.escape in (b"", self.quote) or not _has(data, self.escape):
            return False
        free = b"[^" + re.escape(self.quote + self.escape) + b"]*+"
        found = re.compile(free + b"(?:" + self._quoted() + free + b")*+").match(data)
        return found is None or found.end() < len(data)

    def copies(self, data: Buffer, start: int, stop: int) -> bool:
        """Tell whether regular records may stay as they are: each ends by LF, and no escape stands outside quotes."""
        return data.find(b"\r", start, stop) < 0 and (self.escape in (b"", self.quote) or data.find(self.escape, start, stop) < 0)

    def shielded(self, records: bytes) -> bytes:
        """Return regular records with quotes around every field that holds an escape outside quotes."""
        if self.escape in (b"", self.quote) or self.escape not in records:
            return records
        free = self._free.removesuffix(b"*+") + b"++"
        return re.sub(self._quoted() + b"|" + free, self._shield, records)

    def _shield(self, found: "re.Match[bytes]") -> bytes:
        field = found[0]
        if field.startswith(self.quote) or self.escape not in field:
            return field
        return self.quote + field.replace(self.escape, self.escape * 2) + self.quote

    def pieces(self, data: Buffer, start: int, width: int) -> Generator[Piece, None, None]:
        """Split a file into runs of regular records and single bad ones, in order; together they are every byte from `start`."""
        size = len(data)
        while start < size:
            found = self.run.match(data, start)
            stop = found.end() if found else start
            if stop > start:
                yield Piece(start, stop, stop)
            if stop < size and not self.record.match(data, stop):
                end = self._bad_end(data, stop, width)
                yield Piece(stop, end, _after(data, end), bad=True)
                stop = _after(data, end)
            start = stop

    def records(self, data: Buffer, start: int, width: int) -> Generator[Piece, None, None]:
        """Split a file into its records, good and bad, in order, without the blank lines."""
        for piece in self.pieces(data, start, width):
            if piece.bad:
                yield piece
                continue
            for found in self.record.finditer(data, piece.start, piece.stop):
                if found.end(1) > found.start():
                    yield Piece(found.start(), found.end(1), found.end())

    def _bad_end(self, data: Buffer, start: int, width: int) -> int:
        """Return where the bad record at `start` ends.

        It ends with the line where it went wrong. Where a quote opened lines before, those in between are either the inside of a cell or
        records that a stray quote swallowed: only if each of them reads as a whole record of the right width by itself is it the latter,
        and the first line alone is bad. A quote that never closes condemns its line alone.
        """
        found = self._good_beginning.match(data, start)
        wrong = _line_end(data, found.end() if found else start)
        first = _line_end(data, start)
        if first >= wrong or not self._reads_as_records(data, _after(data, first), wrong, width):
            return wrong
        return first

    def _reads_as_records(self, data: Buffer, start: int, wrong: int, width: int) -> bool:
        inner = 0
        while width > 1 and start < wrong:
            end = _line_end(data, start)
            found = self.record.match(data, start)
            if end >= wrong and inner:
                return True  # its own line is judged afresh
            if not found or found.end(1) != end or len(self.split(bytes(data[start:end]))) != width:
                return False
            inner, start = inner + 1, _after(data, end)
        return inner > 0

    def split(self, record: bytes) -> list[bytes]:
        """Return a regular record's fields, still quoted."""
        fields, at = [], 0
        while True:
            found = self.field.match(record, at)
            end = found.end() if found else len(record)
            fields.append(record[at:end])
            if end >= len(record):
                return fields
            at = end + len(self.delimiter)

    def text(self, field: bytes) -> str:
        """Return what a field says."""
        q, e = self.quote, self.escape
        if not (q and field.startswith(q)):
            return field.decode()
        inner = field[1:-1]
        return (re.sub(re.escape(e) + b"([" + re.escape(q + e) + b"])", rb"\1", inner) if e else inner).decode()


def _has(data: Buffer, byte: bytes) -> bool:
    return data.find(byte) >= 0


def _line_end(data: Buffer, start: int) -> int:
    found = LINE_END.search(data, start)
    return found.start() if found else len(data)


def _after(data: Buffer, end: int) -> int:
    return end + (2 if data[end : end + 2] == b"\r\n" else 1) if end < len(data) else end
