"""What lands although an error is told is known to have landed, and storage that fails for a while blames nobody."""

import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import obstore
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError

from core import delta, transform
from core.delta import Change, changes, tables, upkeep
from core.errors import Conflict, Transient
from core.ingest import load
from core.run import Undone
from handlers.events import Announced, Message
from handlers.ingest import take
from tests.conftest import bucket
from tests.faults.oracle import assert_sound
from tests.faults.test_protocol import BODY, failing_once
from tests.world import ORDERS, World

TOTALS = "transform: totals\nsql: totals.sql\nwhen: any_input\ntarget: {path: gold/totals/}\n"
COUNT = {"totals": "select count(*) as orders from orders"}


def with_lost_answer(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, error: BaseException, *, at: int = 1) -> None:
    """Let one call do what it does and then raise."""
    monkeypatch.setattr(owner, name, failing_once(getattr(owner, name), error, at=at, after=True))


def test_a_load_whose_answer_was_lost_is_reported_with_its_version_and_rows(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.declare(ORDERS).put("raw/orders/a.csv", BODY)
    with_lost_answer(monkeypatch, DeltaTable, "create_write_transaction", CommitFailedError("no answer"), at=2)
    (done,) = world.ingested()
    assert (done.version, done.count("loaded"), done.balance["accepted"], done.balance["quarantined"]) == (1, 1, 2, 1)
    assert_sound(world, "orders", objects=[BODY.encode()])


def test_a_commit_that_a_rival_made_is_not_taken_for_our_own(world: World) -> None:
    world.declare(ORDERS).put("raw/orders/a.csv", BODY)
    world.run()
    ours, rivals = (world.lake.named_table("orders") for _ in range(2))
    assert ours is not None
    assert rivals is not None
    change = Change(identities={"x": 1}, record={"kind": "same"}, exclusive=True)
    delta.commit(rivals, change, now=world.lake.now())
    with pytest.raises(Conflict):
        delta.commit(ours, change, now=world.lake.now())


def test_what_cannot_be_found_out_stays_a_conflict(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.declare(ORDERS).put("raw/orders/a.csv", BODY)
    world.run()
    ours = world.lake.named_table("orders")
    assert ours is not None

    def unreachable(*_: Any, **__: Any) -> None:
        raise OSError("no route")

    with_lost_answer(monkeypatch, DeltaTable, "create_write_transaction", CommitFailedError("no answer"))
    monkeypatch.setattr(changes, "DeltaTable", unreachable)
    with pytest.raises(Conflict):
        delta.commit(ours, Change(identities={"x": 1}), now=world.lake.now())


def test_properties_that_were_set_are_not_reported_as_a_conflict(world: World) -> None:
    world.declare(ORDERS).put("raw/orders/a.csv", BODY)
    world.run()
    snapshot = world.lake.named_table("orders")
    assert snapshot is not None
    kept = {"delta.logRetentionDuration": "interval 40 days"}
    stale = world.lake.named_table("orders")
    assert stale is not None
    assert upkeep.configure(snapshot, kept).properties.items() >= kept.items()
    assert upkeep.configure(stale, kept).version == snapshot.version + 1


def test_a_busy_store_is_no_fault_of_the_declaration(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.declare(ORDERS).put("raw/orders/a.csv", BODY)
    busy = failing_once(DeltaTable.create, DeltaError("Invalid table version: 0"), at=1, after=False)
    monkeypatch.setattr(tables.DeltaTable, "create", busy)
    assert world.fates() == {"raw/orders/a.csv": "loaded"}


def test_an_archive_that_is_refused_once_does_not_make_a_load_a_failure(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.declare(ORDERS).put("raw/orders/a.csv", BODY)
    real = world.lake.raw.move
    monkeypatch.setattr(world.lake.raw, "move", failing_once(real, Transient("copy", found="503"), at=1, after=True))
    assert world.fates() == {"raw/orders/a.csv": "loaded"}
    assert len(world.keys("archived/")) == 1


@pytest.mark.parametrize("times", [1, 20])
def test_storage_that_fails_is_not_the_fault_of_a_transform_s_sql(world: World, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    world.declare(ORDERS).declare(TOTALS, **COUNT).put("raw/orders/a.csv", BODY)
    real, refusals = transform.fragments, iter(range(times))

    def fragments(*given: Any) -> Any:
        if next(refusals, None) is not None:
            raise duckdb.IOException("IO Error: Timeout was reached error for HTTP PUT")
        return real(*given)

    monkeypatch.setattr(transform, "fragments", fragments)
    undone = [step for step in world.run() if isinstance(step, Undone)]
    if times == 1:
        assert undone == []
        assert world.values("select orders from totals") == [2]
    else:
        (step,) = undone
        assert step.may_pass


def test_a_message_that_comes_back_after_a_crash_runs_the_transforms_that_follow(
    tmp_path: Path, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The crash came between the commit and what follows it: the objects are loaded already, and still the total is to be made."""
    world = World(tmp_path, bucket(s3_endpoint, monkeypatch)).declare(ORDERS).declare(TOTALS, **COUNT)
    world.put("raw/orders/a.csv", BODY)
    (ref,) = world.lake.raw.list("raw/")
    load(world.lake, world.lake.project.datasets["orders"], [ref])

    name, _, prefix = world.uri.removeprefix("s3://").partition("/")
    assert take(world.lake, [Message("m", 2, (Announced(name, replace(ref, key=f"{prefix}/{ref.key}")),))]) == {}
    assert world.values("select orders from totals") == [2]


def test_s3_may_not_be_silent_for_ever(tmp_path: Path, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, bucket(s3_endpoint, monkeypatch)).declare(ORDERS)
    limits = world.lake.store._client.meta.config  # type: ignore[attr-defined]
    assert (limits.connect_timeout, limits.read_timeout) == (5, 10)
    with world.lake.workplace() as work, world.lake.session(work) as connection:
        assert connection.execute("select current_setting('http_timeout')").fetchone() == (30,)


def test_a_write_that_is_under_way_is_not_taken_for_one_that_landed(
    tmp_path: Path, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """arrow-rs-object-store#852: S3 answers 409, nothing is there, and obstore calls it 412. Whoever posted would be told it is safe."""
    store = World(tmp_path, bucket(s3_endpoint, monkeypatch)).declare(ORDERS).lake.raw
    conflict = obstore.exceptions.AlreadyExistsError("409 ConditionalRequestConflict")
    monkeypatch.setattr(obstore, "put", failing_once(obstore.put, conflict, at=1, after=False))
    assert store.claim("raw/orders/a.csv", b"ours")
    assert store.get("raw/orders/a.csv") == b"ours"
    assert not store.claim("raw/orders/a.csv", b"theirs")


def test_an_s3_that_says_nothing_is_something_that_may_pass(tmp_path: Path, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = bucket(s3_endpoint, monkeypatch)
    monkeypatch.setattr("core.lake.LIMITS", {"timeout": "1s", "connect_timeout": "1s", "read_timeout": "1s"})
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(Transient):
            list(World(tmp_path, uri).declare(ORDERS).lake.raw.list("raw/"))
