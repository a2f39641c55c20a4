"""The commands for a stack in the cloud, or its emulator on a laptop: `doctor` looks after it, `produce` feeds it."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from core.errors import Terminal
from handlers.cli.options import UNDONE, JsonOption, LakeOption, ProjectOption, asked

if TYPE_CHECKING:
    from core.lake import Lake
    from handlers.cli.produce import Send

StackOption = Annotated[str, typer.Option("--stack", metavar="NAME", envvar="LAKELET_STACK", help="The stack's name, as deployed.")]


class Destination(StrEnum):
    """Where sample input can be sent."""

    API = "api"
    STREAM = "stream"
    S3 = "s3"


def doctor(
    ctx: typer.Context,
    stack: StackOption = "lakelet",
    project: ProjectOption = None,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Examine a deployed stack: alarms, queues, executions, freshness, the last day's failures; and say what to do about each.

    Reads only. Takes AWS credentials, region and AWS_ENDPOINT_URL from the environment. Exit code 1 where something needs somebody.
    """
    with asked(ctx, project, lake, as_json) as options:
        from handlers.cli import render, tables
        from handlers.cli.doctor import connect, examine

        found = examine(connect(stack), options.project)
        if options.as_json:
            typer.echo(render.as_json(found))
        else:
            tables.show_findings(render.console(), stack, found)
        raise typer.Exit(UNDONE if any(finding.severity == "act" for finding in found) else 0)


def produce(
    ctx: typer.Context,
    pipeline: Annotated[str, typer.Argument(metavar="PIPELINE", help="A folder of the project.")],
    to: Annotated[Destination, typer.Option("--to", help="The API, a Kinesis stream, or files into raw.")] = Destination.S3,
    rate: Annotated[float, typer.Option("--rate", min=0.01, help="Records a second; files a second with --to s3.")] = 1.0,
    seconds: Annotated[float, typer.Option("--seconds", min=0.1, help="For how long.")] = 60.0,
    url: Annotated[str, typer.Option("--url", metavar="URL", help="The API's address, as the stack's output ApiUrl says.")] = "",
    api_key: Annotated[str | None, typer.Option("--api-key", envvar="LAKELET_API_KEY", help="Without one, requests are signed.")] = None,
    stream: Annotated[str, typer.Option("--stream", metavar="NAME", help="The stream, as the stack's output StreamName says.")] = "",
    project: ProjectOption = None,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send sample records at a rate, to watch a stack at work. Ctrl-C ends it."""
    with asked(ctx, project, lake, as_json) as options:
        from handlers.cli import render
        from handlers.cli.named import samples_of
        from handlers.cli.produce import pieces
        from handlers.cli.produce import produce as producing

        opened = options.open()
        source = pieces(opened, samples_of(opened, pipeline), to.value)
        console, total = render.console(stderr=True), None
        for total in producing(source, _destination(to, opened, url=url, api_key=api_key, stream=stream), rate=rate, seconds=seconds):
            console.print(f"{total.sent:,} sent in {total.seconds:.0f} s, {total.bytes:,} bytes, {total.refused:,} refused")
        if options.as_json and total:
            typer.echo(render.as_json(total))


def _destination(to: Destination, lake: "Lake", *, url: str, api_key: str | None, stream: str) -> "Send":
    from handlers.cli.produce import to_api, to_s3, to_stream

    match to:
        case Destination.API:
            return to_api(_given(url, "--url", "the API's address"), api_key)
        case Destination.STREAM:
            return to_stream(_given(stream, "--stream", "the stream's name"))
        case Destination.S3:
            return to_s3(lake)


def _given(value: str, option: str, what: str) -> str:
    if not value:
        raise Terminal(f"--to needs {option}", expected=what, remedy="The outputs of `sam list stack-outputs` have it.")
    return value
