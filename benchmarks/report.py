"""Figures as a table: for a terminal, and as rows for the page."""

from collections.abc import Iterable, Sequence

from benchmarks.figures import Figures, Row
from benchmarks.goals import Goal, Known, Verdict, judged

HEADER = ("contestant", "median seconds", "fastest", "slowest", "ratio", "CPU seconds", "CPU ratio", "peak MB")


def table(found: Figures) -> list[tuple[str, ...]]:
    """Return the header and a row a contestant: its figures, or why there are none. The ratio is to the first."""
    told = list(dict.fromkeys(what for row in found.rows for what in row.told))
    return [(*HEADER, *told), *(_cells(row, found.row(0), told) for row in found.rows)]


def _cells(row: Row, base: Row | None, told: Sequence[str]) -> tuple[str, ...]:
    if not row.seconds:
        return row.name, row.missing, *[""] * (len(HEADER) - 2 + len(told))
    ratios = [f"{row.median / base.median:.2f}", f"{row.median_cpu / base.median_cpu:.2f}"] if base else ["", ""]
    others = [f"{value:,.2f}" if (value := row.median_told(what)) is not None else "" for what in told]
    seconds = [_seconds(value) for value in (row.median, min(row.seconds), max(row.seconds))]
    return (row.name, *seconds, ratios[0], _seconds(row.median_cpu), ratios[1], f"{row.median_peak / 2**20:,.0f}", *others)


def _seconds(value: float) -> str:
    """Return seconds with three digits that tell something."""
    return f"{value:.2f}" if value >= 0.1 else f"{value:.4f}"


def text(found: Figures) -> str:
    """Return a table for a terminal."""
    return f"{found.title}\n{aligned(table(found))}"


def aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    return "\n".join(
        "  "
        + "  ".join(c.rjust(w) if n else c.ljust(w) for n, (c, w) in enumerate(zip(row, widths, strict=True))).rstrip()
        for row in rows
    )  # fmt: skip


def verdicts(known: Known, also: Iterable[tuple[Goal, Verdict | None]] = ()) -> list[tuple[str, ...]]:
    """Return the table of goals: each with what was found, and whether that meets it."""
    rows = [(goal.figure, goal.goal, *_said(verdict)) for goal, verdict in [*judged(known), *also]]
    return [("figure", "goal", "found", "met"), *rows]


def _said(verdict: Verdict | None) -> tuple[str, str]:
    return (verdict.found, "yes" if verdict.met else "**no**") if verdict else ("not measured", "")
