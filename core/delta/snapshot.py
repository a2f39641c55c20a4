"""One version of a table, as it was opened: its files, its schema, what it remembers. Reads the log, writes nothing."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final
from urllib.parse import unquote
from weakref import finalize

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from core.delta import log, opened
from core.delta.location import location
from core.delta.opened import Opened
from core.delta.protocol import refuse_unreadable
from core.errors import Conflict, Transient
from core.telling import first_line

RECORD: Final = "lakelet"
"""The key of the commit's metadata under which its record (balance, objects) stands."""

UPKEEP: Final = "lakelet/upkeep"
"""The mark that counts the commits which changed nothing that a query could see."""


@dataclass(frozen=True)
class DataFile:
    """A Parquet file of a table: its path below the table (as it is stored, not as the log encodes it), size in bytes, rows, partition and
    statistics (Delta's JSON); and when it was written (ms), 0 before it is committed and where it is no more.
    """

    path: str
    size: int
    rows: int
    partition: Mapping[str, str | None]
    stats: str = "{}"
    written: int = 0


class Snapshot:
    """One version of a table, as it was opened."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self.uri: str = location(opened.table.table_uri)
        self.version: int = opened.version

    @property
    def _held(self) -> Opened:
        """What is open at this version; raises Conflict once a commit through this snapshot has moved on from it."""
        if self._opened.table.version() != self.version:
            raise Conflict(f"table {self.uri}", expected=f"version {self.version}", found="a newer one", remedy="Open it again.")
        return self._opened

    @property
    def _table(self) -> DeltaTable:
        return self._held.table

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

    def nulls(self, column: str) -> int | None:
        """Return in how many of `rows` a column is NULL, as the log tells; None where it does not tell both of every file."""
        told = self.actions.column_names
        if "null_count" not in told or "num_records" not in told or self.actions["num_records"].null_count:
            return None
        counts = self.actions["null_count"].combine_chunks()
        place = counts.type.get_field_index(column)
        found = counts.flatten()[place].to_pylist() if place >= 0 else [None]  # `field` would say 0 where the whole struct is NULL
        return None if None in found else sum(found)

    @cached_property
    def files(self) -> tuple[DataFile, ...]:
        wanted = ("path", "size_bytes", "num_records", "modification_time")
        rows = self.actions.select([name for name in wanted if name in self.actions.column_names]).to_pylist()
        partitions = self._partitions()
        return tuple(
            DataFile(unquote(row["path"]), row["size_bytes"], row.get("num_records") or 0, partitions[n], written=row["modification_time"])
            for n, row in enumerate(rows)
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

    @cached_property
    def committed(self) -> datetime:
        """When this version was committed."""
        return _moment(self.history(1)[0])

    @cached_property
    def change(self) -> Mapping[str, Any] | None:
        """The newest commit that is not upkeep; None where the log no longer tells."""
        commits = self.history(1)
        if commits[0][RECORD].get("upkeep"):
            commits = self.history(1 + (self.identity(UPKEEP) or 0))
        return next((commit for commit in commits if not commit[RECORD].get("upkeep")), None)

    @property
    def changed(self) -> datetime:
        """When the table last came to say something else."""
        return _moment(self.change) if self.change else self.created

    @property
    def id(self) -> str:
        """The table's own id: another one where it was deleted and made again."""
        return str(self._table.metadata().id)

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)

    @property
    def data_version(self) -> int:
        """How many commits it took to say what the table says: the version less the upkeep. What follows a table goes by this."""
        return self.version - (self.identity(UPKEEP) or 0)

    @cached_property
    def _identities(self) -> Mapping[str, int] | None:
        return self._held.identities()

    def identity(self, name: str) -> int | None:
        """Return what the table recorded for an identity (an object, a transform's input), None if it never did."""
        if not self.version:
            return None  # a table just made remembers nothing
        if self._identities is not None:
            return self._identities.get(name)
        version: int | None = self._table.transaction_version(name)
        return version

    @property
    def identities(self) -> Mapping[str, int]:
        """Everything that the table recorded, by name; raises Transient where the log's files can't be read all at once."""
        if not self.version:
            return {}
        found = self._identities
        if found is None:
            found = self._held.identities(longest=math.inf)
        if found is None:
            raise Transient(f"the log of {self.uri}", expected="every commit since its last checkpoint", found="a gap", remedy="Try again.")
        return found

    @property
    def tail(self) -> int:
        """How many commits opening the table has to read one by one, because no checkpoint holds them."""
        announced = log.last_checkpoint(self._opened.log)
        return self.version + 1 if announced is None else max(self.version - announced, 0)

    def history(self, limit: int | None = None) -> list[dict[str, Any]]:
        """Return the commits, newest first: version, timestamp (ms), operation, and the record under `lakelet`."""
        return [_with_record(commit) for commit in self._table.history(limit)]

    def at(self, version: int) -> "Snapshot | None":
        """Return an older version of the table, None where the log no longer reaches back to it."""
        try:
            return Snapshot(Opened(self.uri, self._opened.options, version))
        except DeltaError:
            return None

    def since(self, version: int) -> "Since | None":
        """Return what was done to the table after an older version; None where its log is gone."""
        done = log.stretch(self._held.log, version + 1, self.version, _is_upkeep)
        if done is None:
            return None
        added, removed = ([self._file(*file) for file in files] for files in (done.added, done.removed))
        told = all(file is not None for file in (*added, *removed))
        return Since(done.commits, tuple(filter(None, added)), tuple(filter(None, removed)), told and not done.reshaped)

    def _file(self, path: str, size: int, partition: Mapping[str, str | None] | None) -> DataFile | None:
        """Return a file that the log names as `files` would; None where its partition is not told."""
        values = partition or {}
        if any(name not in values for name in self.partition_by):
            return None
        told = {name: _as_told(values[name], self.schema.field(name).type) for name in self.partition_by}
        return DataFile(unquote(path), size, 0, told)


