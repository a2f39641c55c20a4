"""A batch of objects of one dataset becomes one commit: fetch, read, enforce, commit through the snapshot that was checked, settle.

Every trigger ends here. Whatever happens (a crash, a lost answer, the same delivery again), running it again gives the same table.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final, Protocol, TypeVar

from tenacity import Retrying, retry_if_exception_type, retry_if_not_exception_type, stop_after_attempt, wait_random_exponential

from core import enforce, ledger, loading, versions
from core.contract import Dataset
from core.delta import Snapshot
from core.errors import OutOfTime, Transient
from core.lake import Lake
from core.loading import Ingested
from core.quality import Batch
from core.settle import ObjectOutcome, settle
from core.storage import ObjectGone, ObjectRef, ObjectTooLarge, side_by_side
from core.units import size

ATTEMPTS: Final = 10
BATCH_OBJECTS: Final = 1000
BATCH_BYTES: Final = 1 << 30
SMALL: Final = 32 << 10
"""Bytes of a file, on average, up to which one thread appends as fast as two."""

REPLAY_WINDOW: Final = timedelta(days=30)
"""How long a table remembers the objects that it loaded (delta.setTransactionRetentionDuration)."""


def ingest(lake: Lake, dataset: Dataset, refs: Sequence[ObjectRef], *, behind_window: bool = False) -> Ingested:
    """Load objects of one dataset by one commit and settle them; objects that are loaded already are only settled.

    Raises Transient when it could not be done in several tries and Terminal when the declaration is at fault: the objects are still in raw.
    """
    loaded = load(lake, dataset, refs, behind_window=behind_window)
    settle(lake, dataset, loaded.objects)
    return loaded


def load(lake: Lake, dataset: Dataset, refs: Sequence[ObjectRef], *, behind_window: bool = False) -> Ingested:
    """Do the first half of `ingest`: the commit. The objects are still in raw; settle them, or ingest them again, which does that."""
    started = time.perf_counter()
    done = patiently()(_attempt, lake, dataset, tuple(dict.fromkeys(refs)), behind_window)
    return replace(done, seconds=time.perf_counter() - started)


class Sized(Protocol):
    @property
    def size(self) -> int: ...


SizedObject = TypeVar("SizedObject", bound=Sized)


def batches(objects: Iterable[SizedObject]) -> Iterator[list[SizedObject]]:
    """Cut work into batches of at most 1,000 objects or 1 GiB; an object that is larger is a batch of its own."""
    batch: list[SizedObject] = []
    size = 0
    for entry in objects:
        if batch and (len(batch) >= BATCH_OBJECTS or size + entry.size > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += entry.size
    if batch:
        yield batch


def patiently() -> Retrying:
    """Try again what may pass, each time from the beginning: a fresh snapshot, which tells what had landed."""
    return Retrying(
        retry=retry_if_exception_type(Transient) & retry_if_not_exception_type(OutOfTime),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.05, max=2),
        reraise=True,
    )


def _attempt(lake: Lake, dataset: Dataset, refs: Sequence[ObjectRef], behind_window: bool) -> Ingested:
    lake.in_time(f"loading {dataset.name}")
    begun = time.perf_counter()
    with lake.workplace() as work, lake.session(work, _threads(dataset, refs)) as connection:
        target = loading.ensure_target(lake, dataset, connection)
        outcomes = [_loaded_before(target, ref) for ref in refs if _is_known(target, ref)]
        fetched, gone = _fetch(lake, dataset, [ref for ref in refs if not _is_known(target, ref)], work)
        outcomes += gone
        waiting: dict[int, tuple[ObjectRef, Path]] = {}
        for number, (ref, path) in enumerate(fetched):
            if fate := _known(target, ref, lake, behind_window):
                outcomes.append(fate)
            else:
                waiting[number] = (ref, path)
        if dataset.target.mode == "append" and dataset.on_change == "reject":
            known = {ref.key for ref, _ in waiting.values() if target.identity(versions.identity(ref.key))}
            outcomes += enforce.refuse_changed(dataset, waiting, known)
        prepared, rejected = enforce.prepare(lake, dataset, waiting, work)
        outcomes += rejected
        if not prepared:
            return Ingested(dataset.name, tuple(outcomes))
        objects = {file.number: waiting[file.number][0] for file in prepared}
        batch = Batch(dataset, tuple(prepared), objects, {number: path for number, (_, path) in waiting.items()}, begun)
        batch, unreadable = enforce.enforce(lake, connection, batch)
        outcomes += unreadable
        if not batch.files:
            return Ingested(dataset.name, tuple(outcomes))
        done = loading.commit(lake, connection, batch, target)
        return replace(done, objects=(*outcomes, *done.objects))


def _threads(dataset: Dataset, refs: Sequence[ObjectRef]) -> int | None:
    """Return 1 where there are only small files to append: side by side DuckDB stages each of them at the price of a large one."""
    sizes = [ref.size for ref in refs]
    return 1 if dataset.target.mode == "append" and all(sizes) and sum(sizes) <= SMALL * len(sizes) else None


def _is_known(target: Snapshot, ref: ObjectRef) -> bool:
    """Whether the table remembers this very version, so that nothing need be fetched; `size` is what settling it verifies the copy by."""
    return bool(ref.version and ref.size) and target.identity(ref.source) is not None


def _loaded_before(target: Snapshot, ref: ObjectRef) -> ObjectOutcome:
    if ledger.is_undone(target, ref.source):
        reason = f"{ref.key}: it was taken out on purpose. To load it all the same: lakelet replay {ref.key!r}"
        return ObjectOutcome(ref, "undone", reason=reason)
    return ObjectOutcome(ref, "already loaded")


# --- before the commit ---------------------------------------------------------------------------------------------------------------


def _fetch(lake: Lake, dataset: Dataset, refs: Sequence[ObjectRef], work: Path) -> tuple[list[tuple[ObjectRef, Path]], list[ObjectOutcome]]:
    most = size(dataset.source.limits.size)

    def one(numbered: tuple[int, ObjectRef]) -> tuple[ObjectRef, Path] | ObjectOutcome:
        number, ref = numbered
        path = work / f"{number:06d}.raw"  # never a name made of the key
        lake.in_time(f"fetching {ref.key}")
        try:
            return lake.raw.fetch(ref, path, most=most), path
        except ObjectGone as gone:
            return ObjectOutcome(ref, "gone", reason=str(gone))
        except ObjectTooLarge as error:
            return enforce.refuse_large(dataset, error.object)

    results = side_by_side(lake.raw, one, list(enumerate(refs)))
    fetched: dict[str, tuple[ObjectRef, Path]] = {}
    for result in results:
        if not isinstance(result, ObjectOutcome):
            fetched.setdefault(result[0].source, result)
    return list(fetched.values()), [result for result in results if isinstance(result, ObjectOutcome)]


def _known(target: Snapshot, ref: ObjectRef, lake: Lake, behind_window: bool) -> ObjectOutcome | None:
    """Say what the table already knows of an object; None where it is to be loaded."""
    if target.identity(ref.source) is not None or ledger.is_undone(target, ref.source):
        return _loaded_before(target, ref)
    edge = lake.now() - REPLAY_WINDOW
    if ref.modified < edge and target.created < edge and not behind_window:
        reason = (
            f"{ref.key}: it is from {ref.modified:%Y-%m-%d}, and the table remembers what it loaded for {REPLAY_WINDOW.days} days only. "
            f"If you are sure that it was never loaded: lakelet ingest --behind-window {ref.key!r}"
        )
        return ObjectOutcome(ref, "refused", reason=reason)
    return None
