"""Local copies of raw objects: unpacked and decoded to UTF-8 once, as streams. Knows no format and reads no record."""

import codecs
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import BinaryIO

from core.contract import Dataset
from core.errors import Rejected
from core.readers import packed
from core.units import size, spoken

CHUNK = 1 << 20
DECODED = 1 << 16
"""Bytes that are decoded at a time: texts of a megabyte would each be fetched from the system and given back, at three times the cost."""

BOM = "\ufeff"


@dataclass(frozen=True)
class RawFile:
    """A local copy of one raw object, byte for byte: its place in the batch, where it lies, and its key (for messages only).

    `memory` is how many bytes a library may take that reads the file into memory.
    """

    number: int
    path: Path
    name: str
    memory: int = 1 << 30


@dataclass(frozen=True)
class Prepared:
    """A file that its reader can read: unpacked, UTF-8 where it is text, its header checked.

    `header` are the names in the file's own order. `original` is the text as it came where `path` is a mended copy of it; `skip` lines
    of `path` belong to the header, which ends at byte `start` of the original. `sheet` is a workbook's,
    `rows` are (ordinal, row of the sheet) wherever rows were left out between,
    `numbers` the columns that were read as such, too; `types` are those of a Parquet file's columns.
    """

    number: int
    path: Path
    name: str
    header: tuple[str, ...] = ()
    original: Path | None = None
    start: int = 0
    skip: int = 0
    quoted: bool = False
    multiline: bool = False
    sheet: str = ""
    rows: tuple[tuple[int, int], ...] = ()
    numbers: tuple[int, ...] = ()
    types: tuple[str, ...] = ()


def refused(dataset: Dataset, name: str, reason: str, subject: str, *, expected: str = "", found: str = "") -> Rejected:
    """Return the error that sets one object aside, with where it will be and what to do about it."""
    remedy = f"Mend the file or the contract; the file is in rejected/{reason}/."
    return Rejected(reason, f"{dataset.name}: {subject}", expected=expected, found=f"{found} in {name}" if found else name, remedy=remedy)


def unpacked(dataset: Dataset, file: RawFile, work: Path, extension: str) -> Path:
    """Return the file under its number, without gzip (known by its magic).

    Raises Rejected if it is empty, truncated, packed twice, or larger than its limits.
    """
    target = work / f"{file.number:06d}.{extension}"
    if _begins(file.path) == packed.GZIP:
        _gunzip(dataset, file, target)
        found = target.stat().st_size
    else:
        if (found := file.path.stat().st_size) > size(dataset.source.limits.size):
            raise size_exceeded(dataset, file.name, found)
        _link(file.path, target)
    if found == 0:
        raise refused(dataset, file.name, "empty", "the file is empty", found="0 bytes")
    return target


def as_utf8(dataset: Dataset, file: RawFile, path: Path, encoding: str) -> Path:
    """Return the text as UTF-8 without BOM, every byte of it decoded strictly; the same path when it already is just that."""
    decoder = _decoder(dataset, file, encoding)
    target = path.with_name(f"{path.stem}.utf8{path.suffix}")
    with path.open("rb") as source:
        begins = source.read(10)
        source.seek(0)
        if packer := packed.packer(begins):
            raise refused(dataset, file.name, "unreadable", "the file is packed", expected="text, or gzip", found=packer)
        plain = codecs.lookup(encoding).name == "utf-8" and not begins.startswith(codecs.BOM_UTF8)
        with open_nothing() if plain else target.open("wb") as sink:
            _decode(dataset, file, source, sink, decoder)
    if not plain:
        target.replace(path)
        if path.stat().st_size == 0:
            raise refused(dataset, file.name, "empty", "the file is empty", found="a byte order mark and nothing else")
    return path


