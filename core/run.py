"""Everything that is to be done, until nothing is: sweep raw, ingest in bounded batches, run what is due, publish what changed."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Final

from tenacity import retry, retry_if_exception_type, retry_if_not_exception_type, stop_after_attempt, wait_random_exponential

from core import expect, export, register, transform
from core.contract import Dataset, Declaration, Transform
from core.errors import LakeError, OutOfTime, Terminal, Transient
from core.expect import Violation
from core.export import Exported
from core.ingest import batches, ingest
from core.lake import Lake
from core.loading import Ingested, Withdrawn
from core.storage import ObjectRef
from core.transform import Transformed

if TYPE_CHECKING:
    from core.amend.plans import Plan

ANNOUNCED_WITHIN: Final = timedelta(minutes=15)
"""How long an object may lie in raw before it is taken for one that no event will announce."""

Ready = Callable[[Dataset, ObjectRef, datetime], bool]


@dataclass(frozen=True)
class Begun:
    """A step that may take a while has begun."""

    name: str
    what: str


@dataclass(frozen=True)
class Published:
    """The exports that were brought up to a table's newest version, and the tables that the catalog learned of."""

    table: str
    exported: tuple[Exported, ...]
    registered: tuple[str, ...] = ()


@dataclass(frozen=True)
class Violated:
    """The expectations that a table breaks after a load."""

    table: str
    violations: tuple[Violation, ...]


@dataclass(frozen=True)
class Unknown:
    """A raw object that no dataset declares, or more than one; it stays where it is."""

    key: str
    why: str = "no dataset declares it"


@dataclass(frozen=True)
class Undone:
    """Something that could not be done: its objects are still in raw, its table is as it was. Where it `may_pass`, try it again."""

    name: str
    error: str
    may_pass: bool = False
    late: bool = False
    """Whether nothing is wrong but the time: it was left for another run."""


Step = Begun | Ingested | Withdrawn | Transformed | Published | Violated | Unknown | Undone


def whatever_waits(_: Dataset, __: ObjectRef, ___: datetime) -> bool:
    """Take every object in raw: somebody asked for it now."""
    return True


def by_trigger(dataset: Dataset, ref: ObjectRef, now: datetime) -> bool:
    """Take an object whose schedule has ticked since it came, or that should have been announced long ago and is still here. Pure."""
    if dataset.source.trigger == "arrival":
        return now - ref.modified >= ANNOUNCED_WITHIN
    return transform.next_tick(dataset.source.trigger, ref.modified) <= now


def run(lake: Lake, *, names: Iterable[str] = (), ignore_schedules: bool = False, ready: Ready = whatever_waits) -> Iterator[Step]:
    """Do all that is to be done, in the order of what reads what, and yield each step as it happens.

    `names` limits it to some datasets and transforms, `ready` to some objects. Can be killed at any point and run again.
    """
    wanted = {lake.project.named(name).name for name in names} or set(lake.project.declarations)
    found, unknown = sweep(lake)
    yield from unknown
    todo = [declaration for declaration in lake.project.order if declaration.name in wanted]
    for number, declaration in enumerate(todo):
        if isinstance(declaration, Dataset):
            refs = [ref for ref in found.get(declaration.name, []) if ready(declaration, ref, lake.now())]
            later = chain.from_iterable(found.get(other.name, []) for other in todo[number + 1 :])
            yield from guarded(declaration, _ingest_all(lake, declaration, refs, behind_window=False, later=later))
        else:
            yield from guarded(declaration, _transform(lake, declaration, ignore_schedules=ignore_schedules))


def run_objects(lake: Lake, refs: Mapping[str, Sequence[ObjectRef]], *, behind_window: bool = False) -> Iterator[Step]:
    """Load these objects and no others, by dataset, what is read by others first, and publish what changed."""
    for declaration in lake.project.order:
        if isinstance(declaration, Dataset) and declaration.name in refs:
            yield from guarded(declaration, _ingest_all(lake, declaration, refs[declaration.name], behind_window=behind_window))


def follow(lake: Lake, loaded: Iterable[str]) -> Iterator[Step]:
    """Run the transforms that are due because these tables were loaded, and those that read them in turn.

    Transforms with a schedule wait for it: `run` finds them when it has ticked.
    """
    changed = set(loaded)
    for declaration in lake.project.order:
        if not isinstance(declaration, Transform) or declaration.when not in ("all_inputs", "any_input"):
            continue
        if changed.isdisjoint(name.removeprefix("quarantine.") for name in declaration.inputs):
            continue
        for step in guarded(declaration, _transform(lake, declaration, ignore_schedules=False)):
            if isinstance(step, Transformed):
                changed.add(step.transform)
            yield step


def transform_if_due(lake: Lake, declaration: Transform) -> Iterator[Step]:
    """Run one transform where it is due, and publish it. Raises what goes wrong."""
    return _transform(lake, declaration, ignore_schedules=False)


def guarded(declaration: Declaration, steps: Iterator[Step]) -> Iterator[Step]:
    """One declaration's failure leaves the others alone."""
    try:
        yield from steps
    except LakeError as error:
        yield Undone(declaration.name, str(error), may_pass=isinstance(error, Transient), late=isinstance(error, OutOfTime))


def _ingest_all(
    lake: Lake, dataset: Dataset, refs: Sequence[ObjectRef], *, behind_window: bool, later: Iterable[ObjectRef] = ()
) -> Iterator[Step]:
    following = chain(batches(refs), batches(later))
    next(following, None)
    for batch in batches(refs):
        lake.raw.foretell(next(following, ()))
        yield Begun(dataset.name, f"ingesting {len(batch)} object{'s'[: len(batch) != 1]}")
        yield ingest(lake, dataset, batch, behind_window=behind_window)
    yield from publish(lake, dataset)
    if refs:
        yield from judge(lake, dataset)


