"""Upkeep: fewer files with the same rows, nothing that somebody still needs is deleted, nobody is woken by it, no writer is in its way."""

import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core import delta, maintenance
from core.contract import Maintenance
from core.delta import Change, DataFile, Snapshot
from core.delta.opened import _kept
from core.engine import fragments, relation
from core.errors import Conflict, Terminal
from core.maintenance import FEW, STEP_FILES, Maintained, bounded, compactions, maintain, plan
from tests.faults.test_protocol import Killed, failing_once
from tests.world import ORDERS, World

SALES = """
dataset: sales
source: {path: raw/sales/, format: csv}
columns: [{name: id, type: bigint}, {name: day}, {name: amount, type: "decimal(12,2)"}]
key: [id]
target: {path: processed/sales/, mode: merge, partition_by: [day]}
"""
EXPORTED = SALES + "exports: [{path: exports/sales/, format: csv, partition_by: [day]}, {path: exports/whole/, format: csv}]\n"
LONG_AGO = datetime.now(UTC) - timedelta(days=20)


def opened(world: World, name: str = "orders") -> Snapshot:
    snapshot = world.lake.named_table(name)
    assert snapshot is not None, f"{name} has no table"
    return snapshot


def append(world: World, ids: range, *, commits: bool = True, at: datetime | None = None) -> None:
    """Append a file of two rows for each id, each by a commit of its own or all by one."""
    dataset = world.lake.project.datasets["orders"]
    if world.lake.table(dataset) is None:
        world.put("raw/orders/first.csv", "id,amount,placed\n")
        world.run()
    with world.lake.workplace() as work, world.lake.session(work) as connection:
        files: tuple[DataFile, ...] = ()
        for n in ids:
            snapshot = opened(world)
            files += fragments(connection, ROWS.format(n=n), snapshot)
            if commits or n == ids[-1]:
                change = Change(files, identities={f"raw/orders/{n}@v": 1}, record={"kind": "ingest"})
                delta.commit(snapshot, change, now=at or world.lake.now())
                files = ()


ROWS = (
    "select {n}::bigint as id, 1.25::decimal(12,2) as amount, timestamptz '2025-01-01' as placed, "
    "'raw/orders/{n}@v' as _source, timestamptz '2025-01-01' as _source_time, unnest([1, 2])::bigint as _row"
)


def do(world: World, name: str = "orders") -> Maintained:
    return maintain(world.lake, world.lake.project.named(name))


def everything(world: World, name: str = "orders") -> list[dict[str, Any]]:
    return world.rows(f"select * from {name} order by all")


# --- compaction ----------------------------------------------------------------------------------------------------------------------


def test_two_hundred_small_appends_become_one_file_with_the_same_rows(world: World) -> None:
    append(world.declare(ORDERS), range(200))
    rows, before = everything(world), opened(world)

    assert do(world) == Maintained("orders", compacted=200, into=1, checkpointed=True)
    after = opened(world)
    assert (len(after.files), after.rows, len(rows)) == (1, 400, 400)
    assert everything(world) == rows
    assert (after.version, after.data_version) == (before.version + 1, before.data_version)
    assert after.identity("raw/orders/7@v") == 1
    record = after.history(1)[0]["lakelet"]
    assert record.pop("took")["rows"] == 400
    assert record == {"kind": "compact", "files": 200, "into": 1, "rows": 400, "upkeep": True}


def test_upkeep_does_not_count_as_news(world: World) -> None:
    append(world.declare(ORDERS), range(6))
    loaded = opened(world)
    assert loaded.changed == loaded.committed
    do(world)
    assert opened(world).committed > loaded.committed
    assert opened(world).changed == loaded.committed


def test_nothing_due_writes_nothing(anywhere: World) -> None:
    append(anywhere.declare(ORDERS), range(3), commits=False)
    before = opened(anywhere)
    objects = {ref.key: ref.size for ref in anywhere.lake.store.list("processed/")}

    assert do(anywhere) == Maintained("orders")
    assert opened(anywhere).version == before.version
    assert {ref.key: ref.size for ref in anywhere.lake.store.list("processed/")} == objects


