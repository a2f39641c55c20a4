"""Merging against a model in plain Python: any versions of any keys, in any files, in any order, give the same table."""

import os
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.world import World

DATASET = """
dataset: t
source: {path: raw/t/, format: csv}
columns: [{name: k}, {name: n, type: integer}, {name: part}, {name: seen, type: date}, {name: rank, type: double}, {name: value}]
key: [k, n]
order_by: [seen, rank]
target: {path: processed/t/, mode: merge, partition_by: [PART]}
"""
HEADER = "k,n,part,seen,rank,value\n"
LONG = "long " * 14  # more than the log's statistics hold
Row = tuple[str, int, str | None, str | None, float | None, str]

rows = st.tuples(
    st.sampled_from(["a", "A", "a ", " a", "é", LONG, LONG + "x"]),
    st.integers(0, 1),
    st.sampled_from([None, "p", "q r"]),
    st.sampled_from([None, "2025-01-01", "2025-01-02"]),
    st.sampled_from([None, -1.5, 2.0, float("nan"), float("inf"), float("-inf")]),
    st.sampled_from(["x", "y", "z"]),
)
files = st.lists(st.lists(rows, min_size=0, max_size=5), min_size=1, max_size=4)


def text(file: Sequence[Row]) -> str:
    return HEADER + "".join(",".join("" if cell is None else str(cell) for cell in row) + "\n" for row in file)


def newest(load: Sequence[Sequence[Row]]) -> dict[tuple[str, int], Row]:
    """Return what remains: the greatest (seen, rank), NULL least, NaN greatest, then the later file and the later row."""
    held: dict[tuple[str, int], tuple[tuple[object, ...], Row]] = {}
    for number, file in enumerate(load):
        for place, row in enumerate(file):
            seen, rank = row[3], row[4]
            size = (rank is not None, rank is not None and rank != rank, 0.0 if rank is None or rank != rank else rank)
            version = (seen is not None, seen or "", *size, number, place)
            if row[:2] not in held or held[row[:2]][0] < version:
                held[row[:2]] = (version, row)
    return {key: row for key, (_, row) in held.items()}


def plain(row: Row) -> tuple[object, ...]:
    return (*row[:4], str(row[4]) if row[4] is not None else None, row[5])


def table(world: World) -> list[tuple[object, ...]]:
    if world.lake.table(world.lake.project.named("t")) is None:
        return []
    found = world.rows("select k, n, part, seen, rank, value from t")
    return [
        (r["k"], r["n"], r["part"], r["seen"] and str(r["seen"]), None if r["rank"] is None else str(r["rank"]), r["value"]) for r in found
    ]


def check_balance(balance: dict[str, int]) -> None:
    assert balance["read"] == balance["accepted"] + balance["quarantined"]
    assert balance["accepted"] == balance["inserted"] + balance["updated"] + balance["superseded"] + balance["duplicate"]


@pytest.mark.parametrize("partition_by", ["", "part"])
@settings(max_examples=12, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(load=files, data=st.data())
def test_any_split_into_files_and_any_order_of_arrival_gives_the_same_table(
    partition_by: str, load: list[list[Row]], data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(len(load))))
    cuts = data.draw(st.lists(st.booleans(), min_size=len(load), max_size=len(load)))
    with TemporaryDirectory() as home:
        world = World(Path(home), f"{home}/lake").declare(DATASET.replace("PART", partition_by))
        inserted = read = 0
        for number, run_now in zip(order, cuts, strict=True):
            world.put(f"raw/t/{number}.csv", text(load[number]))
            os.utime(Path(world.uri, f"raw/t/{number}.csv"), (1_700_000_000 + number, 1_700_000_000 + number))
            if run_now:
                for done in world.ingested():
                    check_balance(done.balance)
                    inserted, read = inserted + done.balance["inserted"], read + done.balance["read"]
        for done in world.ingested():
            check_balance(done.balance)
            inserted, read = inserted + done.balance["inserted"], read + done.balance["read"]

        wanted = sorted(map(plain, newest(load).values()), key=str)
        assert sorted(table(world), key=str) == wanted
        assert inserted == len(wanted)
        assert read == sum(map(len, load))


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("together", [True, False])
def test_a_null_in_order_by_is_older_than_any_value(world: World, order: tuple[int, int], together: bool) -> None:
    world.declare(DATASET.replace("PART", ""))
    rows: list[Row] = [("k", 1, None, None, 9.0, "null"), ("k", 1, None, "2025-01-01", None, "value")]
    for number, place in enumerate(order):
        world.put(f"raw/t/{number}.csv", text([rows[place]]))
        if not together:
            world.run()
    world.run()
    assert world.values("select value from t") == ["value"]


def test_ties_in_order_and_time_go_to_the_greater_name_and_then_to_the_later_row(world: World) -> None:
    tied = ",1,,2025-01-01,1,"
    for names in (["a.csv", "b.csv"], ["b.csv", "a.csv"]):
        other = World(world.home / names[0], str(world.home / names[0] / "lake")).declare(DATASET.replace("PART", ""))
        for name in names:
            other.put(f"raw/t/{name}", f"{HEADER}k{tied}{name}1\nk{tied}{name}2\n")
            os.utime(Path(other.uri, f"raw/t/{name}"), (1_700_000_000, 1_700_000_000))
            other.run()
        assert other.values("select value from t") == ["b.csv2"]


