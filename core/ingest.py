"""A batch of objects of one dataset becomes one commit: fetch, read, enforce, commit through the snapshot that was checked, settle.

Every trigger ends here. Whatever happens (a crash, a lost answer, the same delivery again), running it again gives the same table.
"""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import duckdb
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from core import delta, quality, readers
from core.change import FATES, SINKS, without
from core.contract import Dataset
from core.delta import Change, Snapshot
from core.engine import fragments, schema_of
from core.errors import Rejected, Terminal, Transient
from core.lake import Lake
from core.quality import QUARANTINE, Batch, Tally
from core.readers import Prepared, RawFile
from core.settle import Fate, ObjectOutcome, settle
from core.storage import ObjectGone, ObjectRef

ATTEMPTS: Final = 10
REPLAY_WINDOW: Final = timedelta(days=30)
"""How long a table remembers the objects that it loaded (delta.setTransactionRetentionDuration)."""


@dataclass(frozen=True)
class Ingested:
    """What one batch did. `version` is the table's version afterwards, None where nothing had to be committed."""

    dataset: str
    objects: tuple[ObjectOutcome, ...]
    version: int | None = None
    reasons: dict[str, int] = field(default_factory=dict)
    warnings: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

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
    started = time.perf_counter()
    retrying = Retrying(
        retry=retry_if_exception_type(Transient),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.05, max=2),
        reraise=True,
    )
    done = retrying(_attempt, lake, dataset, tuple(dict.fromkeys(refs)), behind_window)
    return replace(done, seconds=time.perf_counter() - started)


def _attempt(lake: Lake, dataset: Dataset, refs: Sequence[ObjectRef], behind_window: bool) -> Ingested:
    with lake.workplace() as work, lake.session(work) as connection:
        target = _ensure_target(lake, dataset, connection)
        fetched, outcomes = _fetch(lake, refs, work)
        waiting: dict[int, tuple[ObjectRef, Path]] = {}
        for number, (ref, path) in enumerate(fetched):
            if fate := _known(target, ref, lake, behind_window):
                outcomes.append(fate)
            else:
                waiting[number] = (ref, path)
        prepared, rejected = _prepare(dataset, waiting, work)
        outcomes += rejected
        ingested = Ingested(dataset.name, tuple(outcomes))
        if prepared:
            objects = {file.number: waiting[file.number][0] for file in prepared}
            batch = Batch(dataset, tuple(prepared), objects, {number: path for number, (_, path) in waiting.items()})
            ingested = _load(lake, connection, batch, target, outcomes)
    settle(lake, dataset, ingested.objects)
    return ingested


def _ensure_target(lake: Lake, dataset: Dataset, connection: duckdb.DuckDBPyConnection) -> Snapshot:
    return delta.ensure(
        lake.uri(dataset.target.path),
        schema_of(connection, quality.empty_rows(dataset)),
        partition_by=dataset.target.partition_by,
        options=lake.settings.aws,
        description=dataset.description,
    )


# --- before the commit ---------------------------------------------------------------------------------------------------------------


def _fetch(lake: Lake, refs: Sequence[ObjectRef], work: Path) -> tuple[list[tuple[ObjectRef, Path]], list[ObjectOutcome]]:
    def one(numbered: tuple[int, ObjectRef]) -> tuple[ObjectRef, Path] | ObjectOutcome:
        number, ref = numbered
        path = work / f"{number:06d}.raw"  # never a name made of the key
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


def _prepare(dataset: Dataset, waiting: dict[int, tuple[ObjectRef, Path]], work: Path) -> tuple[list[Prepared], list[ObjectOutcome]]:
    prepared, rejected = [], []
    for number, (ref, path) in waiting.items():
        try:
            prepared.append(readers.prepare(dataset, RawFile(number, path, ref.key), work))
        except Rejected as rejection:
            rejected.append(_rejection(dataset, ref, rejection))
    return prepared, rejected


def _rejection(dataset: Dataset, ref: ObjectRef, rejection: Rejected) -> ObjectOutcome:
    report = {
        "object": ref.key,
        "version": ref.version,
        "size": ref.size,
        "dataset": dataset.name,
        "reason": rejection.reason,
        "message": str(rejection),
        "expected": rejection.expected,
        "found": rejection.found,
        "remedy": rejection.remedy,
    }
    return ObjectOutcome(ref, "rejected", reason=rejection.reason, report=json.dumps(report, indent=2, ensure_ascii=False))


# --- the commit ----------------------------------------------------------------------------------------------------------------------


def _load(lake: Lake, connection: duckdb.DuckDBPyConnection, batch: Batch, target: Snapshot, outcomes: list[ObjectOutcome]) -> Ingested:
    """Enforce the contract, then commit: refused rows first, the accepted ones and the objects' identities after."""
    batch, rejected = _enforce(lake, connection, batch)
    outcomes = [*outcomes, *rejected]
    if not batch.files:
        return Ingested(batch.dataset.name, tuple(outcomes))
    tallies = quality.tallies(connection, batch)
    _refuse_changed(lake, batch)
    _commit_refused(lake, connection, batch, tallies)
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
    change = replace(decision.change, identities=identities, record=record)
    version = delta.commit(target, change, now=lake.now())
    reasons = quality.reasons(connection) if record["balance"]["quarantined"] else {}
    warnings = quality.warnings(connection, batch.dataset)
    return Ingested(batch.dataset.name, (*outcomes, *loaded), version, reasons, warnings)


