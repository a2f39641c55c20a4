"""The commit protocol under fire: each fault is made by doing the real thing and then failing, and running again mends it."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from core import delta, ingest, quality
from core.delta import Change, Snapshot
from core.errors import Conflict
from core.storage import ObjectRef
from tests.world import ORDERS, World

HEADER = "id,amount,placed\n"
MERGED = ORDERS.replace("target: {", "key: [id]\norder_by: [placed]\ntarget: {mode: merge, ")
BODY = HEADER + "1,1,2025-01-01\nbad,2,2025-01-01\n2,3,2025-01-02\n"


class Killed(BaseException):
    """What a SIGKILL looks like from the inside: nothing catches it."""


def failing_once(real: Callable[..., Any], error: BaseException, *, at: int, after: bool) -> Callable[..., Any]:
    """Return the real function that, on its call number `at`, raises before or after having done its work."""
    calls = iter(range(1, 1000))

    def call(*arguments: Any, **options: Any) -> Any:
        if (turn := next(calls)) == at and not after:
            raise error
        result = real(*arguments, **options)
        if turn == at:
            raise error
        return result

    return call


def assert_whole(world: World) -> None:
    """Everything is where it belongs, once."""
    assert world.rows("select id, amount from orders order by id") == [{"id": 1, "amount": "1.00"}, {"id": 2, "amount": "3.00"}]
    assert world.values("select raw from quarantine.orders") == ["bad,2,2025-01-01"]
    assert world.keys("raw/") == set()
    assert len(world.keys("archived/")) == 1


@pytest.mark.parametrize("declared", [ORDERS, MERGED], ids=["append", "merge"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("commit", [1, 2], ids=["quarantine", "target"])
def test_a_crash_around_a_commit_is_mended_by_the_next_run(
    world: World, monkeypatch: pytest.MonkeyPatch, declared: str, after: bool, commit: int
) -> None:
    world.declare(declared).put("raw/orders/a.csv", BODY)
    with monkeypatch.context() as patch:
        patch.setattr(delta, "commit", failing_once(delta.commit, Killed(), at=commit, after=after))
        with pytest.raises(Killed):
            world.run()

    world.run()
    assert_whole(world)


@pytest.mark.parametrize("verb", ["move", "fetch"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_crash_around_a_storage_request_is_mended_by_the_next_run(
    world: World, monkeypatch: pytest.MonkeyPatch, verb: str, after: bool
) -> None:
    world.declare(ORDERS).put("raw/orders/a.csv", BODY)
    with monkeypatch.context() as patch:
        patch.setattr(world.lake.raw, verb, failing_once(getattr(world.lake.raw, verb), Killed(), at=1, after=after))
        with pytest.raises(Killed):
            world.run()

    world.run()
    assert_whole(world)


@pytest.mark.parametrize("declared", [ORDERS, MERGED], ids=["append", "merge"])
def test_a_commit_that_landed_but_was_reported_failed_is_not_committed_twice(
    world: World, monkeypatch: pytest.MonkeyPatch, declared: str
) -> None:
    world.declare(declared).put("raw/orders/a.csv", BODY)
    monkeypatch.setattr(delta, "commit", failing_once(delta.commit, Conflict("commit", found="no answer"), at=2, after=True))
    world.run()

    assert_whole(world)


def test_the_same_object_named_twice_in_a_batch_is_loaded_once(world: World) -> None:
    world.declare(ORDERS).put("raw/orders/a.csv", BODY)
    ref = next(iter(world.lake.raw.list("raw/")))
    done = ingest.ingest(world.lake, world.lake.project.datasets["orders"], [ref, ObjectRef(ref.key), ref])

    assert done.balance["read"] == 3
    assert_whole(world)


def test_the_same_file_put_back_into_raw_changes_no_table(world: World) -> None:
    world.declare(ORDERS).put("raw/orders/a.csv", BODY)
    world.run()
    before = world.version("orders")
    world.put("raw/orders/a.csv", BODY)

    assert world.fates() == {"raw/orders/a.csv": "already loaded"}
    assert world.version("orders") == before
    assert_whole(world)


def _ingest_alone(home: Any, uri: str, key: str) -> str:
    world = World(home, uri)
    done = ingest.ingest(world.lake, world.lake.project.datasets["orders"], [ObjectRef(key)])
    return done.objects[0].fate


@pytest.mark.parametrize("declared", [ORDERS, MERGED], ids=["append", "merge"])
def test_four_processes_that_ingest_one_object_into_a_new_table_load_it_once(world: World, declared: str) -> None:
    world.declare(declared).put("raw/orders/a.csv", BODY)
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:  # deltalake panics after a fork
        fates = list(pool.map(_ingest_alone, [world.home] * 4, [world.uri] * 4, ["raw/orders/a.csv"] * 4))

    assert fates.count("loaded") == 1
    assert_whole(world)


def _opened(world: World, name: str = "orders") -> Snapshot:
    snapshot = world.lake.table(world.lake.project.named(name))
    assert snapshot is not None
    return snapshot


def test_two_changes_that_remove_files_cannot_both_win(world: World) -> None:
    world.declare(ORDERS).put("raw/orders/a.csv", BODY)
    world.run()
    one, other = _opened(world), _opened(world)
    delta.commit(one, Change(removed=one.files), now=world.lake.now())

    with pytest.raises(Conflict):
        delta.commit(other, Change(identities={"x": 1}, exclusive=True), now=world.lake.now())


def test_a_change_that_removes_files_gives_way_to_one_that_took_the_lock(world: World) -> None:
    world.declare(ORDERS).put("raw/orders/a.csv", BODY)
    world.run()
    one, other = _opened(world), _opened(world)
    delta.commit(one, Change(identities={"x": 1}, exclusive=True), now=world.lake.now())

    with pytest.raises(Conflict):
        delta.commit(other, Change(removed=other.files), now=world.lake.now())


def test_an_identity_cannot_be_committed_twice_through_one_snapshot(world: World) -> None:
    world.declare(ORDERS).put("raw/orders/a.csv", BODY)
    world.run()
    one, other = _opened(world), _opened(world)
    delta.commit(one, Change(added=one.files, identities={"x": 1}), now=world.lake.now())

    with pytest.raises(Conflict):
        delta.commit(other, Change(added=one.files, identities={"x": 1}), now=world.lake.now())


def test_a_commit_without_files_still_records_its_identities(world: World) -> None:
    world.declare(ORDERS).put("raw/orders/a.csv", HEADER)
    world.run()

    assert _opened(world).files == ()
    world.put("raw/orders/a.csv", HEADER)
    assert world.fates() == {"raw/orders/a.csv": "already loaded"}


def test_an_object_that_is_written_into_while_it_is_read_is_read_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.declare(ORDERS).put("raw/orders/a.csv", HEADER + "9,9,\n")
    path, real = Path(world.uri, "raw/orders/a.csv"), quality.enforce

    def enforce(*arguments: Any, **options: Any) -> None:
        real(*arguments, **options)
        if path.read_text() != BODY:
            path.write_text(BODY)  # the same file, not a new one in its place

    monkeypatch.setattr(quality, "enforce", enforce)
    world.run()
    assert_whole(world)
