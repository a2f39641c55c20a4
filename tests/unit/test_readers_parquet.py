"""Parquet: every value as a text that casts back to it."""

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core import readers
from tests.unit.test_readers_kit import dataset, parquet, prepare, read, rejected, session, values
from tests.world import ORDERS, World

TABLE = pa.table(
    {
        "bigint": pa.array([2**63 - 1, None]),
        "ubigint": pa.array([2**64 - 1, 0], pa.uint64()),
        "double": pa.array([0.1, 1e22]),
        "float": pa.array([0.1, 16777216], pa.float32()),
        "decimal(38,10)": pa.array([Decimal("1.50"), Decimal("12345678901234567890.1234567891")], pa.decimal128(38, 10)),
        "boolean": pa.array([True, None]),
        "date": pa.array([date(2025, 4, 1), date(1, 1, 1)]),
        "timestamp": pa.array([datetime(2025, 4, 1, 1, 2, 3, 4), datetime(1969, 12, 31)], pa.timestamp("us")),
        "timestamp_ns": pa.array([1, 1_000_000_001], pa.timestamp("ns")),
        "timestamptz": pa.array([datetime(2025, 4, 1), datetime(1969, 12, 31)], pa.timestamp("us", "Europe/Paris")),
        "varchar": pa.array(["", "é\0\n"]),
        "integer[]": pa.array([[1, None], []], pa.list_(pa.int32())),
        "struct(a integer, b varchar)": pa.array([{"a": 1, "b": "x"}, None]),
    }
)


@pytest.mark.parametrize("kind", TABLE.column_names)
def test_the_text_of_every_type_casts_back_to_the_same_value(kind: str, tmp_path: Path) -> None:
    column = dict(zip(["value"], [TABLE[kind]], strict=True))
    declared = dataset("parquet", ["value"])
    files = prepare(declared, tmp_path, parquet(pa.table(column)))
    with session() as connection:
        relation = readers.relation(connection, declared, files)
        back = f'try_cast("value"::json as {kind})' if "[" in kind or "(a" in kind else f'try_cast("value" as {kind})'
        connection.register("given", pa.table(column))
        pairs = f"from ({relation}) positional join (select value as given from given)"
        differing = connection.execute(f"select * {pairs} where given::{kind} is distinct from {back}").fetchall()
    assert differing == []


def test_types_without_a_text_are_refused_unless_they_are_ignored(tmp_path: Path) -> None:
    content = parquet(pa.table({"a": [1], "b": pa.array([b"x"]), "c": pa.array([[b"x"]])}))
    assert "found [b binary, c list<element: binary>]" in str(rejected(dataset("parquet", ["a", "b", "c"]), tmp_path, content))
    assert rejected(dataset("parquet", ["a"], unknown="rescue"), tmp_path, content).reason == "invalid_schema"
    assert values(dataset("parquet", ["a"], unknown="ignore"), tmp_path, content) == [("1",)]
    wide = parquet(pa.table({"a": pa.array([Decimal(1)], pa.decimal256(50))}))  # DuckDB makes a double of it
    assert "found [a decimal256(50, 0)]" in str(rejected(dataset("parquet", ["a"]), tmp_path, wide))


def test_names_that_differ_only_in_case_are_refused(tmp_path: Path) -> None:
    declared = dataset("parquet", ["a"], unknown="ignore")
    assert rejected(declared, tmp_path, parquet(pa.table([[1], [2]], names=["a", "A"]))).reason == "invalid_schema"


def test_files_of_one_batch_may_differ_in_order_and_type(tmp_path: Path) -> None:
    contents = [pa.table({"a": [1], "b": ["x"]}), pa.table({"b": ["x"], "a": ["1"]}), pa.table({"a": [1.0], "b": ["x"]})]
    found = read(dataset("parquet", ["a", "b"]), tmp_path, *map(parquet, contents))
    assert sorted(found) == [(0, None, "1", "x"), (1, None, "1", "x"), (2, None, "1.0", "x")]


