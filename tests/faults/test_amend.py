"""Undo, replay, backfill: the tables are what their objects make them, less those that were taken out, whatever happened in between."""

import hashlib
import os
import random
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core import delta, ingest, run
from core.amend import plans
from core.amend.plans import Plan
from core.errors import Terminal
from core.loading import Ingested, Withdrawn
from tests.faults.figures import FIGURES, LONG
from tests.faults.oracle import assert_sound
from tests.faults.test_protocol import Killed, failing_once
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
    return [step for plan in planned for step in run.perform(world.lake, plan)]


def undo(world: World, *names: str) -> Withdrawn:
    (done,) = [step for step in do(world, plans.undo(world.lake, names)) if isinstance(step, Withdrawn)]
    return done


def rows(world: World) -> list[tuple[int, str]]:
    return sorted((row["id"], row["amount"]) for row in world.rows("select id, amount from orders"))


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
def test_what_a_commit_had_hidden_comes_back(world: World, mode: str) -> None:
    world.declare(MODES[mode])
    bodies = []
    for at in (1, 2, 3):
        bodies.append(put(world, "a", f"1,{at},2026-01-0{at}\n{at}0,0,\n", at=at))
        world.run()
    undo(world, f"orders@{world.version('orders')}")

    assert (1, "2.00") in rows(world)
    assert (1, "3.00") not in rows(world)
    assert_sound(world, "orders", objects=bodies)
    FIGURES.count("undo", f"{mode}: what a commit had hidden")


@pytest.mark.parametrize("mode", ["append", "overwrite"])
def test_what_was_taken_out_does_not_come_back_where_another_one_leaves(world: World, mode: str) -> None:
    world.declare(MODES[mode])
    for at in (1, 2, 3):
        put(world, "a", f"{at},{at},\n", at=at)
        world.run()
    undo(world, "orders@2")
    undo(world, "orders@3")
    assert rows(world) == [(1, "1.00")]

    do(world, plans.backfill(world.lake, everything=True))
    assert rows(world) == [(1, "1.00")]


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
    FIGURES.count("undo", "a table made again from the archive")


# --- against a model -----------------------------------------------------------------------------------------------------------------


@dataclass
class Version:
    """An object's version, as the model knows it."""

    key: str
    at: int
    rows: list[tuple[int, int, int]]
    """id, amount, day"""
    loaded: bool = True

    @property
    def body(self) -> bytes:
        return (HEADER + "".join(f"{id},{amount},2026-01-0{day}\n" for id, amount, day in self.rows)).encode()

    @property
    def source(self) -> str:
        return f"raw/orders/{self.key}.csv@{hashlib.sha256(self.body).hexdigest()[:32]}"


def table_of(mode: str, versions: Iterable[Version]) -> list[tuple[int, str]]:
    """Return what the table has to be: a function of the versions that were loaded and not taken out, in no order."""
    there = sorted((version for version in versions if version.loaded), key=lambda version: version.at)
    if mode == "append":
        found = [row for version in {version.key: version for version in there}.values() for row in version.rows]
    elif mode == "overwrite":
        found = there[-1].rows if there else []
    else:
        best: dict[int, tuple[Any, ...]] = {}
        for version in there:
            for number, (id, amount, day) in enumerate(version.rows):
                best[id] = max(best.get(id, ()), (day, version.at, version.source, number, amount))
        found = [(id, rank[-1], rank[0]) for id, rank in best.items()]
    return sorted((id, f"{amount}.00") for id, amount, _ in found)


def history(seed: int) -> Iterator[Version]:
    """Yield versions of three objects, whose rows share a few ids and days."""
    draw = random.Random(seed)
    for at in range(1, 100):
        rows = [(draw.randint(1, 6), at * 10 + number, draw.randint(1, 3)) for number in range(draw.randint(1, 4))]
        yield Version(draw.choice("abc"), at, rows)


@pytest.mark.parametrize("seed", range(20 if LONG else 1))
@pytest.mark.parametrize("mode", MODES)
def test_a_table_is_what_its_objects_make_it_less_those_taken_out(world: World, mode: str, seed: int) -> None:
    world.declare(MODES[mode])
    draw, coming, versions = random.Random(seed), history(seed), []
    for _ in range(14):
        what = draw.choice(("load", "load", "undo", "replay")) if len(versions) > 2 else "load"
        version = next(coming) if what == "load" else draw.choice(versions)
        if what == "load":
            versions.append(version)
            put(world, version.key, version.body.decode().removeprefix(HEADER), at=version.at)
            world.run()
        else:
            do(world, plans.undo(world.lake, [version.source]) if what == "undo" else plans.replay(world.lake, [version.source]))
            version.loaded = what == "replay"
        assert rows(world) == table_of(mode, versions), f"seed {seed}: {what} {version.source}"
        FIGURES.count("undo", f"{mode}: loads, undos and replays in any order")
    do(world, plans.backfill(world.lake))
    assert rows(world) == table_of(mode, versions), f"seed {seed}: backfill"
    assert_sound(world, "orders", objects=[version.body for version in versions])