def _transform(lake: Lake, declaration: Transform, *, ignore_schedules: bool) -> Iterator[Step]:
    when = "any_input" if ignore_schedules else declaration.when
    done = None
    if _is_due(lake, declaration, when):
        yield Begun(declaration.name, "transforming")
        try:
            done = transform.run(lake, declaration)
        except OutOfTime:
            raise
        except Transient:
            done = _run_again(lake, declaration, when)
    if done:
        yield done
    yield from publish(lake, declaration)
    if done:
        yield from judge(lake, declaration)


def due(lake: Lake) -> tuple[str, ...]:
    """Return the transforms that are due now."""
    return tuple(name for name, declaration in lake.project.transforms.items() if _is_due(lake, declaration, declaration.when))


def _is_due(lake: Lake, declaration: Transform, when: str) -> bool:
    return transform.is_due(when, transform.readiness(lake, declaration), lake.now())


PASSING: Final = retry_if_exception_type(Transient) & retry_if_not_exception_type(OutOfTime)


@retry(retry=PASSING, stop=stop_after_attempt(5), wait=wait_random_exponential(0.1, 2), reraise=True)
def _run_again(lake: Lake, declaration: Transform, when: str) -> Transformed | None:
    """Run it where it still is due; None where the run that won, or our own whose answer was lost, did all there was."""
    return transform.run(lake, declaration) if _is_due(lake, declaration, when) else None


def publish(lake: Lake, declaration: Declaration) -> Iterator[Published]:
    """Bring what hangs on a table up to its newest version. Repeatable; a crash before it is mended by the next run."""
    exported, registered = export.refresh(lake, declaration), register.refresh(lake, declaration)
    if exported or registered:
        yield Published(declaration.name, exported, registered)


def judge(lake: Lake, declaration: Declaration) -> Iterator[Violated]:
    """Hold a table that was just loaded against its expectations."""
    if violations := expect.violations(lake, declaration):
        yield Violated(declaration.name, violations)


# --- putting right ---------------------------------------------------------------------------------------------------------------------


def perform(lake: Lake, plan: "Plan") -> Iterator[Step]:
    """Do what an undo, a replay or a backfill plans, batch by batch, each in one commit, and publish what changed."""
    return guarded(lake.project.datasets[plan.dataset], _performed(lake, plan))


def _performed(lake: Lake, plan: "Plan") -> Iterator[Step]:
    from core.amend import commits  # which a function that loads has no use for: 4 ms of its start

    dataset = lake.project.datasets[plan.dataset]
    for some in batches(plan.objects):
        doing = "taking out" if plan.kind == "undo" else "running again"
        yield Begun(plan.dataset, f"{doing} {len(some)} object{'s'[: len(some) != 1]}")
        if plan.kind == "undo":
            yield commits.undo(lake, dataset, {entry.source: entry.time for entry in some})
        else:
            yield commits.again(lake, dataset, [entry.kept for entry in some if entry.kept], plan.kind)
    if plan.objects:
        yield from publish(lake, dataset)
        yield from judge(lake, dataset)


# --- finding work --------------------------------------------------------------------------------------------------------------------


def sweep(lake: Lake) -> tuple[dict[str, list[ObjectRef]], list[Unknown]]:
    """Look for raw objects, announced or not: by dataset, oldest first; and those that no dataset declares."""
    found: dict[str, list[ObjectRef]] = {}
    unknown = []
    for prefix in roots(lake):
        for ref in lake.raw.list(prefix):
            if not is_data(ref):
                continue
            if not _is_utf8(ref.key):  # no table, log or report could name it
                unknown.append(Unknown(ref.key.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")))
                continue
            owner = owner_of(lake, ref.key)
            if isinstance(owner, Unknown):
                unknown.append(owner)
            else:
                found.setdefault(owner.name, []).append(ref)
    return {name: sorted(refs, key=lambda ref: (ref.modified, ref.key)) for name, refs in found.items()}, unknown


def owner_of(lake: Lake, key: str) -> Dataset | Unknown:
    """Return the dataset that an object belongs to, or that there is none, or no single one."""
    try:
        return lake.project.match(key) or Unknown(key)
    except Terminal as error:
        return Unknown(key, str(error))


def is_data(ref: ObjectRef) -> bool:
    """Whether a key is an object at all: not a folder's marker, not a hidden file such as .DS_Store."""
    return not ref.key.endswith("/") and not ref.key.rsplit("/", 1)[-1].startswith(".")


def _is_utf8(key: str) -> bool:
    try:
        key.encode()
    except UnicodeEncodeError:
        return False
    return True


def roots(lake: Lake) -> list[str]:
    """Return the prefixes to list: each source's parent, so that strays are seen, unless something of the lake lies there too."""
    ours = ["archived/", "rejected/", "quarantine/"]
    for declaration in lake.project.declarations.values():
        ours += [declaration.target.path, *(export.path for export in declaration.exports)]
    prefixes = set()
    for dataset in lake.project.datasets.values():
        prefix = dataset.source.prefix
        parent = prefix[: prefix.rstrip("/").rfind("/") + 1]
        prefixes.add(parent if parent and not any(path.startswith(parent) for path in ours) else prefix)
    return sorted(p for p in prefixes if not any(p != other and p.startswith(other) for other in prefixes))
