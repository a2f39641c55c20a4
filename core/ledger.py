"""What a table remembers of its objects beside their rows: the versions that it loaded, and those that were taken out or run again.

All of it are transaction ids of the table's own log, so that each is true from the same commit on as the rows.
"""

from collections.abc import Mapping
from typing import Final

from core.contract import Dataset
from core.delta import Snapshot

AMENDED: Final = "lakelet/amended"
"""The mark that counts the commits which changed what had been loaded before: whatever was made from the table is due."""


def undone(source: str) -> str:
    """Return the mark of an object version that was taken out (1), or loaded again since (0)."""
    return f"lakelet/undone/{source}"


def reread(source: str) -> str:
    """Return the identity under which a table remembers the contract that an object version was last run again under."""
    return f"lakelet/reread/{source}"


def is_undone(snapshot: Snapshot, source: str) -> bool:
    return bool(snapshot.identity(undone(source)))


def amended(snapshot: Snapshot) -> Mapping[str, int]:
    """Return the mark of one more commit that amends the table."""
    return {AMENDED: (snapshot.identity(AMENDED) or 0) + 1}


def loaded(dataset: Dataset, snapshot: Snapshot) -> dict[str, int]:
    """Return the object versions (sources) that the table remembers to have loaded, with their times (ms)."""
    prefix = dataset.source.prefix
    return {name: time for name, time in snapshot.identities.items() if name.startswith(prefix) and "@" in name and not _is_mark(name)}


def _is_mark(name: str) -> bool:
    return name.startswith(("lakelet/undone/", "lakelet/reread/", "lakelet/newest/"))
