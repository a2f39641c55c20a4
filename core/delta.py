"""The Delta log: open a snapshot, commit a Change to exactly that snapshot. The only module that imports deltalake.

delta-rs records transaction ids but does not enforce them: everything here writes through the snapshot that was checked, never by URI.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Field, Schema, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction

from core.errors import Conflict, Terminal, Transient

LOCK: Final = "lakelet"
"""The transaction id that every Change which removes files takes one further: the table's optimistic lock."""

RECORD: Final = "lakelet"
"""The key of the commit's metadata under which its record (balance, objects) stands."""


@dataclass(frozen=True)
class DataFile:
    """A Parquet file of a table: its path below the table (as it is stored, not as the log encodes it), size in bytes, rows, partition and
    statistics (Delta's JSON).
    """

    path: str
    size: int
    rows: int
    partition: Mapping[str, str | None]
    stats: str = "{}"


@dataclass(frozen=True)
class Change:
    """What one commit does, decided before it is done."""

    added: tuple[DataFile, ...] = ()
    removed: tuple[DataFile, ...] = ()
    identities: Mapping[str, int] = field(default_factory=dict)
    """What is loaded by this; remembered for the table's replay window."""
    marks: Mapping[str, int] = field(default_factory=dict)
    """What the table should remember for good: how far it has come."""
    record: Mapping[str, Any] = field(default_factory=dict)
    data_change: bool = True
    exclusive: bool = False
    """Take the table's lock although nothing is removed: the rows were computed from the snapshot (a merge's new keys)."""


class Snapshot:
    """One version of a table, as it was opened."""

    def __init__(self, table: DeltaTable) -> None:
        self._table = table
        self.uri: str = _location(table.table_uri)
        self.version: int = table.version()

    @cached_property
    def schema(self) -> pa.Schema:
        return pa.schema(self._table.schema())

    @cached_property
    def partition_by(self) -> tuple[str, ...]:
        return tuple(self._table.metadata().partition_columns)

    @cached_property
    def properties(self) -> Mapping[str, str]:
        return dict(self._table.metadata().configuration)

    @cached_property
    def actions(self) -> pa.Table:
        """The table's files as Arrow: path, size_bytes, num_records, and the structs null_count, min, max, partition."""
        return pa.table(self._table.get_add_actions(flatten=False))

    @cached_property
    def files(self) -> tuple[DataFile, ...]:
        rows = self.actions.select([n for n in ("path", "size_bytes", "num_records") if n in self.actions.column_names]).to_pylist()
        partitions = self._partitions()
        return tuple(
            DataFile(unquote(row["path"]), row["size_bytes"], row["num_records"] or 0, partitions[n]) for n, row in enumerate(rows)
        )

    def _partitions(self) -> list[dict[str, str | None]]:
        if not self.partition_by:
            return [{}] * self.actions.num_rows
        columns = self.actions["partition"].combine_chunks()
        texts = {name: [_partition_text(value) for value in columns.field(name).to_pylist()] for name in self.partition_by}
        return [{name: texts[name][n] for name in self.partition_by} for n in range(self.actions.num_rows)]

    @cached_property
    def created(self) -> datetime:
        return datetime.fromtimestamp(self._table.metadata().created_time / 1000, UTC)

    @property
    def id(self) -> str:
        """The table's own id: another one where it was deleted and made again."""
        return str(self._table.metadata().id)

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)

    def identity(self, name: str) -> int | None:
        """Return what the table recorded for an identity (an object, a transform's input), None if it never did."""
        version: int | None = self._table.transaction_version(name) if self.version else None  # a table just made remembers nothing
        return version

    def history(self, limit: int | None = None) -> list[dict[str, Any]]:
        """Return the commits, newest first: version, timestamp (ms), operation, and the record under `lakelet`."""
        return [_with_record(commit) for commit in self._table.history(limit)]

    def at(self, version: int) -> "Snapshot | None":
        """Return an older version of the table, None where the log no longer reaches back to it."""
        older = DeltaTable(self._table.table_uri, storage_options=self._table._storage_options, without_files=False)
        try:
            older.load_as_version(version)
        except DeltaError:
            return None
        return Snapshot(older)


def open_table(uri: str, options: Mapping[str, str]) -> Snapshot | None:
    """Open the newest version; None where there is no table yet."""
    try:
        return Snapshot(DeltaTable(_address(uri), storage_options=dict(options)))
    except TableNotFoundError:
        return None
    except OSError as error:
        raise Transient(f"table {uri}", found=_first_line(error), remedy="Try again.") from error


def ensure(uri: str, schema: pa.Schema, *, partition_by: tuple[str, ...], options: Mapping[str, str], description: str = "") -> Snapshot:
    """Open the table; create it empty first where there is none, add the columns that the declaration gained.

    Never a first write: concurrent first writes with one identity double the rows. Raises Terminal where the declared columns can't be
    reached by adding nullable ones.
    """
    found = open_table(uri, options)
    if found is None:
        _create(uri, schema, partition_by, options, description)
        found = open_table(uri, options)
        assert found is not None, "a table that was just created can be opened"
    return _evolve(found, schema, partition_by, options)


def _create(uri: str, schema: pa.Schema, partition_by: tuple[str, ...], options: Mapping[str, str], description: str) -> None:
    try:
        DeltaTable.create(
            _address(uri),
            Schema.from_arrow(schema),
            mode="ignore",
            partition_by=list(partition_by),
            description=description or None,
            configuration=CONFIGURATION,
            storage_options=dict(options),
        )
    except CommitFailedError as error:
        raise Conflict(f"table {uri}", found=_first_line(error)) from error
    except DeltaError as error:
        raise Terminal(f"table {uri}", expected="it to be created", found=_first_line(error), remedy="Mend its declaration.") from error
    except OSError as error:
        raise Transient(f"table {uri}", found=_first_line(error), remedy="Try again.") from error


