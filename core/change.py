"""Which files each kind of write adds and removes. Decides and writes fragments; commits nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import duckdb

from core import versions
from core.contract import Dataset
from core.delta import Change, DataFile, Snapshot
from core.engine import bounded_columns, files_where, fragments, relation
from core.quality import table_columns
from core.quoting import identifier, identifiers, literal, texts
from core.sql import PROVENANCE, same_key, same_values, version_of
from core.versions import Out, Standing

FATES: Final = ("inserted", "updated", "superseded", "duplicate")
"""What becomes of an accepted row. duplicate: its key's row says the same already; superseded: its key has a newer one."""

NEWEST: Final = "lakelet/newest"
"""The mark that tells the time (microseconds) of the object that an overwritten table holds."""

FEW_KEYS: Final = 10_000
"""Of more, a file's bounds are held against the range of all keys, not against each: one by one they took longer than reading."""

NOTHING: Final[Out] = MappingProxyType({})
"""No version is taken out."""


@dataclass(frozen=True)
class Decision:
    """A Change without its record yet, and the fates of the accepted rows, by source: rows by fate, or the one fate of all of them.

    What is not told of a source's rows is that they were inserted.
    """

    change: Change
    fates: Mapping[str, Mapping[str, int] | str]

    def fates_of(self, source: str, accepted: int) -> dict[str, int]:
        """Return how many of a source's accepted rows met which fate."""
        told = self.fates.get(source, {})
        counts = {told: accepted} if isinstance(told, str) else told
        return {**dict.fromkeys(FATES, 0), "inserted": accepted - sum(counts.values()), **counts}


def append(connection: duckdb.DuckDBPyConnection, dataset: Dataset, snapshot: Snapshot, out: Out = NOTHING) -> Decision:
    """Add every accepted row. Of several versions of one object the newest stands, in any order of arrival, unless `on_change` is add."""
    rows = f"select {identifiers(table_columns(dataset))} from accepted"
    found = versions.standing(connection, snapshot, out) if dataset.on_change != "add" else Standing()
    kept, removed = without(connection, snapshot, tuple(out), found.replaced) if out or found.replaced else ("", ())
    if found.late:
        rows += f" where not list_contains({texts(found.late)}, _source)"
    added = fragments(connection, f"{rows} union all by name {kept}" if removed else rows, snapshot)
    return Decision(Change(added, removed, identities=found.identities), dict.fromkeys(found.late, "superseded"))


def overwrite(connection: duckdb.DuckDBPyConnection, dataset: Dataset, snapshot: Snapshot, out: Out = NOTHING) -> Decision:
    """Let the newest object be the whole table; an older one that arrives later changes nothing."""
    objects = connection.execute("select _source, epoch_us(_source_time) from objects order by _source_time desc, _source desc").fetchall()
    fates = {source: "superseded" for source, _ in objects}
    source, time = objects[0] if objects else ("", 0)
    if not objects or _holds_newer(connection, snapshot, source, time, out):
        return Decision(Change(), fates)
    query = f"select {identifiers(table_columns(dataset))} from accepted where _source = {literal(source)}"
    change = Change(fragments(connection, query, snapshot), snapshot.files, marks={NEWEST: time}, exclusive=True)
    return Decision(change, {**fates, source: "inserted"})


def _holds_newer(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, source: str, time: int, out: Out) -> bool:
    """Say whether the table is a newer object; of two of the same time (S3 counts in seconds) the greater name is the newer one."""
    held = snapshot.identity(NEWEST) or 0
    if time != held and not out:
        return time < held
    (name,) = connection.execute(f"select max(_source) from ({relation(snapshot)})").fetchone() or (None,)
    name = name or versions.newest(snapshot)  # one without rows is remembered all the same
    return name not in out and (held, name) > (time, source)


