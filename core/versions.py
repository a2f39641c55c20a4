"""Objects that change: of all versions of one object, those of a batch and those that a table holds, the newest one stands.

A table of an append dataset remembers, beside each version that it loaded, the time of each object's newest one. Two writers that load
versions of one object at a time both record that, so only one of them can commit; the other one looks again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import duckdb

from core import ledger
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


def standing_of(connection: duckdb.DuckDBPyConnection, dataset: Dataset, snapshot: Snapshot, out: Out) -> Standing:
    """The same for a dataset of which one version of an object replaces another; of the others every version stands."""
    goes = dataset.target.mode == "append" and dataset.on_change == "replace"
    return standing(connection, snapshot, out) if goes else Standing()


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
    """Return the newest version that the table holds of each object, where one stays. Rows are read only where the log does not tell."""
    times = {key: snapshot.identity(identity(key)) for key in batch}
    held: dict[str, Version] = {key: (time, "") for key, time in times.items() if time}
    leaving = {key_of(source): time for source, time in out.items() if times.get(key_of(source)) == time}
    doubtful = {key for key, (time, _) in held.items() if key in leaving or any(time == other for other, _ in batch[key])}
    names = _remembered(snapshot, {key: held[key][0] for key in doubtful}) if doubtful else {}
    held |= {key: (held[key][0], name) for key, name in names.items()}
    forgotten = [key for key in batch if key not in held] if _has_forgotten(snapshot, batch) else []
    if keys := tuple(doubtful - names.keys()) + tuple(forgotten):
        held |= _newest_rows(connection, snapshot, keys)
    return {key: (time, name) for key, (time, name) in held.items() if name not in out and (name or key not in leaving)}


def _remembered(snapshot: Snapshot, times: Mapping[str, int]) -> dict[str, str]:
    """Return the source of each object's version of a time, by what the table remembers: one without rows left nothing else."""
    loaded = sorted(source for source, time in snapshot.identities.items() if times.get(key_of(source)) == time)
    return {key_of(source): source for source in loaded if not ledger.is_undone(snapshot, source)}


def newest(snapshot: Snapshot) -> str:
    """Return the source of the newest object that the table remembers, '' where it remembers none."""
    names = ((time, name) for name, time in snapshot.identities.items() if "@" in name and not name.startswith("lakelet/"))
    return max((version for version in names if not ledger.is_undone(snapshot, version[1])), default=(0, ""))[1]


def _has_forgotten(snapshot: Snapshot, batch: Mapping[str, list[Version]]) -> bool:
    """Whether the table is so old that it may hold objects which it no longer remembers; the batch's newest object tells the time."""
    newest = max(time for versions in batch.values() for time, _ in versions)
    return snapshot.created < datetime.fromtimestamp(newest / 1000, UTC) - REMEMBERED


def _newest_rows(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, keys: tuple[str, ...]) -> dict[str, Version]:
    files = candidates(connection, snapshot, keys)
    rows = connection.execute(
        f"select distinct epoch_ms(_source_time), _source from ({relation(snapshot, files=files)}) where {is_of(keys)}"
    ).fetchall()
    found: dict[str, Version] = {}
    for time, source in rows:
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