# --- crashes and rivals --------------------------------------------------------------------------------------------------------------


def two_loaded(world: World, mode: str) -> list[Version]:
    """Load two objects that have an id in common and a bad row each; return what they are without those."""
    world.declare(MODES[mode] + POSITIVE)
    versions = [Version("a", 1, [(1, 10, 1), (2, 11, 1)]), Version("b", 2, [(1, 20, 2)])]
    for version in versions:
        put(world, version.key, version.body.decode().removeprefix(HEADER) + f"{version.at}7,-1,2026-01-01\n", at=version.at)
        world.run()
    return versions


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("commit", [1, 2], ids=["target", "quarantine"])
@pytest.mark.parametrize("mode", MODES)
def test_a_crash_around_a_commit_of_undo_is_mended_by_typing_it_again(
    world: World, monkeypatch: pytest.MonkeyPatch, mode: str, commit: int, after: bool
) -> None:
    a, b = two_loaded(world, mode)
    with monkeypatch.context() as patch:
        patch.setattr(delta, "commit", failing_once(delta.commit, Killed(), at=commit, after=after))
        with pytest.raises(Killed):
            undo(world, "raw/orders/b.csv")
    undo(world, "raw/orders/b.csv")

    b.loaded = False
    assert rows(world) == table_of(mode, [a, b])
    assert world.values("select raw from quarantine.orders") == ["17,-1,2026-01-01"]
    assert_sound(world, "orders")
    FIGURES.count("undo", f"{mode}: a crash of undo")


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("commit", [1, 2], ids=["target", "quarantine"])
@pytest.mark.parametrize("mode", MODES)
def test_a_crash_around_a_commit_of_replay_loses_no_row_and_doubles_none(
    world: World, monkeypatch: pytest.MonkeyPatch, mode: str, commit: int, after: bool
) -> None:
    a, b = two_loaded(world, mode)
    world.declare(MODES[mode])
    with monkeypatch.context() as patch:
        patch.setattr(delta, "commit", failing_once(delta.commit, Killed(), at=commit, after=after))
        with pytest.raises(Killed):
            do(world, plans.replay(world.lake))
    do(world, plans.replay(world.lake))

    for version in (a, b):
        version.rows.append((version.at * 10 + 7, -1, 1))
    assert rows(world) == table_of(mode, [a, b])
    assert world.values("select raw from quarantine.orders") == []
    assert_sound(world, "orders")
    FIGURES.count("redrive", f"{mode}: a crash of replay")