def test_rows_of_a_large_file_keep_their_places(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKELET_THREADS", "4")
    world.declare(ORDERS.replace("csv", "parquet"))
    rows = pa.table({"id": range(1, 400_001), "amount": ["1"] * 400_000, "placed": [None] * 400_000})
    pq.write_table(rows, world.home / "a.parquet", row_group_size=20_000)
    world.put("raw/orders/a", (world.home / "a.parquet").read_bytes())
    world.run()
    assert world.values("select count(*) from orders where id = _row") == [400_000]


def test_a_truncated_file_is_unreadable(tmp_path: Path) -> None:
    content = parquet(pa.table({"a": [1]}))
    assert rejected(dataset("parquet", ["a"]), tmp_path, content[:-5]).reason == "unreadable"
    assert rejected(dataset("parquet", ["a"]), tmp_path, b"a,b\n1,2\n").reason == "unreadable"


def test_a_file_without_rows_has_none(tmp_path: Path) -> None:
    assert read(dataset("parquet", ["a"]), tmp_path, parquet(pa.table({"a": pa.array([], pa.int64())}))) == []


def test_the_text_of_a_record_is_json_wherever_it_lies_in_the_file(tmp_path: Path) -> None:
    declared = dataset("parquet", ["a"])
    (file,) = prepare(declared, tmp_path, parquet(pa.table({"a": range(200_000)})))
    assert dict(readers.raw_records(declared, file, [1, 150_000, 300_000])) == {1: '{"a": 0}', 150_000: '{"a": 149999}'}


NANOS = [1_735_725_600_123_456_789, 1_735_725_600_123_456_000, -1, None]
DIGITS = ["2025-01-01 10:00:00.123456789", "2025-01-01 10:00:00.123456000", "1969-12-31 23:59:59.999999999", None]


@pytest.mark.parametrize(("zone", "legacy", "end"), [(None, True, ""), ("UTC", False, "+00"), ("Europe/Paris", False, "+00")])
def test_no_digit_of_a_nanosecond_is_dropped(zone: str | None, legacy: bool, end: str, tmp_path: Path) -> None:
    table = pa.table({"a": pa.array(NANOS, pa.timestamp("ns", zone)), "b": [1, 2, 3, 4]})
    content = parquet(table, use_deprecated_int96_timestamps=legacy, row_group_size=2)
    assert [row[0] for row in values(dataset("parquet", ["a", "b"]), tmp_path, content)] == [text and text + end for text in DIGITS]


def test_no_digit_of_a_time_of_day_is_dropped(tmp_path: Path) -> None:
    content = parquet(pa.table({"a": pa.array([1, 36_000_000_000_000], pa.time64("ns"))}))
    assert values(dataset("parquet", ["a"]), tmp_path, content) == [("00:00:00.000000001",), ("10:00:00.000000000",)]


def test_a_legacy_moment_beyond_what_nanoseconds_can_count_is_itself(tmp_path: Path) -> None:
    """Spark's INT96 knows the year 9999, and 64 bits of nanoseconds end in 2262."""
    import duckdb

    moments = pa.table({"a": pa.array([datetime(9999, 12, 31, 23, 59, 59, 999999), datetime(1, 1, 1)], pa.timestamp("us"))})
    content = parquet(moments, use_deprecated_int96_timestamps=True)
    (tmp_path / "own").write_bytes(content)
    expected = duckdb.execute(f"select a::varchar from read_parquet('{tmp_path / 'own'}')").fetchall()
    assert values(dataset("parquet", ["a"]), tmp_path, content) == expected == [("9999-12-31 23:59:59.999999",), ("0001-01-01 00:00:00",)]


def test_a_float_in_a_double_column_is_the_number_that_it_was(tmp_path: Path) -> None:
    content = parquet(pa.table({"a": pa.array([0.1, None], pa.float32())}))
    assert values(dataset("parquet", [{"name": "a", "type": "double"}]), tmp_path, content) == [("0.10000000149011612",), (None,)]
    assert values(dataset("parquet", ["a"]), tmp_path, content) == [("0.1",), (None,)]


def test_a_refused_record_may_hold_what_python_cannot(tmp_path: Path) -> None:
    declared = dataset("parquet", ["a", "b"])
    table = pa.table(
        {"a": pa.array([253_402_300_800_000_000], pa.timestamp("us", "UTC")), "b": pa.array([[1]], pa.list_(pa.timestamp("ns")))}
    )
    (file,) = prepare(declared, tmp_path, parquet(table))
    assert dict(readers.raw_records(declared, file, {1})) == {
        1: '{"a": "10000-01-01 00:00:00.000000", "b": ["1970-01-01 00:00:00.000000001"]}'
    }
