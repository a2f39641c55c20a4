"""What every command has in common: where the project and the lake are, and how errors are told."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from core.errors import LakeError, Terminal

if TYPE_CHECKING:
    from core.lake import Lake
    from handlers.cli.render import Place

UNDONE, REFUSED, STOPPED = 1, 2, 130
"""Exit codes: something stays undone; declarations or usage; interrupted. For the others see summary."""

PROJECT = typer.Option(
    "--project", metavar="DIR", help="Folder of pipelines. [env: LAKELET_PROJECT; default: pipelines]", show_default=False
)
LAKE = typer.Option(
    "--lake", metavar="URI", help="A folder or s3://bucket/prefix. [env: LAKELET_LAKE; default: ./lake]", show_default=False
)
JSON = typer.Option("--json", help="One JSON document on standard output, for machines.", show_default=False)

ProjectOption = Annotated[str | None, PROJECT]
LakeOption = Annotated[str | None, LAKE]
JsonOption = Annotated[bool, JSON]


@dataclass
class Asked:
    """What the options say, before and after the command's name together. The environment is the core's to read."""

    project: str | None = None
    lake: str | None = None
    as_json: bool = False

    def open(self) -> "Lake":
        from core.lake import open_lake

        return open_lake(self.project, self.lake)

    @property
    def flags(self) -> list[str]:
        return [*(["--project", self.project] if self.project else []), *(["--lake", self.lake] if self.lake else [])]

    def place(self, lake: "Lake") -> "Place":
        from handlers.cli.render import Place

        return Place(lake.settings.lake, lake.settings.raw, self.flags)


@contextmanager
def asked(ctx: typer.Context, project: str | None, lake: str | None, as_json: bool) -> Iterator[Asked]:
    """Give a command its options; whatever it raises on purpose becomes one message and an exit code, never a traceback."""
    before: Asked = ctx.obj or Asked()
    options = Asked(project or before.project, lake or before.lake, as_json or before.as_json)
    try:
        yield options
    except LakeError as error:
        _tell(error, options)
        raise typer.Exit(REFUSED if isinstance(error, Terminal) else UNDONE) from None
    except BrokenPipeError:  # `| head`: typer leaves quietly
        raise
    except OSError as error:
        _tell(LakeError(error.filename or "the system refuses", found=error.strerror or str(error)), options)
        raise typer.Exit(UNDONE) from None
    except (KeyboardInterrupt, RuntimeError) as error:
        if isinstance(error, RuntimeError) and str(error) != "Query interrupted":  # what DuckDB makes of Ctrl-C
            raise
        typer.echo("stopped; run it again to go on, nothing is lost", err=True)
        raise typer.Exit(STOPPED) from None


def _tell(error: LakeError, options: Asked) -> None:
    from handlers.cli import render

    if options.as_json:
        typer.echo(render.error_as_json(error))
    else:
        render.show_error(render.console(stderr=True), error)
