"""IngestFunction: announced objects, grouped by dataset into one commit each. Whatever is not settled goes back to its queue."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from core import run
from core.errors import Transient
from core.lake import Lake
from core.loading import Ingested
from core.run import Undone, Unknown
from core.storage import ObjectRef
from handlers.events import Announced, Message, messages
from handlers.observe import logger, observed, segment
from handlers.work import lake_for, watch


@dataclass(frozen=True)
class Assigned:
    """What a message asks for: objects by dataset, those of nobody, and those that a schedule will find."""

    refs: tuple[tuple[str, ObjectRef], ...] = ()
    unknown: tuple[Unknown, ...] = ()
    scheduled: tuple[str, ...] = ()


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Load what an event announces. For a queue: the messages to be delivered again; otherwise it raises what went wrong."""
    lake = lake_for(context)
    found = messages(event)
    failed = take(lake, found)
    if any(message.id for message in found):
        return {"batchItemFailures": [{"itemIdentifier": name} for name in failed]}
    if failed:
        raise Transient("the event", expected="every object to be settled", found="; ".join(failed.values()))
    return {"objects": sum(len(message.objects) for message in found)}


def take(lake: Lake, found: Sequence[Message]) -> dict[str, str]:
    """Settle the messages; return those that failed and why.

    New ones share a commit for each dataset. One that comes back is taken alone, so that a poisonous object holds up no other.
    """
    failed = {message.id: message.problem for message in found if message.problem}
    asked = {message: assign(lake, message.objects) for message in found if not message.problem}
    units = [[message for message in asked if message.tries == 1], *([message] for message in asked if message.tries > 1)]
    loaded: set[str] = set()
    for unit in filter(None, units):
        undone, changed = _settle(lake, [asked[message] for message in unit])
        loaded |= changed
        for message in unit:
            if blame := sorted({dataset for dataset, _ in asked[message].refs} & undone.keys()):
                failed[message.id] = "; ".join(undone[dataset] for dataset in blame)
    with segment("follow"):
        watch(lake, run.follow(lake, loaded))
    for name, why in failed.items():
        logger.warning("a message goes back", extra={"message_id": name, "error": why})
    return failed


def _settle(lake: Lake, unit: Sequence[Assigned]) -> tuple[dict[str, str], set[str]]:
    """Load one unit of work; return what stays undone, by dataset, and the datasets whose tables changed, now or before a crash."""
    watch(lake, (unknown for assigned in unit for unknown in assigned.unknown))
    if scheduled := [key for assigned in unit for key in assigned.scheduled]:
        logger.info("left to their schedule", extra={"objects": scheduled[:20], "count": len(scheduled)})
    refs: dict[str, list[ObjectRef]] = {}
    for dataset, ref in (pair for assigned in unit for pair in assigned.refs):
        refs.setdefault(dataset, []).append(ref)
    with segment(f"load {', '.join(sorted(refs))}"[:200]):
        steps = watch(lake, run.run_objects(lake, refs))
    undone = {step.name: step.error for step in steps if isinstance(step, Undone)}
    return undone, {step.dataset for step in steps if isinstance(step, Ingested) and step.count("loaded") + step.count("already loaded")}


def assign(lake: Lake, announced: Iterable[Announced]) -> Assigned:
    """Find each object's dataset. Pure."""
    refs, unknown, scheduled = [], [], []
    for one in announced:
        ref = _below_raw(lake, one)
        if ref is None:
            unknown.append(Unknown(f"s3://{one.bucket}/{one.ref.key}", "it is not in this lake's raw bucket"))
        elif run.is_data(ref):
            owner = run.owner_of(lake, ref.key)
            if isinstance(owner, Unknown):
                unknown.append(owner)
            elif owner.source.trigger == "arrival":
                refs.append((owner.name, ref))
            else:
                scheduled.append(ref.key)
    return Assigned(tuple(refs), tuple(unknown), tuple(scheduled))


def _below_raw(lake: Lake, one: Announced) -> ObjectRef | None:
    """Return an announced object as the raw store names it; None where it lies elsewhere."""
    root, full = f"{lake.settings.raw}/", f"s3://{one.bucket}/{one.ref.key}"
    return replace(one.ref, key=full.removeprefix(root)) if full.startswith(root) else None
