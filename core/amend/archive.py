"""Objects that were loaded or rejected once: which object each of them was, and where it lies now."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from core import ledger
from core.contract import Dataset
from core.delta import Snapshot
from core.engine import relation
from core.lake import Lake
from core.settle import REPORT, place
from core.storage import ObjectRef, side_by_side
from core.versions import key_of

TAGGED = re.compile(r"\.([0-9a-f]{8})(?=(?:\.[^./]*){0,2}$)")
"""The tag of its version in an archived object's name, as core.settle writes it."""


@dataclass(frozen=True)
class Kept:
    """An object version: what it `was` when it arrived, and what and where it is `now`."""

    was: ObjectRef
    now: ObjectRef

    @property
    def source(self) -> str:
        return self.was.source

    @property
    def size(self) -> int:
        return self.now.size

    @property
    def is_rejected(self) -> bool:
        return self.now.key.startswith("rejected/")

    @property
    def time(self) -> int:
        """When it arrived, in ms, as tables remember it."""
        return int(self.was.modified.timestamp() * 1000)


@dataclass(frozen=True)
class Strange:
    """Something below archived/ or rejected/ of which nobody can tell any more which object it was."""

    key: str


def loaded(lake: Lake, dataset: Dataset, snapshot: Snapshot | None) -> tuple[list[Kept], list[Strange]]:
    """Return the objects of a dataset that were loaded and are still there, oldest first; and those that are not what they seem.

    Those that the table remembers, or still holds a row of, are told by their names; of others, the store is asked, one by one.
    """
    lying = list(lake.raw.list(f"archived/{dataset.name}/"))
    known = {f"archived/{place(dataset, ref)}": ref for ref in _remembered(dataset, snapshot)}
    if snapshot and not {ref.key for ref in lying} <= known.keys():
        known |= {f"archived/{place(dataset, ref)}": ref for ref in _with_rows(lake, dataset, snapshot)}

    def one(ref: ObjectRef) -> Kept | Strange:
        if found := known.get(ref.key):
            time = _arrived(ref.modified, found) if lake.raw.keeps_time else found.modified
            return Kept(replace(found, size=ref.size, modified=time), ref)
        return _recognised(lake, dataset, ref)

    found = side_by_side(lake.raw, one, lying)
    kept = [entry for entry in found if isinstance(entry, Kept)] + list(_in_raw(lake, dataset, known))
    return sorted(kept, key=lambda entry: (entry.was.modified, entry.source)), [entry for entry in found if isinstance(entry, Strange)]


def rejected(lake: Lake, dataset: Dataset, snapshot: Snapshot | None) -> tuple[list[Kept], list[Strange]]:
    """Return the objects of a dataset that were set aside whole, oldest first: their reports tell what they were.

    One may lie there for several reasons, and may have been loaded since: then it is of the time that the table remembers.
    """
    known = {ref.source: ref for ref in _remembered(dataset, snapshot)}
    lying = {ref.key: ref for ref in lake.raw.list("rejected/") if ref.key.split("/")[2:3] == [dataset.name]}

    def one(key: str) -> Kept | Strange:
        told: Mapping[str, Any] = json.loads(lake.raw.get(key + REPORT) or b"{}")
        if not {"object", "version", "modified"} <= told.keys():
            return Strange(key)
        was = ObjectRef(told["object"], told["version"], lying[key].size, datetime.fromisoformat(told["modified"]))
        return Kept(replace(was, modified=_arrived(was.modified, known.get(was.source))), lying[key])

    found = side_by_side(lake.raw, one, sorted(key for key in lying if not key.endswith(REPORT)))
    kept = [entry for entry in found if isinstance(entry, Kept)]
    return sorted(kept, key=lambda entry: (entry.was.modified, entry.source)), [entry for entry in found if isinstance(entry, Strange)]


def _arrived(told: datetime, remembered: ObjectRef | None) -> datetime:
    """Return when an object arrived: what the table remembers in ms, unless it was put again since with the same content."""
    if remembered is None or int(told.timestamp() * 1000) == int(remembered.modified.timestamp() * 1000):
        return told
    return remembered.modified


def _remembered(dataset: Dataset, snapshot: Snapshot | None) -> list[ObjectRef]:
    return [_version(source, time) for source, time in ledger.loaded(dataset, snapshot).items()] if snapshot else []


def _with_rows(lake: Lake, dataset: Dataset, snapshot: Snapshot) -> Iterator[ObjectRef]:
    """Yield every object version of which the table or its quarantine holds a row."""
    with lake.workplace() as work, lake.session(work) as connection:
        for table in filter(None, (snapshot, lake.quarantine(dataset))):
            found = connection.execute(f"select distinct _source, epoch_ms(_source_time) from ({relation(table)})").fetchall()
            yield from (_version(source, time) for source, time in found)


def _version(source: str, time: int) -> ObjectRef:
    key = key_of(source)
    return ObjectRef(key, source.removeprefix(f"{key}@"), 0, datetime.fromtimestamp(time / 1000, UTC))


def _recognised(lake: Lake, dataset: Dataset, ref: ObjectRef) -> Kept | Strange:
    """Find out what an archived object was: the version that the store tells of, the key that gives its name its tag."""
    origin = lake.raw.origin(ref)
    if origin is not None:
        below = ref.key.removeprefix(f"archived/{dataset.name}/")
        for match in reversed(list(TAGGED.finditer(below))):
            key = f"{dataset.source.prefix}{below[: match.start()]}{below[match.end() :]}"
            if hashlib.sha256(f"{key}@{origin[0]}".encode()).hexdigest()[:8] == match[1]:
                return Kept(ObjectRef(key, origin[0], ref.size, origin[1]), ref)
    return Strange(ref.key)


def _in_raw(lake: Lake, dataset: Dataset, known: Mapping[str, ObjectRef]) -> Iterator[Kept]:
    """Yield the loaded objects of a dataset that keeps them where they arrived, as far as the table knows them."""
    if dataset.after != "keep":
        return
    sources = {ref.source: ref for ref in known.values()}
    keys = {ref.key for ref in known.values()}
    for ref in lake.raw.list(dataset.source.prefix):
        if ref.key in keys:
            whole = ref if ref.version else lake.raw.head(ref, 0)[0]
            if whole.source in sources:
                yield Kept(whole, whole)
