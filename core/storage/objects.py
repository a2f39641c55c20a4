"""What an object is, and what Lakelet needs of a place that holds objects."""

from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, TypeVar

from core.errors import Terminal

Item = TypeVar("Item")
Result = TypeVar("Result")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, order=True)
class ObjectRef:
    """One version of one object. `version` is S3's VersionId, else its ETag, else a content hash (folder); None before it was looked up."""

    key: str
    version: str | None = None
    size: int = 0
    modified: datetime = EPOCH

    @property
    def source(self) -> str:
        """The object as rows carry it in `_source`."""
        return f"{self.key}@{self.version}"


class ObjectGone(Terminal):
    """The object, or this version of it, is not there (any more)."""


class ObjectTooLarge(Terminal):
    """The object has more bytes than its contract allows; nothing of it was copied. `object` is which version that is."""

    def __init__(self, found: ObjectRef) -> None:
        self.object = found
        super().__init__(f"object {found.key}", found=f"{found.size} bytes")


class Store(Protocol):
    """What Lakelet needs of an object store. Every verb can be repeated after a crash."""

    uri: str
    lanes: int
    """How many requests at once are worth while."""
    keeps_time: bool
    """Whether an object keeps its time where it is moved."""

    def list(self, prefix: str) -> Iterator[ObjectRef]:
        """Yield the newest version of each object below a prefix; in a folder without their versions, which only reading would tell."""

    def foretell(self, refs: Iterable[ObjectRef]) -> None:
        """Hear which objects will be fetched soon, so that what takes time can begin; nothing hangs on it."""

    def fetch(self, ref: ObjectRef, to: Path, *, most: int | None = None) -> ObjectRef:
        """Copy exactly one version to a local file and return its full identity; raises ObjectGone.

        One of more than `most` bytes is not copied: raises ObjectTooLarge.
        """

    def head(self, ref: ObjectRef, length: int) -> tuple[ObjectRef, bytes]:
        """Return the full identity of exactly one version and its first bytes; raises ObjectGone."""

    def intact(self, ref: ObjectRef, local: Path, /) -> bool:
        """Whether a fetched file still is that version: in a folder it may be the object itself."""

    def put(self, key: str, body: Path | bytes) -> None:
        """Write an object by one atomic put."""

    def claim(self, key: str, body: bytes) -> bool:
        """Write an object only where there is none, by one atomic put: of many who try, one is told True, and nobody sees half of it.

        False may also mean that an earlier try of ours landed and its answer was lost: compare what is there.
        """

    def get(self, key: str) -> bytes | None:
        """Return a small object's bytes, None if there is none."""

    def move(self, ref: ObjectRef, to: str, *, was: ObjectRef | None = None) -> None:
        """Copy this version, then delete it; nothing happens where it has gone already.

        `origin` of the copy tells what it `was`: `ref`, unless another is named.
        """

    def origin(self, ref: ObjectRef) -> tuple[str, datetime] | None:
        """Return the version and the time that a moved object had where it came from; None where nobody can tell. Raises ObjectGone."""

    def delete(self, key: str) -> None:
        """Delete an object if it is there."""


def side_by_side(store: Store, work: Callable[[Item], Result], items: Collection[Item]) -> list[Result]:
    """Do work for each item, as many at once as are worth while in a store; return the results in the items' order.

    Where that is one, no thread is asked: handing a small file to another costs half as much again as moving it.
    """
    lanes = min(store.lanes, len(items))
    if lanes <= 1:
        return [work(item) for item in items]
    with ThreadPoolExecutor(lanes) as pool:
        return list(pool.map(work, items))


def bounded(found: ObjectRef, most: int | None) -> None:
    """Raise ObjectTooLarge where an object has more bytes than that."""
    if most is not None and found.size > most:
        raise ObjectTooLarge(found)


def gone(ref: ObjectRef) -> ObjectGone:
    """Return the error that says so."""
    return ObjectGone(
        f"object {ref.key}", expected=f"version {ref.version}" if ref.version else "it to be there", found="nothing, or another version"
    )
