"""The transaction ids of a table's log, all of them by one pass over its newest checkpoint and the commits since.

delta-rs 1.6.6 reads all of that again for each id that it is asked for: in S3, 14 requests an id, 28,000 for a batch of a thousand objects.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pyarrow as pa

from core.storage import Store

LONGEST_TAIL: Final = 200
"""Commits. Beyond, the log has no checkpoints to speak of, and the one question is cheaper."""

Checkpoint = Callable[[str], pa.Table]
"""Reads the `txn` column of a checkpoint file, by its path below the table."""


def last_checkpoint(store: Store) -> int | None:
    """Return the version of the newest checkpoint that the log announces; None where there is none, or one of several parts."""
    found = json.loads(store.get("_delta_log/_last_checkpoint") or b"{}")
    return int(found["version"]) if "version" in found and "parts" not in found and "v2Checkpoint" not in found else None


def transactions(store: Store, version: int, checkpoint: Checkpoint, *, longest: float = LONGEST_TAIL) -> Mapping[str, int] | None:
    """Return every id that a version remembers with its own version; None where that can't be told: ask for each by itself then.

    An id older than the table's retention is still told as long as the log holds it: to know of an object that was loaded is the safe side.
    """
    announced = last_checkpoint(store)
    first = 0 if announced is None else announced + 1
    if first > version + 1 or version - first > longest:
        return None
    with ThreadPoolExecutor(store.lanes) as pool:
        tail = list(pool.map(store.get, (f"_delta_log/{number:020}.json" for number in range(first, version + 1))))
    if None in tail:
        return None  # cleaned up since, or behind a checkpoint that is not announced
    try:
        found = {} if announced is None else _held(checkpoint(f"_delta_log/{announced:020}.checkpoint.parquet"))
    except FileNotFoundError:
        return None
    return found | {txn["appId"]: txn["version"] for body in tail for txn in _txns(body or b"")}


def _held(checkpoint: pa.Table) -> dict[str, int]:
    if "txn" not in checkpoint.column_names:
        return {}
    column = checkpoint["txn"].combine_chunks()
    names, versions = column.field("appId").to_pylist(), column.field("version").to_pylist()
    return {name: version for name, version in zip(names, versions, strict=True) if name is not None}


def _txns(commit: bytes) -> Iterator[Mapping[str, Any]]:
    for line in commit.splitlines():
        if b'"txn"' in line and "txn" in (action := json.loads(line)):
            yield action["txn"]
