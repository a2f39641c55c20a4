"""The command line: reads options, calls the core, says what happened. Heavy modules are imported by the command that needs them."""

from typing import Annotated

import typer

from handlers.cli import doing, local, looking, mending, operating
from handlers.cli.options import Asked, JsonOption, LakeOption, ProjectOption

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
def lakelet(
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


for command in (
    *(doing.run, doing.ingest, doing.sample),
    *(mending.undo, mending.replay, mending.backfill),
    *(looking.status, looking.query, looking.check, looking.schema),
    *(local.local, operating.doctor, operating.produce),
):
    app.command()(command)


def main() -> None:
    app()
