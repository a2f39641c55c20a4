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
    assert readers.raw_records(declared, file, [1, 150_000, 300_000]) == {1: '{"a": 0}', 150_000: '{"a": 149999}'}
