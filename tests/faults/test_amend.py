"""Undo, replay, backfill: the tables are what their objects make them, less those that were taken out, whatever happened in between."""

import os
from collections.abc import Iterable
from typing import Any

import pytest

from core import plans
from core.loading import Ingested, Withdrawn
from core.plans import Plan
from tests.faults.oracle import assert_sound
from tests.world import ORDERS, World

HEADER = "id,amount,placed\n"
MERGED = ORDERS.replace("target: {", "key: [id]\norder_by: [placed]\ntarget: {mode: merge, ")
OVERWRITTEN = ORDERS.replace("target: {", "target: {mode: overwrite, ")
MODES = {"append": ORDERS, "merge": MERGED, "overwrite": OVERWRITTEN}
POSITIVE = "checks: [{name: positive, sql: amount > 0, action: quarantine}]\n"


def put(world: World, name: str, rows: str, *, at: int) -> bytes:
    """Put an object that arrived at a time of its own (seconds)."""
    body = (HEADER + rows).encode()
    world.put(f"raw/orders/{name}.csv", body)
    if not world.uri.startswith("s3://"):
        os.utime(f"{world.uri}/raw/orders/{name}.csv", (1_790_000_000 + at,) * 2)
    return body


def do(world: World, planned: Iterable[Plan]) -> list[Any]:
    return [step for plan in planned for step in plans.perform(world.lake, plan)]


def undo(world: World, *names: str) -> Withdrawn:
    (done,) = [step for step in do(world, plans.undo(world.lake, names)) if isinstance(step, Withdrawn)]
    return done


def rows(world: World) -> list[tuple[int, str]]:
    return [(row["id"], row["amount"]) for row in world.rows("select id, amount from orders order by all")]


def test_an_object_that_is_taken_out_leaves_the_others(anywhere: World) -> None:
    anywhere.declare(ORDERS)
    a = put(anywhere, "a", "1,1,\nbad,2,\n", at=1)
    b = put(anywhere, "b", "2,2,\nworse,2,\n", at=2)
    anywhere.run()
    (plan,) = plans.undo(anywhere.lake, ["raw/orders/a.csv"])
    assert [(entry.source.split("@")[0], entry.rows, entry.quarantined) for entry in plan.objects] == [("raw/orders/a.csv", 1, 1)]
    assert rows(anywhere) == [(1, "1.00"), (2, "2.00")]

    done = undo(anywhere, "raw/orders/a.csv")
    assert (done.rows, done.refused, done.restored) == (1, 1, 0)
    assert rows(anywhere) == [(2, "2.00")]
    assert anywhere.values("select raw from quarantine.orders") == ["worse,2,"]
    assert_sound(anywhere, "orders", objects=[a, b])


def test_an_object_that_was_taken_out_stays_out_when_it_is_delivered_again(world: World) -> None:
    world.declare(ORDERS)
    put(world, "a", "1,1,\n", at=1)
    world.run()
    undo(world, "raw/orders/a.csv")
    put(world, "a", "1,1,\n", at=5)

    assert world.fates() == {"raw/orders/a.csv": "undone"}
    assert rows(world) == []
    do(world, plans.replay(world.lake, ["raw/orders/a.csv"]))
    assert rows(world) == [(1, "1.00")]


@pytest.mark.parametrize("mode", MODES)
def test_what_an_object_had_hidden_comes_back(world: World, mode: str) -> None:
    world.declare(MODES[mode])
    bodies = []
    for at, amount in enumerate("123"):
        bodies.append(put(world, "a", f"1,{amount},2026-01-0{amount}\n{amount}0,0,\n", at=at))
        world.run()
    newest = max(world.lake.table(world.lake.project.datasets["orders"]).identities)  # type: ignore[union-attr]
    del newest
    undo(world, "orders@" + str(world.version("orders")))
    assert (1, "2.00") in rows(world)
    assert (1, "3.00") not in rows(world)
    assert_sound(world, "orders", objects=bodies)


def test_replay_after_the_contract_was_mended_loads_what_was_quarantined(anywhere: World) -> None:
    anywhere.declare(ORDERS + POSITIVE)
    a = put(anywhere, "a", "1,1,\n2,-2,\nbad,3,\n", at=1)
    anywhere.run()
    assert rows(anywhere) == [(1, "1.00")]
    anywhere.declare(ORDERS)

    (done,) = [step for step in do(anywhere, plans.replay(anywhere.lake)) if isinstance(step, Ingested)]
    assert done.balance["accepted"] == 2
    assert rows(anywhere) == [(1, "1.00"), (2, "-2.00")]
    assert anywhere.values("select raw from quarantine.orders") == ["bad,3,"]
    (plan,) = plans.replay(anywhere.lake)
    assert (len(plan.objects), plan.done) == (0, 1)
    assert_sound(anywhere, "orders", objects=[a])


def test_replay_loads_a_rejected_object_once_its_contract_fits(anywhere: World) -> None:
    anywhere.declare(ORDERS)
    body = b"id,amount,placed,note\n1,1,,x\n"
    anywhere.put("raw/orders/a.csv", body)
    anywhere.run()
    assert anywhere.keys("rejected/")
    anywhere.declare(ORDERS.replace("target:", "  - {name: note, type: varchar}\ntarget:"))

    do(anywhere, plans.replay(anywhere.lake))
    assert anywhere.rows("select id, note from orders") == [{"id": 1, "note": "x"}]
    assert not anywhere.keys("rejected/")
    assert_sound(anywhere, "orders", objects=[body])


def test_a_table_that_is_lost_is_made_again_from_the_archive(anywhere: World) -> None:
    import shutil

    anywhere.declare(MERGED)
    put(anywhere, "a", "1,1,2026-01-01\n2,2,2026-01-01\n", at=1)
    put(anywhere, "b", "1,3,2026-01-02\n", at=2)
    anywhere.run()
    before = anywhere.rows("select * from orders order by all")
    if anywhere.uri.startswith("s3://"):
        for ref in list(anywhere.lake.raw.list("processed/")):
            anywhere.lake.raw.delete(ref.key)
    else:
        shutil.rmtree(f"{anywhere.uri}/processed")
    do(anywhere, plans.backfill(anywhere.lake))
    assert anywhere.rows("select * from orders order by all") == before
