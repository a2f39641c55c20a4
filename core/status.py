"""How every table stands: read off the log, the quarantine and the keys in raw; no row is read."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from core import transform
from core.contract import Dataset, Declaration, Transform
from core.delta import RECORD, Snapshot
from core.lake import Lake
from core.receipt import Spent, total
from core.run import is_data, sweep
from core.settle import REPORT
from core.storage import ObjectRef
from core.transform import Readiness
from core.units import duration


@dataclass(frozen=True)
class TableStatus:
    """One table. `version` is None before the first load; `newest` is the time of the newest object that a dataset's rows come from.

    `waiting` counts the objects in raw (where a dataset keeps them there, the loaded ones too), `rejected` the files set aside.
    `due` says whether there is something to do, `state` says it as a sentence.
    """

    name: str
    kind: Literal["dataset", "transform"]
    pipeline: str
    path: str
    version: int | None
    rows: int
    bytes: int
    committed: datetime | None
    newest: datetime | None
    quarantined: int
    rejected: int
    waiting: int
    due: bool
    state: str


def status(lake: Lake, names: Iterable[str] = ()) -> tuple[TableStatus, ...]:
    """Look at every declaration, or at some, in the order in which they run; Terminal for a name that is not declared."""
    wanted = {lake.project.named(name).name for name in names} or set(lake.project.declarations)
    declarations = [declaration for declaration in lake.project.order if declaration.name in wanted]
    datasets = any(isinstance(declaration, Dataset) for declaration in declarations)
    waiting = sweep(lake)[0] if datasets else {}
    rejected = rejected_files(lake) if datasets else {}

    def one(declaration: Declaration) -> TableStatus:
        if isinstance(declaration, Dataset):
            return _dataset(lake, declaration, waiting.get(declaration.name, []), rejected.get(declaration.name, 0))
        return _transform(lake, declaration)

    with ThreadPoolExecutor(8) as pool:  # a table in S3 costs a few round trips to open
        return tuple(pool.map(one, declarations))


def rejected_files(lake: Lake) -> Mapping[str, int]:
    """Count the files set aside, by dataset: rejected/<reason>/<dataset>/..."""
    keys = (ref.key.split("/") for ref in lake.raw.list("rejected/") if is_data(ref) and not ref.key.endswith(REPORT))
    return Counter(parts[2] for parts in keys if len(parts) > 3)


def _dataset(lake: Lake, dataset: Dataset, objects: Sequence[ObjectRef], rejected: int) -> TableStatus:
    quarantine = lake.quarantine(dataset)
    kept = dataset.after == "keep"
    count = f"{len(objects):,} object{'s'[: len(objects) != 1]}"
    state = "nothing waiting" if not objects else f"{count} in raw, where they are kept" if kept else f"{count} waiting"
    return _table(
        lake,
        dataset,
        quarantined=quarantine.rows if quarantine else 0,
        rejected=rejected,
        waiting=len(objects),
        due=bool(objects) and not kept,
        state=state,
    )


def _transform(lake: Lake, declaration: Transform) -> TableStatus:
    ready, now = transform.readiness(lake, declaration), lake.now()
    due = transform.is_due(declaration.when, ready, now)
    return _table(lake, declaration, due=due, state="due now" if due else f"{why_not(declaration.when, ready)}{_extent(lake, declaration)}")


def _extent(lake: Lake, declaration: Transform) -> str:
    """Say how much of its table an incremental transform made anew the last time."""
    table = lake.table(declaration) if declaration.incremental else None
    last = table.change[RECORD] if table and table.change else {}
    counts = [f"{last[what]:,} {what[: -1 if last[what] == 1 else None]}" for what in ("partitions", "keys") if what in last]
    return f"; last run in full: {last['full']}" if "full" in last else f"; last run: {counts[0]}" if counts else ""


def why_not(when: str, ready: Readiness) -> str:
    """Say what a transform that is not due waits for. Pure."""
    if missing := [name for name, version in ready.now.items() if not version]:
        return f"waiting for {', '.join(missing)}: nothing loaded yet"
    old = [name for name, version in ready.now.items() if (version or 0) <= ready.consumed.get(name, 0)]
    if len(old) == len(ready.now):
        return "up to date"
    if when == "all_inputs":
        return f"waiting for more of {', '.join(old)}"
    if ready.ran is None:
        return "up to date"
    return f"next at {transform.next_tick(when, ready.ran):%Y-%m-%d %H:%M} UTC"


def _table(
    lake: Lake,
    declaration: Declaration,
    *,
    due: bool,
    state: str,
    quarantined: int = 0,
    rejected: int = 0,
    waiting: int = 0,
) -> TableStatus:
    snapshot = lake.table(declaration)
    return TableStatus(
        name=declaration.name,
        kind="dataset" if isinstance(declaration, Dataset) else "transform",
        pipeline=declaration.pipeline,
        path=declaration.target.path,
        version=snapshot.version if snapshot else None,
        rows=snapshot.rows if snapshot else 0,
        bytes=sum(file.size for file in snapshot.files) if snapshot else 0,
        committed=snapshot.changed if snapshot else None,
        newest=newest(snapshot) if snapshot else None,
        quarantined=quarantined,
        rejected=rejected,
        waiting=waiting,
        due=due,
        state=state,
    )


def newest(snapshot: Snapshot) -> datetime | None:
    """Return the newest `_source_time` by the log's statistics; None for a transform's table, which has no such column."""
    actions = snapshot.actions
    if "max" not in actions.column_names:
        return None
    times = [most.get("_source_time") for most in actions["max"].to_pylist() if most]
    return max((time for time in times if time), default=None)


@dataclass(frozen=True)
class Overdue:
    """A dataset that had no data within its freshness window; `hours` since its newest object came, None where nothing ever did."""

    dataset: str
    window: str
    hours: float | None


def overdue(lake: Lake) -> tuple[Overdue, ...]:
    """Return the datasets whose newest object is older than their `fresh_within`."""
    found = []
    for dataset in lake.project.datasets.values():
        if dataset.fresh_within is None:
            continue
        snapshot = lake.table(dataset)
        last = newest(snapshot) if snapshot else None
        age = lake.now() - last if last else None
        if age is None or age > duration(dataset.fresh_within):
            found.append(Overdue(dataset.name, dataset.fresh_within, round(age.total_seconds() / 3600, 1) if age else None))
    return tuple(found)


@dataclass(frozen=True)
class Cost:
    """What a table's commits took since a moment, the upkeep among them; as far back as its log reaches."""

    name: str
    pipeline: str
    since: datetime | None
    spent: Spent


def costs(lake: Lake, names: Iterable[str] = ()) -> tuple[Cost, ...]:
    """Add up the receipts of every table's commits, or of some; reads the log, no row. `since` is None where a table has no receipts."""
    wanted = {lake.project.named(name).name for name in names} or set(lake.project.declarations)

    def one(declaration: Declaration) -> Cost:
        table = lake.table(declaration)
        commits = [commit for commit in table.history() if "took" in commit[RECORD]] if table else []
        since = datetime.fromtimestamp(min(commit["timestamp"] for commit in commits) / 1000, UTC) if commits else None
        return Cost(declaration.name, declaration.pipeline, since, total(commit[RECORD]["took"] for commit in commits))

    with ThreadPoolExecutor(8) as pool:
        return tuple(pool.map(one, (declaration for declaration in lake.project.order if declaration.name in wanted)))
