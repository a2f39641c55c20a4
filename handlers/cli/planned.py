"""What undo, replay and backfill would do, as one reads it before it is done."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Console

from core.amend.plans import Plan, Planned
from core.versions import key_of
from handlers.cli.render import Place, ago, count, heading, plain_table, size
from handlers.wording import plural

MANY: Final = 20
WHAT: Final = {"undo": "to be taken out", "replay": "to be run again", "backfill": "to be run again"}


def show(to: Console, plans: Sequence[Plan], now: datetime, place: Place) -> None:
    """Show which objects a plan means, how many rows of them there are, and what will come back."""
    if not plans:
        to.print("Nothing to do: nothing that was set aside or archived is meant by this.")
    for plan in plans:
        if plan.objects:
            heading(to, f"{plan.dataset}: {plural(len(plan.objects), 'object')} {WHAT[plan.kind]}")
            _show_objects(to, plan, now)
        _show_rest(to, plan, place)


def _show_objects(to: Console, plan: Plan, now: datetime) -> None:
    undo = plan.kind == "undo"
    table = plain_table("object", "arrived", *(["rows"] if undo else ["size"]), "quarantined", "now in" if not undo else "")
    table.columns[-1].justify = "left"
    for entry in plan.objects[:MANY]:
        what = count(entry.rows) if undo else size(entry.size)
        where = entry.kept.now.key.split("/")[0] if entry.kept else ""
        table.add_row(_named(plan, entry.source), ago(_arrived(entry), now), what, count(entry.quarantined, "yellow"), where)
    to.print(table)
    if len(plan.objects) > MANY:
        to.print(f"and {len(plan.objects) - MANY:,} more")


def _named(plan: Plan, source: str) -> str:
    """Return an object's key, with its version where there are several of it."""
    alike = sum(key_of(entry.source) == key_of(source) for entry in plan.objects[:MANY])
    return source if alike > 1 else key_of(source)


def _show_rest(to: Console, plan: Plan, place: Place) -> None:
    for source in plan.back[:MANY]:
        to.print(f"{source} comes back in its place", soft_wrap=True)
    if plan.searched:
        to.print(f"Rows of the same keys that they had hidden come back, out of {plural(plan.searched, 'archived object')}.")
    if plan.done:
        told = f"{plan.dataset}: {plural(plan.done, 'object')} run again under this very contract before, and left out"
        to.print(f"{told}; `{place.command(plan.kind, plan.dataset, '--all')}` takes them, too.", soft_wrap=True)
    for key in plan.strange[:MANY]:
        to.print(f"{key}: nobody can tell which object this was; left out", style="yellow", soft_wrap=True)


def as_record(plan: Plan) -> dict[str, Any]:
    """Return a plan as `--json` prints it."""
    return {
        "kind": plan.kind,
        "dataset": plan.dataset,
        "objects": [_record(entry) for entry in plan.objects],
        "back": list(plan.back),
        "searched": plan.searched,
        "done_before": plan.done,
        "strange": list(plan.strange),
    }


def _record(entry: Planned) -> dict[str, Any]:
    key = key_of(entry.source)
    return {
        "object": key,
        "version": entry.source.removeprefix(f"{key}@"),
        "arrived": _arrived(entry),
        "rows": entry.rows,
        "quarantined": entry.quarantined,
        "at": entry.kept.now.key if entry.kept else None,
    }


def _arrived(entry: Planned) -> datetime:
    return datetime.fromtimestamp(entry.time / 1000, UTC)