def too_large(dataset: Dataset, name: str, subject: str, expected: str, found: str) -> Rejected:
    """Return the error of a file that is more than its contract allows, or the machine can take."""
    remedy = "Cut the file, raise the limit that is named, or give it more memory; then replay it. The file is in rejected/too_large/."
    return Rejected("too_large", f"{dataset.name}: {subject}", expected=expected, found=f"{found} in {name}", remedy=remedy)


def record_exceeded(dataset: Dataset, name: str, where: str = "") -> Rejected:
    """Return the error of a file that holds a longer record than its contract allows."""
    limit = dataset.source.limits.record
    return too_large(dataset, name, "a record is too long", f"at most {limit} (limits.record)", f"a longer one{where}")


def check_lines(dataset: Dataset, name: str, data: mmap) -> None:
    """Raise Rejected for a line that is longer than a record may be.

    DuckDB takes several times its size to say so, and may drop the last one, or take it (issue 25825).
    """
    start, longest = 0, size(dataset.source.limits.record)
    while len(data) - start > longest:
        window = (start, start + longest + 1)
        end = data.rfind(b"\n", *window)
        if end < 0:
            end = data.rfind(b"\r", *window)
        if end < 0:
            raise record_exceeded(dataset, name, f" at byte {start}")
        start = end + 1


def size_exceeded(dataset: Dataset, name: str, found: int) -> Rejected:
    """Return the error of a file that has more bytes than its contract allows."""
    return too_large(dataset, name, "the file is too large", f"at most {dataset.source.limits.size} (limits.size)", spoken(found))


@contextmanager
def open_nothing() -> Iterator[None]:
    """Stand in for a file that nobody needs."""
    yield None


@contextmanager
def mapped(path: Path) -> Iterator[mmap]:
    """Map a file that is not empty into memory, to be searched in place."""
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        yield data


def _begins(path: Path, size: int = 2) -> bytes:
    with path.open("rb", buffering=0) as file:
        return file.read(size)


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except FileExistsError:  # from an earlier try
        target.unlink()
        _link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)


def _gunzip(dataset: Dataset, file: RawFile, target: Path) -> None:
    target.unlink(missing_ok=True)  # it may be the raw object itself
    try:
        packed.gunzip(file.path, target, dataset.source.limits)
    except packed.Damaged as error:
        target.unlink()
        raise refused(
            dataset, file.name, "unreadable", "the gzip is truncated or damaged", expected="a whole gzip file", found=str(error)
        ) from error
    except packed.TooLarge as error:
        target.unlink()
        raise too_large(dataset, file.name, "the file unpacks to too much", error.expected, error.found) from error
    if _begins(target) == packed.GZIP:
        raise refused(dataset, file.name, "unreadable", "the file is packed twice", expected="one gzip", found="a gzip inside a gzip")


def _decoder(dataset: Dataset, file: RawFile, encoding: str) -> codecs.IncrementalDecoder:
    try:
        known = codecs.lookup(encoding)
    except LookupError:
        known = None
    if known is None or known.incrementaldecoder is None or not getattr(known, "_is_text_encoding", True):
        raise refused(
            dataset, file.name, "unreadable", "the contract's encoding is unknown", expected="a text encoding", found=repr(encoding)
        )
    return known.incrementaldecoder("strict")


def _decode(dataset: Dataset, file: RawFile, source: BinaryIO, sink: BinaryIO | None, decoder: codecs.IncrementalDecoder) -> None:
    offset, first = 0, True
    while True:
        chunk = source.read(DECODED)
        pending = len(decoder.getstate()[0])
        try:
            text = decoder.decode(chunk, final=not chunk)
            encoded = (text.removeprefix(BOM) if first else text).encode() if sink else b""
        except UnicodeError as error:
            at = offset - pending + getattr(error, "start", 0)
            raise refused(
                dataset, file.name, "unreadable", "the text is not in its declared encoding", found=f"an undecodable byte at offset {at}"
            ) from error
        if sink:
            sink.write(encoded)
        first = first and not text
        offset += len(chunk)
        if not chunk:
            return
