"""Work that is done in processes of their own, as functions do it: each opens the lake by itself and knows nothing of the others."""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

from core import run
from core.engine import fragments, relation
from core.errors import Conflict
from core.ingest import ingest
from core.maintenance import Maintained, maintain
from core.run import Undone
from core.storage import ObjectRef
from tests.world import World

PATIENCE: Final = 1800
"""Seconds after which work that does not end is given up: no measure of anything."""

MOST_TRIES: Final = 5
"""Deliveries before a queue gives a message to its dead letters (sam-template.yaml)."""

barriers: Final[dict[int, Any]] = {}
"""In a process that works: the barrier for so many."""

meeting: Any = None
"""The one for those who work together now."""


@dataclass(frozen=True)
class Message:
    """One delivery of an event; `tries` counts how often the queue has delivered it."""

    id: int
    dataset: str
    ref: ObjectRef
    tries: int = 1


Work = Callable[[Path, str, Sequence[Message]], list[int]]


class Processes:
    """A number of processes that take work as it comes, in the environment of whoever asks."""

    def __init__(self, pool: Any, barriers: Mapping[int, Any]) -> None:
        self._pool, self._barriers = pool, barriers

    def together(self, *tasks: tuple[Any, ...]) -> list[Any]:
        """Do every task (a function and its arguments) in a process of its own, all at the same time: they `meet`.

        Return what each gave; raise what one raised.
        """
        self._barriers[len(tasks)].reset()
        begun = [self._pool.apply_async(_do, (_environment(), len(tasks), *task)) for task in tasks]
        return [one.get(PATIENCE) for one in begun]


@contextmanager
def processes(number: int) -> Iterator[Processes]:
    """Start processes; what is still at work at the end is killed. They spawn: delta-rs panics after a fork."""
    context = get_context("spawn")
    given = {parties: context.Barrier(parties) for parties in range(2, number + 1)}
    with context.Pool(number, initializer=_start, initargs=(given,)) as pool:
        yield Processes(pool, given)


def _start(given: Mapping[int, Any]) -> None:
    barriers.update(given)


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(("AWS_", "LAKELET_", "POWERTOOLS_"))}


def _do(environment: dict[str, str], parties: int, work: Callable[..., Any], *arguments: Any) -> Any:
    global meeting
    for name in _environment():
        del os.environ[name]
    os.environ.update(environment)
    meeting = barriers[parties]
    try:
        return work(*arguments)
    except BaseException:
        meeting.abort()  # nobody waits for one who will not come
        raise


def meet() -> None:
    """Wait for all the others who work together, so that what follows happens at once."""
    meeting.wait(PATIENCE)


@cache
def opened(home: Path, uri: str) -> World:
    """Open a lake once a process, as a function's container does."""
    return World(home, uri)


# --- a queue -------------------------------------------------------------------------------------------------------------------------


def drain(workers: Processes, number: int, work: Work, home: Path, uri: str, batches: Sequence[Sequence[Message]]) -> int:
    """Have a number of processes work off batches of messages; what goes back is delivered again, alone. Return how often that was."""
    returned = 0
    for _ in range(MOST_TRIES):
        hands = workers.together(*[(_work_off, work, home, uri, batches[hand::number]) for hand in range(number)])
        batches = [[replace(message, tries=message.tries + 1)] for back in hands for message in back]
        returned += len(batches)
    assert not batches, f"{len(batches)} messages would be dead letters"
    return returned


def _work_off(work: Work, home: Path, uri: str, batches: Sequence[Sequence[Message]]) -> list[Message]:
    """Take one batch after the other; return the messages that go back."""
    meet()
    back = []
    for batch in batches:
        failed = work(home, uri, batch)
        back += [message for message in batch if message.id in failed]
    return back