def merge(connection: duckdb.DuckDBPyConnection, dataset: Dataset, snapshot: Snapshot, out: Out = NOTHING) -> Decision:
    """Let the newest version of each key stay, in any order of arrival: target rows that lose and new keys make the fragments.

    Only files that may hold one of the keys are read (by statistics), only those that hold a losing row are written again.
    Rows that are taken out have lost to anything: what is to take their place is among the accepted rows.
    """
    _rank(connection, dataset)
    candidates = files_of_keys(connection, dataset.key, snapshot, "latest")
    _match(connection, dataset, snapshot, candidates, out)
    touched = {path for (path,) in connection.execute("select distinct _path from matched where _wins").fetchall()}
    touched |= {file.path for file in holding(connection, snapshot, tuple(out))}
    rewritten = tuple(file for file in snapshot.files if file.path in touched)
    columns, key = identifiers(table_columns(dataset)), identifiers(dataset.key)
    query = (  # anti joins: as `not exists` they take twice the time and four times the memory (DuckDB 1.5.5)
        f"select {columns} from latest anti join (from matched where not _wins) as stays using ({key})\n"
        f"union all\nselect {columns} from ({relation(snapshot, files=rewritten)}) as held\n"
        f"anti join (from matched where _wins) as loses using ({key}) where not {_from(out)}"
    )
    spread = f"from latest union all by name from ({relation(snapshot, files=rewritten)})"
    added = fragments(connection, query, snapshot, spread=spread)
    return Decision(Change(added, rewritten, exclusive=True), _fates(connection, dataset))


def _rank(connection: duckdb.DuckDBPyConnection, dataset: Dataset) -> None:
    declared = [f"{identifier(name)} desc nulls last" for name in dataset.order_by]
    order, key = ", ".join([*declared, *(f"{name} desc" for name in PROVENANCE)]), identifiers(dataset.key)
    ranked = "select *, 1 as _rank from accepted"
    repeated = f"select 1 from accepted group by {key} having count(*) > 1 limit 1"
    if connection.execute(repeated).fetchone():  # to look takes 10 ms of 100,000 rows, to keep them 40, to rank them 36
        rank = f"row_number() over (partition by {key} order by {order})"
        connection.execute(f"create or replace temp table placed as select *, {rank} as _rank from accepted")
        ranked = "from placed"
    connection.execute(f"create or replace temp view ranked as {ranked}")
    connection.execute("create or replace temp view latest as select * exclude (_rank) from ranked where _rank = 1")


def files_of_keys(connection: duckdb.DuckDBPyConnection, key: Sequence[str], snapshot: Snapshot, wanted: str) -> tuple[DataFile, ...]:
    """Return the files that may hold one of the keys (none of them NULL) in a table, as far as statistics and partitions can tell."""
    if not snapshot.files:
        return ()
    (keys,) = connection.execute(f"select count(*) from {wanted}").fetchone() or (0,)
    tests = _file_tests(key, snapshot, wanted, exact=keys <= FEW_KEYS and keys * len(snapshot.files) <= FEW_KEYS * 100)
    if not tests:
        return snapshot.files
    return files_where(connection, snapshot, tests)


def _file_tests(key: Sequence[str], snapshot: Snapshot, wanted: str, *, exact: bool) -> str:
    """Return a condition over a file's statistics; `exact` compares every key, otherwise only their partitions and their range."""
    bounded = bounded_columns(snapshot)
    tests = []
    for name in key:
        column = identifier(name)
        if name in snapshot.partition_by:
            held, asked = f"actions.partition.{column}::varchar", f"{wanted}.{column}::varchar"
            distinct = f"select {column}::varchar from (select distinct {column} from {wanted})"
            tests.append((f"{held} is not distinct from {asked}", f"{held} in ({distinct})"))
        elif name in bounded:
            low, high = f"actions.min.{column}", f"actions.max.{column}"
            unknown = f"{low} is null or {high} is null"
            tests.append(
                (
                    f"({unknown} or {wanted}.{column} between {low} and {high})",
                    f"({unknown} or ({low} <= (select max({column}) from {wanted}) and {high} >= (select min({column}) from {wanted})))",
                )
            )
    if not tests:
        return ""
    if exact:
        return f"exists (select 1 from {wanted} where {' and '.join(test for test, _ in tests)})"
    return " and ".join(test for _, test in tests)


