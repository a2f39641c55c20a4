"""What keeps a table small and quick to open, none of which changes what it says: checkpoints, retention, files that nobody needs."""

import math
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Final
from urllib.parse import quote

from deltalake.exceptions import CommitFailedError, DeltaError
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from core.delta.changes import upkeep_properties
from core.delta.protocol import refuse_unwritable
from core.delta.snapshot import Snapshot, open_table
from core.errors import Conflict, Transient
from core.telling import first_line

FRAGMENT: Final = r"part-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.parquet"
"""The name of a file that the engine writes; nothing else below a table is ours to delete."""


def unreferenced(snapshot: Snapshot, kept: timedelta) -> tuple[str, ...]:
    """Return the table's files that no version of the last `kept` needs: removed before that, or written before that and never committed.

    Paths below the table. Deletes nothing: delta-rs' own vacuum would take whatever lies below the table, and record itself by two
    commits. Full, because its lite mode loses sight of a removed file at the next checkpoint (delta-rs issue 3644).
    """
    hours = math.ceil(kept / timedelta(hours=1))
    try:
        found = snapshot._table.vacuum(retention_hours=hours, dry_run=True, enforce_retention_duration=False, full=True)
    except (DeltaError, OSError) as error:
        raise Transient(f"table {snapshot.uri}", expected="to list its files", found=first_line(error), remedy="Try again.") from None
    folders = "".join(f"{re.escape(quote(name, safe=''))}=[^/]*/" for name in snapshot.partition_by)
    ours, live = re.compile(folders + FRAGMENT), {file.path for file in snapshot.files}
    return tuple(sorted(path for path in found if ours.fullmatch(path) and path not in live))


def checkpoint(snapshot: Snapshot) -> None:
    """Write a checkpoint of a version. Can be repeated."""
    try:
        snapshot._table.create_checkpoint()
    except (DeltaError, OSError) as error:
        raise Transient(f"table {snapshot.uri}", expected="a checkpoint", found=first_line(error), remedy="Try again.") from None


@retry(retry=retry_if_exception_type(Transient), stop=stop_after_attempt(3), wait=wait_random_exponential(0.1, 1), reraise=True)
def clear_log(snapshot: Snapshot) -> None:
    """Delete what of a table's log is both behind a checkpoint and past its retention; a checkpoint is always the first that stays.

    Again where there was no answer: delta-rs does not repeat a deletion.
    """
    try:
        snapshot._table.cleanup_metadata()
    except (DeltaError, OSError) as error:
        raise Transient(f"table {snapshot.uri}", expected="to clear its log", found=first_line(error), remedy="Try again.") from None


def configure(snapshot: Snapshot, properties: Mapping[str, str]) -> Snapshot:
    """Set a table's properties, as upkeep, and open it again. Writers that are at work on an older snapshot have to start over."""
    refuse_unwritable(snapshot.uri, snapshot._table.protocol())
    carried = upkeep_properties(snapshot, {"kind": "configure", **properties})
    try:
        snapshot._table.alter.set_table_properties(dict(properties), commit_properties=carried)
    except (CommitFailedError, DeltaError, OSError) as error:
        reopened = open_table(snapshot.uri, snapshot._opened.options)
        if reopened is None or not properties.items() <= reopened.properties.items():  # or else only the answer was lost
            raise Conflict(f"table {snapshot.uri}", found=first_line(error), remedy="Try again.") from None
        return reopened
    reopened = open_table(snapshot.uri, snapshot._opened.options)
    assert reopened is not None, "a table that was just altered can be opened"
    return reopened
