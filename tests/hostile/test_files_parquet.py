"""Parquet files that lie or burst: each is loaded right, or rejected for its reason; what came with it is loaded, in time and memory."""

import io
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from tests.faults.figures import LONG
from tests.faults.oracle import assert_sound
from tests.hostile import columns
from tests.hostile.alone import FUNCTION, Ended, Loader
from tests.hostile.columns import good, one, written
from tests.hostile.figures import FIGURES
from tests.world import World

DECLARED: Final = """
dataset: orders
source: {path: raw/orders/, format: parquet}
columns: [{name: id, type: bigint, required: true}, {name: v}]
target: {path: processed/orders/}
"""
BIG: Final = 1_000 if LONG else 350
MEMORY: Final = f"{FUNCTION // 2}MiB" if LONG else "300MiB"
UNREADABLE: Final = "rejected unreadable"
SCHEMA: Final = "rejected invalid_schema"
LARGE: Final = "rejected too_large"


def _feather() -> bytes:
    sink = io.BytesIO()
    feather.write_feather(good(), sink)
    return sink.getvalue()


def _names(*names: str) -> bytes:
    return written(pa.Table.from_arrays([pa.array([1])] * len(names), names=list(names)))


FILES: Final[Mapping[str, tuple[Callable[[], bytes], str | int]]] = {
    "cut at its beginning": (lambda: written(good())[4:], UNREADABLE),
    "cut in its middle": (lambda: written(good())[:3000], UNREADABLE),
    "cut in its footer": (lambda: written(good())[:-100], UNREADABLE),
    "cut by one byte": (lambda: written(good())[:-1], UNREADABLE),
    "a footer of 4 GB, it says": (lambda: columns.with_footer_length(0xFFFFFFF0), UNREADABLE),
    "a footer of negative length": (lambda: columns.with_footer_length(0x80000000), UNREADABLE),
    "a footer that is too short": (lambda: columns.with_footer_length(20), UNREADABLE),
    "a footer of no length": (lambda: columns.with_footer_length(0), UNREADABLE),
    "its magic": (lambda: b"PAR1", UNREADABLE),
    "its magic twice": (lambda: b"PAR1PAR1", UNREADABLE),
    "its magic around nothing": (lambda: b"PAR1\0\0\0\0PAR1", UNREADABLE),
    "an encrypted footer": (lambda: b"PARE" + written(good())[4:-4] + b"PARE", UNREADABLE),
    "fewer rows, says the file": (lambda: columns.with_count({0}, 500), UNREADABLE),
    "more rows, says the file": (lambda: columns.with_count({0}, 1500), UNREADABLE),
    "fewer rows, says a row group": (lambda: columns.with_count({5}, 500), UNREADABLE),
    "more rows, says a row group": (lambda: columns.with_count({5}, 1500), UNREADABLE),
    "fewer rows, say file and row group": (lambda: columns.with_count({0, 5}, 500), UNREADABLE),
    "fewer values, says a column": (lambda: columns.with_count({1}, 500), UNREADABLE),
    "more values, says a column": (lambda: columns.with_count({3}, 1500), UNREADABLE),
    "statistics that lie": (lambda: columns.with_statistics(5, 6), 3),
    "statistics that are upside down": (lambda: columns.with_statistics(6, 5), 3),
    "a page of 2 GB, it says": (lambda: columns.with_page_size(2**31 - 1), UNREADABLE),
    "indices beyond the dictionary": (columns.with_indices_beyond, UNREADABLE),
    "a bomb in zstd": (lambda: columns.bomb("zstd", BIG), LARGE),
    **{f"a bomb in {codec}": (partial(columns.bomb, codec, BIG), LARGE) for codec in (["gzip", "snappy"] if LONG else [])},
    "a text of many megabytes": (lambda: one(pa.array(["x" * (BIG * 20_000)])), 1),
    "lists in 1,000 levels": (lambda: columns.nested(1000), UNREADABLE),
    "10,000 columns": (lambda: _names(*(f"c{n}" for n in range(10_000))), SCHEMA),
    "1,000 row groups": (lambda: written(good(1_000), row_group_size=1), 1_000),
    **({"30,000 row groups": (lambda: written(good(30_000), row_group_size=1), LARGE)} if LONG else {}),
    "no rows": (lambda: written(good(0)), 0),
    "no columns": (lambda: written(pa.table({})), SCHEMA),
    "a name twice": (lambda: _names("id", "v", "v"), SCHEMA),
    "a name with a NUL": (lambda: _names("id", "v\0"), SCHEMA),
    "a name with a line break": (lambda: _names("id", "v\n"), SCHEMA),
    "a name with a dot": (lambda: _names("id", "v.v"), SCHEMA),
    "texts that are no UTF-8": (lambda: columns.no_text(dictionary=False), UNREADABLE),
    "a dictionary that is no UTF-8": (lambda: columns.no_text(dictionary=True), UNREADABLE),
    "decimals of 70 digits": (lambda: one(pa.array([10**60], pa.decimal256(70, 2))), SCHEMA),
    "moments out of every calendar": (lambda: one(pa.array([2**62, -(2**62)], pa.int64()).cast(pa.timestamp("us"))), 2),
    "days out of every calendar": (lambda: one(pa.array([2**31 - 1, -(2**31)], pa.int32()).cast(pa.date32())), 2),
    "moments of 96 bits": (
        lambda: written(pa.table({"id": [1], "v": pa.array([0], pa.timestamp("ns"))}), use_deprecated_int96_timestamps=True), 1),
    "a CSV": (lambda: b"id,v\n1,x\n", UNREADABLE),
    "a Feather file": (_feather, UNREADABLE),
    "another schema for Arrow that is none": (lambda: columns.with_arrow_schema("AAAA"), 1000),
    "another schema for Arrow, of other types": (
        lambda: columns.with_arrow_schema(columns.lying_schema(id=pa.string(), v=pa.timestamp("ns"))), 1000),
    "another schema for Arrow, of other names": (
        lambda: columns.with_arrow_schema(columns.lying_schema(a=pa.int64(), b=pa.int64(), c=pa.int64())), 1000),
}  # fmt: skip
"""What is odd -> the file, and how many rows are loaded of it (as pyarrow reads them), or the reason why it is rejected."""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory, alone: Loader) -> tuple[World, Ended]:
    """A lake that all of them were put into at once, between good ones."""
    home = tmp_path_factory.mktemp("parquet")
    world = World(home, str(home / "lake")).declare(DECLARED)
    for number, (make, _) in enumerate(FILES.values()):
        world.put(_key(number), make())
        if number % 10 == 0:
            world.put(f"raw/orders/{number:03d}-good.parquet", written(pa.table({"id": [10_000_000 + number], "v": ["good"]})))
    return world, alone.load(world.home, world.uri, memory=MEMORY, patience=120)