def by_core(home: Path, uri: str, batch: Sequence[Message]) -> list[int]:
    """Settle a batch as the ingest function does, but for the envelopes, which only buckets have. Return the messages that go back."""
    refs: dict[str, list[ObjectRef]] = {}
    for message in batch:
        refs.setdefault(message.dataset, []).append(message.ref)
    undone = {step.name for step in run.run_objects(opened(home, uri).lake, refs) if isinstance(step, Undone)}
    return [message.id for message in batch if message.dataset in undone]


def by_function(home: Path, uri: str, batch: Sequence[Message]) -> list[int]:
    """Invoke the ingest function itself with an event of its queue. Return the messages that go back."""
    from handlers import ingest as function
    from handlers import work
    from tests.functions import Context

    given = {"LAKELET_PROJECT": f"{home}/project", "LAKELET_LAKE": uri, "LAKELET_RAW": uri}
    os.environ.update(given, POWERTOOLS_SERVICE_NAME="lakelet-test", POWERTOOLS_METRICS_NAMESPACE="Lakelet")
    if work.opened().settings.lake != uri:
        work.opened.cache_clear()
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    records = [
        {
            "messageId": str(message.id),
            "eventSource": "aws:sqs",
            "attributes": {"ApproximateReceiveCount": str(message.tries)},
            "body": json.dumps(_announced(bucket, f"{prefix}/{message.ref.key}", message.ref)),
        }
        for message in batch
    ]
    return [int(failed["itemIdentifier"]) for failed in function.handler({"Records": records}, Context())["batchItemFailures"]]


def _announced(bucket: str, key: str, ref: ObjectRef) -> dict[str, Any]:
    found = {"key": key, "size": ref.size} | ({"version-id": ref.version} if ref.version else {})
    return {"source": "aws.s3", "detail-type": "Object Created", "detail": {"bucket": {"name": bucket}, "object": found}}


# --- writers -------------------------------------------------------------------------------------------------------------------------


def write_first(home: Path, lakes: Sequence[str], name: str, keys: Sequence[str]) -> list[dict[str, str]]:
    """Make the first write to one table after another, each at the same time as all the others; return the objects' fates by lake."""
    fates = []
    for uri in lakes:
        world = World(home, uri)
        dataset = world.lake.project.datasets[name]
        meet()
        fates.append({one.object.key: one.fate for one in ingest(world.lake, dataset, [ObjectRef(key) for key in keys]).objects})
    return fates


def write(home: Path, uri: str, name: str, keys: Sequence[str]) -> list[str]:
    """Load objects, each by a commit of its own, beside all the others; return their fates.

    Where rivals were faster each time, it is tried again as a queue would: that is rare, but nobody promises a turn.
    """
    world = opened(home, uri)
    dataset = world.lake.project.datasets[name]
    again = Retrying(retry=retry_if_exception_type(Conflict), stop=stop_after_attempt(MOST_TRIES), reraise=True)
    meet()
    return [one.fate for key in keys for one in again(ingest, world.lake, dataset, [ObjectRef(key)]).objects]


# --- upkeep --------------------------------------------------------------------------------------------------------------------------


def look_after(home: Path, uri: str, name: str) -> Maintained:
    """Maintain a table again and again until all of raw is loaded, and once more; each time an old orphan waits for vacuum."""
    world = opened(home, uri)
    declaration, done, end = world.lake.project.datasets[name], Maintained(name), time.monotonic() + PATIENCE / 2
    meet()
    at_work = True
    while at_work:
        at_work = bool(world.keys("raw/")) and time.monotonic() < end
        leave_orphan(world, name, age=timedelta(days=2))
        done += maintain(world.lake, declaration)
        time.sleep(0.1)
    return done


def leave_orphan(world: World, name: str, age: timedelta) -> None:
    """Write a file into a table that no commit names, as a writer did that was killed so long ago."""
    snapshot = world.lake.named_table(name)
    assert snapshot is not None
    with world.lake.workplace() as work, world.lake.session(work) as connection:
        (orphan,) = fragments(connection, f"{relation(snapshot)} limit 1", snapshot)
    then = (world.lake.now() - age).timestamp()
    os.utime(Path(snapshot.uri, orphan.path), (then, then))
