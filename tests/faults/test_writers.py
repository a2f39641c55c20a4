"""Processes write side by side: the first write to a new table, appends, counting merges, upkeep. Every commit lands, once."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from core import delta
from tests.conftest import bucket
from tests.faults.figures import FIGURES, LONG
from tests.faults.model import EVENTS, HEADER, STATES, Given, assert_model, line, put
from tests.faults.oracle import assert_places
from tests.faults.workers import Processes, look_after, write, write_first
from tests.s3 import one_at_a_time
from tests.world import World

TABLES = {"folder": 50, "s3": 5} if LONG else {"folder": 4, "s3": 1}
RULES = {"events": EVENTS, "states": STATES}
POLICY = "maintenance: {vacuum_after: 1 days}\n"
MODES = pytest.mark.parametrize("name", ["events", "states"], ids=["append", "merge"])


def test_the_tests_s3_server_lets_one_of_two_requests_at_once_go_first() -> None:
    """A conditional put of the server below looks and then writes; without the lock both of two would find nothing."""
    written: list[str] = []

    def put(environ: dict[str, Any], _: Any) -> list[bytes]:
        if written:
            return [b"412"]
        time.sleep(0.05)
        written.append(environ["body"])
        return [b"200"]

    server, both = one_at_a_time(put), Barrier(2)

    def request(body: str) -> list[bytes]:
        both.wait()
        return list(server({"body": body}, None))

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(request, "ab")) == [[b"200"], [b"412"]]


# --- the first write -----------------------------------------------------------------------------------------------------------------


def lakes(place: str, home: Path, made: Callable[[], str]) -> list[World]:
    """Return lakes of one project that have no table yet."""
    return [World(home, f"{home}/{n}" if place == "folder" else f"{made()}/{n}") for n in range(TABLES[place])]


def first_objects(world: World, name: str) -> dict[str, Given]:
    """Put an object for all four writers and one for each; a row of each is refused, so that the quarantine is new, too."""
    bodies = {f"raw/{name}/{who}.csv": HEADER + line(n, n, n) + line(9, n, n) + line("x", n, n) for n, who in enumerate("0123a")}
    return {key: put(world, key, body) for key, body in bodies.items()}


@MODES
@pytest.mark.parametrize("place", ["folder", "s3"])
def test_the_first_write_to_a_new_table_by_four_processes_is_made_once(
    request: pytest.FixtureRequest, workers: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, name: str
) -> None:
    endpoint = request.getfixturevalue("s3_endpoint") if place == "s3" else ""
    worlds = lakes(place, tmp_path, lambda: bucket(endpoint, monkeypatch))
    worlds[0].declare(RULES[name])
    given = [first_objects(world, name) for world in worlds]
    shared, uris = f"raw/{name}/a.csv", [world.uri for world in worlds]
    fates = workers.together(*[(write_first, tmp_path, uris, name, [shared, f"raw/{name}/{who}.csv"]) for who in "0123"])

    for number, (world, objects) in enumerate(zip(worlds, given, strict=True)):
        found = [one[number] for one in fates]
        assert [fate.pop(shared) for fate in found].count("loaded") == 1, found
        assert [list(fate.values()) for fate in found] == [["loaded"]] * 4
        assert_model(world, name, list(objects.values()))
        assert_places(world, [one.body.encode() for one in objects.values()])
    FIGURES.count(
        "first writes", f"{'append' if name == 'events' else 'merge'} in {'a folder' if place == 'folder' else 'a bucket'}", len(worlds)
    )


def test_rows_that_a_rival_refuses_into_a_quarantine_that_is_new_to_both_are_there_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = put(world.declare(EVENTS), "raw/events/a.csv", HEADER + line(1, 1, 1) + line("x", 1, 1))
    real, rivals = delta.ensure, [World(world.home, world.uri)]

    def ensure(uri: str, *arguments: Any, **options: Any) -> Any:
        if "quarantine" in uri and rivals:
            rivals.pop().run()
        return real(uri, *arguments, **options)

    monkeypatch.setattr(delta, "ensure", ensure)
    world.run()
    assert_model(world, "events", [given])


# --- rivals --------------------------------------------------------------------------------------------------------------------------


def counting(writer: int, round_: int, writers: int) -> str:
    """Return a file that leaves a trace in a merged table whatever comes later.

    A key of its own that nothing else touches; one that its writer counts up; one that all count up, each by steps of its own.
    """
    step = round_ * writers + writer
    rows = [(1_000_000 + step, step), (1_000 + writer, round_), (1, step)]
    return HEADER + "".join(line(key, n, n) for key, n in rows)


def rounds(world: World, name: str, writers: int, each: int) -> list[list[Given]]:
    return [[put(world, f"raw/{name}/{writer}-{n}.csv", counting(writer, n, writers)) for n in range(each)] for writer in range(writers)]


def keys(given: list[Given]) -> list[str]:
    return [one.ref.key for one in given]


def loads(world: World, name: str) -> int:
    """Return how many commits of a table loaded something."""
    snapshot = world.lake.named_table(name)
    assert snapshot is not None
    return sum(commit["lakelet"].get("kind") == "ingest" for commit in snapshot.history())


@pytest.mark.parametrize(
    ("name", "writers", "each"), [("events", 8 if LONG else 4, 10), ("states", 4, 5)], ids=["append", "counting-merge"]
)
def test_every_commit_of_writers_side_by_side_lands(workers: Processes, world: World, name: str, writers: int, each: int) -> None:
    given = rounds(world.declare(RULES[name]), name, writers, each)
    fates = workers.together(*[(write, world.home, world.uri, name, keys(some)) for some in given])

    assert fates == [["loaded"] * each] * writers
    assert loads(world, name) == writers * each
    assert_model(world, name, [one for some in given for one in some])
    FIGURES.count("rivals", "appends" if name == "events" else "counting merges", writers * each)


def grow_old(world: World, name: str) -> None:
    """Let a table have been made ten days ago, in its own log."""
    first = Path(world.lake.uri(world.lake.project.named(name).target.path), "_delta_log", f"{0:020}.json")
    actions = [json.loads(action) for action in first.read_text("utf-8").splitlines()]
    for action in actions:
        if "metaData" in action:
            action["metaData"]["createdTime"] -= 10 * 86_400_000
    first.write_text("\n".join(map(json.dumps, actions)), "utf-8")


@MODES
def test_every_commit_lands_beside_compaction_and_vacuum(workers: Processes, world: World, name: str) -> None:
    writers, each = 3, 20 if LONG else 4
    world.declare(RULES[name] + POLICY)
    before = [put(world, f"raw/{name}/before-{n}.csv", HEADER + line(2_000_000 + n, n, n)) for n in range(6)]
    for one in before:
        world.run(ready=lambda _, ref, __, only=one: ref.key == only.ref.key)
    grow_old(world, name)
    given = rounds(world, name, writers, each)
    tasks = [(write, world.home, world.uri, name, keys(some)) for some in given]
    *fates, upkeep = workers.together(*tasks, (look_after, world.home, world.uri, name))

    print(upkeep)
    assert fates == [["loaded"] * each] * writers
    assert upkeep.compacted >= 6
    assert upkeep.vacuumed >= 1
    assert loads(world, name) == len(before) + writers * each
    assert_model(world, name, [*before, *(one for some in given for one in some)])
    FIGURES.count("rivals", f"{'appends' if name == 'events' else 'merges'} beside compaction and vacuum", writers * each)
