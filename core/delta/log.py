"""What delta-rs tells of a table's log only at length: all its transaction ids, by one pass over its newest checkpoint and the commits
since; and what a stretch of commits did.

delta-rs 1.6.6 reads all of that again for each id that it is asked for: in S3, 14 requests an id, 28,000 for a batch of a thousand objects.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
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
    tail = _commits(store, first, version)
    if tail is None:
        return None
    try:
        found = {} if announced is None else _held(checkpoint(f"_delta_log/{announced:020}.checkpoint.parquet"))
    except FileNotFoundError:
        return None
    return found | {txn["appId"]: txn["version"] for body in tail for txn in _txns(body)}


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


def _commits(store: Store, first: int, last: int) -> list[bytes] | None:
    """Return some commits as they stand in the log; None where one is gone: cleaned up since, or behind an unannounced checkpoint."""
    with ThreadPoolExecutor(store.lanes) as pool:
        found = list(pool.map(store.get, (f"_delta_log/{number:020}.json" for number in range(first, last + 1))))
    there = [body for body in found if body is not None]
    return there if len(there) == len(found) else None


File = tuple[str, int, Mapping[str, str | None] | None]
"""A file of the log: its path as the log encodes it, its size, and its partition's values, None where they are not told."""


@dataclass(frozen=True)
class Stretch:
    """What some commits of a table did, the upkeep left out: how many they are, and the files that they added and removed.

    `reshaped` says that the table's columns or properties were changed.
    """

    commits: int
    added: tuple[File, ...]
    removed: tuple[File, ...]
    reshaped: bool


def stretch(store: Store, first: int, last: int, upkeep: Callable[[Mapping[str, Any]], bool]) -> Stretch | None:
    """Look what the commits from one version to another did; None where the log no longer reaches back so far.

    `upkeep` knows by its information which commit changed nothing that a query could see.
    """
    bodies = _commits(store, first, last)
    if bodies is None:
        return None
    read = [[json.loads(line) for line in body.splitlines() if line] for body in bodies]
    commits = [actions for actions in read if not any(upkeep(action["commitInfo"]) for action in actions if "commitInfo" in action)]
    actions = [action for commit in commits for action in commit]
    reshaped = any("metaData" in action or "protocol" in action for action in actions)
    return Stretch(len(commits), tuple(_files(actions, "add")), tuple(_files(actions, "remove")), reshaped)


def _files(actions: Iterable[Mapping[str, Any]], kind: str) -> Iterator[File]:
    """Return the files of one kind of action, but for those of which rows only moved to another file."""
    for action in actions:
        if (file := action.get(kind)) and file.get("dataChange", True):
            yield file["path"], file.get("size") or 0, file.get("partitionValues")
