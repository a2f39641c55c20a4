"""Bits flipped, bytes taken out, put in, cut off: what is loaded then is what an independent reader reads of the same bytes, or nothing is.

Text formats may become another valid text, which nobody can tell from a right one; gzip, and the ZIP of a workbook, carry checksums.
"""

import csv
import gzip
import io
import json
import random
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter

from tests.faults.figures import LONG
from tests.faults.oracle import assert_sound
from tests.hostile.alone import FUNCTION, Ended, Loader
from tests.hostile.figures import FIGURES
from tests.world import World

FLIPS: Final = 2000 if LONG else 200
DECLARED: Final = """
dataset: NAME
source: {path: raw/NAME/, format: FORMAT}
columns: [{name: id}, {name: v}, {name: d}]
target: {path: processed/NAME/}
"""
Row = tuple[str | None, ...]
TRUTH: Final[list[Row]] = [(str(n), f'text {n % 7}, "naïve" ✓', str(date(2026, 1, 1) + timedelta(n))) for n in range(60)]
HEADER: Final = ("id", "v", "d")


def _csv() -> bytes:
    sink = io.StringIO()
    csv.writer(sink, lineterminator="\n").writerows([HEADER, *TRUTH])
    return sink.getvalue().encode()


def _records() -> list[str]:
    return [json.dumps(dict(zip(HEADER, row, strict=True)), ensure_ascii=False) for row in TRUTH]


def _parquet(codec: str) -> bytes:
    sink = io.BytesIO()
    columns = dict(zip(HEADER, zip(*TRUTH, strict=True), strict=True))
    pq.write_table(pa.table({name: list(values) for name, values in columns.items()}), sink, compression=codec, row_group_size=25)
    return sink.getvalue()


def _xlsx() -> bytes:
    sink = io.BytesIO()
    with xlsxwriter.Workbook(sink, {"in_memory": True}) as book:
        page, day = book.add_worksheet(), book.add_format({"num_format": "yyyy-mm-dd"})
        page.write_row(0, 0, HEADER)
        for number, (identity, text, moment) in enumerate(TRUTH, 1):
            page.write_row(number, 0, [identity, text])
            page.write_datetime(number, 2, date.fromisoformat(str(moment)), day)
    return sink.getvalue()


# --- independent readers: None for a record that is none, an error for a file that is none ----------------------------------------------


def _read_csv(content: bytes) -> list[Row | None]:
    rows: list[list[str]] = []
    lines = io.StringIO(content.decode(), newline="")
    while lines.tell() < len(lines.getvalue()):
        try:
            rows.extend(row for row in csv.reader(iter(lines.readline, ""), strict=True) if row)
        except csv.Error:  # go on in the next line
            rows.append([])
    assert sorted(rows[0]) == sorted(HEADER)
    return [tuple(row[rows[0].index(name)] or None for name in HEADER) if len(row) == len(HEADER) else None for row in rows[1:]]


def _refuse(name: str) -> str:
    raise ValueError(name)


def _record(value: Any) -> Row | None:
    if not isinstance(value, list) or not Counter(name for name, _ in value) <= Counter(HEADER):
        return None
    found = dict(value)
    return tuple(None if found.get(name) is None else str(found[name]) for name in HEADER)


def _pairs(text: str) -> Any:
    return json.loads(text, object_pairs_hook=list, parse_int=str, parse_float=str, parse_constant=_refuse)


def _read_line(line: str) -> Row | None:
    try:
        return _record(_pairs(line))
    except ValueError:
        return None


def _read_jsonl(content: bytes) -> list[Row | None]:
    return [_read_line(line) for line in content.decode().replace("\r\n", "\n").split("\n") if line.strip()]


def _read_json(content: bytes) -> list[Row | None]:
    return [_record(value) for value in _pairs(content.decode())]


def _read_parquet(content: bytes) -> list[Row | None]:
    table = pq.read_table(io.BytesIO(content)).select(list(HEADER))
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def _whole(_: bytes) -> list[Row | None]:
    raise ValueError("a damaged file of this kind holds no row")


def _unpacked(read: Callable[[bytes], list[Row | None]]) -> Callable[[bytes], list[Row | None]]:
    return lambda content: read(gzip.decompress(content))


FORMATS: Final[Mapping[str, tuple[str, bytes, Callable[[bytes], list[Row | None]]]]] = {
    "csv": ("csv", _csv(), _read_csv),
    "csv_gz": ("csv", gzip.compress(_csv(), mtime=0), _unpacked(_read_csv)),
    "jsonl": ("jsonl", "\n".join(_records()).encode() + b"\n", _read_jsonl),
    "jsonl_gz": ("jsonl", gzip.compress("\n".join(_records()).encode(), mtime=0), _unpacked(_read_jsonl)),
    "json": ("json", f"[{', '.join(_records())}]".encode(), _read_json),
    "xlsx": ("xlsx", _xlsx(), _whole),
    "parquet": ("parquet", _parquet("zstd"), _read_parquet),
    "parquet_plain": ("parquet", _parquet("none"), _read_parquet),
}