def test_a_compaction_says_in_the_log_that_no_data_changed(world: World) -> None:
    append(world.declare(ORDERS), range(FEW))
    do(world)
    snapshot = opened(world)
    commit = Path(snapshot.uri, f"_delta_log/{snapshot.version:020}.json").read_text("utf-8")
    actions = [action for line in commit.splitlines() for action in json.loads(line).items() if action[0] in ("add", "remove")]
    assert sorted(kind for kind, _ in actions) == ["add", *["remove"] * FEW]
    assert not any(action["dataChange"] for _, action in actions)


def test_upkeep_leaves_a_table_alone_that_asks_more_of_its_writers(world: World) -> None:
    from deltalake import DeltaTable, TableFeatures

    append(world.declare(ORDERS), range(2))
    DeltaTable(opened(world).uri).alter.add_feature(TableFeatures.ChangeDataFeed, allow_protocol_versions_increase=True)
    before = opened(world).version
    world.declare(ORDERS.replace("target:", "maintenance: {keep_log: 60 days}\ntarget:"))
    with pytest.raises(Terminal, match="cannot be written"):
        do(world)
    assert opened(world).version == before


def test_what_has_no_table_yet_has_nothing_to_maintain(world: World) -> None:
    assert do(world.declare(ORDERS)) == Maintained("orders")


ODD = ["a b", "a/b", "a=b", "100%", "é", "it's", "..", "a?b#c", "a%20b", "a+b", ".", "a\\b", "日本", "a:b", "~", "_h", ".d"]


def test_each_partition_becomes_one_file_whatever_its_value(anywhere: World) -> None:
    anywhere.declare(SALES)
    for load in range(FEW):
        rows = "".join(f'{load * 100 + n},"{value}",1\n' for n, value in enumerate(ODD)) + f"{load * 100 + 99},,1\nx,bad,1\n"
        anywhere.put(f"raw/sales/{load}.csv", "id,day,amount\n" + rows)
        anywhere.run()
    sales, refused = everything(anywhere, "sales"), everything(anywhere, "quarantine.sales")
    assert len(opened(anywhere, "sales").files) == FEW * (len(ODD) + 1)

    done = do(anywhere, "sales")
    assert (done.compacted, done.into) == (FEW * (len(ODD) + 1) + FEW, len(ODD) + 2)
    assert len(opened(anywhere, "sales").files) == len(ODD) + 1
    assert len(opened(anywhere, "quarantine.sales").files) == 1
    assert everything(anywhere, "sales") == sales
    assert everything(anywhere, "quarantine.sales") == refused
    assert delta.unreferenced(opened(anywhere, "sales"), timedelta(days=1)) == ()
    assert anywhere.run() == []
    anywhere.put("raw/sales/more.csv", "id,day,amount\n0,a b,7\n")  # a merge into what was compacted
    anywhere.run()
    assert anywhere.values("select amount from sales where id = 0") == ["7.00"]


def test_values_of_every_type_come_through_as_they_were(world: World) -> None:
    world.declare(
        "transform: t\nsql: t.sql\nwhen: daily\ntarget: {path: gold/t/}\n",
        t="select 9007199254740993 as big, -0.0::double as zero, 'nan'::double as nan, 1.1::float as f, "
        "123456789012345678901234567890.12345678::decimal(38,8) as d, true as b, null::smallint as s, "
        "date '0001-01-01' as day, timestamptz '9999-12-31 23:59:59.999999+00' as at, "
        "['a', null, ''] as l, {'x': 1, 'y': ['é']} as st, chr(0) || 'nul' as text, '\\xAA'::blob as bin",
    )
    world.run()
    with world.lake.workplace() as work, world.lake.session(work) as connection:
        for _ in range(FEW):
            snapshot = opened(world, "t")
            again = fragments(connection, relation(snapshot, files=snapshot.files[:1]), snapshot)
            delta.commit(snapshot, Change(again), now=world.lake.now())

    def bits() -> list[Any]:
        with world.lake.workplace() as work, world.lake.session(work) as connection:
            columns = "columns(* exclude (nan))::varchar, isnan(nan) as nan"
            return connection.execute(f"select {columns} from ({relation(opened(world, 't'))}) order by all").fetchall()

    before = bits()
    assert do(world, "t").compacted == FEW + 1
    assert bits() == before
    assert len(before) == FEW + 1


def test_files_from_before_a_column_was_added_are_compacted_too(world: World) -> None:
    append(world.declare(ORDERS), range(FEW))
    world.declare(ORDERS.replace("target:", "  - {name: more, type: 'varchar[]'}\ntarget:"))
    world.put("raw/orders/new.csv", "id,amount,placed,more\n99,1,2025-01-01,\n")
    world.run()
    rows = everything(world)
    assert do(world).into == 1
    assert everything(world) == rows


