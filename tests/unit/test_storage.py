"""The store's verbs can be repeated after a crash, and never lead out of the lake."""

import errno
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier, Event, current_thread, main_thread

import pytest

from core.errors import Terminal, Transient
from core.ingest import ingest, load
from core.storage import ObjectGone, ObjectRef, side_by_side
from core.storage.ahead import Ahead
from tests.conftest import bucket
from tests.world import ORDERS, World


def ref_of(world: World, key: str, tmp_path: Path) -> ObjectRef:
    """Return an object's full identity, as a fetch finds it."""
    found: ObjectRef = world.lake.raw.fetch(ObjectRef(key), tmp_path / "copy")
    return found


def bare(endpoint: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Make a lake in a bucket that keeps no versions."""
    import boto3

    uri = f"s3://{bucket(endpoint, monkeypatch).split('/')[2]}-bare/shop"
    boto3.client("s3", region_name="us-east-1").create_bucket(Bucket=uri.split("/")[2])
    return World(home, uri).declare(ORDERS)


@pytest.fixture
def store(anywhere: World) -> World:
    return anywhere.declare(ORDERS)


def test_what_was_put_is_listed_got_and_fetched(store: World, tmp_path: Path) -> None:
    store.put("raw/a/b c.csv", b"one")
    store.put("raw/a/b c.csv", b"two!")
    (listed,) = store.lake.raw.list("raw/")
    assert (listed.key, listed.size) == ("raw/a/b c.csv", 4)
    found = ref_of(store, listed.key, tmp_path)
    assert listed.version in (None, found.version)
    assert (found.key, found.size, (tmp_path / "copy").read_bytes()) == (listed.key, 4, b"two!")
    assert found.version
    assert found.modified.tzinfo is not None
    assert store.lake.raw.get("raw/a/b c.csv") == b"two!"
    assert store.lake.raw.get("raw/nothing") is None


def test_a_listing_is_of_a_folder_and_not_of_names_that_begin_alike(store: World) -> None:
    store.put("raw/orders/a.csv", b"1")
    store.put("raw/orders-old/a.csv", b"1")
    assert store.keys("raw/orders/") == {"raw/orders/a.csv"}
    assert store.keys("nowhere/") == set()


def test_an_object_is_moved_once_and_moving_it_again_is_nothing(store: World, tmp_path: Path) -> None:
    store.put("raw/a.csv", b"one")
    ref = ref_of(store, "raw/a.csv", tmp_path)
    for _ in range(3):
        store.lake.raw.move(ref, "archived/a.csv")
        assert store.keys() == {"archived/a.csv"}
    assert store.lake.raw.get("archived/a.csv") == b"one"


def test_a_move_leaves_a_newer_version_where_it_is(store: World, tmp_path: Path) -> None:
    store.put("raw/a.csv", b"old")
    old = ref_of(store, "raw/a.csv", tmp_path)
    store.put("raw/a.csv", b"new!")
    store.lake.raw.move(old, "archived/a.csv")
    store.lake.raw.move(old, "archived/a.csv")
    assert store.lake.raw.get("raw/a.csv") == b"new!"
    new = ref_of(store, "raw/a.csv", tmp_path)
    assert new.version != old.version
    store.lake.raw.move(new, "archived/new.csv")
    assert store.lake.raw.get("archived/new.csv") == b"new!"
    assert store.lake.raw.get("raw/a.csv") is None


def test_a_move_that_was_killed_after_the_copy_is_finished(store: World, tmp_path: Path) -> None:
    store.put("raw/a.csv", b"one")
    ref = ref_of(store, "raw/a.csv", tmp_path)
    store.put("archived/a.csv", b"on")  # what a crash could leave of another store's copy
    store.lake.raw.move(ref, "archived/a.csv")
    assert store.lake.raw.get("archived/a.csv") == b"one"
    assert store.keys("raw/") == set()


def test_an_object_that_vanished_is_gone_and_not_an_error_of_another_kind(store: World, tmp_path: Path) -> None:
    with pytest.raises(ObjectGone, match=r"raw/nothing\.csv"):
        ref_of(store, "raw/nothing.csv", tmp_path)
    store.put("raw/a.csv", b"one")
    ref = ref_of(store, "raw/a.csv", tmp_path)
    store.lake.raw.move(ref, "archived/a.csv")
    with pytest.raises(ObjectGone):
        store.lake.raw.fetch(ref, tmp_path / "copy")
    with pytest.raises(ObjectGone):
        ref_of(store, "raw", tmp_path)


def test_a_fetch_of_a_version_gets_that_version_or_nothing(store: World, tmp_path: Path) -> None:
    store.put("raw/a.csv", b"old")
    old = ref_of(store, "raw/a.csv", tmp_path)
    store.put("raw/a.csv", b"new!")
    if store.uri.startswith("s3://"):
        assert store.lake.raw.fetch(old, tmp_path / "copy") == old
        assert (tmp_path / "copy").read_bytes() == b"old"
    else:
        with pytest.raises(ObjectGone):
            store.lake.raw.fetch(old, tmp_path / "copy")


def test_an_object_that_vanishes_between_the_listing_and_the_fetch_holds_up_nobody(store: World) -> None:
    store.put("raw/orders/a.csv", "id,amount,placed\n1,1,\n")
    done = ingest(store.lake, store.lake.project.datasets["orders"], [ObjectRef("raw/orders/gone.csv"), *store.lake.raw.list("raw/")])
    assert {outcome.object.key: outcome.fate for outcome in done.objects} == {"raw/orders/gone.csv": "gone", "raw/orders/a.csv": "loaded"}


def test_a_known_version_whose_size_nobody_told_is_archived_all_the_same(store: World, tmp_path: Path) -> None:
    """An event may name a version and no size, by which the copy in the archive is verified."""
    store.put("raw/orders/a.csv", "id,amount,placed\n1,1,\n")
    ref = ref_of(store, "raw/orders/a.csv", tmp_path)
    dataset = store.lake.project.datasets["orders"]
    load(store.lake, dataset, [ref])
    assert [outcome.fate for outcome in ingest(store.lake, dataset, [ObjectRef(ref.key, ref.version)]).objects] == ["already loaded"]
    assert store.keys("raw/") == set()


def test_every_version_that_waits_is_loaded_once(store: World) -> None:
    if not store.uri.startswith("s3://"):
        pytest.skip("a folder keeps no versions")
    store.declare(ORDERS + "on_change: add\n")
    for n in range(3):
        store.put("raw/orders/a.csv", f"id,amount,placed\n{n},1,\n")
    while store.run():
        pass
    assert store.values("select id from orders order by id") == [0, 1, 2]
    assert store.keys("raw/") == set()
    assert len(store.keys("archived/")) == 3


def test_what_is_archived_is_the_version_that_was_loaded(s3_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = World(tmp_path, bucket(s3_endpoint, monkeypatch)).declare(ORDERS).lake.raw
    raw.put("raw/a.csv", b"old")
    old = raw.fetch(ObjectRef("raw/a.csv"), tmp_path / "copy")
    raw.put("raw/a.csv", b"new")
    raw.move(old, "archived/a.csv")
    assert (raw.get("archived/a.csv"), raw.get("raw/a.csv")) == (b"old", b"new")


def test_an_object_whose_copy_is_short_stays_in_raw(s3_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = World(tmp_path, bucket(s3_endpoint, monkeypatch)).declare(ORDERS).lake.raw
    raw.put("raw/a.csv", b"one")
    ref = raw.fetch(ObjectRef("raw/a.csv"), tmp_path / "copy")
    with pytest.raises(Transient, match="expected 4 bytes; found 3"):
        raw.move(replace(ref, size=4), "archived/a.csv")
    assert raw.get("raw/a.csv") == b"one"


def test_a_file_that_changes_while_it_is_copied_is_not_taken(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world.declare(ORDERS).put("raw/a.csv", b"one")
    path, real = Path(world.uri, "raw/a.csv"), shutil.copy2

    def another_disk(*_: object) -> None:
        raise OSError(errno.EXDEV, "another disk")

    def copy2(*given: object) -> None:
        real(*given)  # type: ignore[call-overload]
        path.write_bytes(b"one and more")

    monkeypatch.setattr(os, "link", another_disk)
    monkeypatch.setattr(shutil, "copy2", copy2)
    with pytest.raises(Transient, match="it to rest while it is copied"):
        ref_of(world, "raw/a.csv", tmp_path)


def test_a_put_that_is_killed_leaves_the_file_as_it_was(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world.declare(ORDERS).put("exports/a.csv", b"old")
    (tmp_path / "local").write_bytes(b"new and longer")

    def half(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes()[:7])
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "copyfile", half)
    with pytest.raises(KeyboardInterrupt):
        world.lake.store.put("exports/a.csv", tmp_path / "local")
    assert world.lake.store.get("exports/a.csv") == b"old"


def test_in_a_bucket_without_versions_a_changed_object_is_gone(s3_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = bare(s3_endpoint, tmp_path, monkeypatch).lake.raw
    raw.put("raw/a.csv", b"old")
    old = raw.fetch(ObjectRef("raw/a.csv"), tmp_path / "copy")
    raw.put("raw/a.csv", b"new")
    with pytest.raises(ObjectGone):
        raw.fetch(old, tmp_path / "copy")


def test_deleting_twice_is_deleting_once(store: World) -> None:
    store.put("exports/a.csv", b"one")
    for _ in range(2):
        store.lake.store.delete("exports/a.csv")
    assert store.keys() == set()


def test_what_is_done_side_by_side_comes_back_in_its_order(store: World) -> None:
    """As many at once as the place takes; in a folder that is one, and no thread is asked."""
    lanes = store.lake.store.lanes
    together = Barrier(lanes)

    def one(number: int) -> tuple[int, bool]:
        together.wait(timeout=30)
        return number, current_thread() is main_thread()

    items = range(2 * lanes)
    assert side_by_side(store.lake.store, one, items) == [(number, lanes == 1) for number in items]
    assert side_by_side(store.lake.store, lambda _: current_thread() is main_thread(), [1]) == [True]
    assert side_by_side(store.lake.store, one, []) == []


def test_of_many_who_claim_a_key_one_does(world: World) -> None:
    """In a folder only: the stand-in for S3 looks and puts in two steps, and under load lets two win in one race of a hundred."""
    store = world.declare(ORDERS).lake.store
    for name in ("a", "b c", "é"):
        key = f"landing/{name}/1"
        with ThreadPoolExecutor(8) as pool:
            won = list(pool.map(lambda n, key=key: store.claim(key, b"%d" % n * 1000), range(24)))
        assert won.count(True) == 1
        assert store.get(key) == b"%d" % won.index(True) * 1000
        assert {ref.key for ref in store.list(f"landing/{name}/")} == {key}


def test_a_claim_replaces_nothing_and_is_free_again_once_deleted(store: World) -> None:
    raw = store.lake.raw
    raw.put("raw/a.csv", b"put")
    assert not raw.claim("raw/a.csv", b"claimed")
    assert raw.get("raw/a.csv") == b"put"
    raw.delete("raw/a.csv")
    assert raw.claim("raw/a.csv", b"claimed")
    assert not raw.claim("raw/a.csv", b"claimed")
    assert raw.get("raw/a.csv") == b"claimed"


def test_a_key_that_obstore_would_bend_is_claimed_as_it_is(s3_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = World(tmp_path, bucket(s3_endpoint, monkeypatch)).declare(ORDERS).lake.raw
    assert [raw.claim("raw//a", b"1"), raw.claim("raw//a", b"2"), raw.claim("raw/a", b"3")] == [True, False, True]


def test_a_claim_in_a_bucket_that_is_gone_is_no_lost_race(s3_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = World(tmp_path, f"{bucket(s3_endpoint, monkeypatch).rpartition('/')[0]}-gone").declare(ORDERS).lake.raw
    for key in ("raw/a", "raw//a"):
        with pytest.raises(Transient):
            raw.claim(key, b"1")


OUTSIDE = ["../a", "raw/../../a", "/etc/passwd", "raw/..", "..", "a/../../../b"]


@pytest.mark.parametrize("key", OUTSIDE)
def test_a_key_that_leads_out_of_the_lake_is_refused_by_every_verb(world: World, tmp_path: Path, key: str) -> None:
    raw = world.declare(ORDERS).lake.raw
    world.put("raw/a.csv", b"one")
    ref = ref_of(world, "raw/a.csv", tmp_path)
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    verbs = [
        lambda: raw.put(key, b"x"), lambda: raw.get(key), lambda: raw.delete(key), lambda: list(raw.list(key)), lambda: raw.move(ref, key),
        lambda: raw.fetch(ObjectRef(key), tmp_path / "copy"), lambda: raw.move(ObjectRef(key, "1"), "archived/x"),
        lambda: raw.claim(key, b"x"),
    ]  # fmt: skip
    for verb in verbs:
        with pytest.raises(Terminal):
            verb()
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_put_replaces_at_once_and_leaves_nothing_beside_it(world: World, tmp_path: Path) -> None:
    world.declare(ORDERS)
    (tmp_path / "local").write_bytes(b"x" * 100_000)
    world.lake.store.put("exports/a.csv", b"y")
    world.lake.store.put("exports/a.csv", tmp_path / "local")
    assert [path.name for path in Path(world.uri, "exports").iterdir()] == ["a.csv"]
    assert len(world.lake.store.get("exports/a.csv") or b"") == 100_000


def test_a_bucket_without_versions_loses_nothing_that_changed_meanwhile(
    s3_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = bare(s3_endpoint, tmp_path, monkeypatch)
    world.put("raw/orders/a.csv", "id,amount,placed\n1,1,\n")
    first = world.lake.raw.fetch(ObjectRef("raw/orders/a.csv"), tmp_path / "a")
    assert (first.version or "").startswith('"')
    world.put("raw/orders/a.csv", "id,amount,placed\n2,2,\n")

    world.lake.raw.move(first, "archived/a.csv")
    assert world.keys() == {"raw/orders/a.csv"}
    assert world.fates() == {"raw/orders/a.csv": "loaded"}
    assert world.values("select id from orders") == [2]
    assert world.keys("raw/") == set()


LARGE = b"x" * (1 << 20)


def test_a_file_that_was_foretold_is_what_it_is_when_it_is_fetched(world: World, tmp_path: Path) -> None:
    raw = world.declare(ORDERS).lake.raw
    for name in "abc":
        world.put(f"raw/{name}", LARGE + name.encode())
    refs = list(raw.list("raw/"))
    before = {ref.key: raw.fetch(ref, tmp_path / f"before-{ref.key[-1]}") for ref in refs}

    raw.foretell(refs)
    assert {ref.key: raw.fetch(ref, tmp_path / f"again-{ref.key[-1]}") for ref in refs} == before

    raw.foretell(refs)
    raw.fetch(refs[2], tmp_path / "last")  # the two before it may be hashed by now, or not
    world.put("raw/a", b"y" * (len(LARGE) + 1))
    Path(world.uri, "raw/b").unlink()
    assert raw.fetch(ObjectRef("raw/a"), tmp_path / "new").version not in (None, before["raw/a"].version)
    with pytest.raises(ObjectGone):
        raw.fetch(ObjectRef("raw/b"), tmp_path / "none")


def test_a_hash_ahead_is_taken_once_and_waited_for_only_where_it_was_begun(tmp_path: Path) -> None:
    begun, go, done = Event(), Event(), list[str]()

    def digest(path: Path) -> str:
        done.append(path.name)
        begun.set()
        assert go.wait(60)
        return path.read_text()

    paths = [tmp_path / name for name in ("first", "second", "gone")]
    for path in paths[:2]:
        path.write_text(path.name)
    ahead = Ahead(digest)
    ahead.begin(paths)
    ahead.begin(paths)
    assert begun.wait(60)
    assert ahead.take(paths[1]) is None  # nobody has begun: who asks is as fast
    go.set()
    assert (ahead.take(paths[0]), ahead.take(paths[0])) == ("first", None)
    assert ahead.take(paths[2]) is None
    assert done == ["first"]


def test_a_hash_ahead_of_a_file_that_was_touched_since_is_not_taken(tmp_path: Path) -> None:
    begun, path = Event(), tmp_path / "file"

    def digest(path: Path) -> str:
        begun.set()
        return path.read_text()

    path.write_text("old")
    ahead = Ahead(digest)
    ahead.begin([path])
    assert begun.wait(60)
    path.write_text("newer")
    assert ahead.take(path) is None
