"""TaskFunction: the steps of the state machines. Each takes and gives plain JSON; what goes wrong is raised under its class's name."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from core import enforce, run
from core.contract import Dataset, Transform
from core.errors import OutOfTime, Terminal
from core.ingest import load
from core.lake import Lake
from core.loading import Ingested
from core.maintenance import maintain
from core.project import levels
from core.run import Undone
from core.settle import ObjectOutcome, settle
from core.storage import ObjectGone, ObjectRef
from core.transform import Transformed
from handlers import notify
from handlers.events import Announced
from handlers.ingest import Assigned, assign
from handlers.notify import Notice
from handlers.observe import observed, segment
from handlers.schedule import summary
from handlers.work import lake_for, watch

Event = Mapping[str, Any]


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Do one task and return what it came to."""
    task = TASKS.get(str(event.get("task")))
    if task is None:
        raise Terminal("a task", expected=f"one of {', '.join(sorted(TASKS))}", found=str(event.get("task")))
    with segment(str(event["task"])):
        return task(lake_for(context), event)


# --- refresh -------------------------------------------------------------------------------------------------------------------------


def _sweep(lake: Lake, _: Event) -> dict[str, Any]:
    """Load what waits. `more` asks to be called again; a call that settled nothing would ask for ever, so it raises instead."""
    steps = watch(lake, run.run(lake, names=lake.project.datasets, ready=run.by_trigger))
    late = [step for step in steps if isinstance(step, Undone) and step.late]
    settled = any(isinstance(step, Ingested) and step.objects for step in steps)
    if late and not settled:
        raise OutOfTime("sweep", expected="a batch to be loaded before the deadline", found="none", remedy=late[0].error)
    return {"more": bool(late), **summary(steps)}


def _plan(lake: Lake, _: Event) -> dict[str, Any]:
    return {"levels": levels(lake.project), "tables": [declaration.name for declaration in lake.project.order]}


def _transform(lake: Lake, event: Event) -> dict[str, Any]:
    declaration = lake.project.named(event["name"])
    if not isinstance(declaration, Transform):
        raise Terminal(f"{declaration.name}", expected="a transform", found="a dataset")
    steps = watch(lake, run.transform_if_due(lake, declaration))
    done = [{"rows": step.rows, "version": step.version} for step in steps if isinstance(step, Transformed)]
    return {"name": declaration.name, "ran": bool(done), **(done[0] if done else {})}


def _maintain(lake: Lake, event: Event) -> dict[str, Any]:
    return asdict(maintain(lake, lake.project.named(event["name"])))


# --- ingest-large --------------------------------------------------------------------------------------------------------------------


def _check(lake: Lake, event: Event) -> dict[str, Any]:
    """Find a large object's dataset and look at its header, before a large function reads it whole."""
    found = event["object"]
    assigned = _assigned(lake, found)
    if not assigned.refs:
        watch(lake, assigned.unknown)
        return {"verdict": "scheduled" if assigned.scheduled else "unknown", "dataset": None, "object": found}
    name, ref = assigned.refs[0]
    dataset = _dataset(lake, name)
    try:
        rejection = enforce.check_header(lake, dataset, ref)
    except ObjectGone:
        return {"verdict": "gone", "dataset": name, "object": found}
    if rejection:
        settle(lake, dataset, [rejection])
        watch(lake, [Ingested(name, (rejection,))])
    return {"verdict": "rejected" if rejection else "load", "dataset": name, "object": found}


def _load(lake: Lake, event: Event) -> dict[str, Any]:
    dataset = _dataset(lake, event["dataset"])
    done = load(lake, dataset, [ref for _, ref in _assigned(lake, event["object"]).refs])
    watch(lake, [done])
    return {
        "dataset": dataset.name,
        "version": done.version,
        "balance": done.balance,
        "outcomes": [_told(outcome) for outcome in done.objects],
    }


def _archive(lake: Lake, event: Event) -> dict[str, Any]:
    outcomes = [_outcome(told) for told in event["outcomes"]]
    settle(lake, _dataset(lake, event["dataset"]), outcomes)
    return {"dataset": event["dataset"], "archived": len(outcomes)}


def _register(lake: Lake, event: Event) -> dict[str, Any]:
    """Bring exports and the catalog up to the table, and what reads it up to date."""
    dataset = _dataset(lake, event["dataset"])
    published = watch(lake, run.publish(lake, dataset))
    watch(lake, run.judge(lake, dataset))
    watch(lake, run.follow(lake, [dataset.name]))
    return {"dataset": dataset.name, "exports": len(published)}


def _assigned(lake: Lake, found: Event) -> Assigned:
    return assign(lake, [Announced(found["bucket"], ObjectRef(found["key"], found.get("version") or None, int(found.get("size") or 0)))])


def _told(outcome: ObjectOutcome) -> dict[str, Any]:
    ref = outcome.object
    return {
        "object": {"key": ref.key, "version": ref.version, "size": ref.size, "modified": ref.modified.isoformat()},
        "fate": outcome.fate,
        "reason": outcome.reason,
        "report": outcome.report,
    }


def _outcome(told: Event) -> ObjectOutcome:
    ref = ObjectRef(**{**told["object"], "modified": datetime.fromisoformat(told["object"]["modified"])})
    return ObjectOutcome(ref, told["fate"], reason=told["reason"], report=told["report"])


def _dataset(lake: Lake, name: str) -> Dataset:
    declaration = lake.project.named(name)
    if not isinstance(declaration, Dataset):
        raise Terminal(name, expected="a dataset", found="a transform")
    return declaration


# --- both ----------------------------------------------------------------------------------------------------------------------------


def _notify(lake: Lake, event: Event) -> dict[str, Any]:
    failed = event["outcome"] != "succeeded"
    body = {"execution": event.get("execution"), "detail": event.get("detail")}
    notify.publish(lake.settings, Notice(failed, f"execution {event['outcome']}", event["machine"], body))
    return {}


TASKS: Final[Mapping[str, Callable[[Lake, Event], dict[str, Any]]]] = {
    "sweep": _sweep,
    "plan": _plan,
    "transform": _transform,
    "maintain": _maintain,
    "check": _check,
    "load": _load,
    "archive": _archive,
    "register": _register,
    "notify": _notify,
}
