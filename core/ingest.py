"""A batch of objects of one dataset becomes one commit: fetch, read, enforce, commit through the snapshot that was checked, settle.

Every trigger ends here. Whatever happens (a crash, a lost answer, the same delivery again), running it again gives the same table.
"""

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
from tenacity import Retrying, retry_if_exception_type, retry_if_not_exception_type, stop_after_attempt, wait_random_exponential

from core import delta, enforce, quality, versions
from core.change import FATES, SINKS, without
from core.contract import Dataset
from core.delta import Change, Snapshot
from core.engine import fragments, schema_of
from core.errors import OutOfTime, Transient
from core.lake import Lake
from core.quality import QUARANTINE, Batch, Tally
from core.quoting import texts
from core.settle import Fate, ObjectOutcome, settle
from core.storage import ObjectGone, ObjectRef
from core.versions import Standing

ATTEMPTS: Final = 10
REPLAY_WINDOW: Final = timedelta(days=30)
"""How long a table remembers the objects that it loaded (delta.setTransactionRetentionDuration)."""


@dataclass(frozen=True)
class Ingested:
    """What one batch did. `version` is the table's version afterwards, None where nothing had to be committed.

    `freshness` is the time in seconds from the arrival of the oldest object loaded to the commit.
    """

    dataset: str
    objects: tuple[ObjectOutcome, ...]
    version: int | None = None
    reasons: dict[str, int] = field(default_factory=dict)
    warnings: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    freshness: float | None = None

    @property
    def balance(self) -> dict[str, int]:
        """The batch's rows: read = accepted + quarantined; accepted = inserted + updated + superseded + duplicate."""
        return _sum(outcome.rows for outcome in self.objects)

    def count(self, fate: Fate) -> int:
        return sum(outcome.fate == fate for outcome in self.objects)


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
    retrying = Retrying(
        retry=retry_if_exception_type(Transient) & retry_if_not_exception_type(OutOfTime),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.05, max=2),
        reraise=True,
    )
    done = retrying(_attempt, lake, dataset, tuple(dict.fromkeys(refs)), behind_window)
    return replace(done, seconds=time.perf_counter() - started)


def _attempt(lake: Lake, dataset: Dataset, refs: Sequence[ObjectRef], behind_window: bool) -> Ingested:
    lake.in_time(f"loading {dataset.name}")
    with lake.workplace() as work, lake.session(work) as connection:
        target = _ensure_target(lake, dataset, connection)
        outcomes = [ObjectOutcome(ref, "already loaded") for ref in refs if _is_known(target, ref)]
        fetched, gone = _fetch(lake, [ref for ref in refs if not _is_known(target, ref)], work)
        outcomes += gone
        waiting: dict[int, tuple[ObjectRef, Path]] = {}
        for number, (ref, path) in enumerate(fetched):
            if fate := _known(target, ref, lake, behind_window):
                outcomes.append(fate)
            else:
                waiting[number] = (ref, path)
        if dataset.target.mode == "append" and dataset.on_change == "reject":
            known = {ref.key for ref, _ in waiting.values() if target.identity(versions.identity(ref.key)) is not None}
            outcomes += enforce.refuse_changed(dataset, waiting, known)
        prepared, rejected = enforce.prepare(dataset, waiting, work)
        outcomes += rejected
        if not prepared:
            return Ingested(dataset.name, tuple(outcomes))
        objects = {file.number: waiting[file.number][0] for file in prepared}
        batch = Batch(dataset, tuple(prepared), objects, {number: path for number, (_, path) in waiting.items()})
        return _load(lake, connection, batch, target, outcomes)


def _is_known(target: Snapshot, ref: ObjectRef) -> bool:
    """Whether the table remembers this very version, so that nothing need be fetched; `size` is what settling it verifies the copy by."""
    return bool(ref.version and ref.size) and target.identity(ref.source) is not None


def _ensure_target(lake: Lake, dataset: Dataset, connection: duckdb.DuckDBPyConnection) -> Snapshot:
    schema = schema_of(connection, quality.empty_rows(dataset))
    return delta.ensure(
        lake.uri(dataset.target.path),
        delta.described(schema, {column.name: column.description or "" for column in dataset.columns}),
        partition_by=dataset.target.partition_by,
        options=lake.settings.aws,
        description=dataset.description,
    )


# --- before the commit ---------------------------------------------------------------------------------------------------------------


def _fetch(lake: Lake, refs: Sequence[ObjectRef], work: Path) -> tuple[list[tuple[ObjectRef, Path]], list[ObjectOutcome]]:
    def one(numbered: tuple[int, ObjectRef]) -> tuple[ObjectRef, Path] | ObjectOutcome:
        number, ref = numbered
        path = work / f"{number:06d}.raw"  # never a name made of the key
        lake.in_time(f"fetching {ref.key}")
        try:
            return lake.raw.fetch(ref, path), path
        except ObjectGone as gone:
            return ObjectOutcome(ref, "gone", reason=str(gone))

    with ThreadPoolExecutor(lake.raw.lanes) as pool:
        results = list(pool.map(one, enumerate(refs)))
    fetched: dict[str, tuple[ObjectRef, Path]] = {}
    for result in results:
        if not isinstance(result, ObjectOutcome):
            fetched.setdefault(result[0].source, result)
    return list(fetched.values()), [result for result in results if isinstance(result, ObjectOutcome)]