def test_a_compaction_that_would_lose_a_row_is_not_committed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    append(world.declare(ORDERS), range(FEW))
    rows, real = everything(world), maintenance.relation
    monkeypatch.setattr(maintenance, "relation", lambda *some, **more: f"select * from ({real(*some, **more)}) limit {2 * FEW - 1}")
    with pytest.raises(Terminal, match="expected 10 rows; found 9"):
        do(world)
    assert everything(world) == rows


def test_large_files_are_left_alone(world: World) -> None:
    append(world.declare(ORDERS.replace("target:", "maintenance: {compact_below: 100B}\ntarget:")), range(9))
    assert do(world) == Maintained("orders")


def test_what_is_too_much_for_one_call_is_left_for_the_next(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    append(world.declare(ORDERS), range(24))
    rows = everything(world)
    monkeypatch.setattr(maintenance, "STEP_FILES", 8)
    monkeypatch.setattr(maintenance, "CALL_FILES", 16)
    assert do(world) == Maintained("orders", compacted=16, into=2, checkpointed=True, left=True)
    assert do(world) == Maintained("orders", compacted=10, into=2, checkpointed=True)
    assert everything(world) == rows


def test_without_time_nothing_is_begun(world: World) -> None:
    append(world.declare(ORDERS), range(9))
    before = opened(world).version
    late = world.lake.until(world.lake.now() - timedelta(seconds=1))
    assert maintain(late, world.lake.project.named("orders")) == Maintained("orders", left=True)
    assert opened(world).version == before


# --- beside writers ------------------------------------------------------------------------------------------------------------------


def meanwhile(monkeypatch: pytest.MonkeyPatch, rival: Any) -> None:
    """Let somebody else act between the writing of the larger files and their commit."""
    real, todo = maintenance._rewritten, [rival]

    def rewritten(*arguments: Any) -> tuple[DataFile, ...]:
        written = real(*arguments)
        if todo:
            todo.pop()()
        return written

    monkeypatch.setattr(maintenance, "_rewritten", rewritten)


def test_an_append_during_a_compaction_survives_it(anywhere: World, monkeypatch: pytest.MonkeyPatch) -> None:
    append(anywhere.declare(ORDERS), range(8), commits=False)
    meanwhile(monkeypatch, lambda: append(anywhere, range(100, 101)))
    done = do(anywhere)

    assert (done.compacted, done.into, done.left) == (8, 1, False)
    assert len(opened(anywhere).files) == 2
    assert anywhere.values("select distinct id from orders order by id") == [*range(8), 100]


def test_an_append_from_before_a_compaction_is_committed_after_it(world: World) -> None:
    append(world.declare(ORDERS), range(8))
    stale = opened(world)
    with world.lake.workplace() as work, world.lake.session(work) as connection:
        files = fragments(connection, ROWS.format(n=100), stale)
    assert do(world).compacted == 8
    delta.commit(stale, Change(files, identities={"x": 1}), now=world.lake.now())
    assert world.values("select distinct id from orders order by id") == [*range(8), 100]


MERGED = ORDERS.replace("target: {", "key: [id]\norder_by: [placed]\ntarget: {mode: merge, ")


def merge(world: World, name: str, row: str) -> None:
    world.put(f"raw/orders/{name}.csv", f"id,amount,placed\n{row}\n")
    world.run()


def test_a_compaction_gives_way_to_a_merge_that_replaced_one_of_its_files(anywhere: World, monkeypatch: pytest.MonkeyPatch) -> None:
    anywhere.declare(MERGED)
    for n in range(FEW):
        merge(anywhere, str(n), f"{n},1,2025-01-01")
    meanwhile(monkeypatch, lambda: merge(anywhere, "newer", "2,7,2025-01-02"))

    assert do(anywhere) == Maintained("orders", left=True)
    expected = [(0, "1.00"), (1, "1.00"), (2, "7.00"), (3, "1.00"), (4, "1.00")]
    assert [(row["id"], row["amount"]) for row in everything(anywhere)] == expected
    assert do(anywhere).compacted == FEW
    assert [(row["id"], row["amount"]) for row in everything(anywhere)] == expected


def test_a_merge_that_a_compaction_overtook_starts_over_and_loses_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.declare(MERGED)
    for n in range(FEW):
        merge(world, str(n), f"{n},1,2025-01-01")
    real, todo = delta.commit, ["compaction"]

    def commit(*arguments: Any, **options: Any) -> int:
        if todo:
            todo.pop()
            assert do(world).compacted == FEW
        return real(*arguments, **options)

    monkeypatch.setattr(delta, "commit", commit)
    merge(world, "newer", "2,7,2025-01-02")
    assert [row["amount"] for row in everything(world)] == ["1.00", "1.00", "7.00", "1.00", "1.00"]


def test_a_commit_whose_answer_was_lost_is_not_made_twice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    append(world.declare(ORDERS), range(8))
    rows, before = everything(world), opened(world).version
    monkeypatch.setattr(delta, "commit", failing_once(delta.commit, Conflict("commit", found="no answer"), at=1, after=True))
    assert do(world).compacted == 8
    assert opened(world).version == before + 1
    assert everything(world) == rows


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("where", "what"), [(maintenance, "_rewritten"), (delta, "commit"), (delta, "checkpoint")])
def test_a_compaction_that_was_killed_leaves_the_same_rows_and_is_done_again(
    world: World, monkeypatch: pytest.MonkeyPatch, where: Any, what: str, after: bool
) -> None:
    append(world.declare(ORDERS), range(8))
    rows, before = everything(world), opened(world)
    with monkeypatch.context() as patch:
        patch.setattr(where, what, failing_once(getattr(where, what), Killed(), at=1, after=after))
        with pytest.raises(Killed):
            do(world)
    committed = what == "checkpoint" or (what == "commit" and after)
    assert opened(world).version == before.version + committed
    assert everything(world) == rows
    do(world)
    assert len(opened(world).files) == 1
    assert everything(world) == rows


