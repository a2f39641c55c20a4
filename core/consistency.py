"""What is wrong with declarations that are sound one by one: names and places taken twice, inputs that nobody makes, cycles. Pure."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from graphlib import CycleError

from core.contract import Dataset, Declaration, Transform
from core.errors import Problem
from core.locality import refuse_unless_local
from core.places import Place
from core.project import Project, suggest


def contradictions(sound: Sequence[tuple[Declaration, Place]], broken: Collection[str], project: Project) -> Iterator[Problem]:
    """Find what is wrong between sound declarations; `broken` are the names of the others, `project` the sound ones together."""
    yield from _twice([(place, declaration.name, "the name") for declaration, place in sound])
    yield from _written_to(sound)
    yield from _twice([(place, declaration.target.path, "the target path") for declaration, place in sound])
    yield from _overlaps([(declaration, place) for declaration, place in sound if isinstance(declaration, Dataset)])
    known = {*project.declarations, *broken}
    unknown = [problem for declaration, place in sound for problem in _unknown(project.reads(declaration.name), known, place)]
    yield from unknown
    if not unknown:
        yield from _cycles(sound, project)
    for declaration, place in sound:
        if isinstance(declaration, Transform) and declaration.incremental and set(declaration.inputs).isdisjoint(broken):
            yield from _not_local(declaration, place, project)


def _twice(entries: list[tuple[Place, str, str]]) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for place, value, what in entries:
        folded = value.lower()  # SQL does not tell Orders from orders
        if folded in seen:
            yield Problem(place.file, 1, "", f"{what} {value} is taken by {seen[folded]}")
        seen.setdefault(folded, place.file)


def _overlaps(datasets: list[tuple[Dataset, Place]]) -> Iterator[Problem]:
    for n, (dataset, place) in enumerate(datasets):
        for other, elsewhere in datasets[:n]:
            (head, tail), (other_head, other_tail) = _ends(dataset.source.path), _ends(other.source.path)
            begin_alike = head.startswith(other_head) or other_head.startswith(head)
            if begin_alike and (tail.endswith(other_tail) or other_tail.endswith(tail)):
                yield place.problem("source.path", f"{dataset.source.path} overlaps {other.source.path} of {elsewhere.file}")


def _ends(path: str) -> tuple[str, str]:
    """Return what every key of a source begins and ends with: one key can be of two sources only if both are alike."""
    first, *rest = re.split(r"\[[^]]*\]|[*?]", path)
    return first, rest[-1] if rest else ""


OURS = {
    "archived/": "what was loaded",
    "rejected/": "what was rejected",
    "quarantine/": "quarantined rows",
    "landing/": "what was posted under an idempotency key",
    "athena-results/": "answers of Athena",
}


def _written_to(sound: Sequence[tuple[Declaration, Place]]) -> Iterator[Problem]:
    """Find sources that would read what the lake itself writes, and tables and exports that lie inside a table."""
    tables = {d.target.path: f"the table {d.name}" for d, _ in sound} | OURS
    copies = {export.path: f"an export of {d.name}" for d, _ in sound for export in d.exports}
    for declaration, place in sound:
        if isinstance(declaration, Dataset):
            source = declaration.source.prefix
            for path, what in {**copies, **tables}.items():
                if source.startswith(path) or path.startswith(source):
                    yield place.problem("source.path", f"{declaration.source.path} overlaps {path}, where {what} is written")
        own = [("target.path", declaration.target.path), *((f"exports.{n}.path", e.path) for n, e in enumerate(declaration.exports))]
        for where, path in own:
            for other, what in tables.items():
                same = path == other and where == "target.path" and other not in OURS
                if path.startswith(other) and not same:
                    yield place.problem(where, f"{path} lies inside {other}, where {what} is written")


def _unknown(names: Iterable[str], known: Iterable[str], place: Place) -> Iterator[Problem]:
    for name in names:
        if name.removeprefix("quarantine.") not in known:
            yield place.problem("sql", f"{name} is neither a dataset nor a transform{suggest(name, known, '; ')}")


def _cycles(sound: Sequence[tuple[Declaration, Place]], project: Project) -> Iterator[Problem]:
    try:
        _ = project.order
    except CycleError as error:
        cycle = error.args[1]
        places = {declaration.name: place for declaration, place in sound}
        yield places[cycle[0]].problem("sql", f"a cycle: {' reads '.join(reversed(cycle))}")


def _not_local(transform: Transform, place: Place, project: Project) -> Iterator[Problem]:
    """Find why an incremental transform would not say the same as a run over everything."""
    columns = transform.slice_by
    sliced = project.sliced(transform)
    if not sliced:
        inputs = ", ".join(transform.inputs) or "there is none"
        has = "is partitioned by" if transform.target.mode == "partitions" else "is known to have the columns"
        yield place.problem("incremental", f"none of its inputs ({inputs}) {has} {', '.join(columns)}; one has to, by these very names")
        return
    try:
        refuse_unless_local(transform.query, sliced, columns)
    except ValueError as error:
        yield place.problem("incremental", f"{transform.sql}: {error}; or let it run in full (mode: overwrite)")
