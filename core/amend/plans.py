"""What undo, replay and backfill would do, said before it is done. Stopped on the way and planned anew, the rest is what remains."""

import fnmatch
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Final, Literal

from core import ledger
from core.amend import archive, commits, restore
from core.amend.archive import Kept, Strange
from core.contract import Dataset
from core.delta import RECORD, Snapshot
from core.engine import relation
from core.errors import Terminal
from core.lake import Lake
from core.quoting import texts
from core.versions import Out, candidates, key_of

COMMIT: Final = re.compile(r"([^@/]+)@(\d+)")
"""A commit as one types it: `orders@12`."""

Kind = Literal["undo", "replay", "backfill"]


@dataclass(frozen=True)
class Planned:
    """One object version: when it arrived (ms), how many rows the table and the quarantine hold of it, where it is kept if it is."""

    source: str
    time: int
    rows: int = 0
    quarantined: int = 0
    kept: Kept | None = None

    @property
    def size(self) -> int:
        return self.kept.size if self.kept else 0


@dataclass(frozen=True)
class Plan:
    """What is to be done to one dataset.

    `back` are the object versions that come back where others are taken out; of a merged table rows do, out of `searched` objects.
    `done` objects were run again under this very contract before, and are left out; nobody can tell what the `strange` ones (keys) were.
    """

    kind: Kind
    dataset: str
    objects: tuple[Planned, ...] = ()
    back: tuple[str, ...] = ()
    searched: int = 0
    done: int = 0
    strange: tuple[str, ...] = ()


# --- undo ----------------------------------------------------------------------------------------------------------------------------


def undo(lake: Lake, names: Iterable[str]) -> tuple[Plan, ...]:
    """Plan to take out objects by key (all versions that were loaded), by `key@version`, by pattern, or by commit (`orders@12`).

    Raises Terminal where one names nothing that was loaded.
    """
    found: dict[str, dict[str, int]] = {}
    for name in names:
        dataset, out = _of_commit(lake, name) or _of_object(lake, name)
        found.setdefault(dataset.name, {}).update(out)
    return tuple(_undo(lake, lake.project.datasets[name], out) for name, out in found.items())


def _undo(lake: Lake, dataset: Dataset, out: Out) -> Plan:
    table, quarantine = lake.table(dataset), lake.quarantine(dataset)
    rows, refused = (_rows(lake, snapshot, tuple(out)) for snapshot in (table, quarantine))
    oldest = sorted(out.items(), key=lambda entry: (entry[1], entry[0]))
    planned = tuple(Planned(source, time, rows.get(source, 0), refused.get(source, 0)) for source, time in oldest)
    if table is None or dataset.target.mode == "merge":
        return Plan("undo", dataset.name, planned, searched=len(archive.loaded(lake, dataset, table)[0]))
    return Plan("undo", dataset.name, planned, back=tuple(kept.source for kept in restore.objects(lake, dataset, table, out)[0]))


def _of_commit(lake: Lake, name: str) -> tuple[Dataset, dict[str, int]] | None:
    """Return what a commit loaded, None where the name is not one of a commit."""
    found = COMMIT.fullmatch(name)
    if not found or found[1] not in lake.project.declarations:
        return None
    dataset, table = lake.project.datasets.get(found[1]), lake.table(lake.project.named(found[1]))
    commits = {commit["version"]: commit[RECORD] for commit in table.history()} if table else {}
    record = commits.get(int(found[2]), {})
    if dataset is None or table is None or record.get("kind") != "ingest":
        told = f"one that loaded objects into {found[1]}" if dataset else "one of a dataset: a transform's table follows its inputs"
        what = record.get("kind", "no such commit")
        raise Terminal(f"commit {name}", expected=told, found=what, remedy=f"`lakelet status {found[1]}` shows the last ones.")
    times = {**{entry.source: entry.time for entry in archive.loaded(lake, dataset, table)[0]}, **ledger.loaded(dataset, table)}
    return dataset, {entry["source"]: times[entry["source"]] for entry in record["objects"] if entry["source"] in times}


def _of_object(lake: Lake, name: str) -> tuple[Dataset, dict[str, int]]:
    """Return the versions of the objects that a name means, as far as they were loaded."""
    found: list[tuple[Dataset, dict[str, int], set[str]]] = []
    for dataset in lake.project.datasets.values():
        if table := lake.table(dataset):
            kept, _ = archive.loaded(lake, dataset, table)
            times = {**{entry.source: entry.time for entry in kept}, **ledger.loaded(dataset, table)}
            found.append((dataset, times, {entry.source for entry in kept if entry.now.key == name}))
    for means in (_is, _matches):
        for dataset, times, lying in found:
            if out := {source: time for source, time in times.items() if source in lying or means(name, source)}:
                return dataset, out
    known = {key_of(source) for _, times, _ in found for source in times}
    raise Terminal(f"object {name}", expected="one that was loaded", found="none of this name", remedy=_suggestion(name, known))


def _is(name: str, source: str) -> bool:
    """Whether a name is an object version's key, or its key and version; whoever is called `a*b.csv` is meant alone."""
    return name in (source, key_of(source))


def _matches(name: str, source: str) -> bool:
    """Whether a name is a pattern of an object version's key; asked where nobody is called so."""
    return fnmatch.fnmatchcase(key_of(source), name)


def _suggestion(name: str, known: Iterable[str]) -> str:
    alike = sorted(key for key in known if key.endswith(f"/{name}")) or get_close_matches(name, known, 1)
    return f"Did you mean {alike[0]}?" if alike else "`lakelet query 'select distinct _source from DATASET'` shows the objects of a table."


