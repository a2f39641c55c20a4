"""Transforms: which are due (a pure comparison of versions) and how one runs: its query over pinned inputs becomes one commit."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import duckdb
from cronsim import CronSim

from core import delta, increment, keyed
from core.contract import Transform
from core.delta import Change, DataFile, Snapshot
from core.engine import Layout, Planned, fragments, relation, schema_of, storable, wanted_files
from core.errors import Conflict, LakeError, Terminal
from core.increment import QUERY, RAN, Increment, base, consumed_mark, fingerprint
from core.lake import Lake
from core.ledger import AMENDED, amended
from core.pruning import Condition, conditions
from core.quoting import identifier
from core.session import UNBLAMED
from core.source import CRON
from core.telling import told

TICKS: Final = {"hourly": "0 * * * *", "daily": "0 0 * * *"}


@dataclass(frozen=True)
class Transformed:
    """What one run of a transform did. An incremental one tells how many `partitions`, or `keys`, it ran, or why it ran in `full`."""

    transform: str
    version: int
    rows: int
    inputs: Mapping[str, int]
    seconds: float
    partitions: int | None = None
    keys: int | None = None
    full: str = ""


@dataclass(frozen=True)
class Readiness:
    """What a transform's due-ness follows from: each input's version now (0 or None: nothing loaded) and as last consumed, and its SQL."""

    now: Mapping[str, int | None]
    consumed: Mapping[str, int]
    ran: datetime | None
    rewritten: bool = False
    amended: bool = False
    """Whether rows that it consumed were taken out of an input since, or run again."""


def is_due(when: str, ready: Readiness, now: datetime) -> bool:
    """Decide whether a transform should run. Pure.

    Every input must have been loaded once. Then `all_inputs` waits until each has a version that was not consumed yet, the others until one
    has; a schedule also waits for its next tick since the last run. One that reads nothing (a calendar) runs once, or at each tick. One
    whose SQL was changed, or whose inputs were amended, runs at once.
    """
    if (ready.rewritten or ready.amended) and all(ready.now.values()):
        return True
    if not ready.now:
        return ready.ran is None or (when not in ("all_inputs", "any_input") and next_tick(when, ready.ran) <= now)
    if not all(ready.now.values()):
        return False
    advanced = [(version or 0) > ready.consumed.get(name, 0) for name, version in ready.now.items()]
    if when == "all_inputs":
        return all(advanced)
    return any(advanced) and (when == "any_input" or ready.ran is None or next_tick(when, ready.ran) <= now)


def next_tick(when: str, after: datetime) -> datetime:
    """Return the first moment of a schedule after another one, in UTC."""
    found = CRON.fullmatch(when)
    expression = found[1] if found else TICKS[when]
    tick: datetime = next(CronSim(expression, after))
    return tick


def readiness(lake: Lake, transform: Transform) -> Readiness:
    """Look up the versions that decide whether a transform is due."""
    table = lake.table(transform)
    tables = {name: lake.named_table(name) for name in transform.inputs}
    consumed = {name: table.identity(consumed_mark(name, found)) or 0 for name, found in tables.items() if table and found}
    ran = table.identity(RAN) if table else None
    versions = {name: snapshot.data_version if snapshot else None for name, snapshot in tables.items()}
    moment = datetime.fromtimestamp(ran / 1000, lake.now().tzinfo) if ran else None
    if table is None or not ran:
        return Readiness(versions, consumed, moment)
    rewritten = table.identity(QUERY) != fingerprint(transform)
    again = any((found.identity(AMENDED) or 0) > (table.identity(_amended(name, found)) or 0) for name, found in tables.items() if found)
    return Readiness(versions, consumed, moment, rewritten, amended=again)


def run(lake: Lake, transform: Transform) -> Transformed:
    """Run a transform over its inputs as they are now and replace its table, or the partitions that changed, by the result, in one commit.

    Raises Terminal where its SQL fails: the table stays as it was. Raises Conflict where another run won.
    """
    started = time.perf_counter()
    lake.in_time(f"transform {transform.name}")
    with lake.workplace() as work, lake.session(work) as connection:
        inputs = {name: _opened(lake, transform, name) for name in transform.inputs}
        target = lake.table(transform)
        part = _with_keys(connection, increment.decide(lake.project, transform, target, inputs), target)
        wanted = conditions(transform.query)
        mounted = {name: _mounted(lake, connection, name, inputs[name], wanted.get(name, ()), part) for name in inputs}
        planned = _planned(lake, connection, transform)
        if target is not None:
            target = _unchanged(target, _ensure(lake, transform, planned), part)
        added = _fragments(connection, transform, target or planned)
        rows = sum(file.rows for file in added)
        target = target or _ensure(lake, transform, planned)  # a transform that fails leaves no empty table either
        _refuse_others(connection, transform, target, added, part)
        kept, removed = _replaced(connection, target, part)
        marks = {consumed_mark(name, snapshot): snapshot.data_version for name, snapshot in inputs.items()}
        marks |= _amendments(target, inputs)
        _refuse_older(target, marks)
        now = lake.now()
        consumed = {name: snapshot.version for name, snapshot in inputs.items()}
        took = lake.receipt(started, rows=rows, bytes=sum(file.size for files in mounted.values() for file in files))
        record = {"kind": "transform", "transform": transform.name, "inputs": consumed, "rows": rows, **part.record, "took": took.record}
        marks |= {RAN: int(now.timestamp() * 1000), QUERY: fingerprint(transform)}
        marks |= {base(name, snapshot): snapshot.version for name, snapshot in inputs.items() if transform.incremental}
        change = Change((*added, *kept), removed, marks=marks, record=record, exclusive=True)
        version = delta.commit(target, change, now=now)
    return Transformed(transform.name, version, rows, consumed, time.perf_counter() - started, **part.record)


def _unchanged(before: Snapshot, now: Snapshot, part: Increment) -> Snapshot:
    """Return the target as it is; what was decided on another version of it may not be enough to bring this one up to date."""
    if part.partial and now.version != before.version:
        raise Conflict(f"table {now.uri}", expected=f"version {before.version}", found=f"version {now.version}", remedy="Run it again.")
    return now


def _with_keys(connection: duckdb.DuckDBPyConnection, part: Increment, target: Snapshot | None) -> Increment:
    """Look up the keys that changed, where the run goes by key; all of it where a file that was replaced since is gone."""
    if part.changes is None or target is None:
        return part
    try:
        return replace(part, keys=keyed.touch(connection, part.columns, target, part.changes))
    except duckdb.IOException:
        return Increment(full="files that were replaced since the last run could not be read")


def _replaced(
    connection: duckdb.DuckDBPyConnection, target: Snapshot, part: Increment
) -> tuple[tuple[DataFile, ...], tuple[DataFile, ...]]:
    """Return the new files of rows that stay, where they share a file with others, and the files that are replaced."""
    if part.keys is None:
        return (), part.of(target.files)
    query, removed = keyed.kept(connection, part.columns, target)
    return fragments(connection, query, target) if removed else (), removed


def _refuse_others(
    connection: duckdb.DuckDBPyConnection, transform: Transform, target: Snapshot, added: tuple[DataFile, ...], part: Increment
) -> None:
    """Rows of partitions, or keys, that are not replaced would be there twice."""
    others = sum(file.rows for file in added if not part.holds(file))
    if part.keys is not None:
        others = keyed.strangers(connection, part.columns, target, added)
    if others:
        remedy = f"Its table is unchanged. Take `incremental` out of {transform.name}, and please report its SQL."
        expected, found = f"rows of the {', '.join(part.columns)} that changed in its inputs", f"{others} rows of others"
        raise Terminal(f"transform {transform.name}", expected=expected, found=found, remedy=remedy)


def _amendments(target: Snapshot, inputs: Mapping[str, Snapshot]) -> dict[str, int]:
    """Return the marks of how often each input had been amended; where one was since the last run, this run amends its own table, too."""
    counts = {_amended(name, snapshot): count for name, snapshot in inputs.items() if (count := snapshot.identity(AMENDED))}
    since = target.identity(RAN) and any(count > (target.identity(mark) or 0) for mark, count in counts.items())
    return {**counts, **(amended(target) if since else {})}


def _amended(name: str, table: Snapshot) -> str:
    """Return the mark of how often an input had been amended; taken after its lock, it cannot be overtaken as a version can."""
    return f"amended/{name}/{table.id}"


def _opened(lake: Lake, transform: Transform, name: str) -> Snapshot:
    snapshot = lake.named_table(name)
    if snapshot is None:
        raise Terminal(
            f"transform {transform.name}", expected=f"its input {name}", found="nothing loaded yet", remedy=f"Load {name} first."
        )
    return snapshot


def _mounted(
    lake: Lake, connection: duckdb.DuckDBPyConnection, name: str, snapshot: Snapshot, wanted: tuple[Condition, ...], part: Increment
) -> tuple[DataFile, ...]:
    """Show the query an input as it is now; return those of its files that can matter."""
    files = wanted_files(connection, snapshot, wanted)
    if name in part.sliced:
        files = part.of(files)
    if name in part.sliced and part.keys is not None:
        may_hold = {file.path for file in keyed.files(connection, part.columns, snapshot)}
        files = tuple(file for file in files if file.path in may_hold)
        query = keyed.rows(part.columns, relation(snapshot, files=files))
        connection.execute(f"create or replace temp view {identifier(name)} as {query}")
    else:
        lake.show(connection, name, snapshot, files)
    return files


def _planned(lake: Lake, connection: duckdb.DuckDBPyConnection, transform: Transform) -> Planned:
    try:
        schema = schema_of(connection, storable(connection, transform.query))
    except UNBLAMED:
        raise
    except duckdb.Error as error:
        raise _failed(transform, error) from None
    return Planned(lake.uri(transform.target.path), schema, transform.target.partition_by)


def _ensure(lake: Lake, transform: Transform, planned: Planned) -> Snapshot:
    return delta.ensure(
        planned.uri, planned.schema, partition_by=planned.partition_by, options=lake.settings.aws, description=transform.description
    )


def _fragments(connection: duckdb.DuckDBPyConnection, transform: Transform, table: Layout) -> tuple[delta.DataFile, ...]:
    try:
        return fragments(connection, storable(connection, transform.query), table)
    except UNBLAMED:
        raise
    except duckdb.Error as error:
        raise _failed(transform, error) from None


def _refuse_older(target: Snapshot, marks: Mapping[str, int]) -> None:
    """A run that was overtaken by one over newer inputs must not put its older result over the other's."""
    newer = {mark: found for mark, version in marks.items() if (found := target.identity(mark) or 0) > version}
    if newer:
        raise Conflict(f"table {target.uri}", expected=f"inputs up to {dict(marks)}", found=f"a result of {newer}", remedy="Run it again.")


def _failed(transform: Transform, error: Exception) -> LakeError:
    found = told(error, sql=transform.query, values=transform.reports.values)
    return Terminal(
        f"transform {transform.name}", expected="its SQL to run", found=found, remedy=f"Mend {transform.sql}; its table is unchanged."
    )