OVERWRITE = DATASET.replace("mode: merge, partition_by: [PART]", "mode: overwrite")


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1)])
@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("step", [1, 0], ids=["apart", "same-time"])
def test_of_overwriting_objects_the_newest_is_the_table_in_any_order(
    world: World, order: tuple[int, ...], together: bool, step: int
) -> None:
    world.declare(OVERWRITE)
    balances = []
    for number in order:
        world.put(f"raw/t/{number}.csv", text([("a", 1, None, None, None, str(number)), ("b", number, None, None, None, "x")]))
        os.utime(Path(world.uri, f"raw/t/{number}.csv"), (1_700_000_000 + number * step,) * 2)
        if not together:
            balances += [done.balance for done in world.ingested()]
    balances += [done.balance for done in world.ingested()]

    assert world.values("select value from t where k = 'a'") == ["2"]
    assert world.values("select count(*) from t") == [2]
    assert sum(balance["accepted"] for balance in balances) == 6
    for balance in balances:
        check_balance(balance)


def test_an_empty_newest_object_empties_an_overwritten_table(world: World) -> None:
    world.declare(OVERWRITE)
    for number, body in ((0, [("a", 1, None, None, None, "x")]), (1, [])):
        world.put(f"raw/t/{number}.csv", text(body))  # type: ignore[arg-type]
        os.utime(Path(world.uri, f"raw/t/{number}.csv"), (1_700_000_000 + number,) * 2)
        world.run()
    assert world.values("select count(*) from t") == [0]


# --- a contract that changes ---------------------------------------------------------------------------------------------------------

SMALL = """
dataset: s
source: {path: raw/s/, format: jsonl}
columns: [{name: id, type: bigint}, {name: v}MORE]
key: [id]
target: {path: processed/s/, mode: MODE}
"""


@pytest.mark.parametrize("mode", ["append", "merge", "overwrite"])
@pytest.mark.parametrize("kind", ["bigint", "varchar", "timestamp", "decimal(12,2)", "boolean", "json", "integer[]", "struct(a bigint)"])
def test_an_added_column_reaches_the_table_and_older_rows_have_null_there(world: World, mode: str, kind: str) -> None:
    numbers = count()
    world.declare(SMALL.replace("MORE", "").replace("MODE", mode))
    world.put(f"raw/s/{next(numbers)}", '{"id": 1, "v": "a"}\n{"id": 2, "v": "b"}')
    world.run()
    world.declare(SMALL.replace("MORE", f', {{name: "new one", type: "{kind}"}}').replace("MODE", mode))
    new = {"json": '{"x": 1}', "integer[]": "[1]", "struct(a bigint)": '{"a": 1}', "boolean": "true", "timestamp": '"2025-01-01"'}.get(
        kind, "7"
    )
    world.put(f"raw/s/{next(numbers)}", f'{{"id": 3, "v": "c", "new one": {new}}}')
    world.run()
    old = [] if mode == "overwrite" else [1, 2]
    assert world.values('select id from s where "new one" is null order by id') == old
    assert world.values('select id from s where "new one" is not null') == [3]
    world.put(f"raw/s/{next(numbers)}", f'{{"id": 1, "v": "z", "new one": {new}}}')
    world.run()
    if mode == "merge":
        assert world.rows('select id, v, "new one" is null as empty from s order by id') == [
            {"id": 1, "v": "z", "empty": False}, {"id": 2, "v": "b", "empty": True}, {"id": 3, "v": "c", "empty": False},
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (", {name: w}", "", "column w is no longer declared"),
        (", {name: w}", ", {name: w, type: bigint}", "w is"),
        (", {name: w, type: 'decimal(12,2)'}", ", {name: w, type: 'decimal(14,2)'}", "w is"),
        (", {name: w, type: integer}", ", {name: w, type: bigint}", "w is"),
        ("", "PARTITION", "partitioned by"),
        ("", "RESCUE", ""),
    ],
)
def test_a_change_that_cannot_be_made_safely_is_refused_before_anything_is_written(world: World, old: str, new: str, said: str) -> None:
    from core.run import Undone

    first = SMALL.replace("MODE", "append")
    world.declare(first.replace("MORE", old)).put("raw/s/1", '{"id": 1}')
    world.run()
    files = {path for path in Path(world.uri).rglob("*") if path.is_file()}
    second = first.replace("MORE", "" if new.isupper() else new)
    if new == "PARTITION":
        second = second.replace("append", "append, partition_by: [v]")
    if new == "RESCUE":
        second = second.replace("jsonl}", "jsonl, unknown_columns: rescue}")
    world.declare(second).put("raw/s/2", '{"id": 2}')
    steps = [step for step in world.run() if isinstance(step, Undone)]
    if not said:
        assert steps == []
        return
    assert said in steps[0].error
    assert "new target path" in steps[0].error
    assert world.keys("raw/") == {"raw/s/2"}
    assert {path for path in Path(world.uri).rglob("*") if path.is_file()} == files | {Path(world.uri, "raw/s/2")}
