"""What delta-rs tells of a table's log only at length: all its transaction ids, by one pass over its newest checkpoint and the commits
since; and what a stretch of commits did.

delta-rs 1.6.6 reads all of that again for each id that it is asked for: in S3, 14 requests an id, 28,000 for a batch of a thousand objects.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from core.storage import Store, side_by_side

LONGEST_TAIL: Final = 200
"""Commits. Beyond, the log has no checkpoints to speak of, and the one question is cheaper."""

ATTEMPT: Final = "lakelet.attempt"
"""The key of a commit's metadata by which the one who wrote it knows it again."""

Checkpoint = Callable[[str], pa.Table]
"""Reads the `txn` column of a checkpoint file, by its path below the table."""


@dataclass(frozen=True)
class Read:
    """What a version remembers; its seal, '' where its commit is gone; and how many actions its checkpoint holds, which is its weight."""

    identities: Mapping[str, int]
    seal: str
    actions: int


def last_checkpoint(store: Store) -> int | None:
    """Return the version of the newest checkpoint that the log announces; None where there is none, or one of several parts."""
    return _announced(store)[0]


def _announced(store: Store) -> tuple[int | None, int]:
    found = json.loads(store.get("_delta_log/_last_checkpoint") or b"{}")
    whole = "version" in found and "parts" not in found and "v2Checkpoint" not in found
    return int(found["version"]) if whole else None, int(found.get("size", 0))


def commits(store: Store, versions: Sequence[int]) -> list[bytes | None]:
    """Return the commits that made some versions, as they stand in the log; None for one that is not there."""
    return side_by_side(store, store.get, [f"_delta_log/{version:020}.json" for version in versions])


def transactions(store: Store, version: int, checkpoint: Checkpoint, *, longest: float = LONGEST_TAIL) -> Read | None:
    """Return every id that a version remembers, with its own version.

    None where that can't be told: ask for each id by itself then. One that is older than the table's retention is still told as long as
    the log holds it: to know of an object that was loaded is the safe side.
    """
    announced, actions = _announced(store)
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
    return Read(found | recorded(body or b"" for body in tail), seal(newest) if newest else "", actions)


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
    column = checkpoint["txn"].combine_chunks()
    fields = column.flatten()  # a field of a struct that is NULL may be '' or 0, and to drop those imports pyarrow.compute, 24 ms
    names, versions = (fields[column.type.get_field_index(name)].to_pylist() for name in ("appId", "version"))
    return {name: version for name, version in zip(names, versions, strict=True) if name is not None}


def _actions(commit: bytes, kind: str) -> Iterator[Mapping[str, Any]]:
    named = f'"{kind}"'.encode()
    for line in commit.splitlines():
        if named in line and kind in (action := json.loads(line)):
            yield action


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
    bodies = [body for body in commits(store, range(first, last + 1)) if body is not None]
    if len(bodies) <= last - first:
        return None  # cleaned up since
    read = [[json.loads(line) for line in body.splitlines() if line] for body in bodies]
    visible = [actions for actions in read if not any(upkeep(action["commitInfo"]) for action in actions if "commitInfo" in action)]
    actions = [action for commit in visible for action in commit]
    reshaped = any("metaData" in action or "protocol" in action for action in actions)
    return Stretch(len(visible), tuple(_files(actions, "add")), tuple(_files(actions, "remove")), reshaped)


def _files(actions: Iterable[Mapping[str, Any]], kind: str) -> Iterator[File]:
    """Return the files of one kind of action, but for those of which rows only moved to another file."""
    for action in actions:
        if (file := action.get(kind)) and file.get("dataChange", True):
            yield file["path"], file.get("size") or 0, file.get("partitionValues")