# --- nobody is woken -----------------------------------------------------------------------------------------------------------------


def loads(world: World, *names: str) -> None:
    for n, name in enumerate(names):
        world.put(f"raw/sales/{name}.csv", f"id,day,amount\n{ord(name) * 10 + n},{'mon' if n % 2 else 'tue'},1\n")
        world.run()


def stamps(world: World) -> dict[str, int]:
    root = Path(world.uri, "exports")
    return {str(path.relative_to(root)): path.stat().st_mtime_ns for path in root.rglob("*.csv")}


def test_exports_are_not_written_again_because_files_were_compacted(world: World) -> None:
    loads(world.declare(EXPORTED), *"abcdefghij")
    before = stamps(world)
    assert do(world, "sales").compacted == 10
    assert world.run() == []
    assert stamps(world) == before
    loads(world, "x")
    changed = {path for path, stamp in stamps(world).items() if before[path] != stamp}
    assert changed == {"sales/day=tue/sales.csv", "whole/sales.csv"}


def test_an_export_that_missed_a_compaction_and_loads_writes_only_what_was_loaded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from core import export

    loads(world.declare(EXPORTED), *"abcdefghij")
    before = stamps(world)
    with monkeypatch.context() as patch:
        patch.setattr(export, "refresh", lambda *_: ())
        loads(world, "k")
        assert do(world, "sales").compacted == 11
        loads(world, "l")
    world.run()
    assert {path for path, stamp in stamps(world).items() if before[path] != stamp} == {"sales/day=tue/sales.csv", "whole/sales.csv"}


def test_transforms_are_not_due_because_files_were_compacted(world: World) -> None:
    append(world.declare(ORDERS), range(6))
    world.declare("transform: t\nsql: t.sql\nwhen: any_input\ntarget: {path: gold/t/}\n", t="select count(*) as n from orders")
    world.run()
    before = world.version("t")
    assert do(world).compacted == 6
    assert world.run() == []
    assert world.version("t") == before
    append(world, range(100, 101))
    world.run()
    assert world.version("t") == before + 1
    assert world.values("select n from t") == [14]


# --- vacuum --------------------------------------------------------------------------------------------------------------------------


def age(path: Path, days: float) -> None:
    then = time.time() - days * 86_400
    os.utime(path, (then, then))


def removed(world: World, at: datetime) -> str:
    """Remove one file from the table, as a merge at that time would have; return its path."""
    snapshot = opened(world)
    delta.commit(snapshot, Change(removed=snapshot.files[:1]), now=at)
    return snapshot.files[0].path


