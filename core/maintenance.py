"""A table's upkeep under its declared policy: small files become fewer, what nobody needs any more goes, opening stays quick.

It changes nothing that a query could see, and is never in the way: where a writer was faster, the work is left for the next time.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import duckdb
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from core import delta
from core.contract import Dataset, Declaration, Maintenance
from core.delta import Change, DataFile, Snapshot
from core.engine import MANY_PARTITIONS, fragments, relation
from core.errors import Conflict, OutOfTime, Terminal, Transient
from core.lake import Lake
from core.session import UNBLAMED
from core.storage import side_by_side
from core.telling import told
from core.units import duration, size

FEW: Final = 5
"""Fewer small files than this in a partition are left alone: to write them again costs more than to open them."""

STEP_FILES: Final = 1_000
STEP_BYTES: Final = 512 << 20
"""What one statement reads and one commit replaces at most: what a conflict, or the deadline, throws away."""

CALL_FILES: Final = 10_000
CALL_BYTES: Final = 2 << 30
"""What one call compacts and deletes at most, so that it fits a function; the rest is left for the next time."""

LONG_TAIL: Final = 40
"""Commits behind the newest checkpoint: delta-rs writes one after each twentieth commit, unless it is killed just then."""

STRAGGLERS: Final = timedelta(days=7)
"""A table that has not been committed to for so long beyond a retention was looked after meanwhile, and nothing new can have become old."""

Step = tuple[DataFile, ...]
"""Small files that one statement writes again: those of each partition as one."""


@dataclass(frozen=True)
class Plan:
    """What is due of one table."""

    steps: tuple[Step, ...] = ()
    properties: Mapping[str, str] | None = None
    checkpoint: bool = False
    clear_log: bool = False
    vacuum: bool = False
    left: bool = False


@dataclass(frozen=True)
class Maintained:
    """What was done for a declaration's table and its quarantine: `compacted` files became `into`, `vacuumed` ones were deleted.

    `left` says that there is more to do: too much for one call, no time, or a writer was faster.
    """

    name: str
    compacted: int = 0
    into: int = 0
    vacuumed: int = 0
    checkpointed: bool = False
    left: bool = False

    def __add__(self, other: "Maintained") -> "Maintained":
        return Maintained(
            self.name,
            self.compacted + other.compacted,
            self.into + other.into,
            self.vacuumed + other.vacuumed,
            self.checkpointed or other.checkpointed,
            self.left or other.left,
        )


def maintain(lake: Lake, declaration: Declaration) -> Maintained:
    """Do for a declaration's table, and a dataset's quarantine, what is due. Can be killed at any point and done again.

    Raises Transient where storage fails; what was done until then stays done.
    """
    done = Maintained(declaration.name)
    try:
        for more in _upkeep(lake, declaration):
            done += more
    except (OutOfTime, Conflict):
        done = replace(done, left=True)
    return done


def _upkeep(lake: Lake, declaration: Declaration) -> Iterator[Maintained]:
    tables = {declaration.target.path.rstrip("/"): lake.table(declaration)}
    if isinstance(declaration, Dataset):
        tables[f"quarantine/{declaration.name}"] = lake.quarantine(declaration)
    for path, snapshot in tables.items():
        if snapshot is not None:
            due = plan(snapshot, declaration.maintenance, lake.now())
            for done in _perform(lake, path, snapshot, due, duration(declaration.maintenance.vacuum_after)):
                yield replace(done, name=declaration.name)


# --- deciding ------------------------------------------------------------------------------------------------------------------------


def plan(snapshot: Snapshot, policy: Maintenance, now: datetime) -> Plan:
    """Decide what is due from what the log tells. Writes and lists nothing."""
    steps, left = bounded(compactions(snapshot.files, size(policy.compact_below)))
    wanted = {
        "delta.deletedFileRetentionDuration": _interval(duration(policy.vacuum_after)),
        "delta.logRetentionDuration": _interval(duration(policy.keep_log)),
    }
    return Plan(
        steps,
        properties=wanted if any(snapshot.properties.get(name) != value for name, value in wanted.items()) else None,
        checkpoint=snapshot.tail >= LONG_TAIL,
        clear_log=_is_old_and_alive(snapshot, duration(policy.keep_log), now),
        vacuum=_is_old_and_alive(snapshot, duration(policy.vacuum_after), now),
        left=left,
    )


def _is_old_and_alive(snapshot: Snapshot, kept: timedelta, now: datetime) -> bool:
    """Whether something may have outlived a retention since it was last looked for."""
    return snapshot.created + kept < now < snapshot.committed + kept + STRAGGLERS


def _interval(time: timedelta) -> str:
    """Return a duration as Delta's properties have it."""
    return f"interval {time.days} days" if not time.seconds else f"interval {time // timedelta(hours=1)} hours"


def compactions(files: Iterable[DataFile], below: int) -> list[Step]:
    """Group small files into steps: in each, those of a partition become one file of at most twice the size that is called small.

    In the order in which they were written, so that what came together stays together: statistics go on telling something. Pure.
    """
    partitions: dict[tuple[tuple[str, str | None], ...], list[DataFile]] = {}
    for file in sorted(files, key=lambda file: (file.written, file.path)):
        if file.size < below and file.rows:  # a file of another program may not tell its rows, and they have to be counted
            partitions.setdefault(tuple(sorted(file.partition.items())), []).append(file)
    rounds: dict[int, list[list[DataFile]]] = {}
    for small in partitions.values():
        if len(small) >= FEW:
            for number, group in enumerate(_groups(small, 2 * below)):
                rounds.setdefault(number, []).append(group)
    return [step for groups in rounds.values() for step in _together(groups)]


