"""What others had hidden: an object's older version, a key's older row. Read out of the archive again, by the present contract."""

import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import duckdb

from core import enforce, ledger, quality, versions
from core.amend import archive
from core.amend.archive import Kept
from core.change import holding
from core.contract import Dataset
from core.delta import Snapshot
from core.engine import relation
from core.ingest import batches
from core.lake import Lake
from core.quality import Batch
from core.quoting import identifiers, literal, texts
from core.settle import ObjectOutcome
from core.sql import same_key, version_of
from core.storage import ObjectGone, ObjectRef, side_by_side
from core.versions import Out

# --- whole objects -------------------------------------------------------------------------------------------------------------------


def objects(lake: Lake, dataset: Dataset, target: Snapshot, out: Out) -> tuple[list[Kept], dict[str, int]]:
    """Return the object versions that stand where others leave, and the marks of objects that leave whole. (In a merged table rows do.)

    An older version comes back where the newest one leaves; in an overwritten table all objects are versions of one.
    """
    if dataset.target.mode == "append" and dataset.on_change == "add":
        return [], {}
    overwritten = dataset.target.mode == "overwrite"
    remaining: dict[str, list[Kept]] = {}
    for kept in _remaining(lake, dataset, target, out):
        remaining.setdefault("" if overwritten else kept.was.key, []).append(kept)
    leaving: dict[str, list[tuple[int, str]]] = {}
    for source, at in out.items():
        leaving.setdefault("" if overwritten else versions.key_of(source), []).append((at, source))
    newest = {key: max(kept, key=lambda entry: (entry.time, entry.source)) for key, kept in remaining.items()}
    back = [newest[key] for key, gone in leaving.items() if key in newest and (newest[key].time, newest[key].source) < max(gone)]
    return back, {} if overwritten else {versions.identity(key): 0 for key in leaving if key not in remaining}


def _remaining(lake: Lake, dataset: Dataset, target: Snapshot, out: Out) -> list[Kept]:
    """Return the objects that were loaded and stay: neither among those that leave nor taken out before."""
    kept, _ = archive.loaded(lake, dataset, target)
    return [entry for entry in kept if entry.source not in out and not ledger.is_undone(target, entry.source)]


# --- rows of keys --------------------------------------------------------------------------------------------------------------------


def rows(
    lake: Lake, connection: duckdb.DuckDBPyConnection, dataset: Dataset, target: Snapshot, out: Out, work: Path, *, beside: bool
) -> tuple[int, tuple[str, ...]]:
    """Put among the session's `accepted` rows those of other objects for keys that lose theirs; return how many, and who was unreadable.

    `beside` those of a batch, which may hold a key's newest row themselves; otherwise there are no others. The archive is only read where a
    key needs it, in batches, each in a session of its own; the rows that are kept are those of such keys.
    """
    _orphan(connection, dataset, target, out, beside=beside)
    (orphans,) = connection.execute("select count(*) from orphaned").fetchone() or (0,)
    files, unreadable = _search(lake, connection, dataset, target, out, work) if orphans else ([], ())
    columns = identifiers(quality.table_columns(dataset))
    none = f"select {columns} from ({quality.empty_rows(dataset)}) where false"
    found = f"select {columns} from read_parquet({texts(map(str, files))})" if files else none
    own = f"select {columns} from judged where _reasons is null union all by name " if beside else ""
    connection.execute(f"create or replace temp view accepted as {own}{found}")
    (restored,) = connection.execute(f"select count(*) from (select distinct {identifiers(dataset.key)} from ({found}))").fetchone() or (0,)
    return int(restored), unreadable


def _orphan(connection: duckdb.DuckDBPyConnection, dataset: Dataset, target: Snapshot, out: Out, *, beside: bool) -> None:
    """Collect the keys of the rows that leave, but for those of which the batch has a row at least as new."""
    files = holding(connection, target, tuple(out))
    newer = f"{version_of('accepted', dataset.order_by)} >= {version_of('held', dataset.order_by)}"
    same = same_key("accepted", "held", dataset.key)
    kept = f" and not exists (select 1 from accepted where {same} and {newer})" if beside else ""
    connection.execute(
        f"create or replace temp table orphaned as select distinct {identifiers(dataset.key)}\n"
        f"from ({relation(target, files=files)}) as held where list_contains({texts(out)}, held._source){kept}"
    )


def _search(
    lake: Lake, connection: duckdb.DuckDBPyConnection, dataset: Dataset, target: Snapshot, out: Out, work: Path
) -> tuple[list[Path], tuple[str, ...]]:
    found: list[Path] = []
    unreadable: list[str] = []
    for number, some in enumerate(batches(_remaining(lake, dataset, target, out))):
        lake.in_time(f"looking for rows of {dataset.name} in the archive")
        inner = work / f"archive-{number}"
        inner.mkdir()
        connection.execute(f"copy orphaned to {literal(str(inner / 'orphaned.parquet'))} (format parquet)")
        with lake.session(inner) as other:
            batch, left = enforced(lake, other, dataset, some, inner)
            unreadable += [outcome.object.key for outcome in left]
            if batch.files:
                found.append(inner / "found.parquet")
                wanted = f"read_parquet({literal(str(inner / 'orphaned.parquet'))}) as orphaned"
                query = f"select accepted.* from accepted semi join {wanted} on {same_key('accepted', 'orphaned', dataset.key)}"
                other.execute(f"copy ({query}) to {literal(str(found[-1]))} (format parquet)")
    return found, tuple(unreadable)


# --- reading -------------------------------------------------------------------------------------------------------------------------


def enforced(
    lake: Lake,
    connection: duckdb.DuckDBPyConnection,
    dataset: Dataset,
    objects: Sequence[Kept],
    work: Path,
    known: Collection[str] = (),
) -> tuple[Batch, list[ObjectOutcome]]:
    """Fetch objects from where they lie and judge their rows as those of what they were; also return those that can't be loaded, and why.

    `known` are objects (keys) of which no other version may be loaded.
    """
    begun = time.perf_counter()
    waiting, outcomes = _fetched(lake, objects, work)
    outcomes += enforce.refuse_changed(dataset, waiting, known) if known else []
    prepared, rejected = enforce.prepare(lake, dataset, waiting, work)
    refs = {file.number: waiting[file.number][0] for file in prepared}
    batch = Batch(dataset, tuple(prepared), refs, {number: path for number, (_, path) in waiting.items()}, begun)
    batch, unreadable = enforce.enforce(lake, connection, batch) if prepared else (batch, [])
    return batch, [*outcomes, *rejected, *unreadable]


def _fetched(lake: Lake, objects: Sequence[Kept], work: Path) -> tuple[dict[int, tuple[ObjectRef, Path]], list[ObjectOutcome]]:
    def one(numbered: tuple[int, Kept]) -> tuple[ObjectRef, Path] | ObjectOutcome:
        number, entry = numbered
        path = work / f"{number:06d}.raw"
        lake.in_time(f"fetching {entry.now.key}")
        try:
            return replace(entry.was, size=lake.raw.fetch(entry.now, path).size), path
        except ObjectGone as gone:
            return ObjectOutcome(entry.was, "gone", reason=str(gone))

    results = side_by_side(lake.raw, one, list(enumerate(objects)))
    waiting = {number: result for number, result in enumerate(results) if not isinstance(result, ObjectOutcome)}
    return waiting, [result for result in results if isinstance(result, ObjectOutcome)]
