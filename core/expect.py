"""Expectations over a whole table after a load, and a sentence for each that it breaks. They never stop a load."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import duckdb

from core.contract import Declaration, Expect
from core.delta import Snapshot
from core.engine import relation
from core.lake import Lake
from core.quoting import identifier, identifiers, literal
from core.session import UNBLAMED
from core.telling import told

LAST_LOADS: Final = 10


@dataclass(frozen=True)
class Violation:
    """One broken expectation."""

    table: str
    name: str
    action: Literal["warn", "alert"]
    message: str


def violations(lake: Lake, declaration: Declaration) -> tuple[Violation, ...]:
    """Return the expectations that a table breaks as it is now."""
    snapshot = lake.table(declaration) if declaration.expect else None
    if snapshot is None:
        return ()
    with lake.workplace() as work, lake.session(work) as connection:
        connection.execute(f"create temp view held as {relation(snapshot)}")
        found = [(expect, _told(connection, snapshot, expect, lake.now().isoformat())) for expect in declaration.expect]
    return tuple(Violation(declaration.name, expect.name, expect.action, message) for expect, message in found if message)


def _told(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, expect: Expect, now: str) -> str:
    try:
        return _message(connection, snapshot, expect, now)
    except UNBLAMED:
        raise
    except duckdb.Error as error:  # a transform's expectation of a column that its result does not have
        return f"it cannot be checked: {told(error)}"


def _message(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, expect: Expect, now: str) -> str:
    if expect.rows is not None:
        return _rows(snapshot, expect.rows)
    if expect.nulls is not None:
        return "; ".join(filter(None, (_nulls(connection, snapshot, column, most) for column, most in expect.nulls.items())))
    if expect.unique is not None:
        return _unique(connection, expect.unique)
    if expect.fresh is not None:
        return "; ".join(filter(None, (_fresh(connection, column, age, now) for column, age in expect.fresh.items())))
    return _usual(snapshot, expect.usual or 1)


def _rows(snapshot: Snapshot, bounds: tuple[int | None, int | None]) -> str:
    least, most = bounds
    if (least is not None and snapshot.rows < least) or (most is not None and snapshot.rows > most):
        return f"expected {least or 0} to {'any number of' if most is None else most} rows, found {snapshot.rows}"
    return ""


def _nulls(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, column: str, most: float) -> str:
    if (count := snapshot.nulls(column)) is not None:
        share = count / max(snapshot.rows, 1)
    else:
        share = _one(connection, f"select count(*) filter (where {identifier(column)} is null) / greatest(count(*), 1) from held")
    return f"expected at most {most:.1%} of {column} to be NULL, found {share:.1%}" if share > most else ""


def _unique(connection: duckdb.DuckDBPyConnection, columns: list[str]) -> str:
    names = identifiers(columns)
    twice = _one(connection, f"select count(*) from (select {names} from held group by {names} having count(*) > 1)")
    return f"expected {', '.join(columns)} to be unique, found {twice} values more than once" if twice else ""


def _fresh(connection: duckdb.DuckDBPyConnection, column: str, age: str, now: str) -> str:
    oldest_good = f"{literal(now)}::timestamptz - cast({literal(age)} as interval)"
    stale = _one(connection, f"select coalesce(max({identifier(column)})::timestamptz < {oldest_good}, true) from held")
    if not stale:
        return ""
    hours = _one(connection, f"select date_diff('hour', max({identifier(column)})::timestamptz, {literal(now)}::timestamptz) from held")
    newest = "nothing" if hours is None else f"its newest {hours} hours old" if hours < 72 else f"its newest {hours // 24} days old"
    return f"expected {column} to reach into the last {age}, found {newest}"


def _usual(snapshot: Snapshot, factor: float) -> str:
    loads = [_accepted(commit) for commit in snapshot.history(10 * LAST_LOADS) if commit["lakelet"].get("kind") == "ingest"]
    if len(loads) < 4:
        return ""
    usual, last = statistics.median(loads[1 : LAST_LOADS + 1]), loads[0]
    if usual / factor <= last <= usual * factor:
        return ""
    return f"expected about {usual:.0f} rows a load (within a factor of {factor:g}), found {last}"


def _accepted(commit: Mapping[str, Any]) -> int:
    return int(commit["lakelet"]["balance"]["accepted"])


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> Any:
    row = connection.execute(query).fetchone()
    return row[0] if row else None
