"""Tables that stay open: what is told of one is what opening it anew would tell, whatever became of its log meanwhile."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, TableFeatures, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import delta
from core.delta import Change, DataFile, Snapshot, opened
from core.delta.opened import Opened
from core.errors import Conflict, Terminal
from tests.faults.test_lost_answers import with_lost_answer
from tests.world import ORDERS, World

SCHEMA = pa.schema([("id", pa.int64())])
NOW = datetime(2026, 11, 20, tzinfo=UTC)
ALWAYS = {"delta.logRetentionDuration": "interval 0 seconds"}


@pytest.fixture(autouse=True)
def _nothing_open() -> Iterator[None]:
    opened._kept.clear()
    yield
    opened._kept.clear()


@pytest.fixture
def uri(tmp_path: Path) -> str:
    """A table with two commits that stayed open."""
    return made(str(tmp_path / "table"))


def made(uri: str, commits: int = 2) -> str:
    delta.ensure(uri, SCHEMA, partition_by=(), options={})
    for n in range(commits):
        add(uri, f"first-{n}")
    return uri


def newest(uri: str, **options: str) -> Snapshot:
    snapshot = delta.open_table(uri, options)
    assert snapshot is not None
    return snapshot


def add(uri: str, name: str) -> int:
    snapshot = newest(uri)
    return delta.commit(snapshot, Change((DataFile(f"{name}.parquet", 1, 1, {}),), identities={name: 1}, marks={"n": 1}), now=NOW)


def foreign(uri: str, name: str) -> None:
    """Let another program commit a row and an identity."""
    properties = CommitProperties(app_transactions=[Transaction(name, 1, int(NOW.timestamp() * 1000))])
    write_deltalake(uri, pa.table({"id": [1]}), mode="append", schema_mode="merge", commit_properties=properties)


def told(snapshot: Snapshot) -> dict[str, Any]:
    """All that a snapshot tells."""
    files = {(file.path, file.size, file.rows, file.stats) for file in snapshot.files}
    facts = (snapshot.version, snapshot.id, snapshot.schema, snapshot.partition_by, dict(snapshot.properties), snapshot.created)
    return {"facts": facts, "files": files, "identities": dict(snapshot.identities), "upkeep": snapshot.data_version, "tail": snapshot.tail}


def anew(uri: str) -> Snapshot:
    return Snapshot(Opened(uri, {}))


def assert_as_anew(uri: str) -> None:
    assert told(newest(uri)) == told(anew(uri))


@pytest.fixture
def openings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tables that are opened anew."""
    found: list[str] = []
    real = Opened.__init__

    def noted(self: Opened, uri: str, *rest: Any) -> None:
        found.append(uri)
        real(self, uri, *rest)

    monkeypatch.setattr(Opened, "__init__", noted)
    return found


def test_a_table_is_opened_once_however_often_it_is_committed_to(uri: str, openings: list[str]) -> None:
    for n in range(25):
        assert add(uri, f"more-{n}") == n + 3
    assert openings == []
    assert_as_anew(uri)


def test_a_lake_s_tables_stay_open_between_its_loads(anywhere: World, openings: list[str]) -> None:
    anywhere.declare(ORDERS)
    for n in range(4):
        openings.clear()
        anywhere.put(f"raw/orders/{n}.csv", f"id,amount,placed\n{n},1.00,2025-01-01\nbad,2,2025-01-01\n")
        assert anywhere.fates() == {f"raw/orders/{n}.csv": "loaded"}
        assert bool(openings) == (n == 0)
    assert anywhere.values("select count(*) from orders") == [4]
    assert anywhere.values("select count(*) from quarantine.orders") == [4]


def test_what_another_program_committed_meanwhile_is_seen(uri: str, openings: list[str]) -> None:
    for n in range(3):
        foreign(uri, f"foreign-{n}")
        assert newest(uri).identity(f"foreign-{n}") == 1
    assert openings == []
    assert_as_anew(uri)


def test_what_another_program_made_of_the_table_is_seen(uri: str) -> None:
    write_deltalake(uri, pa.table({"id": [1], "more": ["x"]}), mode="append", schema_mode="merge")
    DeltaTable(uri).alter.set_table_properties({"delta.appendOnly": "true"})
    assert newest(uri).schema.names == ["id", "more"]
    assert newest(uri).properties["delta.appendOnly"] == "true"
    assert_as_anew(uri)


