"""Where deltalake is wrong, or promises less than one thinks: each finding as it is in the version that is pinned, with its issue.

When one of these goes red, it was mended there: the guard that it names may go.
"""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from deltalake import CommitProperties, DeltaTable, Schema, Transaction, write_deltalake
from deltalake.exceptions import DeltaError
from deltalake.transaction import AddAction

ROWS = pa.table({"id": pa.array([1], pa.int64()), "name": ["a"]})


def test_a_transaction_id_is_recorded_and_not_enforced(tmp_path: Path) -> None:
    """delta-rs#2580, #3821. Guard: identities are looked up in the very snapshot that is written through (core.ingest, core.delta)."""
    write_deltalake(tmp_path, ROWS.schema.empty_table())
    for _ in range(2):
        write_deltalake(tmp_path, ROWS, mode="append", commit_properties=CommitProperties(app_transactions=[Transaction("a.csv@1", 1, 1)]))
    assert DeltaTable(tmp_path).to_pyarrow_table().num_rows == 2


def test_a_lower_version_of_a_transaction_id_moves_it_back(tmp_path: Path) -> None:
    """delta-rs#2580. Guard: a transform refuses a result of older inputs than those it holds (core.transform)."""
    write_deltalake(tmp_path, ROWS.schema.empty_table())
    for version in (5, 3):
        write_deltalake(tmp_path, ROWS, mode="append", commit_properties=CommitProperties(app_transactions=[Transaction("input", version)]))
    assert DeltaTable(tmp_path).transaction_version("input") == 3


def test_an_empty_text_as_a_partition_is_read_back_as_null(tmp_path: Path) -> None:
    """delta#2100, delta-kernel-rs#2793. Guard: such a row is quarantined (core.sql), such a result refused (core.engine)."""
    write_deltalake(tmp_path, pa.table({"id": [1, 2], "name": ["", "a"]}), partition_by=["name"])
    assert sorted(DeltaTable(tmp_path).to_pyarrow_table()["name"].to_pylist(), key=str) == [None, "a"]


def test_a_dataset_hides_the_rows_of_a_file_whose_bounds_are_missing_where_another_has_them(tmp_path: Path) -> None:
    """delta-rs#3173. Guard: tables are read by their files and our own reading of the log (core.engine), never through this."""
    write_deltalake(tmp_path, ROWS)
    written = tmp_path / "unbounded.parquet"
    pa.parquet.write_table(pa.table({"id": pa.array([7], pa.int64()), "name": ["b"]}), written)
    table = DeltaTable(tmp_path)
    stats = {"numRecords": 1, "nullCount": {"id": 0, "name": 0}, "minValues": {"name": "b"}, "maxValues": {"name": "b"}}
    unbounded = AddAction(written.name, written.stat().st_size, {}, 0, True, json.dumps(stats))
    table.create_write_transaction([unbounded], "append", table.schema())
    found = DeltaTable(tmp_path).to_pyarrow_dataset()
    assert found.to_table().num_rows == 2
    assert found.to_table(filter=ds.field("id") == 7).num_rows == 0


def test_a_bare_path_is_read_as_if_it_were_encoded(tmp_path: Path) -> None:
    """delta-rs#2425. Guard: tables are addressed by URI, and a lake whose path holds an escape is refused (core.delta, core.lake)."""
    with pytest.raises(DeltaError, match="a b/_delta_log"):
        DeltaTable.create(f"{tmp_path}/a%20b", Schema.from_arrow(ROWS.schema))
