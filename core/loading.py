"""An enforced batch becomes one commit: its refused rows first, under the objects' identities, then the accepted ones."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import duckdb

from core import delta, ledger, quality, versions
from core.change import FATES, SINKS, Decision, without
from core.contract import Dataset
from core.delta import Change, Snapshot
from core.engine import fragments, schema_of
from core.errors import Transient
from core.lake import Lake
from core.quality import QUARANTINE, Batch, Tally
from core.quoting import texts
from core.settle import Fate, ObjectOutcome
from core.storage import ObjectRef
from core.versions import Out, Standing


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


@dataclass(frozen=True)
class Withdrawn:
    """What an undo did: the object versions (sources) that were taken out, and what became of their rows.

    `rows` left the table, `refused` ones the quarantine; `restored` rows that they had hidden came back, none out of `unreadable` objects.
    `version` is the table's afterwards, None where nothing was left to do.
    """

    dataset: str
    objects: tuple[str, ...]
    rows: int
    refused: int
    restored: int
    unreadable: tuple[str, ...] = ()
    version: int | None = None


def ensure_target(lake: Lake, dataset: Dataset, connection: duckdb.DuckDBPyConnection) -> Snapshot:
    """Open a dataset's table; it is created empty where there is none, and follows the declaration."""
    schema = schema_of(connection, quality.empty_rows(dataset))
    return delta.ensure(
        lake.uri(dataset.target.path),
        delta.described(schema, {column.name: column.description or "" for column in dataset.columns}),
        partition_by=dataset.target.partition_by,
        options=lake.settings.aws,
        description=dataset.description,
    )


@dataclass(frozen=True)
class Entry:
    """How a batch goes into the books: as what, in place of which versions, and what the table is to remember beside it."""

    kind: str = "ingest"
    out: Out = field(default_factory=dict)
    identities: Mapping[str, int] = field(default_factory=dict)
    marks: Mapping[str, int] = field(default_factory=dict)
    record: Mapping[str, Any] = field(default_factory=dict)

    @property
    def runs_again(self) -> bool:
        return self.kind in ("replay", "backfill")


INGEST: Final = Entry()


def commit(lake: Lake, connection: duckdb.DuckDBPyConnection, batch: Batch, target: Snapshot, entry: Entry = INGEST) -> Ingested:
    """Commit a batch that was enforced (its views are in the session) to the target.

    The quarantine comes first: after a crash in between the target does not know the objects, and the next try sets the same rows aside.
    Where rows that were set aside before are run again it comes last: until the target has them they must be found there. Those of an
    object that comes back where another one leaves come first again: once the target says so, nobody looks at it any more.
    """
    lake.in_time(f"loading {batch.dataset.name}")
    _refuse_changed(lake, batch)
    found = versions.standing_of(connection, batch.dataset, target, entry.out)
    if not entry.runs_again:
        _set_aside(lake, connection, batch, found, entry)
    decision = SINKS[batch.dataset.target.mode](connection, batch.dataset, target, entry.out)
    rows = {number: _rows(batch.tallies[number], decision, ref.source) for number, ref in batch.objects.items()}
    loaded = tuple(ObjectOutcome(ref, "loaded", rows[number]) for number, ref in batch.objects.items())
    reasons = quality.reasons(connection) if any(tally.quarantined for tally in batch.tallies.values()) else {}
    warnings = quality.warnings(connection, batch.dataset)
    lake.in_time(f"loading {batch.dataset.name}")
    change = _entered(lake, decision.change, batch, loaded, entry)
    version = delta.commit(target, change, now=lake.now())  # after the last statement, which the deadline could interrupt
    if entry.runs_again:
        _set_aside(lake, connection, batch, found, entry)
    oldest = min(ref.modified for ref in batch.objects.values())
    freshness = max((lake.now() - oldest).total_seconds(), 0)
    return Ingested(batch.dataset.name, loaded, version, reasons, warnings, freshness=freshness)


def _refuse_changed(lake: Lake, batch: Batch) -> None:
    """Start over where an object was written into while it was read: its rows may be of neither version."""
    for number, ref in batch.objects.items():
        if not lake.raw.intact(ref, batch.fetched[number]):
            raise Transient(f"object {ref.key}", expected=f"version {ref.version} while it is read", found="another", remedy="Try again.")


