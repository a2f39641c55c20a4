"""Expectations over a table: each kind kept and broken; a broken one is told and stops nothing."""

from dataclasses import replace
from typing import Any

import pytest

from core import delta
from core.contract import Dataset, Expect
from core.delta import Change
from core.expect import violations
from core.run import Violated
from tests.world import ORDERS, World

HEADER = "id,amount,placed\n"
OLD = "2020-01-01T00:00:00Z"
CASES = [
    ("rows: [1, 2]", "1,1,\n", ""),
    ("rows: [2, null]", "1,1,\n", "expected 2 to any number of rows, found 1"),
    ("rows: [null, 1]", "1,1,\n2,1,\n", "expected 0 to 1 rows, found 2"),
    ("rows: [1, null]", "", "expected 1 to any number of rows, found 0"),
    ("nulls: {amount: 0.5}", "1,1,\n2,,\n", ""),
    ("nulls: {amount: 0.4}", "1,1,\n2,,\n", "expected at most 40.0% of amount to be NULL, found 50.0%"),
    ("nulls: {amount: 0, placed: 0}", "1,,\n", "expected at most 0.0% of amount"),
    ("nulls: {amount: 0}", "", ""),
    ("unique: [id]", "1,1,\n2,1,\n", ""),
    ("unique: [amount]", "1,1,\n2,1,\n3,1,\n4,2,\n", "expected amount to be unique, found 1 values more than once"),
    ("unique: [id, amount]", "1,1,\n1,2,\n", ""),
    ("fresh: {placed: 100000 days}", f"1,1,{OLD}\n", ""),
    ("fresh: {placed: 2 days}", f"1,1,{OLD}\n", "expected placed to reach into the last 2 days, found its newest "),
    ("fresh: {placed: 2 days}", "1,1,\n", "found nothing"),
    ("fresh: {placed: 2 days}", "1,1,2999-01-01\n", ""),
]


def broken(world: World) -> list[tuple[str, str, str]]:
    return [(v.name, v.action, v.message) for step in world.run() if isinstance(step, Violated) for v in step.violations]


@pytest.mark.parametrize(("expect", "rows", "message"), CASES)
def test_an_expectation_is_kept_or_says_what_it_found(world: World, expect: str, rows: str, message: str) -> None:
    world.declare(ORDERS + f"expect: [{{name: e, {expect}}}]\n").put("raw/orders/a.csv", HEADER + rows)
    found = broken(world)
    assert world.values("select count(*) from orders") == [rows.count("\n")]
    if message:
        assert [(name, action) for name, action, _ in found] == [("e", "warn")]
        assert message in found[0][2]
    else:
        assert found == []


def test_a_load_unlike_the_last_ones_is_told(world: World) -> None:
    world.declare(ORDERS + "expect: [{name: usual, usual: 2, action: alert}]\n")
    for n in range(4):
        world.put(f"raw/orders/{n}.csv", HEADER + "1,1,\n" * 10)
        assert broken(world) == []
    world.put("raw/orders/few.csv", HEADER + "1,1,\n" * 4)
    assert broken(world) == [("usual", "alert", "expected about 10 rows a load (within a factor of 2), found 4")]
    world.put("raw/orders/many.csv", HEADER + "1,1,\n" * 21)
    assert [name for name, *_ in broken(world)] == ["usual"]


@pytest.mark.parametrize("stats", ['{"numRecords": 2}', "{}", '{"nullCount": {"amount": 2}}'])
def test_nulls_are_counted_where_the_log_does_not_tell_them(world: World, stats: str) -> None:
    """A file that another writer added may have no statistics; and of a partition's value there are none."""
    world.declare(ORDERS.replace("target: {", "target: {partition_by: [placed], ").replace("placed, type: timestamp", "placed, type: date"))
    world.put("raw/orders/a.csv", HEADER + "1,,\n2,,\n")
    world.put("raw/orders/b.csv", HEADER + "3,1,2025-01-01\n")
    world.run()
    table = world.lake.project.datasets["orders"]
    snapshot = world.lake.table(table)
    assert snapshot is not None
    assert (snapshot.nulls("amount"), snapshot.nulls("placed"), snapshot.nulls("nowhere")) == (2, None, None)
    (file,) = (file for file in snapshot.files if file.rows == 2)
    bare = replace(file, stats=stats)
    delta.commit(snapshot, Change(removed=(file,), exclusive=True), now=world.lake.now())
    delta.commit(delta.open_table(snapshot.uri, {}), Change(added=(bare,)), now=world.lake.now())

    expected = replace_expectations(table, nulls={"amount": 0.5, "placed": 0.5})
    assert [found.message for found in violations(world.lake, expected)] == [
        "expected at most 50.0% of amount to be NULL, found 66.7%; expected at most 50.0% of placed to be NULL, found 66.7%"
    ]


def replace_expectations(dataset: Dataset, **expect: Any) -> Dataset:
    """Return the dataset with one expectation."""
    return dataset.model_copy(update={"expect": (Expect.model_validate({"name": "e", **expect}),)})


def test_a_table_is_judged_after_a_load_and_not_without_one(world: World) -> None:
    world.declare(ORDERS + "expect: [{name: e, rows: [5, null]}]\n").put("raw/orders/a.csv", HEADER + "1,1,\n")
    assert len(broken(world)) == 1
    assert broken(world) == []


def test_a_transform_s_result_is_judged_too(world: World) -> None:
    world.declare(ORDERS).put("raw/orders/a.csv", HEADER + "1,1,\n2,1,\n")
    declared = "transform: t\nsql: t.sql\nwhen: any_input\ntarget: {path: gold/t/}\nexpect: [{name: once, unique: [amount]}]\n"
    world.declare(declared, t="select amount from orders")
    assert [name for name, *_ in broken(world)] == ["once"]


def test_an_expectation_of_a_column_that_a_result_does_not_have_is_told_and_stops_nothing(world: World) -> None:
    world.declare(ORDERS).put("raw/orders/a.csv", HEADER + "1,1,\n")
    declared = "transform: a\nsql: a.sql\nwhen: any_input\ntarget: {path: gold/a/}\nexpect: [{name: once, unique: [amuont]}]\n"
    world.declare(declared, a="select amount from orders")
    world.declare("transform: b\nsql: b.sql\nwhen: any_input\ntarget: {path: gold/b/}\n", b="select amount from orders")
    world.run()
    assert world.values("select count(*) from b") == [1]


def test_names_in_expectations_are_quoted(world: World) -> None:
    declared = ORDERS.replace("name: amount", 'name: "a b; drop table x"')
    text = 'expect: [{name: n, nulls: {"a b; drop table x": 0}}, {name: u, unique: ["a b; drop table x"]}]\n'
    world.declare(declared + text).put("raw/orders/a.csv", "id,a b; drop table x,placed\n1,,\n2,1,\n3,1,\n")
    assert [name for name, *_ in broken(world)] == ["n", "u"]
