"""The commands that load and compute: `run`, `ingest`, and `sample`, which makes something to load."""

from typing import Annotated

import typer

from handlers.cli.options import JsonOption, LakeOption, ProjectOption, asked


def run(
    ctx: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Only these datasets and transforms.")] = None,
    now: Annotated[bool, typer.Option("--now", help="Run transforms that have anything new, whatever their schedule.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 3 when anything is rejected, quarantined or unknown.")] = False,
    project: ProjectOption = None,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Do all there is to do: load what is new in raw, run the transforms that are due, write exports.

    Safe to repeat and to interrupt. Exit code 0: everything is accounted for, rejected files and quarantined rows included. 1: something
    stays undone. 2: the declarations or the command are wrong. 3: see --strict.
    """
    with asked(ctx, project, lake, as_json) as options:
        from core.run import run
        from handlers.cli.follow import follow

        opened = options.open()
        wanted = [opened.project.named(name).name for name in names or ()]
        summary = follow(run(opened, names=wanted, ignore_schedules=now), opened, options)
        raise typer.Exit(summary.exit_code(strict=strict))


def ingest(
    ctx: typer.Context,
    objects: Annotated[
        list[str], typer.Argument(metavar="OBJECT...", help="Keys in raw, such as raw/orders/may.csv, or paths of files in it.")
    ],
    behind_window: Annotated[
        bool, typer.Option("--behind-window", help="Load objects older than the table remembers: you know that they were never loaded.")
    ] = False,
    project: ProjectOption = None,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Load some objects now, and nothing else."""
    with asked(ctx, project, lake, as_json) as options:
        from core.run import run_objects
        from handlers.cli.follow import follow
        from handlers.cli.named import by_dataset, key_of

        opened = options.open()
        steps = run_objects(opened, by_dataset(opened, [key_of(opened, name) for name in objects]), behind_window=behind_window)
        raise typer.Exit(follow(steps, opened, options, gone_is_undone=True).exit_code())


def sample(
    ctx: typer.Context,
    pipeline: Annotated[str, typer.Argument(metavar="PIPELINE", help="A folder of the project.")],
    rows: Annotated[int, typer.Option("--rows", min=1, help="Rows of the pipeline's main objects.")] = 1000,
    seed: Annotated[int, typer.Option("--seed", help="The same rows and seed give the same files.")] = 1,
    project: ProjectOption = None,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write sample input for a pipeline into raw: good rows, bad rows, late ones, duplicates and a bad file."""
    with asked(ctx, project, lake, as_json) as options:
        from core.sample import sample
        from handlers.cli import render, tables
        from handlers.cli.named import samples_of

        opened = options.open()
        folder = samples_of(opened, pipeline)
        with opened.workplace() as work:
            made = sample(folder, rows=rows, seed=seed, owner=opened.project.match, put=opened.raw.put, work=work)
        if options.as_json:
            typer.echo(render.as_json(made))
        else:
            tables.show_samples(render.console(), made, options.place(opened))
