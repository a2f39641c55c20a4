"""What the steps of a run add up to. Pure: nothing here looks at the lake or prints."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.contract import Dataset
from core.expect import Violation
from core.export import Exported
from core.loading import Ingested, Withdrawn
from core.project import Project
from core.run import Published, Step, Undone, Unknown, Violated
from core.settle import ObjectOutcome, place
from core.transform import Transformed

DONE, UNDONE, STRICT = 0, 1, 3
"""Exit codes: all is accounted for; something stays undone; --strict, and something was set aside. For the others see options."""


@dataclass(frozen=True)
class Load:
    """What was loaded into one dataset, all its batches together: `objects` by fate, `rows` by theirs; `after` as declared."""

    dataset: str
    after: str
    objects: dict[str, int]
    rows: dict[str, int]
    version: int | None
    reasons: dict[str, int]
    warnings: dict[str, int]
    seconds: float

    @property
    def did_something(self) -> bool:
        """Whether there is more to say than that objects were seen again which a dataset keeps in raw."""
        return bool(set(self.objects) - ({"already loaded", "gone"} if self.after == "keep" else {"gone"}))


@dataclass(frozen=True)
class SetAside:
    """An object that was rejected: why, and where it and its report are now (keys)."""

    object: str
    dataset: str
    reason: str
    why: str
    at: str
    report: str


@dataclass(frozen=True)
class Left:
    """Something that stays undone, and why; `name` is a dataset, a transform or an object."""

    name: str
    why: str


@dataclass(frozen=True)
class Summary:
    """A run, or whatever else was done, as one value: what `--json` prints.

    `left_out` are objects that had been taken out and came again; `due` the transforms that wait to run over what was changed.
    """

    loads: tuple[Load, ...] = ()
    transforms: tuple[Transformed, ...] = ()
    exports: tuple[Exported, ...] = ()
    violations: tuple[Violation, ...] = ()
    rejected: tuple[SetAside, ...] = ()
    unknown: tuple[str, ...] = ()
    undone: tuple[Left, ...] = ()
    left_out: tuple[Left, ...] = ()
    withdrawn: tuple[Withdrawn, ...] = ()
    due: tuple[str, ...] = ()
    seconds: float = 0.0
    rows: dict[str, int] = field(default_factory=dict)

    @property
    def quarantined(self) -> int:
        return self.rows.get("quarantined", 0)

    @property
    def idle(self) -> bool:
        """Whether there was nothing to do: at most objects were seen again that a dataset keeps in raw."""
        did = any(load.did_something for load in self.loads)
        return not (did or self.withdrawn or self.transforms or self.exports or self.violations or self.unknown or self.undone)

    def exit_code(self, *, strict: bool = False) -> int:
        if self.undone:
            return UNDONE
        return STRICT if strict and (self.rejected or self.quarantined or self.unknown) else DONE


def summarize(steps: Sequence[Step], project: Project, *, seconds: float, gone_is_undone: bool = False, due: Iterable[str] = ()) -> Summary:
    """Add up the steps. `gone_is_undone`: the objects were asked for by name, so one that isn't there is somebody's mistake."""
    ingested = [step for step in steps if isinstance(step, Ingested)]
    undone = [Left(step.name, step.error) for step in steps if isinstance(step, Undone)]
    undone += _not_loaded(ingested, ("refused", "gone") if gone_is_undone else ("refused",))
    return Summary(
        loads=tuple(
            _load([step for step in ingested if step.dataset == name], project) for name in dict.fromkeys(step.dataset for step in ingested)
        ),
        transforms=tuple(step for step in steps if isinstance(step, Transformed)),
        exports=tuple(done for step in steps if isinstance(step, Published) for done in step.exported),
        violations=tuple(found for step in steps if isinstance(step, Violated) for found in step.violations),
        rejected=tuple(_rejected(ingested, project)),
        unknown=tuple(step.key for step in steps if isinstance(step, Unknown)),
        undone=tuple(undone),
        left_out=tuple(_not_loaded(ingested, ("undone",))),
        withdrawn=tuple(step for step in steps if isinstance(step, Withdrawn)),
        due=tuple(due),
        seconds=round(seconds, 3),
        rows=_sum(step.balance for step in ingested),
    )


def _load(batches: Sequence[Ingested], project: Project) -> Load:
    versions = [batch.version for batch in batches if batch.version is not None]
    return Load(
        dataset=batches[0].dataset,
        after=project.datasets[batches[0].dataset].after,
        objects=_sum({outcome.fate: 1} for batch in batches for outcome in batch.objects),
        rows=_sum(batch.balance for batch in batches),
        version=max(versions, default=None),
        reasons=_most_first(_sum(batch.reasons for batch in batches)),
        warnings=_most_first(_sum(batch.warnings for batch in batches)),
        seconds=round(sum(batch.seconds for batch in batches), 3),
    )


def _rejected(ingested: Iterable[Ingested], project: Project) -> Iterator[SetAside]:
    for batch in ingested:
        dataset = project.declarations[batch.dataset]
        for outcome in batch.objects:
            if outcome.fate == "rejected" and isinstance(dataset, Dataset):
                at = f"rejected/{outcome.reason}/{place(dataset, outcome.object)}"
                yield SetAside(outcome.object.key, dataset.name, outcome.reason, _why(outcome), at, f"{at}.report.json")


def _why(outcome: ObjectOutcome) -> str:
    """Take the message out of the report, without what it says of the object and the remedy: both stand beside it."""
    report: dict[str, Any] = json.loads(outcome.report) if outcome.report else {}
    message = str(report.get("message") or outcome.reason).removesuffix(str(report.get("remedy", ""))).strip()
    return message.replace(f" in {outcome.object.key}", "")


def _not_loaded(ingested: Iterable[Ingested], fates: tuple[str, ...]) -> list[Left]:
    return [
        Left(outcome.object.key, outcome.reason or outcome.fate) for step in ingested for outcome in step.objects if outcome.fate in fates
    ]


def _sum(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for count in counts:
        for name, number in count.items():
            total[name] = total.get(name, 0) + number
    return total


def _most_first(counts: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))
