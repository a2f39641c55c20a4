"""Exports follow their table: what changed is written again, what did not is left alone, what is empty goes."""

import csv
import io
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from core import export
from core.run import Published
from tests.faults.test_protocol import Killed, failing_once
from tests.world import World

SALES = """
dataset: sales
source: {path: raw/sales/, format: csv}
columns: [{name: id, type: bigint}, {name: day}, {name: amount, type: "decimal(12,2)"}]
key: [id]
target: {path: processed/sales/, mode: merge, partition_by: [day]}
exports: [{path: exports/sales/, format: csv, partition_by: [day]}, {path: exports/parquet/, format: parquet, partition_by: [day]}]
"""
HEADER = "id,day,amount\n"


def exported(world: World, below: str = "exports/sales/") -> dict[str, Any]:
    """Return the exported files by partition folder, as rows."""
    found = {}
    for key in world.keys(below):
        body = world.lake.store.get(key) or b""
        if key.endswith(".csv"):
            found[key.removeprefix(below).rpartition("/")[0]] = list(csv.DictReader(io.StringIO(body.decode())))
        elif key.endswith(".parquet"):
            found[key.removeprefix(below).rpartition("/")[0]] = pq.read_table(io.BytesIO(body)).to_pylist()
    return found


def load(world: World, name: str, rows: str) -> World:
    world.put(f"raw/sales/{name}.csv", HEADER + rows)
    world.run()
    return world


def stamps(world: World) -> dict[str, tuple[int, int]]:
    root = Path(world.uri, "exports")
    return {str(p.relative_to(root)): (p.stat().st_mtime_ns, p.stat().st_ino) for p in root.rglob("*") if p.suffix in (".csv", ".parquet")}


def test_only_the_partitions_that_changed_are_written_again(world: World) -> None:
    load(world.declare(SALES), "a", "1,mon,1\n2,tue,2\n")
    before = stamps(world)
    assert len(before) == 4
    load(world, "b", "3,tue,3\n")
    after = stamps(world)
    assert {key for key in after if after[key] != before[key]} == {"sales/day=tue/sales.csv", "parquet/day=tue/sales.parquet"}
    assert exported(world) == {
        "day=mon": [{"id": "1", "amount": "1.00"}],
        "day=tue": [{"id": "2", "amount": "2.00"}, {"id": "3", "amount": "3.00"}],
    }
    assert world.run() == []
    assert stamps(world) == after


def test_a_partition_that_an_update_emptied_loses_its_file(anywhere: World) -> None:
    load(anywhere.declare(SALES), "a", "1,mon,1\n2,tue,2\n")
    load(anywhere, "b", "1,tue,9\n")
    for below in ("exports/sales/", "exports/parquet/"):
        assert {folder: len(rows) for folder, rows in exported(anywhere, below).items()} == {"day=tue": 2}


ODD = ["a b", "a/b", "a=b", "100%", "é", "it's", "..", "a?b#c", "a%20b", "a+b", ".", "a\\b", "x" * 60, "日本", "a:b", "~", "[x]*"]


def test_partitions_with_odd_values_and_null_have_a_file_each(anywhere: World) -> None:
    rows = "".join(f'{n},"{value}",1\n' for n, value in enumerate(ODD)) + "99,,1\n"
    load(anywhere.declare(SALES), "a", rows)
    for below in ("exports/sales/", "exports/parquet/"):
        found = exported(anywhere, below)
        assert len(found) == len(ODD) + 1
        assert {int(row["id"]) for part in found.values() for row in part} == {*range(len(ODD)), 99}
        assert [int(row["id"]) for row in found["day=__HIVE_DEFAULT_PARTITION__"]] == [99]
    load(anywhere, "b", "".join(f"{n},z,1\n" for n in (*range(len(ODD)), 99)))
    assert set(exported(anywhere)) == {"day=z"}


def test_two_formats_may_share_a_folder(world: World) -> None:
    load(world.declare(SALES.replace("exports/parquet/", "exports/sales/")), "a", "1,mon,1\n")
    assert {key.rpartition("/")[2] for key in world.keys("exports/sales/day=mon/")} == {"sales.csv", "sales.parquet"}
    load(world, "b", "1,mon,2\n")
    assert [
        row["amount"] for row in csv.DictReader(io.StringIO((world.lake.store.get("exports/sales/day=mon/sales.csv") or b"").decode()))
    ] == ["2.00"]