def _entered(lake: Lake, change: Change, batch: Batch, loaded: Sequence[ObjectOutcome], entry: Entry) -> Change:
    """Return a Change with its record: the objects' identities, their balance, and what it took."""
    balance = _sum(outcome.rows for outcome in loaded)
    took = lake.receipt(batch.begun, rows=balance["read"], bytes=sum(ref.size for ref in batch.objects.values()))
    record = {
        "kind": entry.kind,
        "dataset": batch.dataset.name,
        "mode": batch.dataset.target.mode,
        "balance": balance,
        "took": took.record,
        "objects": [{"source": outcome.object.source, **outcome.rows} for outcome in loaded],
        **entry.record,
    }
    return replace(
        change,
        identities={**change.identities, **_identities(batch.objects.values()), **entry.identities},
        marks={**change.marks, **entry.marks},
        record=record,
        exclusive=change.exclusive or bool(entry.out),
    )


def _identities(refs: Iterable[ObjectRef]) -> dict[str, int]:
    return {ref.source: int(ref.modified.timestamp() * 1000) for ref in refs}


def _set_aside(
    lake: Lake,
    connection: duckdb.DuckDBPyConnection,
    batch: Batch,
    found: Standing,
    entry: Entry,
) -> None:
    """Commit the refused rows under the objects' identities, in place of what an earlier try, or an earlier contract, set aside for them.

    And in place of what was set aside of the older versions of the objects that are replaced; those that are late leave nothing.
    """
    dataset, sources = batch.dataset, [ref.source for ref in batch.objects.values()]
    counts = {ref: batch.tallies[number].quarantined for number, ref in batch.objects.items() if ref.source not in found.late}
    refused = _identities(ref for ref, count in counts.items() if count)
    quarantine = lake.quarantine(dataset) or (_new_quarantine(lake, dataset) if refused else None)
    if quarantine is None:
        return
    again = tuple(source for source in sources if source in entry.out or quarantine.identity(source) is not None)
    older = bool(found.replaced and versions.candidates(connection, quarantine, found.replaced))
    if not refused and not again and not older:
        return
    queries = quality.refused_rows(connection, batch, now=lake.now())
    rows = [f"from ({query}) where not list_contains({texts(found.late)}, _source)" for query in queries]
    kept, removed = without(connection, quarantine, again, found.replaced) if again or older else ("", ())
    if not refused and not removed:
        return
    rows += [kept] if removed else []
    added = tuple(file for query in rows for file in fragments(connection, query, quarantine))
    record = {"kind": "quarantine", "dataset": dataset.name, "quarantined": sum(counts.values())}
    marks = ledger.amended(quarantine) if entry.out else {}
    delta.commit(quarantine, Change(added, removed, {**refused, **entry.identities}, marks, record), now=lake.now())


def _new_quarantine(lake: Lake, dataset: Dataset) -> Snapshot:
    """Make the quarantine, or open it where a rival was faster: by now it may hold rows of the same objects."""
    uri = lake.quarantine_uri(dataset)
    return delta.ensure(uri, QUARANTINE, partition_by=(), options=lake.settings.aws, description=f"Rows of {dataset.name} set aside.")


def take_back(lake: Lake, connection: duckdb.DuckDBPyConnection, dataset: Dataset, sources: tuple[str, ...]) -> int:
    """Take the refused rows of some object versions out of the quarantine; return how many there were."""
    quarantine = lake.quarantine(dataset)
    if quarantine is None:
        return 0
    kept, removed = without(connection, quarantine, sources)
    if not removed:
        return 0
    left = fragments(connection, kept, quarantine)
    rows = sum(file.rows for file in removed) - sum(file.rows for file in left)
    record = {"kind": "quarantine", "dataset": dataset.name, "taken_back": rows}
    delta.commit(quarantine, Change(left, removed, marks=ledger.amended(quarantine), record=record), now=lake.now())
    return rows


def _rows(tally: Tally, decision: Decision, source: str) -> dict[str, int]:
    accounted = {"read": tally.read, "accepted": tally.accepted, "quarantined": tally.quarantined}
    return accounted | decision.fates_of(source, tally.accepted)


def _sum(rows: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total = dict.fromkeys(("read", "accepted", "quarantined", *FATES), 0)
    for row in rows:
        for name, count in row.items():
            total[name] += count
    return total