def _known(target: Snapshot, ref: ObjectRef, lake: Lake, behind_window: bool) -> ObjectOutcome | None:
    """Say what the table already knows of an object; None where it is to be loaded."""
    if target.identity(ref.source) is not None:
        return ObjectOutcome(ref, "already loaded")
    edge = lake.now() - REPLAY_WINDOW
    if ref.modified < edge and target.created < edge and not behind_window:
        reason = (
            f"{ref.key}: it is from {ref.modified:%Y-%m-%d}, and the table remembers what it loaded for {REPLAY_WINDOW.days} days only. "
            f"If you are sure that it was never loaded: lakelet ingest --behind-window {ref.key!r}"
        )
        return ObjectOutcome(ref, "refused", reason=reason)
    return None


# --- the commit ----------------------------------------------------------------------------------------------------------------------


def _load(lake: Lake, connection: duckdb.DuckDBPyConnection, batch: Batch, target: Snapshot, outcomes: list[ObjectOutcome]) -> Ingested:
    """Enforce the contract, then commit: refused rows first, the accepted ones and the objects' identities after."""
    batch, rejected = enforce.enforce(lake, connection, batch)
    outcomes = [*outcomes, *rejected]
    if not batch.files:
        return Ingested(batch.dataset.name, tuple(outcomes))
    tallies = quality.tallies(connection, batch)
    _refuse_changed(lake, batch)
    lake.in_time(f"loading {batch.dataset.name}")
    _commit_refused(lake, connection, batch, tallies, versions.standing_of(connection, batch.dataset, target))
    decision = SINKS[batch.dataset.target.mode](connection, batch.dataset, target)
    rows = {number: _rows(tallies[number], decision.fates.get(ref.source, {})) for number, ref in batch.objects.items()}
    loaded = [ObjectOutcome(ref, "loaded", rows[number]) for number, ref in batch.objects.items()]
    record: dict[str, Any] = {
        "kind": "ingest",
        "dataset": batch.dataset.name,
        "mode": batch.dataset.target.mode,
        "balance": _sum(rows.values()),
        "objects": [{"source": outcome.object.source, **outcome.rows} for outcome in loaded],
    }
    identities = {ref.source: int(ref.modified.timestamp() * 1000) for ref in batch.objects.values()}
    change = replace(decision.change, identities={**decision.change.identities, **identities}, record=record)
    lake.in_time(f"loading {batch.dataset.name}")
    version = delta.commit(target, change, now=lake.now())
    reasons = quality.reasons(connection) if record["balance"]["quarantined"] else {}
    warnings = quality.warnings(connection, batch.dataset)
    oldest = min(ref.modified for ref in batch.objects.values())
    freshness = max((lake.now() - oldest).total_seconds(), 0)
    return Ingested(batch.dataset.name, (*outcomes, *loaded), version, reasons, warnings, freshness=freshness)


def _refuse_changed(lake: Lake, batch: Batch) -> None:
    """Start over where an object was written into while it was read: its rows may be of neither version."""
    for number, ref in batch.objects.items():
        if not lake.raw.intact(ref, batch.fetched[number]):
            raise Transient(f"object {ref.key}", expected=f"version {ref.version} while it is read", found="another", remedy="Try again.")


def _commit_refused(lake: Lake, connection: duckdb.DuckDBPyConnection, batch: Batch, tallies: dict[int, Tally], found: Standing) -> None:
    """Commit the refused rows under the objects' identities, in place of what an earlier, interrupted try set aside for them.

    And in place of what was set aside of the older versions of the objects that are replaced; those that are late leave nothing.
    """
    dataset = batch.dataset
    quarantine = lake.quarantine(dataset)
    again = tuple(ref.source for ref in batch.objects.values() if quarantine and quarantine.identity(ref.source) is not None)
    counts = {ref: tallies[n].quarantined for n, ref in batch.objects.items() if ref.source not in found.late}
    refused = {ref.source: int(ref.modified.timestamp() * 1000) for ref, count in counts.items() if count}
    older = bool(found.replaced and quarantine and versions.candidates(connection, quarantine, found.replaced))
    if not refused and not again and not older:
        return
    if quarantine is None:
        uri = lake.quarantine_uri(dataset)
        quarantine = delta.ensure(
            uri, QUARANTINE, partition_by=(), options=lake.settings.aws, description=f"Rows of {dataset.name} set aside."
        )
    rows = f"from ({quality.refused_rows(connection, batch, now=lake.now())}) where not list_contains({texts(found.late)}, _source)"
    kept, removed = without(connection, quarantine, again, found.replaced) if again or older else ("", ())
    if not refused and not removed:
        return
    added = fragments(connection, f"{rows} union all {kept}" if removed else rows, quarantine)
    record = {"kind": "quarantine", "dataset": dataset.name, "quarantined": sum(counts.values())}
    delta.commit(quarantine, Change(added, removed, refused, record=record), now=lake.now())


def _rows(tally: Tally, fates: dict[str, int] | Any) -> dict[str, int]:
    return {"read": tally.read, "accepted": tally.accepted, "quarantined": tally.quarantined, **dict.fromkeys(FATES, 0), **fates}


def _sum(rows: Iterable[dict[str, int]]) -> dict[str, int]:
    total = dict.fromkeys(("read", "accepted", "quarantined", *FATES), 0)
    for row in rows:
        for name, count in row.items():
            total[name] += count
    return total