def _groups(files: Sequence[DataFile], most: int) -> Iterator[list[DataFile]]:
    """Cut a partition's files into those that become one; a single file is left as it is."""
    group: list[DataFile] = []
    total = 0
    for file in files:
        if group and (len(group) == STEP_FILES or total + file.size > most):
            if len(group) > 1:
                yield group
            group, total = [], 0
        group.append(file)
        total += file.size
    if len(group) > 1:
        yield group


def _together(groups: Iterable[list[DataFile]]) -> Iterator[Step]:
    """Put groups of different partitions into one step, as many as DuckDB writes side by side."""
    step: list[DataFile] = []
    partitions = 0
    for group in groups:
        if step and (partitions == MANY_PARTITIONS or len(step) + len(group) > STEP_FILES or _bytes(step) + _bytes(group) > STEP_BYTES):
            yield tuple(step)
            step, partitions = [], 0
        step, partitions = step + group, partitions + 1
    if step:
        yield tuple(step)


def _bytes(files: Iterable[DataFile]) -> int:
    return sum(file.size for file in files)


def bounded(steps: Sequence[Step]) -> tuple[tuple[Step, ...], bool]:
    """Return the steps that fit into one call, those that save most first, and whether any are left. Pure."""
    chosen: list[Step] = []
    files = total = 0
    for step in sorted(steps, key=len, reverse=True):
        files, total = files + len(step), total + _bytes(step)
        if chosen and (files > CALL_FILES or total > CALL_BYTES):
            break
        chosen.append(step)
    return tuple(chosen), len(chosen) < len(steps)


# --- doing ---------------------------------------------------------------------------------------------------------------------------


def _perform(lake: Lake, path: str, snapshot: Snapshot, due: Plan, kept: timedelta) -> Iterator[Maintained]:
    if due.left:
        yield Maintained(path, left=True)
    if due.properties:
        snapshot = delta.configure(snapshot, due.properties)
    compacted = False
    if due.steps:
        with lake.workplace() as work, lake.session(work) as connection:
            for step in due.steps:
                lake.in_time(f"compacting {path}")
                done = _compact(lake, connection, path, snapshot, step)
                compacted = compacted or bool(done.compacted)
                yield done
    if compacted:
        snapshot = _opened(lake, path)
    if compacted or due.checkpoint:  # a checkpoint that still names the small files would be read at each opening
        lake.in_time(f"checkpoint of {path}")
        delta.checkpoint(snapshot)
        yield Maintained(path, checkpointed=True)
    if due.clear_log:
        lake.in_time(f"clearing the log of {path}")
        delta.clear_log(snapshot)
        snapshot = _opened(lake, path)  # the one at hand may still go by commits that are cleared
    if due.vacuum:
        lake.in_time(f"vacuum of {path}")
        yield _vacuum(lake, path, snapshot, kept)


def _compact(lake: Lake, connection: duckdb.DuckDBPyConnection, path: str, snapshot: Snapshot, files: Step) -> Maintained:
    begun = time.perf_counter()
    added = _rewritten(connection, path, snapshot, files)
    rows, found = sum(file.rows for file in files), sum(file.rows for file in added)
    if rows != found:
        raise Terminal(
            f"compaction of {path}", expected=f"{rows} rows", found=f"{found}", remedy="Its table is unchanged; please report it."
        )
    took = lake.receipt(begun, rows=rows, bytes=sum(file.size for file in files))
    record = {"kind": "compact", "files": len(files), "into": len(added), "rows": rows, "took": took.record}
    if _commit(lake, path, Change(added, files, record=record, data_change=False)):
        return Maintained(path, compacted=len(files), into=len(added))
    return Maintained(path, left=True)


def _rewritten(connection: duckdb.DuckDBPyConnection, path: str, snapshot: Snapshot, files: Step) -> tuple[DataFile, ...]:
    try:
        return fragments(connection, relation(snapshot, files=files), snapshot)
    except UNBLAMED:
        raise
    except duckdb.Error as error:
        raise Transient(f"compaction of {path}", found=told(error), remedy="Its table is unchanged; try again.") from None


@retry(retry=retry_if_exception_type(Conflict), stop=stop_after_attempt(4), wait=wait_random_exponential(0.05, 1), reraise=True)
def _commit(lake: Lake, path: str, change: Change) -> bool:
    """Replace files in the table as it is by now; False where a writer has replaced one of them.

    Appends in between do not matter, and after a lost answer the new files are found to be there.
    """
    snapshot = _opened(lake, path)
    live = {file.path for file in snapshot.files}
    if all(file.path in live for file in change.added):
        return True
    if any(file.path not in live for file in change.removed):
        return False
    delta.commit(snapshot, change, now=lake.now())
    return True


def _opened(lake: Lake, path: str) -> Snapshot:
    snapshot = delta.open_table(lake.uri(path), lake.settings.aws)
    if snapshot is None:
        raise Transient(f"table {path}", expected="it to be there", found="nothing", remedy="Try again.")
    return snapshot


def _vacuum(lake: Lake, path: str, snapshot: Snapshot, kept: timedelta) -> Maintained:
    stale = delta.unreferenced(snapshot, kept)
    now = stale[:CALL_FILES]
    side_by_side(lake.store, lambda file: lake.store.delete(f"{path}/{file}"), now)
    return Maintained(path, vacuumed=len(now), left=len(now) < len(stale))