CONFIGURATION: Final = {
    "delta.setTransactionRetentionDuration": "interval 30 days",
    "delta.logRetentionDuration": "interval 30 days",
    "delta.deletedFileRetentionDuration": "interval 7 days",
    "delta.checkpointInterval": "20",
}


def _evolve(snapshot: Snapshot, wanted: pa.Schema, partition_by: tuple[str, ...], options: Mapping[str, str]) -> Snapshot:
    _refuse_unsafe(snapshot, wanted, partition_by)
    new = [name for name in wanted.names if name not in snapshot.schema.names]
    if not new:
        return snapshot
    fields = Schema.from_arrow(pa.schema([wanted.field(name) for name in new])).fields
    try:
        snapshot._table.alter.add_columns([Field(f.name, f.type, nullable=True) for f in fields])
    except (CommitFailedError, DeltaError) as error:
        raise Conflict(f"table {snapshot.uri}", found=_first_line(error)) from error
    reopened = open_table(snapshot.uri, options)
    assert reopened is not None, "a table that was just altered can be opened"
    return reopened


def _refuse_unsafe(snapshot: Snapshot, wanted: pa.Schema, partition_by: tuple[str, ...]) -> None:
    changed = [
        f"{name} is {snapshot.schema.field(name).type} and would be {wanted.field(name).type}"
        for name in wanted.names
        if name in snapshot.schema.names and not _same(snapshot.schema.field(name).type, wanted.field(name).type)
    ]
    missing = [name for name in snapshot.schema.names if name not in wanted.names]
    if partition_by != snapshot.partition_by:
        changed.append(f"it is partitioned by {list(snapshot.partition_by)} and would be by {list(partition_by)}")
    if changed or missing:
        raise Terminal(
            f"table {snapshot.uri} cannot follow its declaration",
            expected="columns added at most",
            found="; ".join([*changed, *(f"column {name} is no longer declared" for name in missing)]),
            remedy="Undo the change, or give the declaration a new target path and load the archived objects again.",
        )


def _same(left: pa.DataType, right: pa.DataType) -> bool:
    return bool(Schema.from_arrow(pa.schema([("x", left)])) == Schema.from_arrow(pa.schema([("x", right)])))


def commit(snapshot: Snapshot, change: Change, *, now: datetime) -> int:
    """Commit a Change through the snapshot that it was decided on and return the table's new version.

    Raises Conflict for any error, a lost answer included: the commit may have landed. Open the table again and look the identities up
    before doing anything else.
    """
    moment = int(now.timestamp() * 1000)
    marks = dict(change.marks)
    if change.removed or change.exclusive:
        marks[LOCK] = (snapshot.identity(LOCK) or 0) + 1
    properties = CommitProperties(
        custom_metadata={RECORD: json.dumps(change.record, separators=(",", ":"))},
        app_transactions=[
            *(Transaction(name, version, moment) for name, version in change.identities.items()),
            *(Transaction(name, version) for name, version in marks.items()),  # without a time: never forgotten
        ],
    )
    table = snapshot._table
    actions: list[Any] = [_add(file, moment, change.data_change) for file in change.added]
    actions += [_remove(file, moment, change.data_change) for file in change.removed]
    try:
        if actions:
            table.create_write_transaction(
                actions, "append", table.schema(), partition_by=list(snapshot.partition_by), commit_properties=properties
            )
        else:  # create_write_transaction writes nothing for no files (deltalake 1.6.6); identities still have to be recorded
            write_deltalake(table, snapshot.schema.empty_table(), mode="append", commit_properties=properties)
    except (CommitFailedError, DeltaError, OSError) as error:
        raise Conflict(f"commit to {snapshot.uri} at version {snapshot.version}", found=_first_line(error), remedy="Try again.") from error
    table.update_incremental()
    return int(table.version())


def _add(file: DataFile, moment: int, data_change: bool) -> AddAction:
    return AddAction(file.path, file.size, file.partition, moment, data_change, file.stats)


def _remove(file: DataFile, moment: int, data_change: bool) -> RemoveAction:
    return RemoveAction(file.path, data_change, moment, size=file.size, partition_values=dict(file.partition))


def changed_partitions(old: Snapshot, new: Snapshot) -> Iterable[Mapping[str, str | None]]:
    """Return the partitions whose set of files differs between two versions of a table."""
    before, after = ({file.path: file.partition for file in snapshot.files} for snapshot in (old, new))
    different = [(before.get(path) or after.get(path) or {}) for path in before.keys() ^ after.keys()]
    return {json.dumps(partition, sort_keys=True): partition for partition in different}.values()


def _address(uri: str) -> str:
    """Return a table's address as delta-rs takes it: it reads a bare path as if it were percent-encoded."""
    return uri if "://" in uri else Path(uri).as_uri()


def _location(address: str) -> str:
    """Return the path or s3:// prefix of an address."""
    address = address.rstrip("/")
    return unquote(address.removeprefix("file://")) if address.startswith("file://") else address


def partitions(snapshot: Snapshot) -> Iterable[Mapping[str, str | None]]:
    """Return the partitions of a table."""
    return {json.dumps(file.partition, sort_keys=True): file.partition for file in snapshot.files}.values()


def _partition_text(value: Any) -> str | None:
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def _with_record(commit: dict[str, Any]) -> dict[str, Any]:
    record = commit.get(RECORD)
    return {**commit, RECORD: json.loads(record) if isinstance(record, str) else {}}


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