UNPROVEN: Final = ("parquet_plain",)
"""What carries no checksum, and is not packed, so that nothing in it contradicts another byte."""


def bent(content: bytes, chance: random.Random) -> bytes:
    """Return the content with one to three things done to it."""
    changed = bytearray(content)
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        at = chance.randrange(len(changed))
        match chance.choice(["flip"] * 4 + ["set", "take out", "put in", "cut"]):
            case "flip":
                changed[at] ^= 1 << chance.randrange(8)
            case "set":
                changed[at] = chance.choice(b'\0\n\r",;{}[]\\ \xff9')
            case "take out":
                del changed[at : at + chance.choice([1, 1, 1, 2, 16])]
            case "put in":
                changed[at:at] = chance.randbytes(chance.choice([1, 1, 4]))
            case "cut":
                del changed[at:]
        if not changed:
            return b"\0"
    return bytes(changed)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory, alone: Loader) -> tuple[World, Ended, dict[str, bytes]]:
    """A lake of one dataset a format, each with its share of bent files, all of a format in one batch; a crash or a hang fails it."""
    home = tmp_path_factory.mktemp("flips")
    world, bodies = World(home, str(home / "lake")), {}
    for name, (kind, content, _) in FORMATS.items():
        world.declare(DECLARED.replace("NAME", name).replace("FORMAT", kind))
        for number in range(FLIPS // len(FORMATS)):
            bodies[f"raw/{name}/{number:05d}"] = bent(content, random.Random(f"{name} {number}"))
        bodies[f"raw/{name}/good"] = content
    for key, body in bodies.items():
        world.put(key, body)
    done = alone.load(world.home, world.uri, memory=f"{FUNCTION // 2}MiB", patience=600 if LONG else 120)
    return world, done, bodies


def _is_part(found: list[Row], whole: list[Row | None]) -> bool:
    rest = iter(whole)
    return all(row in rest for row in found)


def _one_value(found: list[Row]) -> bool:
    """Whether no row is missing, and no more than one is another."""
    return len(found) == len(TRUTH) and sum(row != other for row, other in zip(found, TRUTH, strict=True)) == 1


def _verdict(content: bytes, read: Callable[[bytes], list[Row | None]], found: list[Row], aside: int) -> str:
    """Say what became of a file that was loaded; an empty text where rows are lost or not what was written."""
    if (found, aside) == (TRUTH, 0):
        return "right"
    try:
        there = read(content)
    except Exception:
        return "partial" if aside and _is_part(found, list(TRUTH)) else ""
    if not aside:
        return "read as others do" if found == there else ""
    return "partial" if len(found) + aside >= len(there) and all(row in there or row in TRUTH for row in found) else ""


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_loaded_of_a_damaged_file_is_what_another_reader_reads(name: str, loaded: tuple[World, Ended, dict[str, bytes]]) -> None:
    world, done, bodies = loaded
    assert (done.status, done.undone) == (0, ())
    _, _, read = FORMATS[name]
    rows: dict[str, list[Row]] = {}
    for row in world.rows(f"select *, split_part(_source, '@', 1) as source from {name} order by _row"):
        day = row["d"].removesuffix(" 00:00:00") if row["d"] and name == "xlsx" else row["d"]
        rows.setdefault(row["source"], []).append((row["id"], row["v"], day))
    held = world.lake.named_table(f"quarantine.{name}")
    aside = Counter(world.values(f"select split_part(_source, '@', 1) from quarantine.{name}")) if held else Counter()
    verdicts = {key: done.fates[key] for key in bodies if key.startswith(f"raw/{name}/")}
    for key in [key for key, fate in verdicts.items() if fate == "loaded"]:
        verdicts[key] = _verdict(bodies[key], read, rows.get(key, []), aside[key])
        if not verdicts[key] and name in UNPROVEN and _one_value(rows.get(key, [])):
            verdicts[key] = "one value bent, which nothing in the file tells"
    assert [key for key, verdict in verdicts.items() if not verdict] == []
    assert verdicts[f"raw/{name}/good"] == "right"
    for key, verdict in verdicts.items():
        if not key.endswith("good"):
            FIGURES.count("flips", verdict.split()[0] if verdict.startswith("rejected") else verdict)
    assert_sound(world, name)


def test_memory_is_bounded(loaded: tuple[World, Ended, dict[str, bytes]]) -> None:
    _, done, _ = loaded
    assert done.peak < FUNCTION, "MiB"
