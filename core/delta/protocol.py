"""Which tables Lakelet reads and writes: those whose protocol asks for nothing that it, or Athena, lacks. Pure.

delta-rs 1.6.6 writes, through `create_write_transaction`, to tables with checks, generated columns, a change feed, column mapping or
deletion vectors without a word: what it does not look at is the files that we bring.
"""

from collections.abc import Iterable
from typing import Any, Final

from core.errors import Terminal

READER_VERSIONS: Final = (1, 3)
"""Without 2: that is column mapping. Athena reads up to 3 ("Query Linux Foundation Delta Lake tables", Athena User Guide, 2026)."""

READER_FEATURES: Final = frozenset({"timestampNtz"})
"""Of what Athena reads (column mapping and timestampNtz, the same page), what our reading of the files themselves does right."""

WRITER_VERSIONS: Final = (1, 2, 7)
"""Above 2: checks, change feed, generated and mapped columns, identity columns; all of them ask something of a writer that ours lacks."""

WRITER_FEATURES: Final = READER_FEATURES | {"appendOnly", "invariants"}
"""delta-rs refuses what breaks the first; the second is version 2's and what `alter` names when it raises a table to version 7."""


def refuse_unreadable(uri: str, protocol: Any) -> None:
    """Raise Terminal for a table whose files do not say all by themselves: rows would come back that were deleted, or columns as NULL."""
    missing = _beyond(protocol.min_reader_version, protocol.reader_features, READER_VERSIONS, READER_FEATURES, "reader")
    _refuse(uri, "read", missing)


def refuse_unwritable(uri: str, protocol: Any) -> None:
    """Raise Terminal for a table that asks of its writers what this one does not do."""
    missing = _beyond(protocol.min_writer_version, protocol.writer_features, WRITER_VERSIONS, WRITER_FEATURES, "writer")
    _refuse(uri, "written", missing)


def _beyond(version: int, features: Iterable[str] | None, versions: tuple[int, ...], known: frozenset[str], role: str) -> list[str]:
    unknown = sorted(set(features or ()) - known)
    return unknown or ([] if version in versions else [f"{role} version {version}"])


def _refuse(uri: str, verb: str, missing: list[str]) -> None:
    if missing:
        raise Terminal(
            f"table {uri} cannot be {verb}",
            expected="a protocol that Lakelet and Athena know",
            found=", ".join(missing),
            remedy="Another program raised it: drop the feature there, or declare a new target path and load the archived objects again.",
        )
