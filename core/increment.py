"""What an incremental run has to read and to replace: the partitions that changed in its inputs since it consumed them, or everything.

A superset is always right, and so is everything: whatever can't be told for sure ends in a full run, which says why.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from core.contract import Transform
from core.delta import DataFile, Snapshot
from core.project import Project

RAN: Final = "lakelet/ran"
"""The mark that tells when a transform last ran (ms)."""

QUERY: Final = "lakelet/query"
"""The mark that tells whether a transform's SQL is still the one that made its table."""

Slice = tuple[str | None, ...]
"""A partition by the values of the target's partition columns."""


@dataclass(frozen=True)
class Increment:
    """What a run reads of the `sliced` inputs and replaces: some partitions, or everything (`slices` is None) and, if incremental, why."""

    partition_by: tuple[str, ...] = ()
    sliced: tuple[str, ...] = ()
    slices: frozenset[Slice] | None = None
    full: str = ""

    @property
    def record(self) -> dict[str, Any]:
        return {"full": self.full} if self.full else {} if self.slices is None else {"partitions": len(self.slices)}

    def slice_of(self, file: DataFile) -> Slice:
        return tuple(file.partition[name] for name in self.partition_by)

    def holds(self, file: DataFile) -> bool:
        return self.slices is None or self.slice_of(file) in self.slices

    def of(self, files: Iterable[DataFile]) -> tuple[DataFile, ...]:
        """Return those of a table's files that lie in the partitions."""
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
    sliced, slices = project.sliced(transform), set[Slice]()
    for name, table in inputs.items():
        found = _touched(target, name, table) if name in sliced else _whole(target, name, table)
        if isinstance(found, str):
            return Increment(full=found)
        slices |= found
    return Increment(target.partition_by, sliced, frozenset(slices))


def _whole(target: Snapshot, name: str, table: Snapshot) -> frozenset[Slice] | str:
    """Any row of a whole input may matter to any partition."""
    unchanged = target.identity(consumed_mark(name, table)) == table.data_version
    return frozenset() if unchanged else f"{name}, which is read whole, was changed"


def _touched(target: Snapshot, name: str, table: Snapshot) -> frozenset[Slice] | str:
    """Return the partitions that may say something else than when they were consumed, or why that can't be told."""
    columns = target.partition_by
    if not set(columns) <= set(table.partition_by) or any(target.schema.field(c).type != table.schema.field(c).type for c in columns):
        return f"{name} is not partitioned by the same {', '.join(columns)}"
    consumed, since = target.identity(consumed_mark(name, table)), target.identity(base(name, table))
    if consumed == table.data_version:
        return frozenset()
    if consumed is None or since is None or since > table.version:
        return f"{name} is another table than before, or the last run was not incremental"
    done = table.since(since)
    if done is None:
        return f"the log of {name} no longer reaches back to version {since}"
    if done.commits != table.data_version - consumed:
        return f"a run that was not incremental has read {name} since version {since}"
    if done.reshaped or done.partitions is None:
        return f"the columns or properties of {name} were changed, or a writer does not tell what it changed"
    return frozenset(tuple(one[column] for column in columns) for one in done.partitions)
