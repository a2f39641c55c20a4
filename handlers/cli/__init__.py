"""The command line: reads options, calls the core, says what happened. Heavy modules are imported by the command that needs them."""

import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from handlers.cli import operate
from handlers.cli.options import REFUSED, Asked, JsonOption, LakeOption, ProjectOption, asked

if TYPE_CHECKING:
    from core.lake import Lake
    from core.run import Step
    from handlers.cli.summary import Summary

app = typer.Typer(
    name="lakelet",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from core import __version__

        typer.echo(f"lakelet {__version__}")
        raise typer.Exit


@app.callback()
def options(
    ctx: typer.Context,
    project: ProjectOption = None,
    lake: LakeOption = None,
    as_json: JsonOption = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and leave.")] = False,  # noqa: ARG001
) -> None:
    """Lakelet loads files into Delta tables, checked against their contracts, each exactly once.

    Put files into the lake's raw folders, declare them in pipelines/, and type `lakelet run`.
    """
    ctx.obj = Asked(project, lake, as_json)


# --- doing ---------------------------------------------------------------------------------------------------------------------------


@app.command()
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

        opened = options.open()
        wanted = [opened.project.named(name).name for name in names or ()]
        summary = _follow(run(opened, names=wanted, ignore_schedules=now), opened, options)
        raise typer.Exit(summary.exit_code(strict=strict))


@app.command()
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
        from handlers.cli.objects import by_dataset, key_of

        opened = options.open()
        steps = run_objects(opened, by_dataset(opened, [key_of(opened, name) for name in objects]), behind_window=behind_window)
        raise typer.Exit(_follow(steps, opened, options, gone_is_undone=True).exit_code())


def _follow(steps: "Iterable[Step]", lake: "Lake", options: Asked, *, gone_is_undone: bool = False) -> "Summary":
    """Do the steps, showing each as it happens, and say at the end what they came to."""
    from handlers.cli import render, report
    from handlers.cli.summary import summarize

    started, done = time.perf_counter(), []
    with render.progress(render.console(stderr=True)) as show:
        for step in steps:
            show(step)
            done.append(step)
    summary = summarize(done, lake.project, seconds=time.perf_counter() - started, gone_is_undone=gone_is_undone)
    if options.as_json:
        typer.echo(render.as_json(summary))
    else:
        report.show_summary(render.console(), summary, options.place(lake))
    return summary


@app.command()
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

        opened = options.open()
        folder = operate.samples_of(opened, pipeline)
        with opened.workplace() as work:
            made = sample(folder, rows=rows, seed=seed, owner=opened.project.match, put=opened.raw.put, work=work)
        if options.as_json:
            typer.echo(render.as_json(made))
        else:
            tables.show_samples(render.console(), made, options.place(opened))


# --- looking -------------------------------------------------------------------------------------------------------------------------


@app.command()
def status(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One dataset or transform, at length.")] = None,
    project: ProjectOption = None,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how every table stands: version, rows, last commit, what was set aside, what is due."""
    with asked(ctx, project, lake, as_json) as options:
        from core.status import status
        from handlers.cli import render, tables

        opened = options.open()
        found, to = status(opened, [name] if name else ()), render.console()
        if options.as_json:
            typer.echo(render.as_json(found))
        elif name:
            tables.show_one_table(to, found[0], opened.now(), options.place(opened))
        else:
            tables.show_status(to, found, opened.now())


@app.command()
def query(
    ctx: typer.Context,
    sql: Annotated[str, typer.Argument(metavar="SQL", help="One SELECT; - reads it from standard input.")],
    limit: Annotated[
        int | None, typer.Option("--limit", min=0, help="Rows to give, 0 for all. [default: 1000, with --json all]", show_default=False)
    ] = None,
    project: ProjectOption = None,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask a question in SQL: tables by name, quarantined rows as quarantine.NAME. Reads only.

    With --json: a list of objects. Times are ISO 8601, decimals of more than 15 digits are text, so that none is rounded.
    """
    with asked(ctx, project, lake, as_json) as options:
        from core.query import query
        from handlers.cli import render, tables

        asked_for = (0 if options.as_json else 1000) if limit is None else limit
        answer = query(options.open(), sys.stdin.read() if sql == "-" else sql, limit=asked_for or None)
        if options.as_json:
            typer.echo(render.as_json(answer.records()))
        else:
            tables.show_answer(render.console(), answer)
        if answer.cut:
            typer.echo(f"The first {len(answer.rows):,} rows; there are more. --limit 0 gives all.", err=True)


@app.command()
def check(ctx: typer.Context, project: ProjectOption = None, lake: LakeOption = None, as_json: JsonOption = False) -> None:
    """Find every mistake in every declaration, misspelt columns in SQL included. Needs no data and touches no lake."""
    with asked(ctx, project, lake, as_json) as options:
        import tempfile

        from core.binding import problems
        from core.declarations import load
        from core.lake import Settings
        from handlers.cli import render, tables

        folder = Settings.read(options.project, options.lake).project
        with tempfile.TemporaryDirectory(prefix="lakelet-") as work:
            found = problems(folder, Path(work))
        if options.as_json:
            typer.echo(render.as_json(list(found)))
        elif found:
            render.show_problems(render.console(), found, folder)
        else:
            tables.show_project(render.console(), load(folder))
        raise typer.Exit(REFUSED if found else 0)


@app.command()
def schema(
    ctx: typer.Context,
    output: Annotated[Path | None, typer.Option("--output", metavar="FILE", help="Write it there.")] = None,
    project: ProjectOption = None,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the JSON Schema of declarations, by which an editor completes and checks them as one types.

    Write it once: lakelet schema --output lakelet.schema.json. Then name it in the first line of a declaration:

        # yaml-language-server: $schema=../../lakelet.schema.json

    Editors with the YAML language server (VS Code's YAML extension, Neovim, Emacs, Zed, Helix) do the rest. A JetBrains IDE takes the file
    under "JSON Schema mappings".
    """
    with asked(ctx, project, lake, as_json):
        from core.declarations import json_schema
        from handlers.cli import render

        text = render.as_json(json_schema())
        if output is None:
            typer.echo(text)
        else:
            output.write_text(f"{text}\n", "utf-8")
            typer.echo(f"{output} is written. First line of a declaration: # yaml-language-server: $schema={output}", err=True)


# --- in the cloud --------------------------------------------------------------------------------------------------------------------

operate.register(app)


def main() -> None:
    app()
