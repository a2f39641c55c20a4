"""The measured traps of delta-rs, each with a test that fails without its guard; those met elsewhere are not repeated here."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from core import delta, ingest
from core.delta import Change
from core.storage import ObjectRef
from tests.faults.test_protocol import HEADER, MERGED
from tests.world import ORDERS, World

OVERWRITTEN = ORDERS.replace("target: {", "target: {mode: overwrite, ")


def log(world: World, name: str = "orders") -> Iterator[dict[str, Any]]:
    """Yield every action of a table's log."""
    snapshot = world.lake.table(world.lake.project.named(name))
    assert snapshot is not None
    for file in sorted(Path(snapshot.uri, "_delta_log").glob("*.json")):
        yield from map(json.loads, file.read_text("utf-8").splitlines())


def ingest_one(world: World, key: str) -> str:
    own = World(world.home, world.uri)
    done = ingest.ingest(own.lake, own.lake.project.datasets["orders"], [ObjectRef(key)])
    return done.objects[0].fate


@pytest.mark.parametrize("declared", [ORDERS, MERGED], ids=["append", "merge"])
def test_trap_5_many_writers_at_once_all_get_their_turn(world: World, declared: str) -> None:
    """delta-rs#3066: left to itself it gives up after 15 tries without a pause."""
    world.declare(declared)
    keys = [f"raw/orders/{n}.csv" for n in range(6)]
    for n, key in enumerate(keys):
        world.put(key, HEADER + f"{n},{n},\n")
    with ThreadPoolExecutor(6) as pool:
        fates = list(pool.map(lambda key: ingest_one(world, key), keys))
    assert fates == ["loaded"] * 6
    assert world.values("select id from orders order by id") == list(range(6))


def rival_before_commit(world: World, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    """Have another writer load an object right before the first commit of this one: its snapshot is stale then."""
    real, rivals = delta.commit, [key]

    def commit(*arguments: Any, **options: Any) -> int:
        if rivals:
            ingest_one(world, rivals.pop())
        return real(*arguments, **options)

    monkeypatch.setattr(delta, "commit", commit)


@pytest.mark.parametrize(
    ("declared", "amounts"), [(ORDERS, ["1.00", "2.00"]), (MERGED, ["2.00"]), (OVERWRITTEN, ["2.00"])], ids=["append", "merge", "overwrite"]
)
@pytest.mark.parametrize("rival", ["older", "newer"])
def test_traps_6_and_15_a_rival_s_commit_in_between_neither_doubles_nor_loses_a_row(
    world: World, monkeypatch: pytest.MonkeyPatch, declared: str, amounts: list[str], rival: str
) -> None:
    import os

    world.declare(declared)
    for n, key in ((1, "older"), (2, "newer")):
        world.put(f"raw/orders/{key}.csv", HEADER + f"7,{n},2025-01-0{n}\n")
        os.utime(Path(world.uri, f"raw/orders/{key}.csv"), (1_700_000_000 + n,) * 2)
    mine = "newer" if rival == "older" else "older"
    with monkeypatch.context() as patch:
        rival_before_commit(world, patch, f"raw/orders/{rival}.csv")
        ref = ObjectRef(f"raw/orders/{mine}.csv")
        ingest.ingest(world.lake, world.lake.project.datasets["orders"], [ref], behind_window=True)

    assert world.values("select amount from orders order by amount") == amounts
    assert world.run() == []


def test_trap_15_an_append_that_a_removal_overtook_is_not_lost(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.declare(ORDERS).put("raw/orders/a.csv", HEADER + "1,1,\n")
    world.run()
    world.put("raw/orders/b.csv", HEADER + "2,2,\n")
    real, todo = delta.commit, ["removal"]

    def commit(*arguments: Any, **options: Any) -> int:
        if todo:
            todo.pop()
            held = world.lake.table(world.lake.project.named("orders"))
            assert held is not None
            real(held, Change(removed=held.files), now=world.lake.now())
        return real(*arguments, **options)

    monkeypatch.setattr(delta, "commit", commit)
    world.run()
    assert world.values("select id from orders") == [2]


def test_trap_9_an_empty_text_as_a_partition_is_not_turned_into_null(world: World) -> None:
    world.declare(
        "dataset: p\nsource: {path: raw/p/, format: jsonl}\ncolumns: [{name: id, type: bigint}, {name: c}]\n"
        "target: {path: processed/p/, partition_by: [c]}\n"
    ).put("raw/p/a", '{"id": 1, "c": ""}\n{"id": 2}\n{"id": 3, "c": " "}\n{"id": 4, "c": "__HIVE_DEFAULT_PARTITION__"}')
    world.run()
    assert world.rows("select id, c from p order by id") == [{"id": 2, "c": None}, {"id": 3, "c": " "}]
    assert world.values("select _row from quarantine.p order by 1") == [1, 4]


def test_trap_10_tables_keep_the_protocol_that_every_reader_knows(world: World) -> None:
    world.declare(ORDERS).put("raw/orders/a.csv", HEADER + "1,1,2025-01-01\n,,\n")
    world.declare(
        "transform: t\nsql: t.sql\nwhen: any_input\ntarget: {path: gold/t/}\n",
        t="select timestamp '2025-01-01' as naive, [timestamp '2025-01-01'] as many, {'a': timestamp '2025-01-01'} as inner from orders",
    )
    world.run()
    for name in ("orders", "t"):
        protocols = [action["protocol"] for action in log(world, name) if "protocol" in action]
        assert [(p["minReaderVersion"], p["minWriterVersion"]) for p in protocols] == [(1, 2)], name


@pytest.mark.parametrize("declared", [ORDERS, MERGED, OVERWRITTEN], ids=["append", "merge", "overwrite"])
def test_trap_11_an_objects_identity_can_expire_and_a_tables_marks_cannot(world: World, declared: str) -> None:
    world.declare(declared)
    for n in range(2):
        world.put(f"raw/orders/{n}.csv", HEADER + f"{n},1,\n")
        world.run()
    actions = list(log(world))
    recorded = [action["txn"] for action in actions if "txn" in action]
    objects = [identity for identity in recorded if identity["appId"].startswith(("raw/", "lakelet/newest/raw/"))]
    assert len({identity["appId"] for identity in objects}) == (4 if declared == ORDERS else 2)
    assert all(identity["lastUpdated"] > 1_700_000_000_000 for identity in objects)
    assert not any(mark.get("lastUpdated") for mark in recorded if mark not in objects)
    configured = next(action["metaData"]["configuration"] for action in actions if "metaData" in action)
    assert configured["delta.setTransactionRetentionDuration"] == "interval 30 days"


def test_trap_3_a_lower_version_of_an_object_does_not_move_its_identity_back(world: World) -> None:
    world.declare(ORDERS).put("raw/orders/a.csv", HEADER + "1,1,\n")
    world.run()
    before = world.version("orders")
    world.put("raw/orders/a.csv", HEADER + "1,1,\n")  # the same content at another time
    assert world.fates() == {"raw/orders/a.csv": "already loaded"}
    assert world.version("orders") == before
