"""Every event is delivered one to five times, shuffled, to four processes: nothing is lost, nothing is there twice.

In a bucket each process is handed its queue's events by the ingest function's own handler. A folder has no events, so there the processes
begin one step later, at `run.run_objects`, with the handler's rule for what fails: it goes back to the queue and comes alone.
"""

import random
from pathlib import Path

import pytest

from core.storage import ObjectRef
from tests.conftest import bucket
from tests.faults.figures import FIGURES, LONG
from tests.faults.model import EVENTS, HEADER, STATES, Given, assert_model, chance, line, put
from tests.faults.oracle import assert_places
from tests.faults.workers import Message, Processes, Work, by_core, by_function, drain
from tests.world import World

FOLDER_FILES, BUCKET_FILES = (1000, 60) if LONG else (40, 8)


def body(rng: random.Random, number: int) -> str:
    """Return a file of a few rows; some are wrong as a whole, some in part, some are empty."""
    if rng.random() < 0.05:
        return f"id;n;seen\n{number};1;\n"
    if rng.random() < 0.05:
        return HEADER + line(number, 1, 0) + line(number, 666, 0)
    rows = [line(rng.randrange(200), rng.randrange(100), rng.choice([None, *range(9)])) for _ in range(rng.randrange(8))]
    if rng.random() < 0.2:
        rows += [line(f"x{number}", 1, 0), line(number, -1, 0)]
        rng.shuffle(rows)
    return HEADER + "".join(rows)


def corpus(world: World, rng: random.Random, name: str, number: int) -> list[Given]:
    """Put files of a dataset, one in twenty with the same bytes as another one."""
    bodies = [body(rng, n) for n in range(number)]
    for n in rng.sample(range(number), number // 20):
        bodies[n] = rng.choice(bodies)
    folder = not world.uri.startswith("s3://")
    now = int(world.lake.now().timestamp())
    return [put(world, f"raw/{name}/{n}.csv", text, now - rng.randrange(900) if folder else None) for n, text in enumerate(bodies)]


def deliveries(rng: random.Random, objects: dict[str, list[Given]]) -> list[list[Message]]:
    """Announce each object one to five times, with or without its version, in batches of one to twenty of both datasets."""
    events = [(name, given.ref) for name, some in objects.items() for given in some for _ in range(rng.randint(1, 5))]
    rng.shuffle(events)
    told = [(name, ref if rng.random() < 0.7 else ObjectRef(ref.key)) for name, ref in events]
    messages = [Message(number, name, ref) for number, (name, ref) in enumerate(told)]
    batches = []
    while messages:
        size = rng.randint(1, 20)
        batches.append(messages[:size])
        messages = messages[size:]
    return batches


def deliver_everything(workers: Processes, world: World, work: Work, number: int, *, after: str) -> None:
    """Deliver it all; then the tables, the quarantine and the objects' places are the model's."""
    rng = chance()
    world.declare(f"{EVENTS}after: {after}\n").declare(STATES)
    objects = {name: corpus(world, rng, name, number) for name in ("events", "states")}
    batches = deliveries(rng, objects)
    returned = drain(workers, 4, work, world.home, world.uri, batches)
    print(f"{sum(map(len, batches))} deliveries of {2 * number} objects in {len(batches)} batches, {returned} went back")
    for name, given in objects.items():
        assert_model(world, name, given)
    assert_places(world, [one.body.encode() for given in objects.values() for one in given])
    rejected = {one.ref.key for given in objects.values() for one in given if one.is_rejected}
    assert len([key for key in world.keys("rejected/") if key.endswith(".report.json")]) == len(rejected)
    assert set(world.fates().values()) <= {"already loaded"}


def count(number: int, place: str) -> None:
    for mode in ("append", "merge"):
        FIGURES.count("deliveries", f"files by {mode} in {place}", number)


def test_what_is_delivered_again_and_out_of_order_is_loaded_once(workers: Processes, world: World) -> None:
    deliver_everything(workers, world, by_core, FOLDER_FILES, after="keep")  # what comes again is there to be read again
    count(FOLDER_FILES, "a folder")


def test_the_ingest_function_loads_once_what_its_queue_delivers_again(
    workers: Processes, tmp_path: Path, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, bucket(s3_endpoint, monkeypatch))
    deliver_everything(workers, world, by_function, BUCKET_FILES, after="archive")
    count(BUCKET_FILES, "a bucket")
