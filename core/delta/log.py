"""The transaction ids of a table's log, all of them by one pass over its newest checkpoint and the commits since.

delta-rs 1.6.6 reads all of that again for each id that it is asked for: in S3, 14 requests an id, 28,000 for a batch of a thousand objects.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa

from core.storage import Store, side_by_side

LONGEST_TAIL: Final = 200
"""Commits. Beyond, the log has no checkpoints to speak of, and the one question is cheaper."""

ATTEMPT: Final = "lakelet.attempt"
"""The key of a commit's metadata by which the one who wrote it knows it again."""

Checkpoint = Callable[[str], pa.Table]
"""Reads the `txn` column of a checkpoint file, by its path below the table."""


def last_checkpoint(store: Store) -> int | None:
    """Return the version of the newest checkpoint that the log announces; None where there is none, or one of several parts."""
    found = json.loads(store.get("_delta_log/_last_checkpoint") or b"{}")
    return int(found["version"]) if "version" in found and "parts" not in found and "v2Checkpoint" not in found else None


def commits(store: Store, versions: Sequence[int]) -> list[bytes | None]:
    """Return the commits that made some versions, as they stand in the log; None for one that is not there."""
    return side_by_side(store, store.get, [f"_delta_log/{version:020}.json" for version in versions])


def transactions(
    store: Store, version: int, checkpoint: Checkpoint, *, longest: float = LONGEST_TAIL
) -> tuple[Mapping[str, int], str] | None:
    """Return every id that a version remembers with its own version, and the version's seal ('' where its commit is gone).

    None where that can't be told: ask for each id by itself then. One that is older than the table's retention is still told as long as
    the log holds it: to know of an object that was loaded is the safe side.
    """
    announced = last_checkpoint(store)
    first = 0 if announced is None else announced + 1
    if first > version + 1 or version - first > longest:
        return None
    *tail, newest = commits(store, range(min(first, version), version + 1))
    if first <= version:
        tail.append(newest)
    if None in tail:
        return None  # cleaned up since, or behind a checkpoint that is not announced
    try:
        found = {} if announced is None else _held(checkpoint(f"_delta_log/{announced:020}.checkpoint.parquet"))
    except FileNotFoundError:
        return None
    return found | recorded(body or b"" for body in tail), seal(newest) if newest else ""


def seal(commit: bytes) -> str:
    """Return by what a commit is known from every other that could stand in its place: the attempt that wrote it, else all of its text."""
    told = (action["commitInfo"].get(ATTEMPT) for action in _actions(commit, "commitInfo"))
    return next(filter(None, told), None) or hashlib.sha256(commit).hexdigest()


def recorded(commits: Iterable[bytes]) -> dict[str, int]:
    """Return the ids that commits recorded, each with the version of the last one."""
    return {txn["appId"]: txn["version"] for commit in commits for txn in (action["txn"] for action in _actions(commit, "txn"))}


def _held(checkpoint: pa.Table) -> dict[str, int]:
    if "txn" not in checkpoint.column_names:
        return {}
    column = checkpoint["txn"].combine_chunks().drop_null()  # first: a field of a struct that is NULL may be '' or 0
    return dict(zip(column.field("appId").to_pylist(), column.field("version").to_pylist(), strict=True))


def _actions(commit: bytes, kind: str) -> Iterator[Mapping[str, Any]]:
    named = f'"{kind}"'.encode()
    for line in commit.splitlines():
        if named in line and kind in (action := json.loads(line)):
            yield action
