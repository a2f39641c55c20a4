"""Objects that change: of all versions of one object, those of a batch and those that a table holds, the newest one stands.

A table of an append dataset remembers, beside each version that it loaded, the time of each object's newest one. Two writers that load
versions of one object at a time both record that, so only one of them can commit; the other one looks again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import duckdb

from core.contract import Dataset
from core.delta import DataFile, Snapshot
from core.engine import bounded_columns, files_where, relation
from core.quoting import literal, texts

REMEMBERED: Final = timedelta(days=30)
"""How long a table remembers an object's newest time; of older objects only their rows tell."""

Version = tuple[int, str]
"""A version's time (ms) and its source, by which versions are ordered: S3 counts in seconds, so times alone may be equal."""


Out = Mapping[str, int]
"""The versions (sources) whose rows one commit takes out of the table, with their times (ms)."""


@dataclass(frozen=True)
class Standing:
    """What becomes of a batch's versions: `late` ones (sources) have a newer one, `replaced` are the objects (keys) whose older rows go."""

    late: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    identities: Mapping[str, int] = field(default_factory=dict)
    """The time of each object's newest version, as the table will remember it."""


def key_of(source: str) -> str:
    """Return the object that a source is a version of."""
    return source.rpartition("@")[0]


def identity(key: str) -> str:
    """Return the name under which a table remembers the time of an object's newest version."""
    return f"lakelet/newest/{key}"


def standing(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, out: Out) -> Standing:
    """Find out which versions of the batch (the session's table `objects`) stand against each other and against the table's.

    Those that the same commit takes `out` of the table are as if they had never been there.
    """
    found = connection.execute("select epoch_ms(_source_time), _source from objects").fetchall()
    batch: dict[str, list[Version]] = {}
    for time, source in found:
        batch.setdefault(key_of(source), []).append((time, source))
    return decide(batch, _held(connection, snapshot, batch, out))


def replaced(connection: duckdb.DuckDBPyConnection, dataset: Dataset, snapshot: Snapshot, out: Out) -> tuple[str, ...]:
    """Return the objects (keys) whose older rows go when the batch is committed to this snapshot."""
    goes = dataset.target.mode == "append" and dataset.on_change == "replace"
    return standing(connection, snapshot, out).replaced if goes else ()


def decide(batch: Mapping[str, Iterable[Version]], held: Mapping[str, Version]) -> Standing:
    """Decide it, object by object, from the versions of the batch and the newest that the table holds. Pure."""
    late: list[str] = []
    replaced: list[str] = []
    newest: dict[str, int] = {}
    for key, versions in batch.items():
        best = max(versions)
        wins = key not in held or best > held[key]
        late += [source for time, source in versions if (time, source) != best or not wins]
        if wins and key in held:
            replaced.append(key)
        newest[identity(key)] = best[0] if wins else held[key][0]
    return Standing(tuple(late), tuple(replaced), newest)


def _held(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, batch: Mapping[str, list[Version]], out: Out) -> dict[str, Version]:
    """Return the newest version that the table holds of each object, where it holds one. Rows are read only where the log does not tell."""
    times = {key: snapshot.identity(identity(key)) for key in batch}
    leaving = {(key_of(source), time) for source, time in out.items()}
    found: dict[str, Version] = {key: (time, "") for key, time in times.items() if time and (key, time) not in leaving}
    equal = [key for key, (time, _) in found.items() if any(time == other for other, _ in batch[key])]
    equal += [key for key, time in times.items() if (key, time) in leaving]
    forgotten = [key for key in batch if key not in found] if _has_forgotten(snapshot, batch) else []
    if keys := tuple(equal + forgotten):
        found |= _newest_rows(connection, snapshot, keys, out)
    return found


def _has_forgotten(snapshot: Snapshot, batch: Mapping[str, list[Version]]) -> bool:
    """Whether the table is so old that it may hold objects which it no longer remembers; the batch's newest object tells the time."""
    newest = max(time for versions in batch.values() for time, _ in versions)
    return snapshot.created < datetime.fromtimestamp(newest / 1000, UTC) - REMEMBERED


def _newest_rows(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, keys: tuple[str, ...], out: Out) -> dict[str, Version]:
    files = candidates(connection, snapshot, keys)
    rows = connection.execute(
        f"select distinct epoch_ms(_source_time), _source from ({relation(snapshot, files=files)}) where {is_of(keys)}"
    ).fetchall()
    found: dict[str, Version] = {}
    for time, source in rows:
        if source in out:
            continue
        found[key_of(source)] = max(found.get(key_of(source), (0, "")), (time, source))
    return found


def candidates(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, keys: tuple[str, ...]) -> tuple[DataFile, ...]:
    """Return the files that may hold rows of some objects, by the bounds of `_source`."""
    if not snapshot.files or "_source" not in bounded_columns(snapshot):
        return snapshot.files
    low, high = "actions.min._source", "actions.max._source"
    within = f"{low} < wanted.key || 'A' and {high} >= wanted.key || '@'"  # a key's sources lie between key@ and keyA
    wanted = f"(select unnest({texts(keys)}) as key) as wanted"
    return files_where(connection, snapshot, f"{low} is null or {high} is null or exists (select 1 from {wanted} where {within})")


def is_of(keys: tuple[str, ...]) -> str:
    """Return the condition that a row comes from some version of one of these objects."""
    return f"list_contains({texts(keys)}, left(_source, length(_source) - position({literal('@')} in reverse(_source))))"
