"""The lake as tables in a terminal: its status, the answer to a query, samples, the project."""

import json
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from core.project import Project
from core.query import Answer, json_value
from core.receipt import Prices, Spent
from core.sample import Sample
from core.status import Cost, TableStatus
from handlers.cli.doctor import Finding
from handlers.cli.render import Place, ago, count, plain_table, size
from handlers.wording import plural

WIDEST: Final = 60
"""A value that is longer is cut in a table for people; `--json` has it whole."""

FEW_RECORDS: Final = 20
NUMBERS: Final = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "FLOAT", "DOUBLE")


def show_status(to: Console, tables: Sequence[TableStatus], now: datetime) -> None:
    """Show a line a table, by pipeline."""
    table = plain_table("", "version", "rows", "size", "last commit", "newest object", "quarantined", "rejected", "state")
    table.columns[-1].justify, table.columns[-1].no_wrap = "left", False
    for pipeline in sorted({found.pipeline for found in tables}):
        table.add_row(Text(pipeline, style="bold"))
        for found in (found for found in tables if found.pipeline == pipeline):
            aside = [count(found.quarantined, "yellow"), count(found.rejected, "yellow")] if found.kind == "dataset" else ["", ""]
            table.add_row(
                f"  {found.name}",
                "-" if found.version is None else str(found.version),
                count(found.rows),
                size(found.bytes),
                ago(found.committed, now) if found.committed else "never",
                ago(found.newest, now) if found.newest else "",
                *aside,
                Text(found.state, style="green" if found.due else ""),
            )
    to.print(table)


def show_one_table(to: Console, found: TableStatus, now: datetime, place: Place) -> None:
    """Show one table at length."""
    dataset = found.kind == "dataset"
    _facts(
        to,
        {
            found.kind: found.name,
            "pipeline": found.pipeline,
            "lies in": place.path(found.path),
            "version": "none yet" if found.version is None else str(found.version),
            "rows": f"{found.rows:,}",
            "size": size(found.bytes),
            "last commit": _when(found.committed, now) or "never",
            "newest object": _when(found.newest, now),
            "quarantined": plural(found.quarantined, "row") if dataset else "",
            "rejected": plural(found.rejected, "file") if dataset else "",
            "state": found.state,
        },
    )


def show_costs(to: Console, costs: Sequence[Cost], prices: Prices) -> None:
    """Show what each table's commits took, and all of them together."""
    since = [cost.since for cost in costs if cost.since]
    if not since:
        to.print("Nothing was committed yet.")
        return
    table = plain_table("", "commits", "rows", "read", "seconds", "peak", "GB-s", "Lambda", "Glue at least")
    for cost in costs:
        if cost.since:
            table.add_row(cost.name, *_spent(cost.spent))
    spent = [cost.spent for cost in costs]
    usd, glue = sum(part.usd for part in spent), sum(part.glue_usd for part in spent)
    table.add_row(Text("all", style="bold"), f"{sum(part.commits for part in spent):,}", *[""] * 5, _dollars(usd), _dollars(glue))
    to.print(table)
    least = f"{prices.glue_dpus} DPU for {prices.glue_minimum_seconds:.0f} s or as long as it took here"
    to.print(f"Since {min(since):%Y-%m-%d}, as far as the tables' logs reach. Glue: a job a commit, {least}.", style="dim", soft_wrap=True)
    told = f"Prices of {prices.region}, {prices.as_of:%Y-%m-%d}, {prices.source}; yours go into prices.yaml beside the pipelines."
    to.print(told, style="dim", soft_wrap=True)


def _spent(spent: Spent) -> list[str]:
    took = [f"{spent.rows:,}", size(spent.bytes), f"{spent.seconds:,.2f}", size(spent.peak), f"{spent.gb_seconds:,.2f}"]
    return [f"{spent.commits:,}", *took, _dollars(spent.usd), _dollars(spent.glue_usd)]


