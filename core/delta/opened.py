"""Tables stay open in a warm process: to open one again is to read what was committed since, and nothing twice.

An open table belongs to one Snapshot at a time, under whose hands nothing changes, and comes back when that one is gone. It is used again
only where its log still holds the commit that it was read up to; in doubt it is opened anew.
"""

import time
from collections.abc import Mapping
from threading import RLock
from typing import Any, Final

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from core.delta import log
from core.delta.location import address, location
from core.errors import LakeError
from core.storage import Store, open_store

MOST: Final = 16
"""Tables that stay open; of more, those go that were asked for longest ago."""

HEAVIEST: Final = 300_000
"""Actions in the checkpoints of all that stay open: 100 to 150 MB. The one that was asked for last stays, however heavy it is."""

LONGEST: Final = 3600.0
"""Seconds that a table stays open: far less than the shortest time after which its log is cleared."""

CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""One that goes on while a function is frozen or a laptop sleeps."""

Key = tuple[str, frozenset[tuple[str, str]]]


class Opened:
    """What delta-rs holds of a table, what the table remembers, and by which commit its log is known again ('' where that was not read)."""

    def __init__(self, uri: str, options: Mapping[str, str], version: int | None = None) -> None:
        self.uri, self.options = uri, options
        self.table = DeltaTable(address(uri), version=version, storage_options=dict(options))
        self.version: int = self.table.version()
        self.since = time.clock_gettime(CLOCK)
        self.log: Store = open_store(location(self.table.table_uri), options)
        self.seal, self.actions = "", 0
        self._identities: Mapping[str, int] | None = None if self.version else {}  # a table just made remembers nothing

    def identities(self, *, longest: float = log.LONGEST_TAIL) -> Mapping[str, int] | None:
        """Return what the table remembers; None where that can't be read all at once."""
        if self._identities is None and (found := log.transactions(self.log, self.version, self._checkpointed, longest=longest)):
            self._identities, self.seal, self.actions = found.identities, found.seal, found.actions
        return self._identities

    def move(self, version: int, seal: str, identities: Mapping[str, int]) -> None:
        """Follow the table to a newer version, whose last commit is known by `seal`; the commits since recorded `identities`."""
        self.version, self.seal = version, seal
        if self._identities is not None:
            self._identities = {**self._identities, **identities}

    def is_newest(self) -> bool:
        """Read what was committed since; return whether this is the table's newest version now. False also where nobody can tell."""
        held, newer = log.commits(self.log, range(self.version, self.version + 2))
        if held is None or log.seal(held) != self.seal:
            return False  # another table stands in this place, or its log was cleared
        return newer is None or self._follows()

    def _follows(self) -> bool:
        self.table.update_incremental()
        read = range(self.version, self.table.version() + 1)  # the first one again: delta-rs has to have read the same log
        held, *since = (commit or b"" for commit in log.commits(self.log, read))
        if not since or b"" in since or log.seal(held) != self.seal:
            return False
        self.move(self.table.version(), log.seal(since[-1]), log.recorded(since))
        return True

    def _checkpointed(self, path: str) -> Any:
        """Read a checkpoint's `txn` column and no other: beside it stand the statistics of all files."""
        from deltalake.fs import DeltaStorageHandler  # with pyarrow.fs 30 ms of a cold start
        from pyarrow.fs import PyFileSystem
        from pyarrow.parquet import ParquetFile

        files = PyFileSystem(DeltaStorageHandler.from_table(self.table._table, self.table._storage_options))
        with files.open_input_file(path) as file:
            return ParquetFile(file).read(columns=["txn"])


_kept: Final[dict[Key, Opened]] = {}
_keeping: Final = RLock()  # a snapshot may go, and its table come back, while this is held


def take(uri: str, options: Mapping[str, str]) -> Opened | None:
    """Take a table that stayed open, at its newest version; None where it has to be opened anew."""
    with _keeping:
        found = _kept.pop(_key(uri, options), None)
    if found is None or time.clock_gettime(CLOCK) - found.since > LONGEST:
        return None
    try:
        return found if found.is_newest() else None
    except (DeltaError, OSError, LakeError):
        return None  # opening it anew will tell


def keep(opened: Opened) -> None:
    """Keep a table that nobody holds any more, where its log can be known again."""
    if not opened.seal:
        return
    with _keeping:
        _kept.pop(place := _key(opened.uri, opened.options), None)
        _kept[place] = opened
        while len(_kept) > MOST or (len(_kept) > 1 and sum(other.actions for other in _kept.values()) > HEAVIEST):
            del _kept[next(iter(_kept))]


def _key(uri: str, options: Mapping[str, str]) -> Key:
    return uri, frozenset(options.items())  # with other credentials it is another one
