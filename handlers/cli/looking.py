"""The commands that change no lake: `status` and `query` look at one, `check` and `schema` at declarations alone."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from handlers.cli.options import REFUSED, JsonOption, LakeOption, ProjectOption, asked


def status(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One dataset or transform, at length.")] = None,
    cost: Annotated[bool, typer.Option("--cost", help="What its commits took, on Lambda and as Glue jobs.")] = False,
    project: ProjectOption = None,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how every table stands: version, rows, last commit, what was set aside, what is due."""
    with asked(ctx, project, lake, as_json) as options:
        from core.status import costs, status
        from handlers.cli import render, tables

        opened = options.open()
        if cost:
            spent = costs(opened, [name] if name else ())
            if options.as_json:
                typer.echo(render.as_json({"tables": spent, "prices": opened.project.prices.model_dump(mode="json")}))
            else:
                tables.show_costs(render.console(), spent, opened.project.prices)
            return
        found, to = status(opened, [name] if name else ()), render.console()
        if options.as_json:
            typer.echo(render.as_json(found))
        elif name:
            tables.show_one_table(to, found[0], opened.now(), options.place(opened))
        else:
            tables.show_status(to, found, opened.now())


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
