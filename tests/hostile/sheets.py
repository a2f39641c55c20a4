"""Workbooks written by hand, part by part, so that each may lie."""

import io
import struct
import warnings
import zipfile
from collections.abc import Iterable, Mapping
from typing import Final
from xml.sax.saxutils import escape

from tests.faults.files import text, xlsx_file

SHEET: Final = "xl/worksheets/sheet1.xml"
BOOK: Final = "xl/workbook.xml"
LINKS: Final = "xl/_rels/workbook.xml.rels"
STRINGS: Final = "xl/sharedStrings.xml"
STYLES: Final = "xl/styles.xml"
MAIN: Final = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
RELATED: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
XML: Final = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'


def inline(place: str, value: str) -> str:
    """Return a cell with its text in it; the text is XML."""
    return f'<c r="{place}" t="inlineStr"><is><t>{value}</t></is></c>'


def shared(place: str, number: int | str) -> str:
    """Return a cell that refers to a shared string."""
    return f'<c r="{place}" t="s"><v>{number}</v></c>'


def row(number: int, *cells: str) -> str:
    return f'<row r="{number}">{"".join(cells)}</row>'


def record(number: int, identity: int, value: str) -> str:
    """Return a row of (id, v)."""
    return row(number, f'<c r="A{number}"><v>{identity}</v></c>', inline(f"B{number}", value))


HEAD: Final = row(1, inline("A1", "id"), inline("B1", "v"))
ONE: Final = record(2, 1, "x")
TWO: Final = ONE + record(3, 2, "y")


def sheet(rows: str, *, before: str = "", after: str = "", doctype: str = "") -> bytes:
    """Return a sheet's XML."""
    return f"{XML}{doctype}<worksheet {MAIN}>{before}<sheetData>{rows}</sheetData>{after}</worksheet>".encode()


def parts() -> dict[str, bytes]:
    """Return the parts of a good workbook, whose sheet holds TWO."""
    with zipfile.ZipFile(io.BytesIO(xlsx_file([text("a")]))) as archive:
        return {**{name: archive.read(name) for name in archive.namelist()}, SHEET: sheet(HEAD + TWO)}


def packed(entries: Mapping[str, bytes] | Iterable[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a ZIP of these entries in their order; names may stand twice."""
    sink = io.BytesIO()
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(sink, "w", method, compresslevel=9) as archive:
        for name, content in entries.items() if isinstance(entries, Mapping) else entries:
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return sink.getvalue()


def book(rows: str = HEAD + TWO, **options: str) -> bytes:
    """Return a workbook whose sheet holds these rows."""
    return packed({**parts(), SHEET: sheet(rows, **options)})


def with_strings(strings: str, rows: str, *, told: str = "", doctype: str = "") -> bytes:
    """Return a workbook with shared strings (XML of <si>)."""
    link = f'<Relationship Id="c" Type="{RELATED}/sharedStrings" Target="sharedStrings.xml"/></Relationships>'.encode()
    content = f"{XML}{doctype}<sst {MAIN}{told}>{strings}</sst>".encode()
    links = parts()[LINKS].replace(b"</Relationships>", link)
    return packed({**parts(), LINKS: links, STRINGS: content, SHEET: sheet(rows)})


def strings(*values: str) -> str:
    return "".join(f"<si><t>{escape(value)}</t></si>" for value in values)


def replaced(name: str, before: str, after: str) -> bytes:
    """Return a workbook in one part of which a text is another."""
    content = parts()[name]
    assert before.encode() in content, before
    return packed({**parts(), name: content.replace(before.encode(), after.encode())})


def without(name: str) -> bytes:
    return packed({other: content for other, content in parts().items() if other != name})


def stuffed(size: int, filler: bytes) -> bytes:
    """Return a workbook whose sheet holds `size` bytes of filler between its rows, packed as small as can be."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in parts().items():
            if name != SHEET:
                archive.writestr(name, content)
        with archive.open(SHEET, "w", force_zip64=True) as part:
            before, after = sheet(HEAD + "SPLIT" + TWO).split(b"SPLIT")
            part.write(before)
            block = filler * (1_000_000 // len(filler))
            for _ in range(size // len(block)):
                part.write(block)
            part.write(after)
    return sink.getvalue()


def column(number: int) -> str:
    """Return a column's letters: A for 1."""
    letters = ""
    while number:
        number, place = divmod(number - 1, 26)
        letters = chr(65 + place) + letters
    return letters


# --- archives that lie ---------------------------------------------------------------------------------------------------------------


def with_size(size: int) -> bytes:
    """Return a workbook whose last entry, the sheet, says that it is of another size."""
    content = bytearray(packed({**parts(), SHEET: sheet(HEAD + TWO)}))
    struct.pack_into("<I", content, content.rindex(b"PK\x01\x02") + 24, size)
    struct.pack_into("<I", content, content.rindex(b"PK\x03\x04") + 22, size)
    return bytes(content)


def with_password() -> bytes:
    """Return a workbook whose entries say that they are encrypted."""
    content = bytearray(book())
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(mark)
        while at >= 0:
            content[at + flags] |= 1
            at = content.find(mark, at + 4)
    return bytes(content)


def overlapping() -> bytes:
    """Return a workbook whose entries share their bytes, as Fifield's bombs do: each directory entry points at the same data."""
    content = bytearray(packed([*parts().items(), ("xl/media/a.bin", b"0" * 100_000), ("xl/media/b.bin", b"0" * 100_000)]))
    last = content.rindex(b"PK\x01\x02")
    before = content.rindex(b"PK\x01\x02", 0, last)
    content[last + 42 : last + 46] = content[before + 42 : before + 46]
    return bytes(content)


def with_damage() -> bytes:
    """Return a workbook that is stored uncompressed, with one letter of a cell changed: only its checksum knows."""
    content = packed(parts(), zipfile.ZIP_STORED)
    assert content.count(b"<t>x</t>") == 1
    return content.replace(b"<t>x</t>", b"<t>z</t>")
