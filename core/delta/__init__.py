"""The Delta log: open a snapshot, commit a Change to exactly that snapshot. The only room that imports deltalake.

delta-rs records transaction ids but does not enforce them: everything here writes through the snapshot that was checked, never by URI.
"""

from core.delta.changes import LOCK, Change, commit
from core.delta.snapshot import RECORD, UPKEEP, DataFile, Since, Snapshot, changed_partitions, open_table, partitions
from core.delta.tables import CONFIGURATION, described, ensure
from core.delta.upkeep import checkpoint, clear_log, configure, unreferenced

__all__ = [
    "CONFIGURATION",
    "LOCK",
    "RECORD",
    "UPKEEP",
    "Change",
    "DataFile",
    "Since",
    "Snapshot",
    "changed_partitions",
    "checkpoint",
    "clear_log",
    "commit",
    "configure",
    "described",
    "ensure",
    "open_table",
    "partitions",
    "unreferenced",
]
