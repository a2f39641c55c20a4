"""The ZIP that a workbook is: checked, weighed and laid out anew, uncompressed, before the library that reads cells sees any of it.

That library (calamine, in fastexcel 0.21) checks no checksum, makes room for whatever a file says that it holds, and where memory is
refused to it the whole process ends. So it gets a copy of the parts that it needs, each byte of which was read here, if that will fit.
"""

import errno
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from core.errors import Terminal
from core.readers.cells import Cells, Odd, parsed, usual, width

CHUNK: Final = 1 << 20
BOOK: Final = "xl/workbook.xml"
LINKS: Final = "xl/_rels/workbook.xml.rels"
STRINGS: Final = "xl/sharedstrings.xml"
PARTS: Final = ("[content_types].xml", "_rels/.rels", BOOK, LINKS, "xl/styles.xml", STRINGS)
COUNTS: Final = re.compile(rb"\s(?:count|uniqueCount)\s*=\s*[\"'][^\"']*[\"']")
SHARED: Final = re.compile(rb"""\st\s*=\s*["']s["']""")
REFERENCE: Final = re.compile(rb"""\st\s*=\s*["']s["'][^>]*>(?:<(?:\w+:)?f[\s>][^<]*</(?:\w+:)?f>)?\s*<(?:\w+:)?v>\s*(\d{1,9})\s*<""")
END: Final = re.compile(rb"</(?:\w+:)?si>")
OLD: Final = bytes.fromhex("d0cf11e0a1b11ae1")
DAMAGED: Final = (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError, OSError, zlib.error, struct.error)

BYTE: Final = 4
CELL: Final = 64
"""Bytes of memory that a byte of XML or text, and a place of the sheet's grid, take at most while a sheet is read; measured."""


class TooLarge(Exception):
    """What a workbook holds, in words, where reading it would take more memory than there is."""


def sheets(path: Path) -> dict[str, str]:
    """Return a workbook's sheets in order, by name, with the parts that hold them; raises Odd."""
    with path.open("rb") as file:
        if file.read(len(OLD)) == OLD:
            raise Odd("an .xls file, or one with a password")
    try:
        with zipfile.ZipFile(path) as archive:
            book, links = (ElementTree.fromstring(_small(archive, name)) for name in (BOOK, LINKS))
    except (*DAMAGED, ElementTree.ParseError, LookupError) as error:
        raise _refusal(error) from error
    targets = {link.get("Id"): link.get("Target", "") for link in links}
    found: dict[str, str] = {}
    for element in book.iter():
        if element.tag.rpartition("}")[2] == "sheet":
            link = next((value for name, value in element.items() if name.endswith("}id")), None)
            found.setdefault(element.get("name", ""), _part(targets.get(link, "")))
    if not found:
        raise Odd("no sheet")
    return found


def repacked(path: Path, part: str, target: Path, memory: int) -> Cells:
    """Copy what one sheet needs, and say what the sheet holds; raises Odd, or TooLarge for what would take more than `memory` bytes."""
    try:
        with zipfile.ZipFile(path) as archive, zipfile.ZipFile(target, "w") as copy:
            if _entry(archive, part) is None:
                raise Odd("no part for its sheet")
            found, size = _copied(archive, part, copy, memory)
    except DAMAGED as error:
        raise _refusal(error) from error
    if found is None:
        found = parsed(target, part)
    elif found.rows * found.columns * CELL > memory // 8:  # at most so wide, by the length of the columns' names
        found = replace(found, columns=width(target, part))
    left = memory - size * BYTE - found.rows * found.columns * CELL
    text = _text(target, part, found.values, left // BYTE)
    if text * BYTE > left:
        raise TooLarge(f"{found.rows:,} rows and {found.columns:,} columns, with {(size + text) >> 20:,} MiB of text")
    return found


def _copied(archive: zipfile.ZipFile, part: str, copy: zipfile.ZipFile, memory: int) -> tuple[Cells | None, int]:
    """Copy the parts; return what the sheet holds, where that could be told, and how many bytes they have."""
    found, size = None, 0

    def read(entry: zipfile.ZipInfo) -> Iterator[bytes]:
        nonlocal size
        with archive.open(entry) as source:  # to its end, where the checksum is compared
            while chunk := source.read(CHUNK):
                size += len(chunk)
                if size * BYTE > memory:
                    raise TooLarge(f"more than {size >> 20:,} MiB of XML")
                yield chunk

    for name in dict.fromkeys((*PARTS, part)):
        if (entry := _entry(archive, name)) is None:
            continue
        with copy.open(name, "w", force_zip64=True) as sink:
            if name == part:
                found = usual(read(entry), sink)
                continue
            for number, chunk in enumerate(read(entry)):
                sink.write(_without_counts(chunk) if name == STRINGS and number == 0 else chunk)
    return found, size


def _entry(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo | None:
    entries = [entry for entry in archive.infolist() if entry.filename.replace("\\", "/").lower() == name.lower()]
    if len(entries) > 1:
        raise Odd(f"two parts that are named {name}")
    return entries[0] if entries else None


def _small(archive: zipfile.ZipFile, name: str) -> bytes:
    entry = _entry(archive, name)
    if entry is None:
        raise Odd(f"no part {name}")
    with archive.open(entry) as source:
        content = source.read(CHUNK)
        if source.read(1):
            raise Odd(f"{name} of more than 1 MiB")
    if b"<!DOCTYPE" in content:
        raise Odd("a document type declaration")
    return content


def _part(target: str) -> str:
    name = target.replace("\\", "/").lstrip("/")
    return name if name.lower().startswith("xl/") else f"xl/{name}"


def _without_counts(head: bytes) -> bytes:
    """Take away how many strings there are said to be, for which room is made at once."""
    start, tag, rest = head.partition(b"sst")
    told, close, after = rest.partition(b">")
    return start + tag + COUNTS.sub(b"", told) + close + after


def _text(path: Path, part: str, cells: int, limit: int) -> int:
    """Return the bytes of the shared strings of all cells, which may be many times their file; at most, where that is below the limit."""
    with zipfile.ZipFile(path) as archive:
        if STRINGS not in archive.namelist():
            return 0
        lengths = [len(text) for text in _each(archive.read(STRINGS))]
        most = max(lengths, default=0)
        if most * cells <= limit:
            return most * cells
        data = archive.read(part)
    used = [int(number) for number in REFERENCE.findall(data)]
    rest = len(SHARED.findall(data)) - len(used)
    return sum(lengths[number] for number in used if number < len(lengths)) + rest * most


def _each(strings: bytes) -> list[bytes]:
    return strings.split(b"</si>") if b"</si>" in strings else END.split(strings)


def _refusal(error: Exception) -> Exception:
    """Return what is wrong with the workbook, or with the disk: an OSError other than for a place before the beginning of the file."""
    if isinstance(error, OSError) and error.errno != errno.EINVAL:
        found = error.strerror or type(error).__name__
        return Terminal("copying a workbook", expected="room on the local disk", found=found, remedy="Name a larger disk by LAKELET_WORK.")
    return Odd(_said(error))


def _said(error: Exception) -> str:
    if isinstance(error, zipfile.BadZipFile):
        return f"a ZIP that is truncated or damaged ({error})"
    return "a part with a password, or packed in an unknown way" if isinstance(error, RuntimeError) else "a part that is damaged"
