"""What an incremental run has to read and to replace: the partitions that changed in its inputs since it consumed them, or everything.

A superset is always right, and so is everything: whatever can't be told for sure ends in a full run, which says why.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from core.contract import Transform
from core.delta import DataFile, Since, Snapshot
from core.project import Project

RAN: Final = "lakelet/ran"
"""The mark that tells when a transform last ran (ms)."""

QUERY: Final = "lakelet/query"
"""The mark that tells whether a transform's SQL is still the one that made its table."""

Slice = tuple[str | None, ...]
"""A partition by the values of the target's partition columns."""


@dataclass(frozen=True)
class Increment:
    """What a run reads of the `sliced` inputs and replaces: some partitions, the keys that changed, or everything.

    Everything where there are neither `slices` nor `changes`; `full` says why, of an incremental transform. `columns` are those of the
    partitions or the key; `keys` counts the latter as soon as they are known.
    """

    columns: tuple[str, ...] = ()
    sliced: tuple[str, ...] = ()
    slices: frozenset[Slice] | None = None
    changes: Mapping[str, tuple[Snapshot, Since]] | None = None
    keys: int | None = None
    full: str = ""

    @property
    def partial(self) -> bool:
        return self.slices is not None or self.changes is not None

    @property
    def record(self) -> dict[str, Any]:
        found = {"partitions": None if self.slices is None else len(self.slices), "keys": self.keys, "full": self.full or None}
        return {name: value for name, value in found.items() if value is not None}

    def slice_of(self, file: DataFile) -> Slice:
        return tuple(file.partition[name] for name in self.columns)

    def holds(self, file: DataFile) -> bool:
        return self.slices is None or self.slice_of(file) in self.slices

    def of(self, files: Iterable[DataFile]) -> tuple[DataFile, ...]:
        """Return those of a table's files that lie in the partitions; all of them where it does not go by partition."""
        return tuple(file for file in files if self.holds(file))


def fingerprint(transform: Transform) -> int:
    """Return a number by which a changed query is noticed (52 bits: a transaction's version)."""
    return int(hashlib.sha256(transform.query.encode()).hexdigest()[:13], 16)


def consumed_mark(name: str, table: Snapshot) -> str:
    """Return the mark of an input's version; of this very table, because one that was made again counts from 0."""
    return f"input/{name}/{table.id}"


def base(name: str, table: Snapshot) -> str:
    """Return the mark of the version as the log counts it: what is behind it was consumed."""
    return f"base/{name}/{table.id}"


def decide(project: Project, transform: Transform, target: Snapshot | None, inputs: Mapping[str, Snapshot]) -> Increment:
    """Decide what a run over these versions of its inputs has to read, from what the target remembers of the last one."""
    if not transform.incremental:
        return Increment()
    if target is None or not target.identity(RAN):
        return Increment(full="its table is new")
    if target.identity(QUERY) != fingerprint(transform):
        return Increment(full="its SQL was changed")
    sliced, changes = project.sliced(transform), dict[str, tuple[Snapshot, Since]]()
    for name, table in inputs.items():
        found = _changes(transform, target, name, table) if name in sliced else _whole(target, name, table)
        if isinstance(found, str):
            return Increment(full=found)
        if found:
            changes[name] = table, found
    columns = transform.slice_by
    if transform.target.mode == "merge":
        return Increment(columns, sliced, changes=changes)
    files = [file for _, since in changes.values() for file in (*since.added, *since.removed)]
    return Increment(columns, sliced, frozenset(tuple(file.partition[column] for column in columns) for file in files))


def _whole(target: Snapshot, name: str, table: Snapshot) -> str | None:
    """Any row of a whole input may matter to any row of the result."""
    unchanged = target.identity(consumed_mark(name, table)) == table.data_version
    return None if unchanged else f"{name}, which is read whole, was changed"


def _changes(transform: Transform, target: Snapshot, name: str, table: Snapshot) -> Since | str | None:
    """Return what was done to an input since it was consumed (None: nothing that a query could see), or why that can't be told."""
    if told := _uneven(transform, target, name, table):
        return told
    since, consumed = target.identity(base(name, table)), target.identity(consumed_mark(name, table))
    if consumed == table.data_version:
        return None
    if since is None or consumed is None or since > table.version:
        return f"{name} is another table than before, or the last run was not incremental"
    done = table.since(since)
    if done is None:
        return f"the log of {name} no longer reaches back to version {since}"
    if not done.plain:
        return f"the columns or properties of {name} were changed, or a writer does not tell what it changed"
    if transform.target.mode == "merge" and done.commits != table.data_version - consumed:
        return f"a run that was not incremental has read {name} since version {since}"  # what came and went since is in its result
    return done


def _uneven(transform: Transform, target: Snapshot, name: str, table: Snapshot) -> str:
    """Say where an input is not cut as the target is, whatever is declared; the values would not compare."""
    columns = transform.slice_by
    if transform.target.mode == "partitions" and not (set(columns) <= set(table.partition_by) and columns == target.partition_by):
        return f"{name} is not partitioned by {', '.join(columns)}, as the result is"
    if not set(columns) <= {*table.schema.names} & {*target.schema.names}:
        return f"{name} or the result lacks {', '.join(columns)}"
    kinds = [(table.schema.field(column).type, target.schema.field(column).type) for column in columns]
    return "" if all(one == other for one, other in kinds) else f"{', '.join(columns)} of {name} is not of the type that the result's is"