def _match(connection: duckdb.DuckDBPyConnection, dataset: Dataset, snapshot: Snapshot, candidates: tuple[DataFile, ...], out: Out) -> None:
    """Hold the table's rows of the batch's keys against the batch's: which row wins, and whether they are the same.

    Where an order is declared, first by that alone, for which few columns are read: rows that differ in it are not the same, and of most
    tables' rows that is all there is to know. What it leaves open is held against the batch once more, with all columns.
    """

    def pairs(files: tuple[DataFile, ...], wins: str, same: str, even: str, where: str = "true") -> str:
        return (
            f"select {identifiers(dataset.key, 'latest.')}, held._path, {wins} as _wins, {same} as _same, {even} as _even\n"
            f"from ({relation(snapshot, files=files, file_column='_path')}) as held\n"
            f"join latest on {same_key('held', 'latest', dataset.key)}\n"
            f"where not {_from(out, 'held.')} and {where}"
        )

    ours, theirs = (version_of(rows, dataset.order_by, ()) for rows in ("latest", "held"))
    by_order = (f"{ours} > {theirs}", "false", f"{ours} is not distinct from {theirs}")
    ours, theirs = (version_of(rows, dataset.order_by) for rows in ("latest", "held"))
    by_all = (f"{ours} > {theirs}", same_values("latest", "held", [column.name for column in dataset.columns]), "false")
    first = pairs(candidates, *(by_order if dataset.order_by else by_all))
    connection.execute(f"create or replace temp table matched as\n{first}")
    undecided = {path for (path,) in connection.execute("select distinct _path from matched where _even").fetchall()}
    if undecided:
        files = tuple(file for file in candidates if file.path in undecided)
        here = f"_even and {same_key('matched', 'latest', dataset.key)} and matched._path = held._path"
        decided = pairs(files, *by_all, f"exists (select 1 from matched where {here})")
        connection.execute(f"insert into matched\n{decided}")
        connection.execute("delete from matched where _even")


def _from(out: Out, row: str = "") -> str:
    """Return the condition that a row comes from one of these versions."""
    return f"list_contains({texts(out)}, {row}_source)" if out else "false"


def _fates(connection: duckdb.DuckDBPyConnection, dataset: Dataset) -> dict[str, dict[str, int]]:
    """Count, by source, the rows that were not inserted: they met a row of the table, or lost to one of their own batch."""
    met = (
        "select _source, case when _same then 'duplicate' when _wins then 'updated' else 'superseded' end as fate\n"
        f"from matched join latest using ({identifiers(dataset.key)})"
    )
    same = same_values("ranked", "latest", [column.name for column in dataset.columns])
    lost = (
        f"select ranked._source, if({same}, 'duplicate', 'superseded')\n"
        f"from ranked join latest on {same_key('ranked', 'latest', dataset.key)} where ranked._rank > 1"
    )
    found: dict[str, dict[str, int]] = {}
    for source, fate, rows in connection.execute(f"select _source, fate, count(*) from ({met}\nunion all\n{lost}) group by all").fetchall():
        found.setdefault(source, {})[fate] = rows
    return found


SINKS: Final[Mapping[str, Callable[[duckdb.DuckDBPyConnection, Dataset, Snapshot, Out], Decision]]] = {
    "append": append,
    "merge": merge,
    "overwrite": overwrite,
}


def without(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, sources: tuple[str, ...], keys: tuple[str, ...] = ()
) -> tuple[str, tuple[DataFile, ...]]:
    """Return the query of the rows that remain, and the files to remove, when the rows of some objects are taken out of a table.

    `sources` are versions; `keys` are objects, whose rows go whatever the version. Only files that may hold one are read.
    """
    removed = holding(connection, snapshot, sources, keys)
    gone = _of(sources, keys)
    return f"select {identifiers(snapshot.schema.names)} from ({relation(snapshot, files=removed)}) where not {gone}", removed


def holding(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, sources: tuple[str, ...], keys: tuple[str, ...] = ()
) -> tuple[DataFile, ...]:
    """Return the files that hold a row of some objects."""
    objects = tuple(dict.fromkeys((*map(versions.key_of, sources), *keys)))
    files = versions.candidates(connection, snapshot, objects) if objects else ()
    if not files:
        return ()
    held = f"select distinct _path from ({relation(snapshot, files=files, file_column='_path')}) where {_of(sources, keys)}"
    paths = {path for (path,) in connection.execute(held).fetchall()}
    return tuple(file for file in files if file.path in paths)


def _of(sources: tuple[str, ...], keys: tuple[str, ...]) -> str:
    return f"(list_contains({texts(sources)}, _source) or {versions.is_of(keys)})"
