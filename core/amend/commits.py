"""A batch of object versions is taken out of a table, or run again under the present contract, by one commit.

A table is what its object versions make it, less those that were taken out: whoever takes one out gets the table as if it had never come,
and whoever runs one again as if it had come today. Where a row had hidden another one (an older version of an object, of a key, or the
older file of an overwritten table), that one comes back, out of the archive.
"""

import hashlib
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import duckdb

from core import __version__, delta, ledger, loading, versions
from core.amend import restore
from core.amend.archive import Kept
from core.change import NEWEST, holding, merge, without
from core.contract import Dataset
from core.delta import Change, Snapshot
from core.engine import fragments, relation
from core.errors import Terminal
from core.ingest import patiently
from core.lake import Lake
from core.loading import Entry, Ingested, Withdrawn
from core.quoting import texts
from core.settle import REPORT, ObjectOutcome, place
from core.versions import Out

Again = Literal["replay", "backfill"]


# --- out -----------------------------------------------------------------------------------------------------------------------------


def undo(lake: Lake, dataset: Dataset, out: Out) -> Withdrawn:
    """Take object versions out of a table by one commit, and their refused rows out of the quarantine.

    Repeatable: what was taken out already is left alone. Raises Terminal where there is no table, Transient after several tries.
    """
    return patiently()(_undo, lake, dataset, out)


def _undo(lake: Lake, dataset: Dataset, out: Out) -> Withdrawn:
    lake.in_time(f"undoing objects of {dataset.name}")
    begun = time.perf_counter()
    with lake.workplace() as work, lake.session(work) as connection:
        if lake.table(dataset) is None:
            raise Terminal(f"dataset {dataset.name}", expected="a table", found="none", remedy="Nothing was ever loaded into it.")
        target = loading.ensure_target(lake, dataset, connection)
        leaving = {source: time for source, time in out.items() if not ledger.is_undone(target, source)}
        done = _take_out(lake, connection, dataset, target, leaving, work, begun) if leaving else Withdrawn(dataset.name, (), 0, 0, 0)
        refused = loading.take_back(lake, connection, dataset, tuple(out))
    return replace(done, objects=tuple(out), refused=refused)


def _take_out(
    lake: Lake, connection: duckdb.DuckDBPyConnection, dataset: Dataset, target: Snapshot, out: Out, work: Path, begun: float
) -> Withdrawn:
    rows = _count(connection, target, out)
    marks = {**{ledger.undone(source): 1 for source in out}, **ledger.amended(target)}
    entry = Entry("undo", out, marks=marks, record={"undone": list(out), "rows": rows})
    done = Withdrawn(dataset.name, tuple(out), rows, 0, 0)
    if dataset.target.mode == "merge":
        restored, unreadable = restore.rows(lake, connection, dataset, target, out, work, beside=False)
        change = merge(connection, dataset, target, out).change
        return replace(done, restored=restored, unreadable=unreadable, version=_commit(lake, target, change, entry, begun))
    back, forgotten = restore.objects(lake, dataset, target, out)
    entry = replace(entry, marks={**marks, **forgotten})
    batch, left = restore.enforced(lake, connection, dataset, back, work)
    unreadable = tuple(outcome.object.key for outcome in left)
    if batch.files:
        reread = dict.fromkeys((ledger.reread(ref.source) for ref in batch.objects.values()), under(lake, dataset))
        brought = loading.commit(lake, connection, batch, target, replace(entry, identities=reread))
        return replace(done, restored=brought.balance["inserted"], unreadable=unreadable, version=brought.version)
    return replace(done, unreadable=unreadable, version=_commit(lake, target, _emptied(connection, dataset, target, out), entry, begun))


def _count(connection: duckdb.DuckDBPyConnection, target: Snapshot, out: Out) -> int:
    files = holding(connection, target, tuple(out))
    (rows,) = connection.execute(
        f"select count(*) from ({relation(target, files=files)}) where list_contains({texts(out)}, _source)"
    ).fetchone() or (0,)
    return int(rows)


def _emptied(connection: duckdb.DuckDBPyConnection, dataset: Dataset, target: Snapshot, out: Out) -> Change:
    """Return the Change that only takes rows out: nothing is there to come back."""
    kept, removed = without(connection, target, tuple(out))
    left = fragments(connection, kept, target) if removed else ()
    gone = dataset.target.mode == "overwrite" and (target.identity(NEWEST) or 0) // 1000 in out.values()
    return Change(left, removed, marks={NEWEST: 0} if gone else {})


