"""The log's statistics say what is in the files, and a merge opens only those that it must."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core import change, delta
from core.delta import Change, Snapshot
from core.statistics import LAST_CHARACTER, delta_statistics
from tests.world import ORDERS, World

COLUMNS = {
    "tiny": "tinyint", "small": "smallint", "int": "integer", "big": "bigint", "dec": "decimal(12,2)", "wide": "decimal(38,10)",
    "dbl": "double",
    "flt": "float", "day": "date", "at": "timestamp", "txt": "varchar", "flag": "boolean", "doc": "json", "list": "integer[]",
    "pair": "struct(a bigint, b varchar)", "nothing": "bigint", "x; \"drop\".": "bigint",
}  # fmt: skip
EXTREMES: list[dict[str, Any]] = [
    {
        "tiny": -128, "small": -32768, "int": -2147483648, "big": -9223372036854775808, "dec": "-9999999999.99",
        "wide": "-1234567890123456789012345678.0123456789", "dbl": -1.7976931348623157e308, "flt": -3.4028235e38, "day": "0001-01-01",
        "at": "0001-01-01T00:00:00.000001Z", "txt": "", "flag": False, "doc": {"z": 1}, "list": [-5, 3], "pair": {"a": 1, "b": "é"},
        "x; \"drop\".": -1,
    },
    {
        "tiny": 127, "small": 32767, "int": 2147483647, "big": 9223372036854775807, "dec": "9999999999.99",
        "wide": "1234567890123456789012345678.0123456789", "dbl": 5e-324, "flt": 1.5, "day": "9999-12-31",
        "at": "9999-12-31T23:59:59.999999Z",
        "txt": "日本 \U0001f600", "flag": True, "doc": [1], "list": [], "pair": {"a": None, "b": ""}, "x; \"drop\".": 9007199254740993,
    },
    {"txt": "z" * 70, "dec": "0.01", "at": "2025-01-01T10:00:00.123456Z", "dbl": -0.0, "big": 9007199254740993},
]  # fmt: skip


def declared(**more: Any) -> str:
    columns = [{"name": "id", "type": "bigint"}, *({"name": name, "type": kind} for name, kind in COLUMNS.items())]
    return json.dumps(
        {"dataset": "t", "source": {"path": "raw/t/", "format": "jsonl"}, "columns": columns, "target": {"path": "processed/t/"}, **more}
    )


def opened(world: World, name: str = "t") -> Snapshot:
    snapshot = world.lake.table(world.lake.project.named(name))
    assert snapshot is not None
    return snapshot


def statistics(snapshot: Snapshot) -> dict[str, dict[str, Any]]:
    """Return the statistics as they stand in the log, by file."""
    found = {}
    for log in sorted(Path(snapshot.uri, "_delta_log").glob("*.json")):
        for line in log.read_text("utf-8").splitlines():
            if (action := json.loads(line).get("add")) is not None:
                found[action["path"]] = json.loads(action["stats"])
    return found


@pytest.mark.parametrize("rows", [EXTREMES, EXTREMES[:1], EXTREMES[2:], [{}]], ids=["all", "least", "late", "nulls"])
def test_the_log_s_statistics_enclose_what_is_in_the_file(world: World, rows: list[dict[str, Any]]) -> None:
    world.declare(declared()).put("raw/t/a", "\n".join(json.dumps({"id": n, **row}) for n, row in enumerate(rows)))
    world.run()
    assert world.values("select count(*) from t") == [len(rows)]
    snapshot = opened(world)
    ((path, stats),) = statistics(snapshot).items()
    table = pq.read_table(Path(snapshot.uri, path))
    assert stats["numRecords"] == len(rows)
    parsed = snapshot.actions.to_pylist()[0]
    for name, kind in COLUMNS.items():
        values = [value for value in table[name].to_pylist() if value is not None]
        if kind not in ("integer[]", "struct(a bigint, b varchar)"):
            assert stats["nullCount"][name] == len(rows) - len(values), name
        if name in stats["minValues"]:
            low, high = parsed["min"][name], parsed["max"][name]
            assert all(low <= value <= high for value in values), name
            assert low in values or len(max(map(str, values))) > 64, name
            assert high in values or len(max(map(str, values))) > 64, name
    if rows is EXTREMES[:1] or (len(rows) == 1 and rows[0].get("tiny")):
        assert set(stats["minValues"]) >= {"tiny", "small", "int", "big", "dec", "dbl", "flt", "day", "at", "txt", "id", 'x; "drop".'}


def test_numbers_that_are_none_leave_no_bounds(world: World) -> None:
    text = "dataset: t\nsource: {path: raw/t/, format: csv}\n"
    text += "columns: [{name: id, type: bigint}, {name: d, type: double}, {name: f, type: float}]\n"
    world.declare(text + "target: {path: processed/t/}\n").put("raw/t/a", "id,d,f\n1,nan,inf\n2,1.5,1.5\n3,-inf,-inf\n")
    world.run()
    (stats,) = statistics(opened(world)).values()
    assert set(stats["minValues"]) & {"d", "f"} == set()
    assert world.values("select count(*) from t where d > 1 or f > 1") == [2]


def test_a_maximum_of_last_characters_is_not_cut() -> None:
    """Nothing of its length is greater than what it begins with."""
    text = "a" * 16 + LAST_CHARACTER * 14 + "b"
    found = delta_statistics(pa.schema([("x", pa.string())]), 1, {'"x"': {"min": "a", "max": text}})
    assert "x" not in found["maxValues"]


def test_a_moment_s_bounds_are_utc_in_whatever_zone_they_are_told() -> None:
    told = {'"at"': {"min": "2025-01-01 12:00:00+09", "max": "2025-01-01 12:00:00+00"}}
    found = delta_statistics(pa.schema([("at", pa.timestamp("us", "UTC"))]), 1, told)
    assert (found["minValues"]["at"], found["maxValues"]["at"]) == ("2025-01-01T03:00:00.000000Z", "2025-01-01T12:00:00.000000Z")


def test_a_boolean_partition_stays_what_it_is(world: World) -> None:
    columns = "columns: [{name: id, type: bigint}, {name: paid, type: boolean}]\n"
    world.declare(
        f"dataset: t\nsource: {{path: raw/t/, format: csv}}\n{columns}target: {{path: processed/t/, partition_by: [paid]}}\n"
        "exports: [{path: exports/t/, format: csv, partition_by: [paid]}]\n"
    ).put("raw/t/a", "id,paid\n1,true\n2,false\n3,\n")
    world.run()
    assert {file.partition["paid"] for file in opened(world).files} == {"true", "false", None}
    folders = {key.split("/")[2] for key in world.keys("exports/t/") if "=" in key}
    assert folders == {"paid=true", "paid=false", "paid=__HIVE_DEFAULT_PARTITION__"}


def test_a_partition_s_text_that_looks_like_a_number_stays_a_text(world: World) -> None:
    columns = "columns: [{name: id, type: bigint}, {name: code}]\n"
    world.declare(f"dataset: t\nsource: {{path: raw/t/, format: csv}}\n{columns}target: {{path: processed/t/, partition_by: [code]}}\n")
    world.put("raw/t/a", "id,code\n1,7\n2,8\n")
    world.run()
    assert world.values("select code from t order by id") == ["7", "8"]


@pytest.mark.parametrize("checkpoint", [False, True], ids=["log", "checkpoint"])
def test_delta_rs_and_duckdb_find_every_row_by_every_column(world: World, checkpoint: bool) -> None:
    from deltalake import DeltaTable

    world.declare(declared())
    for n, row in enumerate(EXTREMES):
        world.put(f"raw/t/{n}", json.dumps({"id": n, **row}))
        world.run()
    table = DeltaTable(opened(world).uri)
    if checkpoint:
        table.create_checkpoint()
        table = DeltaTable(opened(world).uri)
    everything = table.to_pyarrow_table().to_pylist()
    assert len(everything) == len(EXTREMES)
    for row in everything:
        for name in ("id", "tiny", "int", "big", "dec", "day", "at", "txt"):
            if row[name] is not None:
                found = table.to_pyarrow_table(filters=[(name, "=", row[name])]).to_pylist()
                assert row["id"] in {other["id"] for other in found}, name


# --- what a merge opens --------------------------------------------------------------------------------------------------------------

KEYS: dict[str, tuple[str, list[list[str]], str, int]] = {
    "integers": ("bigint", [["-9", "-1"], ["0", "5"], ["9007199254740992", "9007199254740993"]], "9007199254740993", 2),
    "negative": ("bigint", [["-9", "-1"], ["0", "5"], ["6", "9"]], "-1", 0),
    "texts": ("varchar", [["a", "ab"], ["abc", "b"], ["é", "日"]], "日", 2),
    "empty text": ("varchar", [["a", "b"], ["é", "日"], ["c", "d"]], "c", 2),
    "dates": ("date", [["0001-01-01", "1970-01-01"], ["1970-01-02", "2025-01-01"], ["2025-01-02", "9999-12-31"]], "9999-12-31", 2),
    "instants": (
        "timestamp",
        [["2025-01-01T00:00:00.000001Z", "2025-01-01T00:00:00.000002Z"], ["2025-01-01T00:00:00.000003Z", "2025-01-01T00:00:00.999999Z"],
        ["2026-01-01", "2027-01-01"]],
        "2025-01-01T00:00:00.000003Z",
        1,
    ),
    "first instants": ("timestamp", [["0001-01-01T00:00:00.000001Z", "0999-01-01"], ["1000-01-01", "1969-12-31T23:59:59.999999Z"],
    ["1970-01-01", "9999-12-31T23:59:59.999999Z"]], "1969-12-31T23:59:59.999999Z", 1),
    "decimals": ("decimal(15,2)", [["-9999999999999.99", "-0.01"], ["0.00", "0.01"], ["0.02", "9999999999999.99"]], "9999999999999.99", 2),
    "doubles": ("double", [["-1e300", "-5e-324"], ["0.1", "0.2"], ["0.30000000000000004", "1e300"]], "0.30000000000000004", 2),
    "floats": ("float", [["-1e30", "-0.1"], ["0.1", "0.2"], ["0.3", "1e30"]], "0.3", 2),
}  # fmt: skip


@pytest.mark.parametrize("case", KEYS)
def test_a_merge_opens_only_the_files_that_may_hold_its_keys(world: World, case: str) -> None:
    kind, files, key, holder = KEYS[case]
    columns = f'columns: [{{name: k, type: "{kind}"}}, {{name: v, type: bigint}}]\n'
    world.declare(f"dataset: t\nsource: {{path: raw/t/, format: csv}}\n{columns}key: [k]\ntarget: {{path: processed/t/, mode: merge}}\n")
    for n, values in enumerate(files):
        world.put(f"raw/t/{n}", "k,v\n" + "".join(f"{value},{n}\n" for value in values))
        world.run()
    before = opened(world)
    named = {file.path: json.loads(stats) if isinstance(stats := file.stats, str) else {} for file in before.files}
    assert len(named) == 3
    held = _holder(before, holder)
    for path in named.keys() - {held}:
        Path(before.uri, path).unlink()  # whoever opens it, fails
    world.put("raw/t/update", f"k,v\n{key},99\n")
    (done,) = world.ingested()

    assert done.balance["updated"] == 1
    after = {file.path for file in opened(world).files}
    assert after - {held} > named.keys() - {held}
    assert held not in after
    assert len(after) == 3


def _holder(snapshot: Snapshot, value: int) -> str:
    """Return the file whose `v` is a value."""
    (path,) = [path for path in (file.path for file in snapshot.files) if pq.read_table(Path(snapshot.uri, path))["v"][0].as_py() == value]
    return path


@pytest.mark.parametrize("few", [10_000, -1], ids=["each key", "their range"])
def test_a_merge_with_partitions_in_its_keys_opens_those_only(world: World, monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    monkeypatch.setattr(change, "FEW_KEYS", few)
    declared = ORDERS.replace("{name: placed, type: timestamp}", "{name: day, type: date}")
    world.declare(declared.replace("target: {", "key: [day, id]\ntarget: {mode: merge, partition_by: [day], "))
    world.put("raw/orders/a", "id,amount,day\n1,1,2025-01-01\n1,2,2025-01-02\n1,3,2025-01-03\n")
    world.run()
    before = opened(world, "orders")
    for file in before.files:
        if file.partition["day"] == "2025-01-02":
            Path(before.uri, file.path).unlink()
    world.put("raw/orders/b", "id,amount,day\n1,9,2025-01-01\n1,9,2025-01-03\n2,9,2025-01-04\n")
    (done,) = world.ingested()
    assert (done.balance["updated"], done.balance["inserted"]) == (2, 1)


def test_a_merge_of_new_keys_alone_rewrites_nothing(world: World) -> None:
    world.declare(ORDERS.replace("target: {", "key: [id]\ntarget: {mode: merge, "))
    world.put("raw/orders/a", "id,amount,placed\n1,1,\n3,1,\n")
    world.run()
    (old,) = opened(world, "orders").files
    world.put("raw/orders/b", "id,amount,placed\n2,1,\n")
    world.run()
    assert old.path in {file.path for file in opened(world, "orders").files}
    assert len(opened(world, "orders").files) == 2


def test_an_append_opens_no_file_at_all(world: World) -> None:
    world.declare(ORDERS).put("raw/orders/a", "id,amount,placed\n1,1,\n")
    world.run()
    snapshot = opened(world, "orders")
    for file in snapshot.files:
        Path(snapshot.uri, file.path).unlink()
    world.put("raw/orders/b", "id,amount,placed\n2,1,\n")
    assert world.ingested()[0].balance["inserted"] == 1


def test_without_statistics_a_merge_opens_every_file_and_misses_no_key(world: World) -> None:
    world.declare(ORDERS.replace("target: {", "key: [id]\ntarget: {mode: merge, "))
    world.put("raw/orders/a", "id,amount,placed\n1,1,\n2,1,\n")
    world.run()
    snapshot = opened(world, "orders")
    (file,) = snapshot.files
    bare = delta.DataFile(file.path, file.size, file.rows, file.partition, '{"numRecords": 2}')
    delta.commit(snapshot, Change(removed=(file,), exclusive=True), now=world.lake.now())
    delta.commit(opened(world, "orders"), Change(added=(bare,)), now=world.lake.now())
    world.put("raw/orders/b", "id,amount,placed\n2,9,\n")
    assert world.ingested()[0].balance["updated"] == 1
    assert world.rows("select id, amount from orders order by id") == [{"id": 1, "amount": "1.00"}, {"id": 2, "amount": "9.00"}]


def test_a_merge_by_a_key_that_has_no_bounds_misses_none(world: World) -> None:
    world.declare(
        "dataset: t\nsource: {path: raw/t/, format: jsonl}\ncolumns: [{name: k, type: 'integer[]'}, {name: v, type: bigint}]\n"
        "key: [k]\ntarget: {path: processed/t/, mode: merge}\n"
    )
    for n in range(2):
        world.put(f"raw/t/{n}", f'{{"k": [1, 2], "v": {n}}}')
        world.run()
    assert world.values("select v from t") == [1]


def test_statistics_survive_a_checkpoint(world: World) -> None:
    world.declare(ORDERS.replace("target: {", "key: [placed]\ntarget: {mode: merge, ").replace("}, {name: placed", "}, {name: placed"))
    for n in range(25):
        world.put(f"raw/orders/{n}", f"id,amount,placed\n{n},1,2025-01-01T00:00:00.{n:06d}Z\n")
        world.run()
    snapshot = opened(world, "orders")
    assert len(snapshot.files) == 25
    world.put("raw/orders/again", "id,amount,placed\n7,9,2025-01-01T00:00:00.000007Z\n")
    (done,) = world.ingested()
    assert done.balance["updated"] == 1
    assert len({f.path for f in snapshot.files} & {f.path for f in opened(world, "orders").files}) == 24
    assert world.values("select count(*) from orders") == [25]