def _enforce(lake: Lake, connection: duckdb.DuckDBPyConnection, batch: Batch) -> tuple[Batch, list[ObjectOutcome]]:
    """Judge the batch's rows. Files that can't be read or that break a `fail` check leave it, the others go on."""
    mount = partial(lake.mount, connection)
    batch, rejected = _readable(connection, batch, mount)
    broken = quality.failures(connection, batch.dataset) if batch.files else {}
    if broken:
        quality.drop_files(connection, list(broken))
        for number, checks in broken.items():
            rejection = Rejected(
                "failed_check",
                f"{batch.dataset.name}: {batch.objects[number].key}",
                expected="every row to pass",
                found=checks,
                remedy=MEND,
            )
            rejected.append(_rejection(batch.dataset, batch.objects[number], rejection))
        batch = _remaining(batch, set(broken))
    return batch, rejected


MEND: Final = "Mend the file and put it into raw again, or mend the contract."


def _readable(connection: duckdb.DuckDBPyConnection, batch: Batch, mount: Callable[[str], object]) -> tuple[Batch, list[ObjectOutcome]]:
    """Enforce the batch at once; where the reader stumbles do it with care, and where that fails too find the files that are to blame."""
    for careful in (False, True):
        try:
            quality.enforce(connection, batch, mount, careful=careful)
            return batch, []
        except (duckdb.Error, Rejected):
            continue
    rejected = {file.number: found for file in batch.files if (found := _unreadable(connection, batch, file))}
    remaining = _remaining(batch, set(rejected))
    if remaining.files:
        try:
            quality.enforce(connection, remaining, mount, careful=True)
        except duckdb.Error as error:
            raise Terminal(
                f"dataset {batch.dataset.name}",
                expected="its checks and computed columns to run",
                found=str(error).splitlines()[0],
                remedy="Mend the declaration.",
            ) from error
    return remaining, list(rejected.values())


def _unreadable(connection: duckdb.DuckDBPyConnection, batch: Batch, file: Prepared) -> ObjectOutcome | None:
    """Read one file alone, judging nothing; return its rejection where even that fails."""
    try:
        relation = readers.relation(connection, batch.dataset, [file], careful=True)
        connection.execute(f"create or replace temp table attempted as {relation}")
        return None
    except duckdb.OutOfMemoryException as error:
        raise Terminal(
            f"object {file.name}", expected="it to fit", found=str(error).splitlines()[0], remedy="Give it more memory."
        ) from error
    except Rejected as rejection:
        return _rejection(batch.dataset, batch.objects[file.number], rejection)
    except duckdb.Error as error:
        return _rejection(batch.dataset, batch.objects[file.number], readers.unreadable(batch.dataset, file, error))
    finally:
        connection.execute("drop table if exists attempted")


def _remaining(batch: Batch, gone: set[int]) -> Batch:
    files = tuple(file for file in batch.files if file.number not in gone)
    return replace(batch, files=files, objects={file.number: batch.objects[file.number] for file in files})


def _refuse_changed(lake: Lake, batch: Batch) -> None:
    """Start over where an object was written into while it was read: its rows may be of neither version."""
    for number, ref in batch.objects.items():
        if not lake.raw.intact(ref, batch.fetched[number]):
            raise Transient(f"object {ref.key}", expected=f"version {ref.version} while it is read", found="another", remedy="Try again.")


def _commit_refused(lake: Lake, connection: duckdb.DuckDBPyConnection, batch: Batch, tallies: dict[int, Tally]) -> None:
    """Commit the refused rows under the objects' identities, replacing what an earlier, interrupted try set aside for them."""
    dataset = batch.dataset
    quarantine = lake.quarantine(dataset)
    again = tuple(ref.source for ref in batch.objects.values() if quarantine and quarantine.identity(ref.source) is not None)
    refused = {ref.source: int(ref.modified.timestamp() * 1000) for n, ref in batch.objects.items() if tallies[n].quarantined}
    if not refused and not again:
        return
    if quarantine is None:
        uri = lake.quarantine_uri(dataset)
        quarantine = delta.ensure(
            uri, QUARANTINE, partition_by=(), options=lake.settings.aws, description=f"Rows of {dataset.name} set aside."
        )
    rows = quality.refused_rows(connection, batch, now=lake.now())
    kept, removed = without(connection, quarantine, again) if again else ("", ())
    added = fragments(connection, f"{rows} union all {kept}" if removed else rows, quarantine)
    record = {"kind": "quarantine", "dataset": dataset.name, "quarantined": sum(tally.quarantined for tally in tallies.values())}
    delta.commit(quarantine, Change(added, removed, refused, record=record), now=lake.now())


def _rows(tally: Tally, fates: dict[str, int] | Any) -> dict[str, int]:
    return {"read": tally.read, "accepted": tally.accepted, "quarantined": tally.quarantined, **dict.fromkeys(FATES, 0), **fates}


def _sum(rows: Iterable[dict[str, int]]) -> dict[str, int]:
    total = dict.fromkeys(("read", "accepted", "quarantined", *FATES), 0)
    for row in rows:
        for name, count in row.items():
            total[name] += count
    return total