def _commit(lake: Lake, target: Snapshot, change: Change, entry: Entry, begun: float) -> int:
    took = lake.receipt(begun, rows=sum(file.rows for file in change.removed), bytes=sum(file.size for file in change.removed))
    record = {"kind": entry.kind, "took": took.record, **entry.record}
    marks = {**change.marks, **entry.marks}
    return delta.commit(target, replace(change, marks=marks, record=record, exclusive=True), now=lake.now())


# --- again ---------------------------------------------------------------------------------------------------------------------------


def again(lake: Lake, dataset: Dataset, objects: Sequence[Kept], kind: Again) -> Ingested:
    """Run objects again under the present contract, by one commit: what they make now takes the place of what they made before.

    Objects that were rejected go to the archive where they are loaded now. Of one that was loaded and whose contract refuses the whole of
    it now, the rows stay as they are, and it is `refused`. Repeatable; raises as `ingest` does.

    An object may lie in several places (rejected for two reasons, loaded since): it is run once, and then settled wherever it lies.
    """
    started = time.perf_counter()
    once = {entry.source: entry for entry in sorted(objects, key=lambda entry: entry.was.modified, reverse=True)}
    set_aside = {entry.source for entry in objects if entry.is_rejected}
    done = patiently()(_again, lake, dataset, tuple(once.values()), set_aside, kind)
    _settle(lake, dataset, objects, done.objects)
    return replace(done, seconds=time.perf_counter() - started)


def _again(lake: Lake, dataset: Dataset, objects: Sequence[Kept], set_aside: Collection[str], kind: Again) -> Ingested:
    lake.in_time(f"running objects of {dataset.name} again")
    with lake.workplace() as work, lake.session(work) as connection:
        target = loading.ensure_target(lake, dataset, connection)
        batch, left = restore.enforced(lake, connection, dataset, objects, work, known=_changed(dataset, target, set_aside))
        outcomes = tuple(outcome if outcome.object.source in set_aside else _unchanged(outcome) for outcome in left)
        if not batch.files:
            return Ingested(dataset.name, outcomes)
        out = {ref.source: int(ref.modified.timestamp() * 1000) for ref in batch.objects.values()}
        if dataset.target.mode == "merge":
            restore.rows(lake, connection, dataset, target, out, work, beside=True)
        done = loading.commit(lake, connection, batch, target, _entry(lake, dataset, target, out, kind))
        return replace(done, objects=(*outcomes, *done.objects))


def _changed(dataset: Dataset, target: Snapshot, set_aside: Collection[str]) -> frozenset[str]:
    """Return the objects (keys) of which the dataset wants no other version: another one of them was loaded."""
    if dataset.target.mode != "append" or dataset.on_change != "reject":
        return frozenset()
    new = [versions.key_of(source) for source in set_aside if target.identity(source) is None]
    return frozenset(key for key in new if target.identity(versions.identity(key)))


def _entry(lake: Lake, dataset: Dataset, target: Snapshot, out: Out, kind: Again) -> Entry:
    reread = dict.fromkeys(map(ledger.reread, out), under(lake, dataset))
    back = {ledger.undone(source): 0 for source in out if ledger.is_undone(target, source)}
    return Entry(kind, out, reread, {**back, **ledger.amended(target)})


def under(lake: Lake, dataset: Dataset) -> int:
    """Return a number for all that a row's fate depends on: its contract, the tables that the checks look into, Lakelet's version."""
    tables = {name: lake.named_table(name) for name in lake.project.reads(dataset.name)}
    seen = {name: (table.id, table.data_version) for name, table in tables.items() if table}
    said = f"{__version__} {dataset.model_dump_json()} {seen}"
    return int(hashlib.sha256(said.encode()).hexdigest()[:13], 16)  # 52 bits: a transaction's version


def _unchanged(outcome: ObjectOutcome) -> ObjectOutcome:
    reason = f"{outcome.object.key}: its contract refuses the whole of it now ({outcome.reason}); its rows stay as they are"
    return ObjectOutcome(outcome.object, "refused", reason=reason)


def _settle(lake: Lake, dataset: Dataset, objects: Iterable[Kept], outcomes: Iterable[ObjectOutcome]) -> None:
    """Bring objects that had been rejected to where they belong now, and their reports after them."""
    fates = {outcome.object.source: outcome for outcome in outcomes}
    for entry in objects:
        outcome = fates[entry.source]
        if not entry.is_rejected or outcome.fate not in ("loaded", "rejected"):
            continue
        below = place(dataset, entry.was)
        to = f"archived/{below}" if outcome.fate == "loaded" else f"rejected/{outcome.reason}/{below}"
        if outcome.fate == "rejected":
            lake.raw.put(f"{to}{REPORT}", outcome.report.encode())
        if to != entry.now.key:
            lake.raw.move(entry.now, to, was=entry.was)
            lake.raw.delete(f"{entry.now.key}{REPORT}")
