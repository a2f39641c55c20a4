"""Steps are done and shown as they happen; at the end stands what they came to."""

import time
from collections.abc import Callable, Iterable

import typer

from core.lake import Lake
from core.run import Step
from handlers.cli import render, report
from handlers.cli.options import Asked
from handlers.cli.summary import Summary, summarize


def follow(
    steps: Iterable[Step],
    lake: Lake,
    options: Asked,
    *,
    gone_is_undone: bool = False,
    due: Callable[[Lake], Iterable[str]] | None = None,
) -> Summary:
    """Do the steps, showing each as it happens, and say at the end what they came to, and what is `due` because of them."""
    started, done = time.perf_counter(), []
    with render.progress(render.console(stderr=True)) as show:
        for step in steps:
            show(step)
            done.append(step)
    waiting = due(lake) if due else ()
    summary = summarize(done, lake.project, seconds=time.perf_counter() - started, gone_is_undone=gone_is_undone, due=waiting)
    if options.as_json:
        typer.echo(render.as_json(summary))
    else:
        report.show_summary(render.console(), summary, options.place(lake))
    return summary
