"""The command `lakelet local`: starts the emulator, tells how to use it, and repeats what functions say until Ctrl-C."""

import json
import re
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from core.errors import Terminal
from handlers.cli.options import JsonOption, ProjectOption, asked

if TYPE_CHECKING:
    from rich.console import Console

    from infra.local.emulator import Emulator
    from infra.local.stack import Stack

LOOK: Final = 0.2
"""Seconds between two looks at what functions have said."""

SILENT: Final = ("START RequestId:", "END RequestId:", "INIT_START", '{"_aws":')
EMULATOR: Final = "(rapid)"
"""What the Runtime Interface Emulator marks its own lines with."""

FIGURE: Final = re.compile(r"\t((?:Init )?Duration): ([\d.]+) ms")
STYLES: Final = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red", "REPORT": "dim"}


def local(
    ctx: typer.Context,
    template: Annotated[Path, typer.Option("--template", metavar="FILE", help="The SAM template.")] = Path("sam-template.yaml"),
    stack: Annotated[str, typer.Option("--stack", metavar="NAME", help="The stack's name.")] = "lakelet",
    parameter: Annotated[list[str] | None, typer.Option("--parameter", metavar="NAME=VALUE", help="A parameter of the template.")] = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Where it listens; 0 takes any port that is free.")] = 4566,
    containers: Annotated[
        bool | None,
        typer.Option(
            "--containers/--processes",
            help="Functions as containers of the image that `sam build` made, or as processes of this checkout. "
            "[default: containers where that can be]",
            show_default=False,
        ),
    ] = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run the whole stack on this machine: S3, queue, functions, stream, API, state machines. For `aws --endpoint-url`. Ctrl-C ends it.

    AWS is played by moto, functions are real. Nothing is billed, nobody is asked for permission, and nothing is kept.
    """
    with asked(ctx, project, None, as_json) as options:
        from core.lake import Settings
        from handlers.cli.render import as_json as document
        from handlers.cli.render import console

        emulator = _emulator()
        image = emulator.built_image(template)
        contained, why = _contained(containers, image)
        given = {"WithStream": "yes", **_parameters(parameter or [])}
        folder = Settings.read(options.project).project
        with emulator.running(project=folder, region=_region(), port=port, containers=contained, image=image) as started:
            to = console(stderr=options.as_json)
            to.print("making the stack: a few seconds", style="dim")
            made = started.deploy(template, stack, given)
            if options.as_json:
                typer.echo(document({"endpoint": started.endpoint, "logs": str(started.state / "logs"), "outputs": dict(made.outputs)}))
            else:
                show_stack(to, started, made, why)
            _follow(to, started, stack)


def _emulator() -> Any:
    """Return the emulator's module; Terminal where what it stands on is not installed."""
    try:
        import moto  # noqa: F401
        import samtranslator  # noqa: F401

        from infra.local import emulator
    except ImportError as error:
        raise Terminal(
            "lakelet local",
            expected="a checkout with its development packages (moto, aws-sam-translator)",
            found=f"no module {error.name}",
            remedy="In the checkout: make dev",
        ) from error
    return emulator


def _contained(asked_for: bool | None, image: str) -> tuple[bool, str]:
    """Decide how functions run, and say why."""
    if asked_for is False:
        return False, "processes of this checkout"
    from infra.local.containers import engine_or_none, engine_with

    if asked_for:
        engine_with(image)
    engine, problem = engine_or_none(image)
    return (
        (True, f"containers of {image}; the endpoint is open to this machine's network")
        if engine
        else (False, f"processes of this checkout: {problem}")
    )


def _parameters(given: list[str]) -> dict[str, str]:
    if wrong := [text for text in given if "=" not in text]:
        raise Terminal("--parameter", expected="NAME=VALUE", found=", ".join(wrong))
    return dict(text.split("=", 1) for text in given)


def _region() -> str:
    """Return the region that the user's other commands look at."""
    import botocore.session

    return str(botocore.session.get_session().get_config_variable("region") or "us-east-1")


# --- what it is --------------------------------------------------------------------------------------------------------------------------


def show_stack(to: "Console", emulator: "Emulator", stack: "Stack", functions: str) -> None:
    """Say where everything is, and what to type in another terminal."""
    from handlers.cli.render import heading, plain_table

    out, raw = stack.outputs, stack.outputs["RawBucket"]
    facts = {
        "endpoint": emulator.endpoint,
        "raw": f"s3://{raw}",
        "lake": f"s3://{out['LakeBucket']}",
        "API": out["ApiUrl"],
        "stream": out.get("StreamName", ""),
        "functions": functions,
        "logs": f"{emulator.state}/logs",
    }
    table = plain_table("", "", left=2, show_header=False)
    for name, fact in facts.items():
        if fact:
            table.add_row(name, fact)
    heading(to, f"{stack.name} runs on this machine. Ctrl-C ends it; nothing is kept.", "bold green")
    to.print(table)
    heading(to, "In another terminal")
    for command in commands(emulator.endpoint, emulator.region, stack.name, out):
        to.print(f"  {command}", soft_wrap=True)
    heading(to, "What functions say")


def commands(endpoint: str, region: str, stack: str, out: Any) -> Iterator[str]:
    """Yield commands to paste: first what tells the others where AWS is."""
    yield f"export AWS_ENDPOINT_URL={endpoint} AWS_REGION={region} AWS_DEFAULT_REGION={region}"
    yield "export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local"
    yield f"export LAKELET_RAW=s3://{out['RawBucket']} LAKELET_LAKE=s3://{out['LakeBucket']} LAKELET_STACK={stack}"
    yield "lakelet sample transactions --rows 100          # or: aws s3 cp FILE $LAKELET_RAW/raw/transactions/"
    yield 'lakelet query "select * from transactions limit 5"'
    yield f"curl -s {out['ApiUrl']}/v1/datasets"
    if "StreamName" in out:
        yield f"lakelet produce events --to stream --stream {out['StreamName']} --rate 20 --seconds 10"
    yield f"curl -s -X POST {endpoint}/_lakelet/schedules/{stack}-hourly    # an hour passes; {stack}-daily: a day's work"
    yield f"aws stepfunctions start-execution --state-machine-arn {out['RefreshStateMachine']}"
    yield "lakelet status; lakelet doctor"


# --- what functions say ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spoken:
    """One line to show: who says it, how grave it is, and the words."""

    function: str
    level: str
    words: str


def _follow(to: "Console", emulator: "Emulator", stack: str) -> None:
    """Repeat what functions say until Ctrl-C, or until the server is gone."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    read: dict[Path, int] = {}
    try:
        while emulator.alive():
            for line in new_lines(emulator.state / "logs", read):
                if found := spoken(line[0].removeprefix(f"{stack}-"), line[1]):
                    to.print(
                        f"{time.strftime('%H:%M:%S')}  {found.function:<9} {found.words}", style=STYLES.get(found.level, ""), soft_wrap=True
                    )
            time.sleep(LOOK)
    except KeyboardInterrupt:
        to.print("\nstopped", style="dim")
        return
    raise Terminal("the emulator", expected="to run", found="its process is gone", remedy=f"See {emulator.state}/server.log.")


def new_lines(folder: Path, read: dict[Path, int]) -> Iterator[tuple[str, str]]:
    """Yield each whole line that was added to a log since the last time, with the function's name."""
    for file in sorted(folder.glob("*.log")):
        with file.open("rb") as log:
            log.seek(read.get(file, 0))
            whole, end, _ = log.read().rpartition(b"\n")
            read[file] = read.get(file, 0) + len(whole) + len(end)
        yield from ((file.stem, line.decode("utf-8", "replace")) for line in whole.split(b"\n") if line)


def spoken(function: str, line: str) -> Spoken | None:
    """Turn a line of a log into one for people; None for what only machines read."""
    if line.startswith(SILENT) or EMULATOR in line:
        return None
    if line.startswith("REPORT RequestId:"):
        told = {name: float(figure) for name, figure in FIGURE.findall(line)}
        cold = f", after a cold start of {_seconds(told['Init Duration'])}" if told.get("Init Duration", 0) >= 1 else ""
        return Spoken(function, "REPORT", f"done in {_seconds(told.get('Duration', 0))}{cold}")
    try:
        entry = json.loads(line)
    except ValueError:
        return Spoken(function, "ERROR" if line.startswith("[ERROR]") else "", line.replace("\r", "\n  "))
    if not isinstance(entry, dict) or "message" not in entry:
        return Spoken(function, "", line)
    words = entry["message"] if isinstance(entry["message"], str) else json.dumps(entry["message"])
    more = "; ".join(str(entry[name]) for name in ("error", "exception_name") if name in entry and str(entry[name]) not in words)
    return Spoken(function, str(entry.get("level", "")), f"{words} ({more})" if more else words)


def _seconds(milliseconds: float) -> str:
    from handlers.wording import duration

    return duration(milliseconds / 1000)
