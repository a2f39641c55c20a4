"""The commands that put right what went wrong: `undo`, `replay`, `backfill`. Each says first what it would do."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from handlers.cli.options import Asked, JsonOption, LakeOption, ProjectOption, asked

if TYPE_CHECKING:
    from core.amend.plans import Plan
    from core.lake import Lake

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
Everything = Annotated[bool, typer.Option("--all", help="Also what was run again under this very contract before.")]
MOMENTS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]


def undo(
    ctx: typer.Context,
    names: Annotated[
        list[str], typer.Argument(metavar="OBJECT|COMMIT...", help="raw/orders/may.csv, 'raw/orders/2026-05-*', or a commit: orders@12.")
    ],
    dry_run: DryRun = False,
    project: ProjectOption = None,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take objects out of their tables again, as if they had never come.

    Whatever they had hidden comes back out of the archive: an object's older version, a key's older row, an overwritten table's older file.
    The objects stay archived, and stay out when they are delivered again; `lakelet replay OBJECT` loads them again. Transforms that read
    the table are due.
    """
    with asked(ctx, project, lake, as_json) as options:
        from core.amend import plans
        from handlers.cli.named import key_of

        opened = options.open()
        _perform(opened, plans.undo(opened, [key_of(opened, name) for name in names]), options, dry_run=dry_run)


def replay(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[DATASET|OBJECT]...", help="Only these. An object is run again whatever became of it.")
    ] = None,
    everything: Everything = False,
    dry_run: DryRun = False,
    project: ProjectOption = None,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run again what was set aside, once the contract, or what its checks look into, was mended: rejected files and quarantined rows.

    An object is run again as a whole, by the present contract, and what it makes now takes the place of what it made before, in one commit:
    rows that are good now are loaded once and leave the quarantine. What was run again under this very contract before is left out, so that
    the same command goes on where it was stopped.
    """
    with asked(ctx, project, lake, as_json) as options:
        from core.amend import plans
        from handlers.cli.named import key_of

        opened = options.open()
        wanted = [name if name in opened.project.datasets else key_of(opened, name) for name in names or ()]
        _perform(opened, plans.replay(opened, wanted, everything=everything), options, dry_run=dry_run)


def backfill(
    ctx: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="[DATASET]...", help="Only these datasets.")] = None,
    start: Annotated[
        datetime | None, typer.Option("--from", formats=MOMENTS, help="Objects that arrived on this day (UTC) or later.")
    ] = None,
    end: Annotated[
        datetime | None, typer.Option("--to", formats=MOMENTS, help="Objects that arrived until the end of this day (UTC).")
    ] = None,
    everything: Everything = False,
    dry_run: DryRun = False,
    project: ProjectOption = None,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run archived objects of a window again, by the present contract: a column that was added is filled, a lost table made again.

    What an object makes now takes the place of what it made before. In batches of one commit each; stopped, the same command goes on.
    Objects that were taken out stay out.
    """
    with asked(ctx, project, lake, as_json) as options:
        from core.amend import plans
        from core.errors import Terminal

        if not (names or start or end or everything):
            raise Terminal("backfill", expected="datasets, --from, --to or --all", found="none", remedy="Say how far it should go.")
        opened = options.open()
        until = end + timedelta(days=1) if end and end.time() == time.min else end
        found = plans.backfill(opened, names or (), start=_utc(start), end=_utc(until), everything=everything)
        _perform(opened, found, options, dry_run=dry_run)


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment else None


def _perform(lake: "Lake", found: "Sequence[Plan]", options: Asked, *, dry_run: bool) -> None:
    from core.run import due, perform
    from handlers.cli import planned, render
    from handlers.cli.follow import follow

    if dry_run and options.as_json:
        typer.echo(render.as_json([planned.as_record(plan) for plan in found]))
        return
    if not options.as_json:
        planned.show(render.console(), found, lake.now(), options.place(lake))
    if not dry_run and any(plan.objects for plan in found):
        steps = (step for plan in found for step in perform(lake, plan))
        raise typer.Exit(follow(steps, lake, options, gone_is_undone=True, due=due).exit_code())
    if dry_run:
        typer.echo("Nothing was changed; without --dry-run it is done.")
    elif options.as_json:
        typer.echo(render.as_json([planned.as_record(plan) for plan in found]))