def _rows(lake: Lake, table: Snapshot | None, sources: tuple[str, ...] | None = None) -> dict[str, int]:
    """Count the rows of a table by the object version that they come from, of all or of some."""
    if table is None:
        return {}
    with lake.workplace() as work, lake.session(work) as connection:
        files = table.files if sources is None else candidates(connection, table, tuple(map(key_of, sources)))
        wanted = "true" if sources is None else f"list_contains({texts(sources)}, _source)"
        query = f"select _source, count(*) from ({relation(table, files=files)}) where {wanted} group by _source"
        return dict(connection.execute(query).fetchall())


# --- again ---------------------------------------------------------------------------------------------------------------------------


def replay(lake: Lake, names: Iterable[str] = (), *, everything: bool = False) -> tuple[Plan, ...]:
    """Plan to run again what a dataset, or all of them, have set aside: rejected objects, and those with quarantined rows.

    Objects can be named as for `undo`; those are run again whatever became of them, and only so what was taken out. `everything` takes
    those, too, that were run again under this contract before. Raises Terminal where a name means nothing.
    """
    wanted = list(names)
    datasets = [lake.project.datasets[name] for name in wanted if name in lake.project.datasets]
    plans = [_replay(lake, dataset, everything) for dataset in (datasets if wanted else lake.project.datasets.values())]
    objects = [name for name in wanted if name not in lake.project.datasets]
    return (*(plan for plan in plans if plan.objects or plan.done or plan.strange), *_named(lake, objects))


def _replay(lake: Lake, dataset: Dataset, everything: bool) -> Plan:
    table, quarantine = lake.table(dataset), lake.quarantine(dataset)
    refused = _rows(lake, quarantine)
    aside, strangers = archive.rejected(lake, dataset, table)
    kept, strange = archive.loaded(lake, dataset, table) if refused else ([], [])
    found = _staying(table, [*aside, *(entry for entry in kept if entry.source in refused)])
    return _plan(lake, dataset, "replay", found, [*strangers, *strange], refused, everything=everything)


def _named(lake: Lake, names: Iterable[str]) -> Iterator[Plan]:
    found: dict[str, list[Kept]] = {}
    for name in names:
        dataset, kept = _kept_as(lake, name)
        found.setdefault(dataset.name, []).extend(kept)
    for name, objects in found.items():
        dataset = lake.project.datasets[name]
        yield _plan(lake, dataset, "replay", objects, [], _rows(lake, lake.quarantine(dataset)), everything=True)


def _kept_as(lake: Lake, name: str) -> tuple[Dataset, list[Kept]]:
    kept: dict[str, list[Kept]] = {}
    for dataset in lake.project.datasets.values():
        table = lake.table(dataset)
        kept[dataset.name] = [*archive.loaded(lake, dataset, table)[0], *archive.rejected(lake, dataset, table)[0]]
    for means in (_is, _matches):
        for dataset in lake.project.datasets.values():
            if found := [entry for entry in kept[dataset.name] if means(name, entry.source) or entry.now.key == name]:
                return dataset, found
    remedy = _suggestion(name, {entry.was.key for entries in kept.values() for entry in entries})
    remedy += " An object that still waits in raw is loaded by `lakelet run`."
    raise Terminal(f"{name}", expected="a dataset, or an object that was loaded or rejected", found="neither", remedy=remedy)


def backfill(
    lake: Lake, names: Iterable[str] = (), *, start: datetime | None = None, end: datetime | None = None, everything: bool = False
) -> tuple[Plan, ...]:
    """Plan to run again the objects that arrived from `start` until before `end`, of some datasets or of all.

    Objects that were taken out stay out. `everything` takes those, too, that were run again under this contract before.
    """
    wanted = [lake.project.named(name) for name in names] or list(lake.project.datasets.values())
    plans = []
    for dataset in wanted:
        if not isinstance(dataset, Dataset):
            raise Terminal(f"{dataset.name}", expected="a dataset", found="a transform: it follows its inputs", remedy="Name those.")
        table = lake.table(dataset)
        kept, strange = archive.loaded(lake, dataset, table)
        within = [entry for entry in kept if (not start or start <= entry.was.modified) and (not end or entry.was.modified < end)]
        plans.append(
            _plan(lake, dataset, "backfill", _staying(table, within), strange, _rows(lake, lake.quarantine(dataset)), everything=everything)
        )
    return tuple(plan for plan in plans if plan.objects or plan.done or plan.strange)


def _staying(table: Snapshot | None, objects: Iterable[Kept]) -> list[Kept]:
    """Return the objects that were not taken out: such a one comes back only where it is named."""
    return [entry for entry in objects if table is None or not ledger.is_undone(table, entry.source)]


def _plan(
    lake: Lake, dataset: Dataset, kind: Kind, found: list[Kept], strange: list[Strange], refused: Mapping[str, int], *, everything: bool
) -> Plan:
    number = commits.under(lake, dataset)
    table, quarantine = lake.table(dataset), lake.quarantine(dataset)

    def is_done(entry: Kept) -> bool:
        """A row that is quarantined tells whether its whole object had got as far, one that lies in rejected/ did not come to its place."""
        tables = [table, quarantine] if entry.source in refused else [table]
        name = ledger.reread(entry.source)
        return not entry.is_rejected and all(snapshot is not None and snapshot.identity(name) == number for snapshot in tables)

    todo = [entry for entry in dict.fromkeys(found) if everything or not is_done(entry)]
    planned = (Planned(entry.source, entry.time, quarantined=refused.get(entry.source, 0), kept=entry) for entry in todo)
    return Plan(kind, dataset.name, tuple(planned), done=len(set(found)) - len(todo), strange=tuple(entry.key for entry in strange))