def _dollars(amount: float) -> str:
    """Write an amount so that a fraction of a cent is still seen."""
    return f"${amount:,.2f}" if amount >= 1 else f"${amount:.6f}"


def _when(moment: datetime | None, now: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC, {ago(moment, now)}" if moment else ""


def _facts(to: Console, facts: dict[str, str | Text]) -> None:
    grid = Table.grid(padding=(0, 2, 0, 0))
    for name, fact in facts.items():
        if fact:
            grid.add_row(Text(name, style="bold"), fact)
    to.print(grid)


# --- an answer -----------------------------------------------------------------------------------------------------------------------


def show_answer(to: Console, answer: Answer) -> None:
    """Show rows as a table, or one below the other where the table would not fit."""
    names = [printable(name) for name in answer.columns]
    cells = [[cell(value) for value in row] for row in answer.rows]
    widths = [max([len(name), *(len(row[n]) for row in cells)]) for n, name in enumerate(names)]
    if sum(widths) + 2 * len(widths) > 1.5 * to.width and len(cells) <= FEW_RECORDS:
        for row in cells:
            _facts(to, dict(zip(names, row, strict=True)))
            to.print()
    else:
        table = plain_table(*names, left=len(names))
        for column, kind in zip(table.columns, answer.types, strict=True):
            column.justify = "right" if kind in NUMBERS or kind.startswith("DECIMAL") else "left"
            column.overflow = "ellipsis"
        for row in cells:
            table.add_row(*row)
        to.print(table)
    to.print(f"({plural(len(answer.rows), 'row')})", style="dim")


def cell(value: Any) -> Text:
    """Write one value for people: short, exact as far as it goes, and unable to do anything to the terminal."""
    if value is None:
        return Text("null", style="dim")
    if isinstance(value, Decimal):
        text = f"{value:f}"
    elif isinstance(value, datetime):
        text = value.isoformat(sep=" ").replace("+00:00", "Z")
    elif isinstance(value, bool | dict | list):
        text = json.dumps(json_value(value), ensure_ascii=False)
    else:
        text = str(json_value(value))
    text = printable(text[: WIDEST + 1])
    return Text(text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…")


def printable(text: str) -> str:
    """Escape what would move the cursor or colour the screen: a value is data in a terminal, too."""
    return text if text.isprintable() else "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


# --- samples and the project ---------------------------------------------------------------------------------------------------------


def show_samples(to: Console, made: Sequence[Sample], place: Place) -> None:
    table = plain_table("object", "rows", "size")
    for found in made:
        table.add_row(found.key, f"{found.rows:,}" if found.rows else "-", size(found.bytes))
    to.print(table)
    to.print(f"{plural(len(made), 'object')} in {place.raw}. To load them: {place.command('run')}", soft_wrap=True)


def show_project(to: Console, project: Project) -> None:
    pipelines = plural(len({declaration.pipeline for declaration in project.order}), "pipeline")
    counts = f"{plural(len(project.datasets), 'dataset')}, {plural(len(project.transforms), 'transform')} in {pipelines}"
    to.print(f"{counts}: all good", style="green")
    to.print(f"They run in this order: {', '.join(declaration.name for declaration in project.order)}", soft_wrap=True)


def show_findings(to: Console, stack: str, findings: Sequence[Finding]) -> None:
    """Show what is wrong first, each with what to do about it, then what is well."""
    marks = {"act": ("!!", "bold red"), "look": (" ?", "yellow"), "well": ("ok", "green")}
    for severity, (mark, style) in marks.items():
        for finding in (finding for finding in findings if finding.severity == severity):
            to.print(Text.assemble((mark, style), f"  {finding.area}: {finding.what}"), soft_wrap=True)
            if finding.todo:
                to.print(f"      {finding.todo}", style="dim", soft_wrap=True)
    bad = sum(finding.severity == "act" for finding in findings)
    to.print(f"{stack} needs somebody: {plural(bad, 'finding')}" if bad else f"{stack} is well", style="bold red" if bad else "bold green")