@pytest.fixture
def aged(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A table whose files were written 20 days ago, by a log that says so."""
    append(world.declare(ORDERS), range(4), at=LONG_AGO)
    monkeypatch.setattr(Snapshot, "created", property(lambda _: LONG_AGO))
    live = {file.path for file in opened(world).files}
    for path in Path(opened(world).uri).glob("*.parquet"):
        age(path, 20) if path.name in live else path.unlink()
    return world


def found(world: World) -> set[str]:
    root = Path(world.lake.uri("processed/orders"))
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file() and "_delta_log" not in path.parts}


def test_vacuum_takes_what_was_removed_before_its_retention_and_keeps_the_rest(aged: World) -> None:
    long_ago = removed(aged, aged.lake.now() - timedelta(days=8))
    lately = removed(aged, aged.lake.now() - timedelta(days=6))
    before = opened(aged)
    assert do(aged).vacuumed == 1
    assert found(aged) == {file.path for file in before.files} | {lately}
    assert long_ago not in found(aged)
    older = before.at(before.version - 1)
    assert older is not None
    with aged.lake.workplace() as work, aged.lake.session(work) as connection:
        (rows,) = connection.execute(f"select count(*) from ({relation(older)})").fetchone() or (0,)
    assert rows == 6
    assert opened(aged).version == before.version


def test_orphans_older_than_the_retention_go_and_young_ones_and_other_things_stay(aged: World) -> None:
    root = Path(opened(aged).uri)
    with aged.lake.workplace() as work, aged.lake.session(work) as connection:
        old, young = (fragments(connection, ROWS.format(n=n), opened(aged))[0].path for n in (1, 2))
    age(root / old, 8)
    others = ["README.txt", "part-1.parquet", "sub/" + old, "_hidden/" + old, ".part"]
    for other in others:
        (root / other).parent.mkdir(exist_ok=True)
        (root / other).write_text("x")
        age(root / other, 30)
    live = {file.path for file in opened(aged).files}
    assert do(aged).vacuumed == 1
    assert found(aged) == live | {young} | set(others)


def test_vacuum_finds_old_orphans_in_s3_and_in_odd_partitions(anywhere: World) -> None:
    anywhere.declare(SALES)
    rows = "".join(f'{n},"{value}",1\n' for n, value in enumerate(ODD)) + "99,,1\n"
    anywhere.put("raw/sales/a.csv", "id,day,amount\n" + rows)
    anywhere.run()
    with anywhere.lake.workplace() as work, anywhere.lake.session(work) as connection:
        orphans = fragments(connection, relation(opened(anywhere, "sales")), opened(anywhere, "sales"))
    before = everything(anywhere, "sales")
    assert delta.unreferenced(opened(anywhere, "sales"), timedelta(days=1)) == ()
    assert set(delta.unreferenced(opened(anywhere, "sales"), timedelta(0))) == {file.path for file in orphans}

    done = maintenance._vacuum(anywhere.lake, "processed/sales", opened(anywhere, "sales"), timedelta(0))
    assert done.vacuumed == len(ODD) + 1
    assert delta.unreferenced(opened(anywhere, "sales"), timedelta(0)) == ()
    assert everything(anywhere, "sales") == before


def test_a_longer_retention_holds_although_a_checkpoint_forgot_what_was_removed(aged: World) -> None:
    """Without the property delta-rs drops the removal from the next checkpoint after 7 days, and takes the file for an orphan."""
    aged.declare(ORDERS.replace("target:", "maintenance: {vacuum_after: 14 days}\ntarget:"))
    do(aged)
    lately = removed(aged, aged.lake.now() - timedelta(days=10))
    delta.checkpoint(opened(aged))
    _kept.clear()  # as in a new process: a table that stayed open still knows what the checkpoint forgot
    assert do(aged).vacuumed == 0
    assert lately in found(aged)


def test_a_lite_vacuum_loses_sight_of_removed_files_at_a_checkpoint(aged: World) -> None:
    """delta-rs issue 3644: why ours is a full one. When this fails, lite does, without listing the table."""
    removed(aged, aged.lake.now() - timedelta(days=8))
    lite = {"retention_hours": 168, "dry_run": True, "full": False}
    assert len(DeltaTable(opened(aged).uri).vacuum(**lite)) == 1
    DeltaTable(opened(aged).uri).create_checkpoint()
    assert DeltaTable(opened(aged).uri).vacuum(**lite) == []


def test_a_policy_becomes_the_table_s_own_properties_once_and_as_upkeep(world: World) -> None:
    append(world.declare(ORDERS), range(2))
    before = opened(world)
    world.declare(ORDERS.replace("target:", "maintenance: {vacuum_after: 36 hours, keep_log: 2 weeks}\ntarget:"))
    do(world)
    after = opened(world)
    assert after.properties["delta.deletedFileRetentionDuration"] == "interval 36 hours"
    assert after.properties["delta.logRetentionDuration"] == "interval 14 days"
    assert (after.version, after.data_version) == (before.version + 1, before.data_version)
    do(world)
    assert opened(world).version == after.version


@pytest.mark.parametrize(
    ("created", "committed", "due"),
    [(30, 1, True), (30, 13, True), (30, 15, False), (6, 1, False)],
    ids=["active", "quiet", "long", "young"],
)
def test_vacuum_is_due_while_something_can_have_become_old(
    world: World, monkeypatch: pytest.MonkeyPatch, created: int, committed: int, due: bool
) -> None:
    append(world.declare(ORDERS), range(1))
    now = datetime.now(UTC)
    monkeypatch.setattr(Snapshot, "created", property(lambda _: now - timedelta(days=created)))
    monkeypatch.setattr(Snapshot, "committed", property(lambda _: now - timedelta(days=committed)))
    assert plan(opened(world), Maintenance(), now).vacuum is due


# --- the log -------------------------------------------------------------------------------------------------------------------------


def test_a_log_without_checkpoints_gets_one_and_opens_from_it(world: World) -> None:
    append(world.declare(ORDERS.replace("target:", "maintenance: {compact_below: 0MB}\ntarget:")), range(45))
    folder = Path(opened(world).uri, "_delta_log")
    for path in [*folder.glob("*.checkpoint.parquet"), folder / "_last_checkpoint"]:
        path.unlink()
    assert opened(world).tail == 47
    assert do(world) == Maintained("orders", checkpointed=True)
    assert opened(world).tail == 0
    assert do(world) == Maintained("orders")
    assert opened(world).identity("raw/orders/3@v") == 1


def test_the_log_is_cleared_behind_keep_log_and_a_checkpoint_and_by_maintenance_only(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    append(world.declare(ORDERS), range(50))
    monkeypatch.setattr(Snapshot, "created", property(lambda _: datetime.now(UTC) - timedelta(days=60)))
    folder = Path(opened(world).uri, "_delta_log")
    for path in folder.glob("0*"):
        age(path, 40 if int(path.name[:20]) <= 30 else 20)
    append(world, range(50, 51))
    rows, names = everything(world), {path.name for path in folder.glob("0*")}
    assert "00000000000000000000.json" in names
    assert do(world).compacted == 51
    left = sorted(path.name for path in folder.glob("0*"))
    assert left[0] == "00000000000000000019.checkpoint.parquet"
    numbers = sorted({int(name[:20]) for name in left if name.endswith(".json")})
    assert numbers == list(range(19, opened(world).version + 1))
    assert everything(world) == rows
    assert opened(world).identity("raw/orders/3@v") == 1


def test_a_young_table_s_log_is_not_even_listed(world: World) -> None:
    append(world.declare(ORDERS), range(3))
    now = world.lake.now()
    assert not plan(opened(world), Maintenance(), now).clear_log
    assert plan(opened(world), Maintenance(), now + timedelta(days=31)).clear_log
    assert not plan(opened(world), Maintenance(), now + timedelta(days=38)).clear_log


@pytest.fixture
def storied(world: World) -> World:
    """A table with a long story: appends, upkeep, removals, checkpoints, several of one identity."""
    append(world.declare(ORDERS), range(18))
    do(world)
    append(world, range(20, 27))
    removed(world, world.lake.now())
    delta.commit(opened(world), Change(identities={"raw/orders/3@v": 5}), now=world.lake.now())
    append(world, range(40, 58))
    return world


def test_all_identities_are_read_at_once_and_are_those_that_delta_rs_tells(storied: World) -> None:
    newest = opened(storied)
    names = [*(f"raw/orders/{n}@v" for n in range(60)), delta.LOCK, delta.UPKEEP, "none"]
    told = 0
    for version in range(1, newest.version + 1):
        snapshot = newest.at(version)
        assert snapshot is not None
        assert [snapshot.identity(name) for name in names] == [snapshot._table.transaction_version(name) for name in names]
        told += snapshot._identities is not None
    assert opened(storied)._identities is not None
    assert told >= 4  # older ones than the newest checkpoint are asked for one by one


def test_an_identity_costs_no_request_after_the_first(storied: World) -> None:
    snapshot = opened(storied)
    assert snapshot.identity("raw/orders/3@v") == 5
    for path in Path(snapshot.uri, "_delta_log").iterdir():
        path.unlink()
    assert snapshot.identity("raw/orders/4@v") == 1


def test_without_its_announced_checkpoint_the_identities_are_asked_for_one_by_one(storied: World) -> None:
    folder = Path(opened(storied).uri, "_delta_log")
    (folder / "_last_checkpoint").write_text('{"version": 7, "size": 1}')
    snapshot = opened(storied)
    assert snapshot._identities is None
    assert snapshot.identity("raw/orders/3@v") == 5


def test_where_the_log_was_cleared_too_far_for_them_the_identities_are_asked_for_one_by_one(storied: World) -> None:
    folder = Path(opened(storied).uri, "_delta_log")
    older, newer = (path for path in sorted(folder.glob("*.checkpoint.parquet"))[-2:])
    (folder / "_last_checkpoint").write_text(f'{{"version": {int(older.name[:20])}, "size": 1}}')
    for path in folder.glob("0*.json"):
        if int(path.name[:20]) < int(newer.name[:20]):
            path.unlink()
    snapshot = opened(storied)
    assert snapshot._identities is None
    assert snapshot.identity("raw/orders/3@v") == 5


# --- deciding ------------------------------------------------------------------------------------------------------------------------

FILES = st.lists(st.tuples(st.integers(1, 200), st.integers(0, 3), st.integers(0, 9), st.integers(0, 3)), max_size=60)


@settings(max_examples=200)
@given(FILES, st.integers(1, 150))
@example([(10, 1, n, n) for n in range(9)], 100)
def test_what_is_compacted_is_small_once_and_together_with_its_neighbours(drawn: list[tuple[int, int, int, int]], below: int) -> None:
    files = [
        DataFile(f"{n}", size, rows, {"day": str(day) if day else None}, written=written)
        for n, (size, day, written, rows) in enumerate(drawn)
    ]
    steps = compactions(files, below)
    paths = [file.path for step in steps for file in step]
    assert len(paths) == len(set(paths))
    assert all(file.size < below and file.rows for step in steps for file in step)
    for step in steps:
        assert len(step) <= STEP_FILES
        for day in {file.partition["day"] for file in step}:
            group = [file for file in step if file.partition["day"] == day]
            assert len(group) > 1
            assert sum(file.size for file in group) <= 2 * below
            assert group == sorted(group, key=lambda file: (file.written, file.path))
    for day in {file.partition["day"] for file in files}:
        small = [file for file in files if file.partition["day"] == day and file.size < below and file.rows]
        if len(small) < FEW:
            assert not {file.path for file in small} & set(paths)
        elif sum(file.size for file in small) <= 2 * below:
            assert {file.path for file in small} <= set(paths)


def test_a_call_is_bounded_by_bytes_and_takes_one_step_at_least() -> None:
    huge = tuple(DataFile(f"{n}", 1 << 30, 1, {}) for n in range(4))
    small = (DataFile("s", 1, 1, {}), DataFile("t", 1, 1, {}))
    assert bounded([small, huge]) == ((huge,), True)
    assert bounded([small, small]) == ((small, small), False)
    assert bounded([]) == ((), False)


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        ("{vacuum_after: 2 hours}", "vacuum_after: at least 1 day"),
        ("{keep_log: 3 days}", "keep_log: at least as long as vacuum_after"),
        ("{compact_below: 64 mb}", "64 mb is no size such as 64MB"),
        ("{vacuum_after: 1 month}", "1 month is no duration such as 36 hours or 7 days"),
        ("{vaccum_after: 9 days}", "unknown word vaccum_after; did you mean vacuum_after"),
    ],
)
def test_a_policy_that_cannot_be_is_told(world: World, policy: str, told: str) -> None:
    from core.declarations import read

    world.declare(ORDERS.replace("target:", f"maintenance: {policy}\ntarget:"))
    (problem,) = read(world.home / "project").problems
    assert told in str(problem)
    assert problem.path.startswith("maintenance")
