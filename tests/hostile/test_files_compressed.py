"""Packed files that lie: bombs, cut ones, bent ones, other packers. Each costs itself only, and a limit stops it, not a timeout."""

import gzip
import io
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pytest

from core.errors import Terminal
from core.readers import packed
from core.source import Limits
from tests.faults.figures import LONG
from tests.hostile.alone import Loader
from tests.hostile.figures import FIGURES
from tests.hostile.files import CSV, JSONL, Body, M, deliver

PLAIN: Final = b"id,amount\n1,x\n2,y\n"
WHOLE: Final = gzip.compress(PLAIN, mtime=0)
HEAD: Final = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
ROWS: Final = [(1, "x"), (2, "y")]


def bomb(begin: bytes, piece: bytes, times: int) -> bytes:
    """Return a gzip of one member that goes on as long as one likes: a piece that is packed once, and repeated as it is."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    first = packer.compress(begin) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(piece) + packer.flush(zlib.Z_FULL_FLUSH)
    return HEAD + first + again * times + b"\x03\0" + struct.pack("<II", 0, 0)


def zipped(content: bytes | None) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        if content is not None:
            archive.writestr("orders.csv", content)
    return target.getvalue()


def zstd(content: bytes) -> bytes:
    return bytes(pa.compress(content, codec="zstd", asbytes=True))


def flagged(flags: int, extra: bytes) -> bytes:
    """Return the whole gzip with flags in its header, and what they announce."""
    return HEAD[:3] + bytes([flags]) + HEAD[4:] + extra + WHOLE[10:]


LOADED: Final[Mapping[str, bytes]] = {
    "without the ending": WHOLE,
    "not packed.gz": PLAIN,
    "concatenated": gzip.compress(PLAIN[:14]) + gzip.compress(PLAIN[14:]),
    "cut within a record": gzip.compress(PLAIN[:15]) + gzip.compress(PLAIN[15:]),
    "empty members": gzip.compress(b"") * 5 + WHOLE + gzip.compress(b"") * 5,
    "padded with zeros": WHOLE + b"\0" * 100_000,
    "padded between members": gzip.compress(PLAIN[:14]) + b"\0" * 70_000 + gzip.compress(PLAIN[14:]),
    "named": flagged(8, b"../../etc/passwd\0"),
    "stored": gzip.compress(PLAIN, 0),
    "with extra": flagged(4, struct.pack("<H", 65_535) + b"x" * 65_535),
}
"""Odd, and whole."""

DAMAGED: Final[Mapping[str, bytes]] = {
    "two bytes": WHOLE[:2],
    "cut in the header": WHOLE[:5],
    "cut in a name": HEAD[:3] + b"\x08" + HEAD[4:] + b"orders",
    "cut in the middle": WHOLE[: len(WHOLE) // 2],
    "without trailer": WHOLE[:-8],
    "cut in the trailer": WHOLE[:-4],
    "a byte short": WHOLE[:-1],
    "wrong checksum": WHOLE[:-8] + bytes([WHOLE[-8] ^ 1]) + WHOLE[-7:],
    "wrong length": WHOLE[:-4] + struct.pack("<I", len(PLAIN) + 1),
    "wrong length by 4 GB": WHOLE[:-4] + struct.pack("<I", 0),
    "second member damaged": WHOLE + WHOLE[:-8] + bytes(8),
    "second member cut": WHOLE + WHOLE[:12],
    "trailing garbage": WHOLE + b"garbage",
    "trailing text": WHOLE + PLAIN,
    "a trailing newline": WHOLE + b"\n",
    "garbage after zeros": WHOLE + b"\0" * 70_000 + b"x",
    "unknown method": WHOLE[:2] + b"\x09" + WHOLE[3:],
    "reserved flags": WHOLE[:3] + b"\xe0" + WHOLE[4:],
    "wrong checksum of the header": flagged(2, b"\0\0"),
    "bent in the middle": WHOLE[:14] + bytes([WHOLE[14] ^ 0xFF]) + WHOLE[15:],
    "packed twice": gzip.compress(WHOLE),
    "packed three times": gzip.compress(gzip.compress(WHOLE)),
}

OTHERS: Final[Mapping[str, bytes]] = {
    "zip": zipped(PLAIN),
    "zip.csv": zipped(PLAIN * 1000),
    "an empty zip": zipped(None),
    "zip in gzip": gzip.compress(zipped(PLAIN)),
    "zstd": zstd(PLAIN),
    "zstd, cut": zstd(PLAIN * 100)[:-5],
    "zstd, a bomb": zstd(b"\0" * 100 * M),
    "zstd in gzip": gzip.compress(zstd(PLAIN)),
    "zstd, a window of 2 GB": b"\x28\xb5\x2f\xfd\x00\xa8" + b"\x01\0\0",
    "zstd behind a frame to be skipped": b"\x5f\x2a\x4d\x18" + struct.pack("<I", 4) + b"skip" + zstd(PLAIN),
    "zstd, a frame to be skipped of 4 GB": b"\x50\x2a\x4d\x18" + struct.pack("<I", 0xFFFFFFFF),
    "bzip2": b"BZh91AY&SY" + bytes(30),
    "xz": b"\xfd7zXZ\0" + bytes(30),
    "7z": b"7z\xbc\xaf\x27\x1c" + bytes(30),
    "lz4": b"\x04\x22\x4d\x18" + bytes(30),
    "rar": b"Rar!\x1a\x07\x01\0" + bytes(30),
    "snappy": b"\xff\x06\0\0sNaPpY" + bytes(30),
}

LENIENT: Final = {"format": "csv", "options": {"encoding": "latin-1", "header": False, "quote": ""}, "unknown_columns": "ignore"}
"""A dialect that takes any bytes for letters."""


def test_an_odd_gzip_that_is_whole_is_loaded(alone: Loader, tmp_path: Path) -> None:
    told = deliver(alone, tmp_path, CSV, LOADED)
    assert dict(told.fates) == dict.fromkeys(LOADED, "loaded")
    assert [told.rows(name) for name in LOADED] == [ROWS] * len(LOADED)
    FIGURES.count("packed", "odd and loaded", len(LOADED))


def test_a_damaged_gzip_is_set_aside_with_what_is_wrong(alone: Loader, tmp_path: Path) -> None:
    told = deliver(alone, tmp_path, CSV, DAMAGED)
    assert dict(told.fates) == dict.fromkeys(DAMAGED, "rejected unreadable")
    assert "incorrect data check" in told.report("wrong checksum")["found"]
    assert "incorrect length check" in told.report("wrong length")["found"]
    assert "it ends early" in told.report("without trailer")["found"]
    assert "a gzip inside a gzip" in told.report("packed twice")["found"]
    FIGURES.count("packed", "damaged", len(DAMAGED))


@pytest.mark.parametrize("source", [CSV, JSONL, LENIENT], ids=["csv", "jsonl", "a dialect that takes any bytes"])
def test_another_packer_is_told_by_name(alone: Loader, tmp_path: Path, source: Mapping[str, Any]) -> None:
    told = deliver(alone, tmp_path, source, OTHERS)
    assert dict(told.fates) == dict.fromkeys(OTHERS, "rejected unreadable")
    for name in OTHERS:
        assert name.split(",")[0].split()[0] in told.report(name)["found"] or " " in name, name
    FIGURES.count("packed", "of another packer", len(OTHERS))


def test_an_empty_object_or_one_that_unpacks_to_nothing_is_empty(alone: Loader, tmp_path: Path) -> None:
    empty = {"nothing.gz": b"", "packed": gzip.compress(b""), "members": gzip.compress(b"") * 100, "a byte": gzip.compress(b"\n")}
    told = deliver(alone, tmp_path, CSV, empty)
    assert dict(told.fates) == dict.fromkeys(empty, "rejected empty")
    FIGURES.count("packed", "empty", len(empty))


RATIO: Final = "at most 200 times its packed size (limits.ratio)"
BOMBS: Final[Mapping[str, tuple[Mapping[str, Any], Callable[[], bytes], str]]] = {
    "10 GB of rows in 10 MB": (CSV, lambda: bomb(b"id,amount\n", b"1,x\n" * 6 * M, 400), RATIO),
    "10 GB in one line": (CSV, lambda: bomb(b"id,amount\n1,", b"0" * 25 * M, 400), RATIO),
    "10 GB of NUL": (CSV, lambda: bomb(b"", bytes(25 * M), 400), RATIO),
    "10 GB in 1,000 members": (CSV, lambda: gzip.compress(b"id,amount\n1,") + gzip.compress(b"x" * 10 * M) * 1000, RATIO),
    "10 GB of lines of JSON": (JSONL, lambda: bomb(b"", b'{"id":1,"amount":"x"}\n' * M, 450), RATIO),
    "10 GB in a key of JSON": (JSONL, lambda: bomb(b'{"', b"k" * 25 * M, 400), RATIO),
    "a bomb behind 10 MB that are none": (CSV, lambda: gzip.compress(b"id,amount\n" + noise()) + bomb(b"", b"1,x\n" * 6 * M, 400), RATIO),
    "1 GB where the contract allows 100 MB": (
        {"format": "csv", "limits": {"ratio": 5000, "size": "100MB"}},
        lambda: bomb(b"id,amount\n", b"1,x\n" * 6 * M, 40),
        "at most 100MB unpacked (limits.size)",
    ),
}


def noise() -> bytes:
    return b"".join(b"%d,%s\n" % (number, os.urandom(100).hex().encode()) for number in range(50_000 if LONG else 5_000))


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_stopped_by_a_limit(alone: Loader, tmp_path: Path, name: str) -> None:
    source, body, expected = BOMBS[name]
    told = deliver(alone, tmp_path, source, {"bomb.gz": body()}, patience=60)
    assert dict(told.fates) == {"bomb.gz": "rejected too_large"}
    assert told.report("bomb.gz")["expected"] == expected
    FIGURES.count("packed", "bombs")


def test_a_batch_of_bombs_leaves_the_disk_as_it_was(alone: Loader, tmp_path: Path) -> None:
    bombs: dict[str, Body] = dict.fromkeys(map(str, range(1, 10 if LONG else 5)), bomb(b"id,amount\n", b"1,x\n" * 6 * M, 100))
    bombs = {f"{name}.gz": body for name, body in bombs.items()}
    assert set(deliver(alone, tmp_path, CSV, bombs).fates.values()) == {"rejected too_large"}
    FIGURES.count("packed", "bombs", len(bombs))


def test_what_is_packed_well_is_no_bomb(alone: Loader, tmp_path: Path) -> None:
    """25 MB at 1,000 to 1, and 200 MB at less than 200 to 1."""
    line = b"1," + b"x" * M + b"\n"
    files: dict[str, Body] = {"small.gz": gzip.compress(b"id,amount\n" + line * 25)}
    if LONG:
        body = b"id,amount\n" + b"".join(b"%d,%032x%s\n" % (number, number**6, b"x" * 3000) for number in range(70_000))
        files["large.gz"] = gzip.compress(body)
        assert 50 < len(body) / len(files["large.gz"]) < 200  # type: ignore[arg-type]
    told = deliver(alone, tmp_path, CSV, files)
    assert set(told.fates.values()) == {"loaded"}
    assert told.world.values("select length(amount) from odd where id = 1 and starts_with(_source, 'raw/odd/small')") == [M] * 25
    FIGURES.count("packed", "odd and loaded", len(files))


SLOW: Final[Mapping[str, Callable[[], bytes]]] = {
    "members of nothing": lambda: WHOLE + gzip.compress(b"") * (M if LONG else M // 10),
    "a name of 200 MB": lambda: HEAD[:3] + b"\x08" + HEAD[4:] + b"n" * (200 * M if LONG else 50 * M) + b"\0" + WHOLE[10:],
    "zeros behind it": lambda: WHOLE + bytes(200 * M if LONG else 50 * M),
}


@pytest.mark.parametrize("name", SLOW)
def test_what_is_long_and_holds_nothing_takes_no_time(alone: Loader, tmp_path: Path, name: str) -> None:
    told = deliver(alone, tmp_path, CSV, {"slow.gz": SLOW[name]()}, patience=20)
    assert told.rows("slow.gz") == ROWS
    FIGURES.count("packed", "odd and loaded")


# --- the disk ------------------------------------------------------------------------------------------------------------------------


class Disk:
    """A disk of which so much is free."""

    def __init__(self, free: int) -> None:
        self.free = free


def unpack(work: Path, free: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unpack 100 MB of a file that is no bomb onto a disk of which so much is free."""
    monkeypatch.setattr("core.readers.packed.shutil.disk_usage", lambda _: Disk(free))
    (work / "000000.raw").write_bytes(bomb(b"", b"x" * 10 * M, 10)[:-8] + struct.pack("<II", zlib.crc32(b"x" * 100 * M), 100 * M))
    packed.gunzip(work / "000000.raw", work / "000000.csv", Limits(ratio=2000))


def test_a_file_that_does_not_fit_onto_the_disk_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unpack(tmp_path, 200 * M, monkeypatch)
    with pytest.raises(packed.TooLarge) as caught:
        unpack(tmp_path, 10 * M, monkeypatch)
    assert caught.value.expected == "half of the free disk to hold it, unpacked"
    FIGURES.count("packed", "larger than the disk")


def test_a_file_for_which_its_batch_leaves_no_room_is_not_to_blame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "000001.csv").open("wb") as file:
        file.truncate(200 * M)
    with pytest.raises(Terminal, match="unpacking a batch: expected half of the free disk"):
        unpack(tmp_path, 10 * M, monkeypatch)
    FIGURES.count("packed", "larger than the disk")