def killed(world: World, monkeypatch: pytest.MonkeyPatch, where: Any, **replaced: Any) -> None:
    """Run until something kills it."""
    with monkeypatch.context() as patch:
        for name, function in replaced.items():
            patch.setattr(where, name, function)
        with pytest.raises(Killed):
            world.run()


@pytest.mark.parametrize("at", [1, 2, 3])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_an_export_that_was_killed_is_completed_by_the_next_run(
    world: World, monkeypatch: pytest.MonkeyPatch, at: int, after: bool
) -> None:
    world.declare(SALES).put("raw/sales/a.csv", HEADER + "1,mon,1\n2,tue,2\n")
    put = failing_once(world.lake.store.put, Killed(), at=at, after=after)
    killed(world, monkeypatch, world.lake.store, put=put)
    assert any(isinstance(step, Published) for step in world.run())
    assert {folder: len(rows) for folder, rows in exported(world).items()} == {"day=mon": 1, "day=tue": 1}
    assert world.run() == []


def test_a_file_of_a_killed_first_export_does_not_outlive_its_partition(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.declare(SALES).put("raw/sales/a.csv", HEADER + "1,mon,1\n2,tue,2\n")
    killed(world, monkeypatch, world.lake.store, put=failing_once(world.lake.store.put, Killed(), at=3, after=False))
    world.put("raw/sales/b.csv", HEADER + "1,tue,9\n")
    # the table moves on, its export does not
    killed(world, monkeypatch, export, refresh=failing_once(export.refresh, Killed(), at=1, after=False))
    world.run()
    assert set(exported(world)) == {"day=tue"}


def test_an_export_whose_last_version_the_log_forgot_is_made_whole(world: World) -> None:
    load(world.declare(SALES), "a", "1,mon,1\n2,tue,2\n")
    (state,) = [key for key in world.keys("exports/sales/") if key.endswith(".json")]
    world.lake.store.put(state, b'{"version": 99}')
    load(world, "b", "1,tue,9\n")
    assert {folder: len(rows) for folder, rows in exported(world).items()} == {"day=tue": 2}


def test_an_export_of_the_whole_table_is_one_file_in_the_order_of_arrival(world: World) -> None:
    world.declare(SALES.replace(", partition_by: [day]}, {path: exports/parquet/", "}, {path: exports/parquet/"))
    load(world, "a", "3,mon,1\n1,tue,2\n2,mon,3\n")
    assert world.lake.store.get("exports/sales/sales.csv") == b"id,day,amount\n3,mon,1.00\n1,tue,2.00\n2,mon,3.00\n"


def test_an_export_holds_values_and_tells_null_from_empty(world: World) -> None:
    world.declare(
        "dataset: t\nsource: {path: raw/t/, format: jsonl}\n"
        "columns: [{name: id, type: bigint}, {name: s}, {name: at, type: timestamp}, {name: l, type: 'varchar[]'}]\n"
        "target: {path: processed/t/}\nexports: [{path: exports/t/, format: csv}]\n"
    ).put(
        "raw/t/a",
        '{"id": 9007199254740993, "s": "a,\\"b\\"\\nc", "at": "2025-01-01T10:00:00.000001Z", "l": ["x", "y"]}\n'
        '{"id": 2, "s": ""}\n{"id": 3}',
    )
    world.run()
    body = (world.lake.store.get("exports/t/t.csv") or b"").decode()
    assert body == 'id,s,at,l\n9007199254740993,"a,""b""\nc",2025-01-01 10:00:00.000001+00,"[""x"",""y""]"\n2,"",,\n3,,,\n'


def test_an_empty_table_s_export_is_a_header(world: World) -> None:
    world.declare(SALES.replace(", partition_by: [day]}, {path: exports/parquet/", "}, {path: exports/parquet/"))
    load(world, "a", "")
    assert world.lake.store.get("exports/sales/sales.csv") == b"id,day,amount\n"


def test_a_transform_s_result_is_exported_by_partition(world: World) -> None:
    load(world.declare(SALES), "a", "1,mon,1\n2,tue,2\n")
    declared = "transform: t\nsql: t.sql\nwhen: any_input\ntarget: {path: gold/t/, partition_by: [day]}\n"
    world.declare(
        declared + "exports: [{path: exports/t/, format: csv, partition_by: [day]}]\n",
        t="select day, sum(amount) as a from sales group by all",
    )
    world.run()
    assert exported(world, "exports/t/") == {"day=mon": [{"a": "1.00"}], "day=tue": [{"a": "2.00"}]}
    assert not list(Path(world.uri, "exports/t").rglob("*.part"))