@pytest.mark.parametrize("mode", MODES)
def test_a_rival_that_loads_in_between_is_neither_lost_nor_taken_out(world: World, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    versions = [*two_loaded(world, mode), Version("c", 3, [(1, 30, 3), (5, 31, 3)])]
    put(world, "c", versions[2].body.decode().removeprefix(HEADER), at=3)
    waiting = list(world.lake.raw.list("raw/"))
    real, rivals = delta.commit, iter([lambda: ingest.ingest(world.lake, world.lake.project.datasets["orders"], waiting)])

    def overtaken(*arguments: Any, **options: Any) -> int:
        if rival := next(rivals, None):
            rival()
        return real(*arguments, **options)

    monkeypatch.setattr(delta, "commit", overtaken)
    undo(world, "raw/orders/b.csv")
    versions[1].loaded = False
    assert rows(world) == table_of(mode, versions)
    assert_sound(world, "orders")
    FIGURES.count("undo", f"{mode}: a rival in between")


# --- again ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [0, 1, 9, 10])
@pytest.mark.parametrize("mode", MODES)
def test_only_what_was_bad_comes_back_and_is_loaded_once(world: World, mode: str, bad: int) -> None:
    world.declare(MODES[mode] + POSITIVE)
    version = Version("a", 1, [(id, -id if id <= bad else id, 1) for id in range(1, 11)])
    put(world, "a", version.body.decode().removeprefix(HEADER), at=1)
    world.run()
    assert len(world.values("select raw from quarantine.orders")) == bad if bad else world.lake.named_table("quarantine.orders") is None
    world.declare(MODES[mode])
    for _ in range(3):
        do(world, plans.replay(world.lake))

    assert rows(world) == table_of(mode, [version])
    assert_sound(world, "orders", objects=[version.body])
    FIGURES.count("redrive", f"{mode}: {bad} of 10 rows bad")


WIDE = ORDERS.replace("target:", "  - {name: note, type: varchar}\ntarget:")


def put_wide(world: World, name: str, *, at: int) -> bytes:
    """Put an object that only the wide contract takes."""
    body = b"id,amount,placed,note\n1,1,,x\nbad,1,,x\n"
    world.put(f"raw/orders/{name}.csv", body)
    os.utime(f"{world.uri}/raw/orders/{name}.csv", (1_790_000_000 + at,) * 2)
    return body


def test_an_object_that_lies_in_several_places_is_run_once(world: World) -> None:
    for declared, at in ((ORDERS, 1), (WIDE, 5)):
        body = put_wide(world.declare(declared), "a", at=at)
        world.run()
    assert world.keys("rejected/")
    assert world.keys("archived/")
    do(world, plans.replay(world.lake))
    assert rows(world) == [(1, "1.00")]
    assert not world.keys("rejected/")
    assert_sound(world, "orders", objects=[body])


def test_a_rejected_object_that_was_loaded_and_taken_out_since_stays_out(world: World) -> None:
    for declared, at in ((ORDERS, 1), (WIDE, 5)):
        put_wide(world.declare(declared), "a", at=at)
        world.run()
    undo(world, "raw/orders/a.csv")
    do(world, plans.replay(world.lake))
    assert rows(world) == []


def test_an_object_that_a_crash_left_among_the_rejected_comes_to_its_place(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    body = put_wide(world.declare(ORDERS), "a", at=1)
    world.run()
    world.declare(WIDE)
    with monkeypatch.context() as patch:
        patch.setattr(world.lake.raw, "move", failing_once(world.lake.raw.move, Killed(), at=1, after=False))
        with pytest.raises(Killed):
            do(world, plans.replay(world.lake))
    do(world, plans.replay(world.lake))
    assert not world.keys("rejected/")
    assert rows(world) == [(1, "1.00")]
    assert_sound(world, "orders", objects=[body])


def test_an_undo_that_dies_loses_no_refused_row_of_what_comes_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.declare(ORDERS)
    for at in (1, 2):
        put(world, "a", f"{at},1,\nbad,{at},\n", at=at)
        world.run()
    source = plans.undo(world.lake, [f"orders@{world.version('orders')}"])[0].objects[0].source
    for commit in (1, 2):
        with monkeypatch.context() as patch:
            patch.setattr(delta, "commit", failing_once(delta.commit, Killed(), at=commit, after=True))
            with pytest.raises(Killed):
                do(world, plans.undo(world.lake, [source]))
    do(world, plans.undo(world.lake, [source]))
    assert rows(world) == [(1, "1.00")]
    assert world.values("select raw from quarantine.orders") == ["bad,1,"]
    assert_sound(world, "orders")


def test_a_contract_that_refuses_the_whole_object_leaves_its_rows_as_they_are(world: World) -> None:
    world.declare(ORDERS)
    body = put(world, "a", "1,1,\n", at=1)
    world.run()
    world.declare(ORDERS + POSITIVE.replace("amount > 0", "amount > 5").replace("quarantine", "fail"))
    (done,) = [step for step in do(world, plans.backfill(world.lake)) if isinstance(step, Ingested)]

    assert [outcome.fate for outcome in done.objects] == ["refused"]
    assert rows(world) == [(1, "1.00")]
    assert_sound(world, "orders", objects=[body])


def test_a_row_that_the_contract_refuses_now_uncovers_the_one_that_it_had_hidden(world: World) -> None:
    world.declare(MERGED)
    put(world, "a", "1,10,2026-01-01\n", at=1)
    world.run()
    put(world, "b", "1,99,2026-01-02\n", at=2)
    world.run()
    assert rows(world) == [(1, "99.00")]
    world.declare(MERGED + "checks: [{name: small, sql: amount < 50, action: quarantine}]\n")
    do(world, plans.replay(world.lake, ["raw/orders/b.csv"]))

    assert rows(world) == [(1, "10.00")]
    assert world.values("select raw from quarantine.orders") == ["1,99,2026-01-02"]
    assert_sound(world, "orders")


def test_a_backfill_that_is_stopped_goes_on_where_it_was(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "BATCH_OBJECTS", 1)
    world.declare(ORDERS)
    for at in (1, 2, 3):
        put(world, str(at), f"{at},1,\n", at=at)
    world.run()
    world.declare(ORDERS.replace("target:", "  - {name: twice, type: bigint, sql: id * 2}\ntarget:"))
    (plan,) = plans.backfill(world.lake)
    for step in run.perform(world.lake, plan):
        if isinstance(step, Ingested):
            break
    assert world.values("select twice from orders order by id") == [2, None, None]

    (plan,) = plans.backfill(world.lake)
    assert (len(plan.objects), plan.done) == (2, 1)
    do(world, [plan])
    assert world.values("select twice from orders order by id") == [2, 4, 6]
    assert plans.backfill(world.lake)[0].objects == ()
    assert_sound(world, "orders")
    FIGURES.count("redrive", "a backfill that is stopped")


def test_a_window_takes_what_arrived_in_it(world: World) -> None:
    world.declare(ORDERS)
    for at in (1, 2, 3):
        put(world, str(at), f"{at},1,\n", at=at)
    world.run()
    second = datetime.fromtimestamp(1_790_000_002, UTC)
    (plan,) = plans.backfill(world.lake, ["orders"], start=second, end=second + timedelta(seconds=1))
    assert [entry.source.partition("@")[0] for entry in plan.objects] == ["raw/orders/2.csv"]


# --- what hangs on it ----------------------------------------------------------------------------------------------------------------


def test_what_was_made_of_an_amended_table_is_due_whatever_else_it_waits_for(world: World) -> None:
    for name, query in (
        ("sums", "select count(*) as n from orders"),
        ("joined", "select sums.n + count(*) as n from sums, refunds group by sums.n"),
    ):
        declaration = f"transform: {name}\nsql: {name}.sql\nwhen: all_inputs\ntarget: {{path: gold/{name}/}}\n"
        world.declare(declaration, **{name: query})
    world.declare(ORDERS).declare(ORDERS.replace("orders", "refunds"))
    put(world, "a", "1,1,\n2,1,\n", at=1)
    world.put("raw/refunds/r.csv", HEADER + "1,1,\n")
    world.run()
    assert world.values("select n from joined") == [3]
    assert run.due(world.lake) == ()

    undo(world, "raw/orders/a.csv")
    assert run.due(world.lake) == ("sums",)
    world.run()
    assert world.values("select n from sums") == [0]
    assert world.values("select n from joined") == [1]
    assert run.due(world.lake) == ()


def test_the_export_of_a_partition_that_is_taken_out_whole_goes_too(world: World) -> None:
    daily = ORDERS.replace("target:", "  - {name: day, type: date, sql: placed::date}\ntarget:")
    exported = "exports: [{path: exports/orders/, format: csv, partition_by: [day]}]\n"
    world.declare(daily.replace("processed/orders/}", "processed/orders/, partition_by: [day]}") + exported)
    put(world, "a", "1,1,2026-01-01\n", at=1)
    put(world, "b", "2,1,2026-01-02\n", at=2)
    world.run()
    undo(world, "raw/orders/a.csv")
    assert {key for key in world.keys("exports/orders/") if key.endswith(".csv")} == {"exports/orders/day=2026-01-02/orders.csv"}


# --- names ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.csv", "Did you mean raw/orders/a.csv"),
        ("raw/orders/b.csv", "expected one that was loaded"),
        ("orders@99", "no such commit"),
        ("orders@2", "one that loaded objects"),
        ("sums@1", "a transform's table follows its inputs"),
    ],
)
def test_a_name_that_means_nothing_is_told_so_and_nothing_happens(world: World, name: str, said: str) -> None:
    world.declare(ORDERS).declare("transform: sums\nsql: sums.sql\ntarget: {path: gold/sums/}\n", sums="select count(*) as n from orders")
    put(world, "a", "1,1,\n", at=1)
    world.run()
    do(world, plans.backfill(world.lake))
    with pytest.raises(Terminal, match=said.replace("'", ".")):
        plans.undo(world.lake, [name])
    assert rows(world) == [(1, "1.00")]


@pytest.mark.parametrize("name", ["raw/orders/a.csv", "raw/orders/*", "orders@1", "archived"])
def test_an_object_can_be_named_in_each_way_that_lies_near(world: World, name: str) -> None:
    world.declare(ORDERS)
    put(world, "a", "1,1,\n", at=1)
    world.run()
    undo(world, *world.keys("archived/") if name == "archived" else [name])
    assert rows(world) == []
