"""A Change, decided before it is done, and the one function that commits it: to the snapshot that it was decided on."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, RemoveAction

from core.delta.location import address
from core.delta.log import ATTEMPT
from core.delta.protocol import refuse_unwritable
from core.delta.snapshot import RECORD, UPKEEP, DataFile, Snapshot
from core.errors import Conflict
from core.telling import first_line

LOCK: Final = "lakelet"
"""The transaction id that every Change which removes files takes one further: the table's optimistic lock."""

AFTERWARDS: Final = PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False)
"""What delta-rs does after a commit. Left to itself it also clears the log each time, for which it lists all of it: 1.3 s behind 3,000
commits in S3. That is upkeep.
"""


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
    """False for upkeep: the same rows in other files, no identities. What follows the table takes no notice."""
    exclusive: bool = False
    """Take the table's lock although nothing is removed: the rows were computed from the snapshot (a merge's new keys)."""


def commit(snapshot: Snapshot, change: Change, *, now: datetime) -> int:
    """Commit a Change through the snapshot that it was decided on and return the table's new version. The snapshot is spent by it.

    A commit that landed is never reported as failed: after any error the log is asked whether it holds this very one. Raises Conflict
    where it does not, or does not yet: open the table again and look the identities up before doing anything else.
    """
    table = snapshot._table
    refuse_unwritable(snapshot.uri, table.protocol())
    moment = int(now.timestamp() * 1000)
    attempt = uuid4().hex
    properties = _properties(snapshot, change, moment, attempt)
    actions: list[Any] = [_add(file, moment, change.data_change) for file in change.added]
    actions += [_remove(file, moment, change.data_change) for file in change.removed]
    try:
        table.create_write_transaction(  # also without files: the identities of what had no rows have to be recorded
            actions,
            "append",
            table.schema(),
            partition_by=list(snapshot.partition_by),
            commit_properties=properties,
            post_commithook_properties=AFTERWARDS,
        )
        return _followed(snapshot, properties, attempt)
    except (CommitFailedError, DeltaError, OSError) as error:
        if (landed := _landed(snapshot, attempt)) is not None:
            return landed
        raise Conflict(f"commit to {snapshot.uri} at version {snapshot.version}", found=first_line(error), remedy="Try again.") from None


def _followed(snapshot: Snapshot, properties: CommitProperties, attempt: str) -> int:
    """Let the open table follow its commit, for those who open it next, and return its newest version."""
    opened = snapshot._opened
    opened.table.update_incremental()
    newest: int = opened.table.version()
    if newest == snapshot.version + 1:  # nobody else's commit lies in between: it is this one
        opened.move(newest, attempt, {txn.app_id: txn.version for txn in properties.app_transactions or ()})
    return newest


def _landed(snapshot: Snapshot, attempt: str) -> int | None:
    """Return the version that an attempt became although an error was told; None where there is no such version, or nobody can tell now.

    delta-rs repeats a commit whose answer was lost, finds its own version taken, and takes that for another writer's.
    """
    try:
        table = DeltaTable(address(snapshot.uri), storage_options=dict(snapshot._opened.options))
        newer = table.version() - snapshot.version
        return next((commit["version"] for commit in table.history(newer) if commit.get(ATTEMPT) == attempt), None) if newer else None
    except (DeltaError, OSError):
        return None


def _properties(snapshot: Snapshot, change: Change, moment: int, attempt: str) -> CommitProperties:
    marks = dict(change.marks)
    if change.removed or change.exclusive:
        marks[LOCK] = (snapshot.identity(LOCK) or 0) + 1
    identities = [Transaction(name, version, moment) for name, version in change.identities.items()]
    if not change.data_change:
        return upkeep_properties(snapshot, change.record, marks, attempt)
    return _carrying(change.record, [*identities, *_forever(marks)], attempt)


def upkeep_properties(
    snapshot: Snapshot, record: Mapping[str, Any], marks: Mapping[str, int] | None = None, attempt: str = ""
) -> CommitProperties:
    """Return what a commit carries that changes nothing which a query could see: it is counted, so that it can be subtracted."""
    count = (snapshot.identity(UPKEEP) or 0) + 1
    return _carrying({**record, "upkeep": True}, _forever({**(marks or {}), UPKEEP: count}), attempt)


def _carrying(record: Mapping[str, Any], transactions: Sequence[Any], attempt: str) -> CommitProperties:
    told = {RECORD: json.dumps(record, separators=(",", ":")), ATTEMPT: attempt}
    return CommitProperties(custom_metadata=told, app_transactions=list(transactions))


def _forever(marks: Mapping[str, int]) -> list[Any]:
    return [Transaction(name, version) for name, version in marks.items()]  # without a time: never forgotten


def _add(file: DataFile, moment: int, data_change: bool) -> AddAction:
    return AddAction(file.path, file.size, file.partition, moment, data_change, file.stats)


def _remove(file: DataFile, moment: int, data_change: bool) -> RemoveAction:
    return RemoveAction(file.path, data_change, moment, size=file.size, partition_values=dict(file.partition))
