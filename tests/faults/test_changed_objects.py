"""Objects that change under their name: the newest version stands, whatever the order of arrival, and nothing is added twice."""

import itertools
import os
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core import versions
from core.change import SINKS
from core.ingest import ingest
from core.storage import ObjectRef
from core.versions import decide
from tests.conftest import bucket
from tests.faults.figures import FIGURES
from tests.world import ORDERS, World

HEADER = "id,amount,placed\n"
VERSIONS = ["1,1.00,\n2,1.00,\n", "1,2.00,\n", "3,3.00,\n4,3.00,\n5,3.00,\n"]


@pytest.fixture
def bucketed(tmp_path: Path, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> World:
    """A lake in a bucket, which holds several versions of an object at a time."""
    return World(tmp_path, bucket(s3_endpoint, monkeypatch))


def put(world: World, key: str, rows: str, age: int) -> None:
    """Put an object that is so many minutes old. In a bucket the clock decides, by the second: the later is the newer."""
    if world.uri.startswith("s3://"):
        time.sleep(1.1)
    world.put(key, HEADER + rows)
    if not world.uri.startswith("s3://"):
        moment = (datetime.now(UTC) - timedelta(minutes=age)).timestamp()
        os.utime(world.home / "lake" / key, (moment, moment))


def _history(world: World, name: str) -> list[dict[str, Any]]:
    snapshot = world.lake.named_table(name)
    return snapshot.history() if snapshot else []


def amounts(world: World) -> list[str]:
    return sorted(world.values("select amount from orders"))


def test_a_changed_object_replaces_its_rows_and_no_others(anywhere: World) -> None:
    anywhere.declare(ORDERS)
    put(anywhere, "raw/orders/other.csv", "9,9.00,\n", 9)
    for age, rows in zip((3, 2, 1), VERSIONS, strict=True):
        put(anywhere, "raw/orders/a.csv", rows, age)
        assert anywhere.fates()["raw/orders/a.csv"] == "loaded"
    assert amounts(anywhere) == ["3.00", "3.00", "3.00", "9.00"]
    assert len(anywhere.keys("archived/")) == 4
    FIGURES.count("changed objects", "replaced")


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_newest_version_stands_in_every_order_of_arrival(world: World, order: tuple[int, ...]) -> None:
    world.declare(ORDERS)
    for n in order:
        put(world, "raw/orders/a.csv", VERSIONS[n], age=3 - n)
        (step,) = world.ingested()
        assert step.balance["accepted"] == step.balance["inserted"] + step.balance["superseded"]
    assert amounts(world) == ["3.00", "3.00", "3.00"]
    FIGURES.count("changed objects", "orders of arrival")


def test_versions_of_the_same_moment_are_ordered_by_their_source(world: World) -> None:
    tables = []
    for order in ((0, 1), (1, 0)):
        one = World(world.home / str(order), str(world.home / str(order) / "lake")).declare(ORDERS)
        for n in order:
            one.put("raw/orders/a.csv", HEADER + VERSIONS[n])
            os.utime(one.home / "lake" / "raw/orders/a.csv", (1_790_000_000, 1_790_000_000))
            one.run()
        tables.append(amounts(one))
    assert tables[0] == tables[1]
    FIGURES.count("changed objects", "of one moment")


@pytest.mark.parametrize("declared", [ORDERS, ORDERS.replace("target: {", "target: {mode: overwrite, ")], ids=["append", "overwrite"])
@pytest.mark.parametrize("amount", [2, 3])  # the one is a greater source than that of no rows, the other a smaller one
def test_a_version_without_rows_keeps_its_place_among_those_of_its_moment(world: World, declared: str, amount: int) -> None:
    tables = []
    for order in (("", f"1,{amount},\n"), (f"1,{amount},\n", "")):
        one = World(world.home / str(len(tables)), str(world.home / str(len(tables)) / "lake")).declare(declared)
        for rows in order:
            one.put("raw/orders/a.csv", HEADER + rows)
            os.utime(one.home / "lake" / "raw/orders/a.csv", (1_790_000_000, 1_790_000_000))
            one.run()
        tables.append(amounts(one))
    assert tables[0] == tables[1]


def test_several_versions_in_one_batch_leave_the_newest(bucketed: World) -> None:
    bucketed.declare(ORDERS)
    refs = []
    for rows in VERSIONS:
        bucketed.put("raw/orders/a.csv", HEADER + rows)
        (ref,) = bucketed.lake.raw.list("raw/orders/")
        refs.append(ref)
    done = ingest(bucketed.lake, bucketed.lake.project.datasets["orders"], refs[::-1])
    assert done.count("loaded") == 3
    newest = max(ref.source for ref in refs if ref.modified == max(ref.modified for ref in refs))
    assert bucketed.values("select distinct _source from orders") == [newest]
    FIGURES.count("changed objects", "in one batch")


def test_the_same_bytes_under_two_names_are_two_objects(world: World) -> None:
    world.declare(ORDERS)
    for name in ("a", "b"):
        world.put(f"raw/orders/{name}.csv", HEADER + VERSIONS[0])
    world.run()
    assert amounts(world) == ["1.00"] * 4
    FIGURES.count("changed objects", "the same bytes")


def test_what_was_set_aside_of_the_older_version_goes_with_it(anywhere: World) -> None:
    anywhere.declare(ORDERS)
    put(anywhere, "raw/orders/other.csv", "x,9.00,\n", 9)
    put(anywhere, "raw/orders/a.csv", "1,1.00,\nx,1.00,\ny,1.00,\n", 3)
    anywhere.run()
    assert anywhere.values("select count(*) from quarantine.orders") == [3]
    put(anywhere, "raw/orders/a.csv", "1,1.00,\n2,1.00,\nz,1.00,\n", 2)
    anywhere.run()
    assert anywhere.values("select count(*) from quarantine.orders") == [2]
    put(anywhere, "raw/orders/a.csv", "1,1.00,\n2,1.00,\n3,1.00,\n", 1)
    anywhere.run()
    assert anywhere.values("select count(*) from quarantine.orders") == [1]
    assert amounts(anywhere) == ["1.00", "1.00", "1.00"]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_only_the_newest_version_s_rows_are_set_aside_in_every_order_of_arrival(world: World, order: tuple[int, ...]) -> None:
    world.declare(ORDERS)
    for n in order:
        put(world, "raw/orders/a.csv", ("w,1.00,\nx,1.00,\n", "1,1.00,\ny,1.00,\n")[n], age=3 - n)
        world.run()
    assert world.values("select raw from quarantine.orders") == ["y,1.00,"]
    assert sum(commit["lakelet"].get("quarantined", 0) for commit in _history(world, "quarantine.orders")) == (3 if order == (0, 1) else 1)


def test_add_keeps_the_rows_of_every_version(world: World) -> None:
    world.declare(ORDERS + "on_change: add\n")
    for age, rows in zip((3, 2, 1), VERSIONS, strict=True):
        put(world, "raw/orders/a.csv", rows, age)
        world.run()
    assert amounts(world) == ["1.00", "1.00", "2.00", "3.00", "3.00", "3.00"]
    FIGURES.count("changed objects", "added")


def test_reject_sets_the_changed_object_aside(world: World) -> None:
    world.declare(ORDERS + "on_change: reject\n")
    put(world, "raw/orders/a.csv", VERSIONS[0], 2)
    world.run()
    put(world, "raw/orders/a.csv", VERSIONS[1], 1)
    assert world.fates() == {"raw/orders/a.csv": "rejected: changed_object"}
    assert amounts(world) == ["1.00", "1.00"]
    assert "on_change" in world.report("rejected/changed_object/orders/")["remedy"]
    FIGURES.count("changed objects", "rejected")


def test_deleting_a_raw_object_deletes_no_row(world: World) -> None:
    world.declare(ORDERS + "after: keep\n")
    world.put("raw/orders/a.csv", HEADER + VERSIONS[0])
    world.run()
    world.lake.raw.delete("raw/orders/a.csv")
    world.run()
    assert amounts(world) == ["1.00", "1.00"]
    FIGURES.count("changed objects", "deleted in raw")


def test_an_object_that_the_table_has_forgotten_is_found_by_its_rows(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.declare(ORDERS)
    put(world, "raw/orders/a.csv", VERSIONS[0], 5)
    world.run()
    monkeypatch.setattr(versions, "identity", lambda key: f"forgotten/{key}")
    monkeypatch.setattr(versions, "REMEMBERED", timedelta(minutes=-10))
    put(world, "raw/orders/a.csv", VERSIONS[1], 1)
    world.run()
    assert amounts(world) == ["2.00"]


def test_two_writers_of_two_versions_leave_the_newest_alone(bucketed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second commits between the first one's decision and its commit: neither has seen the other's version."""
    bucketed.declare(ORDERS)
    dataset = bucketed.lake.project.datasets["orders"]
    refs: list[ObjectRef] = []
    for rows in VERSIONS[:2]:
        bucketed.put("raw/orders/a.csv", HEADER + rows)
        refs += bucketed.lake.raw.list("raw/orders/")
    real, meanwhile = SINKS["append"], threading.Lock()

    def overtaken(*given: object) -> object:
        decision = real(*given)  # type: ignore[arg-type]
        if meanwhile.acquire(blocking=False):
            ingest(bucketed.lake, dataset, refs[1:])
        return decision

    monkeypatch.setattr("core.loading.SINKS", {**SINKS, "append": overtaken})
    ingest(bucketed.lake, dataset, refs[:1])
    assert len(bucketed.values("select distinct _source from orders")) == 1
    newest = max(refs, key=lambda ref: (ref.modified, ref.source))
    assert bucketed.values("select distinct _source from orders") == [newest.source]
    FIGURES.count("changed objects", "two writers")


def test_standing_is_decided_object_by_object() -> None:
    found = decide({"a": [(2, "a@2"), (1, "a@1")], "b": [(5, "b@5")], "c": [(1, "c@1")]}, {"b": (4, "b@4"), "c": (3, "c@3")})
    assert set(found.late) == {"a@1", "c@1"}
    assert found.replaced == ("b",)
    assert found.identities == {"lakelet/newest/a": 2, "lakelet/newest/b": 5, "lakelet/newest/c": 3}


def test_the_rows_that_stay_keep_their_columns_when_the_declaration_orders_them_anew(world: World) -> None:
    columns = "columns: [{{name: id, type: bigint}}, {{name: {}}}, {{name: {}}}]"
    declared = "dataset: orders\nsource: {path: raw/orders/, format: csv}\ntarget: {path: processed/orders/}\n"
    world.declare(declared + columns.format("city", "street"))
    for n in range(2):
        put(world, f"raw/orders/{n}.csv", "", 9)
        (world.home / "lake" / f"raw/orders/{n}.csv").write_text(f"id,city,street\n{n},Rome,Corso\n")
    world.run()
    world.declare(declared + columns.format("street", "city"))
    (world.home / "lake" / "raw/orders/0.csv").write_text("id,street,city\n7,Corso,Rome\n")
    world.run()
    assert world.rows("select id, city, street from orders order by id") == [
        {"id": 1, "city": "Rome", "street": "Corso"},
        {"id": 7, "city": "Rome", "street": "Corso"},
    ]