def _key(number: int) -> str:
    return f"raw/orders/{number:03d}.parquet"


def test_each_is_loaded_right_or_rejected_for_its_reason(loaded: tuple[World, Ended]) -> None:
    world, done = loaded
    assert (done.status, done.undone) == (0, ())
    rows: dict[str, list[tuple[int, str]]] = {}
    for row in world.rows("select id, v, split_part(_source, '@', 1) as source from orders order by _row"):
        rows.setdefault(row["source"], []).append((row["id"], row["v"]))
    for number, (what, (make, expected)) in enumerate(FILES.items()):
        found, fate = rows.get(_key(number), []), done.fates[_key(number)]
        if isinstance(expected, str):
            assert (fate, found) == (expected, []), what
        else:
            table = pq.read_table(io.BytesIO(make()))
            texts = table["v"].to_pylist() if pa.types.is_string(table["v"].type) else None
            assert (fate, len(found)) == ("loaded", expected), what
            assert [identity for identity, _ in found] == table["id"].to_pylist(), what
            assert texts is None or [text for _, text in found] == texts, what
        FIGURES.count("parquet", "rejected" if isinstance(expected, str) else "loaded")


def test_each_rejection_names_its_file_what_was_found_and_what_to_do(loaded: tuple[World, Ended]) -> None:
    world, done = loaded
    reports = [world.lake.raw.get(key) or b"" for key in world.keys("rejected/") if key.endswith(".report.json")]
    assert len(reports) == sum(fate.startswith("rejected") for fate in done.fates.values())
    assert all(b'"remedy": "' in report and b'"found": ""' not in report for report in reports)


def test_the_good_ones_among_them_are_loaded(loaded: tuple[World, Ended]) -> None:
    world, _ = loaded
    found = world.values("select id from orders where v = 'good' order by id")
    assert found == [10_000_000 + number for number in range(0, len(FILES), 10)]


def test_memory_and_time_are_bounded_and_the_books_balance(loaded: tuple[World, Ended]) -> None:
    world, done = loaded
    assert done.peak < (FUNCTION if LONG else 800), "MiB"
    assert done.seconds < 120
    assert_sound(world, "orders")
