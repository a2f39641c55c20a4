"""Packed files: gzip is unpacked as a stream, no further than the contract's limits and the disk allow; other packers are told by name."""

import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from core.errors import Terminal
from core.source import Limits
from core.units import size, spoken

GZIP: Final = b"\x1f\x8b"
CHUNK: Final = 1 << 20
STEP: Final = 1 << 16
"""Packed bytes that are looked at at once: what follows a member is copied, and of the smallest ones a step holds thousands."""

FREE: Final = 64 << 20
"""Bytes that any file may unpack to, however small it is."""

PACKERS: Final = (
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"\xff\x06\0\0sNaPpY", "snappy"),
    (b"Rar!\x1a\x07", "rar"),
    *((bytes([0x50 + number]) + b"\x2a\x4d\x18", "zstd or lz4") for number in range(16)),
)
"""How files begin that are packed otherwise: in a legacy encoding their bytes would be letters. The last are frames to be skipped."""


class Damaged(Exception):
    """A gzip that is none, is cut, or is not what its checksums say."""


class TooLarge(Exception):
    """It would become more than it may: what was expected, and what was found."""

    def __init__(self, expected: str, found: str) -> None:
        self.expected, self.found = expected, found
        super().__init__(expected, found)


def packer(head: bytes) -> str:
    """Return who packed a file that begins so; nothing for text."""
    name = next((name for magic, name in PACKERS if head.startswith(magic)), "")
    return "" if name == "bzip2" and head[4:10] != b"1AY&SY" else name  # BZh alone may be text


def gunzip(packed: Path, target: Path, limits: Limits) -> None:
    """Unpack a gzip of any number of members; raises Damaged and TooLarge, Terminal where only its batch is too large for the disk."""
    most, written, measured = size(limits.size), 0, FREE
    with packed.open("rb") as source, target.open("wb") as sink:
        try:
            for text in _members(source):
                written += len(text)
                if written > most:
                    raise TooLarge(f"at most {limits.size} unpacked (limits.size)", f"more than {spoken(most)}")
                if written > FREE and written > limits.ratio * source.tell():
                    raise TooLarge(f"at most {limits.ratio} times its packed size (limits.ratio)", f"{spoken(written)} and no end of it")
                if written > measured:
                    measured = 2 * written
                    _check_room(target, packed, written)
                sink.write(text)
        except zlib.error as error:
            raise Damaged(str(error).removeprefix("Error -3 while decompressing data: ")) from error


def _members(source: BinaryIO) -> Iterator[bytes]:
    """Yield a gzip's content in pieces; zlib itself reads each member's header and compares its checksum and length."""
    packed = source.read(STEP)
    while packed:
        member = zlib.decompressobj(zlib.MAX_WBITS | 16)
        while not member.eof:
            text = member.decompress(packed, CHUNK)
            if text:
                yield text
            if not member.eof:
                packed = member.unconsumed_tail or source.read(STEP)
                if not packed and not text:
                    raise Damaged("it ends early")
        packed = member.unused_data.lstrip(b"\0")  # members may be padded with zeros, and with nothing else
        while not packed and (more := source.read(STEP)):
            packed = more.lstrip(b"\0")


def _check_room(target: Path, packed: Path, written: int) -> None:
    """Leave as much of the disk as the file takes: it may be mended, and what is sorted spills there, too."""
    free = shutil.disk_usage(target.parent).free
    if free >= written:
        return
    ours = {target.name, packed.name}
    others = sum(status.st_size for path in target.parent.iterdir() if path.name not in ours and (status := path.stat()).st_nlink == 1)
    if free + others < written:
        raise TooLarge("half of the free disk to hold it, unpacked", f"more than {spoken(written)}, and {spoken(free)} left")
    raise Terminal(
        "unpacking a batch",
        expected="half of the free disk to hold all of it",
        found=f"{spoken(free)} left",
        remedy="Load its objects one by one, or name a larger disk by LAKELET_WORK.",
    )