@dataclass(frozen=True)
class Since:
    """What was done to a table after an older version, upkeep left out: in how many commits, and the files that these added and removed.

    `plain` says that this is all: no column or property was changed, and each file's partition is told (other writers may leave it out).
    """

    commits: int
    added: tuple[DataFile, ...]
    removed: tuple[DataFile, ...]
    plain: bool


def open_table(uri: str, options: Mapping[str, str]) -> Snapshot | None:
    """Open the newest version; None where there is no table yet. Raises Terminal where reading it would take what Lakelet lacks."""
    try:
        held = opened.take(uri, options) or Opened(uri, options)
    except TableNotFoundError:
        return None
    except OSError as error:
        raise Transient(f"table {uri}", found=first_line(error), remedy="Try again.") from None
    refuse_unreadable(uri, held.table.protocol())
    snapshot = Snapshot(held)
    finalize(snapshot, opened.keep, held).atexit = False
    return snapshot


def partitions(snapshot: Snapshot) -> Iterable[Mapping[str, str | None]]:
    """Return the partitions of a table."""
    return _distinct(file.partition for file in snapshot.files)


def changed_partitions(old: Snapshot, new: Snapshot) -> Iterable[Mapping[str, str | None]]:
    """Return the partitions that may say something else in the newer of two versions of a table.

    Those whose set of files differs; but for the files that upkeep only moved rows between, as far back as the log still tells.
    """
    return _distinct(partition for before, after in _stretches(old, new) for partition in _different(before, after))


def _different(old: Snapshot, new: Snapshot) -> Iterator[Mapping[str, str | None]]:
    before, after = ({file.path: file.partition for file in snapshot.files} for snapshot in (old, new))
    return ((before.get(path) or after.get(path) or {}) for path in before.keys() ^ after.keys())


def _stretches(old: Snapshot, new: Snapshot) -> list[tuple[Snapshot, Snapshot]]:
    """Cut the way from one version to another at the commits that are upkeep, and leave those out."""
    commits = new.version - old.version
    if new.data_version - old.data_version == commits:
        return [(old, new)]
    upkeep = sorted(commit["version"] for commit in new.history(commits) if commit[RECORD].get("upkeep"))
    stretches, start = [], old.version
    for version in [*upkeep, new.version + 1]:
        if version - 1 > start:
            stretches.append((start, version - 1))
        start = version
    ends = {old.version: old, new.version: new}
    ends |= {v: at for pair in stretches for v in pair if v not in ends and (at := new.at(v)) is not None}
    if any(v not in ends for pair in stretches for v in pair):
        return [(old, new)]
    return [(ends[start], ends[end]) for start, end in stretches]


def _distinct(partitions: Iterable[Mapping[str, str | None]]) -> Iterable[Mapping[str, str | None]]:
    return {json.dumps(partition, sort_keys=True): partition for partition in partitions}.values()


def _partition_text(value: Any) -> str | None:
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def _as_told(value: str | None, kind: pa.DataType) -> str | None:
    """Return a partition's value, as it stands in the log, as `files` have it: of 07 and 7 one."""
    return None if not value else _partition_text(pa.scalar(value).cast(kind).as_py())


def _is_upkeep(info: Mapping[str, Any]) -> bool:
    return bool(_with_record({RECORD: info.get(RECORD)})[RECORD].get("upkeep"))


def _moment(commit: Mapping[str, Any]) -> datetime:
    return datetime.fromtimestamp(commit["timestamp"] / 1000, UTC)


def _with_record(commit: dict[str, Any]) -> dict[str, Any]:
    record = commit.get(RECORD)
    return {**commit, RECORD: json.loads(record) if isinstance(record, str) else {}}
