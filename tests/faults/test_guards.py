"""Guards that no other test would miss: each of these fails without the line that it is for (tests/guards)."""

import hashlib
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core import change, delta, export, ingest, ledger, run, transform
from core.amend import commits
from core.delta import Change, Snapshot, tables
from core.project import Project
from core.run import Undone
from core.storage import ObjectRef
from core.transform import Transformed
from tests.faults.oracle import assert_sound
from tests.faults.test_protocol import HEADER, MERGED, Killed, failing_once
from tests.faults.test_traps import OVERWRITTEN, ingest_one
from tests.world import ORDERS, World

LONG_AGO = datetime.now(UTC) - timedelta(days=40)
COUNT = "transform: t\nsql: t.sql\nwhen: any_input\ntarget: {path: gold/t/}\n"


def own(world: World) -> World:
    """The same world as another process sees it."""
    return World(world.home, world.uri)


# --- the commit ----------------------------------------------------------------------------------------------------------------------


def test_of_two_who_create_a_table_the_second_finds_the_first_one_s_rows(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.declare(ORDERS)
    for n, name in enumerate("ab"):
        world.put(f"raw/orders/{name}.csv", HEADER + f"{n},1,\n")
    real, rivals = tables.open_table, ["raw/orders/a.csv"]

    def open_table(*given: Any) -> Snapshot | None:
        found = real(*given)
        if found is None and rivals:
            ingest_one(world, rivals.pop())
        return found

    monkeypatch.setattr(tables, "open_table", open_table)
    assert ingest_one(world, "raw/orders/b.csv") == "loaded"
    assert world.values("select id from orders order by id") == [0, 1]
    assert_sound(world, "orders")


def test_an_object_that_a_rival_loads_in_between_is_not_loaded_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.declare(ORDERS + "after: keep\n").put("raw/orders/a.csv", HEADER + "1,1,\n")
    real, rivals = change.append, ["raw/orders/a.csv"]

    def overtaken(*given: Any) -> change.Decision:
        decision = real(*given)
        if rivals:
            assert ingest_one(world, rivals.pop()) == "loaded"
        return decision

    monkeypatch.setattr("core.loading.SINKS", {**change.SINKS, "append": overtaken})
    assert ingest_one(world, "raw/orders/a.csv") == "already loaded"
    assert world.values("select id from orders") == [1]
    assert_sound(world, "orders")


def test_an_overwrite_and_a_merge_of_one_table_do_not_mix(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a declaration changes its mode, functions of both are at work."""
    world.declare(OVERWRITTEN)
    merging = World(world.home / "before", world.uri).declare(MERGED)
    for n, name in enumerate("ab"):
        world.put(f"raw/orders/{name}.csv", HEADER + f"{n},1,\n")
    real, rivals = delta.commit, [merging]

    def commit(*given: Any, **more: Any) -> int:
        if rivals:
            ingest_one(rivals.pop(), "raw/orders/b.csv")
        return real(*given, **more)

    monkeypatch.setattr(delta, "commit", commit)
    assert ingest_one(world, "raw/orders/a.csv") == "loaded"
    assert world.values("select id from orders") == [0]


def test_an_object_from_behind_the_replay_window_is_refused_unless_it_is_asked_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.declare(ORDERS).put("raw/orders/a.csv", HEADER + "1,1,\n")
    world.run()
    monkeypatch.setattr(Snapshot, "created", property(lambda _: LONG_AGO))
    world.put("raw/orders/old.csv", HEADER + "2,1,\n")
    os.utime(Path(world.uri, "raw/orders/old.csv"), (LONG_AGO.timestamp(),) * 2)

    (done,) = world.ingested()
    assert [(outcome.fate, "--behind-window" in outcome.reason) for outcome in done.objects] == [("refused", True)]
    assert world.keys("raw/") == {"raw/orders/old.csv"}
    dataset = world.lake.project.datasets["orders"]
    assert ingest.ingest(world.lake, dataset, [ObjectRef("raw/orders/old.csv")], behind_window=True).count("loaded") == 1
    assert world.values("select id from orders order by id") == [1, 2]


def test_a_crash_while_an_object_is_set_aside_is_mended_by_the_next_run(world: World) -> None:
    for verb, after in (("put", False), ("put", True), ("move", False), ("move", True)):
        key = f"raw/orders/{verb}-{after}.csv"
        world.declare(ORDERS).put(key, "id,amuont\n1,2\n")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(world.lake.raw, verb, failing_once(getattr(world.lake.raw, verb), Killed(), at=1, after=after))
            with pytest.raises(Killed):
                world.run()
        world.run()
        kept = [name.removesuffix(".report.json") for name in sorted(world.keys("rejected/")) if f"{verb}-{after}" in name]
        assert len(kept) == 2, f"{verb} {after}: the object and its report"
        assert kept[0] == kept[1]
        assert world.keys("raw/") == set()


# --- transforms and exports ----------------------------------------------------------------------------------------------------------


def counted(world: World) -> World:
    """Orders, and a transform that counts them."""
    world.declare(ORDERS).declare(COUNT, t="select count(*) as n from orders")
    world.put("raw/orders/a.csv", HEADER + "1,1,\n")
    return world


def test_a_transform_that_was_overtaken_does_not_put_its_older_result_over_the_newer_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted(world).run()
    world.put("raw/orders/b.csv", HEADER + "2,1,\n")
    world.run(names=["orders"])
    real, rivals = transform._mounted, ["c"]

    def overtaken(*given: Any) -> Snapshot:
        mounted = real(*given)
        if rivals:
            world.put(f"raw/orders/{rivals.pop()}.csv", HEADER + "3,1,\n")
            assert any(isinstance(step, Transformed) for step in own(world).run())
        return mounted

    monkeypatch.setattr(transform, "_mounted", overtaken)
    assert not [step for step in world.run() if isinstance(step, Undone)]
    assert world.values("select n from t") == [3]


def test_two_first_runs_of_a_transform_leave_one_result(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    counted(world)
    real, rivals = transform._ensure, [own(world)]

    def overtaken(*given: Any) -> Snapshot:
        table = real(*given)
        if rivals:
            assert any(isinstance(step, Transformed) for step in rivals.pop().run())
        return table

    monkeypatch.setattr(transform, "_ensure", overtaken)
    assert not [step for step in world.run() if isinstance(step, Undone)]
    assert world.values("select n from t") == [1]


def test_a_transform_that_waits_for_all_its_inputs_runs_when_rows_that_it_counted_are_taken_out(world: World) -> None:
    query = "select (select count(*) from orders) + (select count(*) from refunds) as n"
    world.declare(ORDERS).declare(ORDERS.replace("orders", "refunds")).declare(COUNT.replace("any_input", "all_inputs"), t=query)
    for name in ("orders", "refunds"):
        world.put(f"raw/{name}/a.csv", HEADER + "1,1,\n")
    world.run()
    assert world.values("select n from t") == [2]
    dataset = world.lake.project.datasets["orders"]
    table = world.lake.table(dataset)
    assert table is not None
    commits.undo(world.lake, dataset, ledger.loaded(dataset, table))
    world.run()
    assert world.values("select n from t") == [1]


def test_an_export_that_was_overtaken_is_brought_up_to_the_newest_version(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.declare(ORDERS + "exports: [{path: exports/orders/, format: csv}]\n").put("raw/orders/a.csv", HEADER + "1,1,\n")
    real, rivals = export._write, [own(world)]

    def overtaken(*given: Any) -> int:
        if rivals:
            world.put("raw/orders/b.csv", HEADER + "2,1,\n")
            rivals.pop().run()
        return real(*given)

    monkeypatch.setattr(export, "_write", overtaken)
    world.run()
    assert (world.lake.store.get("exports/orders/orders.csv") or b"").count(b"\n") == 3


# --- objects and their versions ------------------------------------------------------------------------------------------------------


def test_what_was_taken_out_stays_out_although_its_identity_was_forgotten(world: World) -> None:
    world.declare(ORDERS).put("raw/orders/a.csv", HEADER + "1,1,\n")
    world.run()
    body = HEADER + "2,1,\n"
    source = f"raw/orders/b.csv@{hashlib.sha256(body.encode()).hexdigest()[:32]}"
    table = world.lake.named_table("orders")
    assert table is not None
    delta.commit(table, Change(marks={ledger.undone(source): 1}), now=world.lake.now())
    world.put("raw/orders/b.csv", body)
    assert world.fates() == {"raw/orders/b.csv": "undone"}
    assert world.values("select id from orders") == [1]


def test_an_object_may_be_named_as_another_one_s_version(world: World) -> None:
    world.declare(ORDERS)
    body = HEADER + "1,1,\n"
    version = hashlib.sha256(body.encode()).hexdigest()[:32]
    world.put(f"raw/orders/a.csv@{version}", HEADER + "2,1,\n")
    world.run()
    world.put("raw/orders/a.csv", body)
    assert world.fates() == {"raw/orders/a.csv": "loaded"}
    assert world.values("select id from orders order by id") == [1, 2]


def test_a_changed_object_whose_name_the_statistics_do_not_tell_replaces_its_rows(world: World) -> None:
    world.declare(ORDERS)
    for key, amount, age in (("z.csv", 9, 3), ("a\nb.csv", 1, 2), ("a\nb.csv", 2, 1)):
        world.put(f"raw/orders/{key}", HEADER + f"1,{amount},\n")
        os.utime(Path(world.uri, f"raw/orders/{key}"), (1_700_000_000 - age,) * 2)
        world.run()
    assert world.values("select amount from orders order by amount") == ["2.00", "9.00"]


@pytest.mark.parametrize("few", [10_000, -1], ids=["each key", "their range"])
def test_a_merge_finds_a_key_whose_file_has_no_bounds(world: World, monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    monkeypatch.setattr(change, "FEW_KEYS", few)
    world.declare(
        "dataset: t\nsource: {path: raw/t/, format: jsonl}\ncolumns: [{name: k}, {name: n, type: bigint}]\nkey: [k]\n"
        "target: {path: processed/t/, mode: merge}\n"
    )
    for n, key in enumerate(["m", "a\\tb", "a\\tb"]):
        world.put(f"raw/t/{n}", f'{{"k": "{key}", "n": {n}}}')
        os.utime(Path(world.uri, f"raw/t/{n}"), (1_700_000_000 + n,) * 2)
        world.run()
    assert world.values("select n from t order by n") == [0, 2]


def test_an_object_that_two_datasets_claim_is_loaded_by_neither(world: World) -> None:
    world.declare(ORDERS)
    one = world.lake.project.datasets["orders"]
    both = replace(world.lake, project=Project({"orders": one, "again": one.model_copy(update={"dataset": "again"})}, {}))
    owner = run.owner_of(both, "raw/orders/a.csv")
    assert isinstance(owner, run.Unknown)
    assert "expected one dataset; found orders and again" in owner.why


def test_a_folder_s_marker_and_a_hidden_file_are_not_loaded(world: World) -> None:
    world.declare(ORDERS).put("raw/orders/.DS_Store", b"\0\0\0\1Bud1")
    assert world.run() == []
    assert world.keys("raw/") == {"raw/orders/.DS_Store"}
    assert not run.is_data(ObjectRef("raw/orders/"))