def test_a_table_that_must_no_longer_be_read_is_refused_although_it_is_open(uri: str) -> None:
    DeltaTable(uri).alter.add_feature(TableFeatures.DeletionVectors, allow_protocol_versions_increase=True)
    with pytest.raises(Terminal, match="cannot be read"):
        newest(uri)


@pytest.mark.parametrize("commits", [0, 1, 2, 3, 40])
def test_a_table_that_was_deleted_and_made_again_is_another_one(uri: str, commits: int) -> None:
    before = newest(uri).id
    shutil.rmtree(uri)
    kept, opened._kept = dict(opened._kept), {}  # by another process, which knows nothing of ours
    made(uri, commits)
    opened._kept = kept
    assert newest(uri).id != before
    assert_as_anew(uri)


def test_a_table_that_is_made_again_while_it_is_followed_is_another_one(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign(uri, "x")
    real = DeltaTable.update_incremental

    def late(self: DeltaTable) -> None:
        monkeypatch.setattr(DeltaTable, "update_incremental", real)
        shutil.rmtree(uri)
        with monkeypatch.context() as patch:
            patch.setattr(opened, "_kept", {})
            made(uri, 5)
        real(self)

    monkeypatch.setattr(DeltaTable, "update_incremental", late)
    assert_as_anew(uri)


def test_a_table_that_was_deleted_is_gone(uri: str) -> None:
    shutil.rmtree(uri)
    assert delta.open_table(uri, {}) is None


@pytest.mark.parametrize("commits", [1, 19, 60])
def test_a_log_that_was_cleared_meanwhile_is_read_anew(uri: str, commits: int) -> None:
    DeltaTable(uri).alter.set_table_properties(ALWAYS)
    newest(uri)
    for n in range(commits):
        foreign(uri, f"foreign-{n}")
    theirs = DeltaTable(uri)
    theirs.create_checkpoint()
    theirs.cleanup_metadata()
    assert newest(uri).version == commits + 3
    assert newest(uri).identity(f"foreign-{commits - 1}") == 1
    assert told(newest(uri))["files"] == told(anew(uri))["files"]


def test_a_log_that_lost_commits_is_read_anew(uri: str, openings: list[str]) -> None:
    for n in range(17):
        foreign(uri, f"foreign-{n}")
    DeltaTable(uri).create_checkpoint()
    foreign(uri, "last")
    Path(uri, "_delta_log", f"{10:020}.json").unlink()
    assert newest(uri).identity("last") == 1
    assert openings == [uri]


def test_an_identity_that_expired_stays_known_where_the_table_is_open(uri: str) -> None:
    """To know of an object that was loaded is the safe side; the marks never expire."""
    DeltaTable(uri).alter.set_table_properties({"delta.setTransactionRetentionDuration": "interval 1 seconds"})
    add(uri, "later")
    DeltaTable(uri).create_checkpoint()
    assert (anew(uri).identity("first-0"), anew(uri).identity("n")) == (None, 1)
    assert (newest(uri).identity("first-0"), newest(uri).identity("n")) == (1, 1)


def test_with_other_credentials_a_table_is_opened_anew(uri: str, openings: list[str]) -> None:
    newest(uri, aws_access_key_id="one")
    newest(uri, aws_access_key_id="two")
    assert openings == [uri, uri]


def test_a_snapshot_stays_what_it_was(uri: str) -> None:
    for read in (told, lambda snapshot: snapshot.version):  # whether it was read before or not
        held = newest(uri)
        before = read(held)
        add(uri, "meanwhile")
        foreign(uri, "meanwhile too")
        assert newest(uri).version == held.version + 2
        assert read(held) == before
    assert told(held)["facts"][0] == held.version
    assert "meanwhile" in told(newest(uri))["identities"]


def test_a_snapshot_is_spent_by_its_commit(uri: str) -> None:
    held = newest(uri)
    assert delta.commit(held, Change(identities={"x": 1}), now=NOW) == held.version + 1
    for ask in (lambda: held.files, lambda: held.identity("x"), lambda: delta.commit(held, Change(identities={"y": 1}), now=NOW)):
        with pytest.raises(Conflict, match="Open it again"):
            ask()
    assert newest(uri).identity("y") is None


def test_what_a_rival_committed_just_before_is_known_next_time(uri: str) -> None:
    held, rivals = newest(uri), anew(uri)
    delta.commit(rivals, Change(identities={"rival": 1}), now=NOW)
    delta.commit(held, Change(identities={"ours": 1}), now=NOW)
    del held
    assert (newest(uri).identity("rival"), newest(uri).identity("ours")) == (1, 1)
    assert_as_anew(uri)


def test_a_commit_that_failed_leaves_the_table_as_it_is(uri: str) -> None:
    held, rivals = newest(uri), anew(uri)
    delta.commit(rivals, Change(identities={"x": 1}), now=NOW)
    with pytest.raises(Conflict):
        delta.commit(held, Change(identities={"x": 1, "y": 1}), now=NOW)
    del held
    assert (newest(uri).identity("x"), newest(uri).identity("y")) == (1, None)
    assert_as_anew(uri)


@pytest.mark.parametrize("step", ["create_write_transaction", "update_incremental"])
def test_a_commit_whose_answer_was_lost_is_known_next_time(uri: str, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    with_lost_answer(monkeypatch, DeltaTable, step, CommitFailedError("no answer"))
    held = newest(uri)
    assert delta.commit(held, Change(identities={"x": 1}), now=NOW) == held.version + 1
    del held
    assert newest(uri).identity("x") == 1
    assert_as_anew(uri)


def test_a_table_stays_open_no_longer_than_its_log_is_safe(uri: str, openings: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opened, "LONGEST", -1.0)
    newest(uri)
    assert openings == [uri]


def test_no_more_tables_stay_open_than_there_may(tmp_path: Path, openings: list[str]) -> None:
    uris = [made(str(tmp_path / f"table-{n}"), 1) for n in range(opened.MOST + 1)]
    openings.clear()
    for uri in reversed(uris):
        newest(uri).identity("first-0")
    assert openings == uris[:1]
    assert len(opened._kept) == opened.MOST


def test_heavy_tables_stay_open_only_together_with_light_ones(tmp_path: Path, openings: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    heavy, light = made(str(tmp_path / "heavy"), 30), made(str(tmp_path / "light"), 1)
    delta.checkpoint(newest(heavy))
    monkeypatch.setattr(opened, "HEAVIEST", 50)
    opened._kept.clear()
    for uri in (heavy, heavy, light, light, heavy):
        newest(uri).identity("first-0")
    assert openings[-3:] == [heavy, light, heavy]
    assert list(opened._kept)[-1][0] == heavy


def test_threads_do_not_share_a_table_that_is_open(uri: str) -> None:
    def work(worker: int) -> None:
        for n in range(8):
            while True:
                held = newest(uri)
                before = held.version
                try:
                    delta.commit(held, Change(identities={f"{worker}-{n}": 1}), now=NOW)
                    break
                except Conflict:
                    assert held.version == before
            assert newest(uri).identity(f"{worker}-{n}") == 1

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert len(newest(uri).identities) == 4 * 8 + 3
    assert newest(uri).version == 4 * 8 + 2
    assert_as_anew(uri)


STEPS = ("ours", "theirs", "remove", "column", "property", "checkpoint", "clear", "again", "look")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(STEPS), min_size=4, max_size=30))
def test_whatever_happens_to_a_table_what_is_open_is_what_opening_it_anew_tells(tmp_path: Path, steps: list[str]) -> None:
    uri = str(tmp_path / f"table-{len(list(tmp_path.iterdir()))}")
    made(uri)
    for n, step in enumerate(steps):
        happen(uri, step, n)
        if step == "look":
            warm, cold = told(newest(uri)), told(anew(uri))
            assert warm.pop("identities").items() >= cold.pop("identities").items()  # a cleared log may have forgotten
            assert warm == cold


def happen(uri: str, step: str, n: int) -> None:
    if step == "ours":
        add(uri, f"ours-{n}")
    elif step == "theirs":
        foreign(uri, f"theirs-{n}")
    elif step == "remove":
        held = newest(uri)
        delta.commit(held, Change(removed=held.files[:1]), now=NOW)
    elif step == "column":
        write_deltalake(uri, pa.table({f"c{n}": ["x"]}), mode="append", schema_mode="merge")
    elif step == "property":
        DeltaTable(uri).alter.set_table_properties({**ALWAYS, "delta.checkpointInterval": str(n + 2)})
    elif step == "checkpoint":
        DeltaTable(uri).create_checkpoint()
    elif step == "clear":
        DeltaTable(uri).cleanup_metadata()
    elif step == "again":
        shutil.rmtree(uri)
        kept, opened._kept = dict(opened._kept), {}
        made(uri, n % 4)
        opened._kept = kept
