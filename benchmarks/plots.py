"""Figures as Mermaid charts: text that a forge draws and a diff shows."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from benchmarks.figures import Figures
from benchmarks.goals import LAKELET

Known = Mapping[str, Figures]


def bars(title: str, axis: str, values: Mapping[str, float]) -> str:
    """Return a bar for each name."""
    return _chart("xychart-beta horizontal", title, values.keys(), axis, {"bar": list(values.values())})


def lines(title: str, places: Sequence[str], axis: str, values: Iterable[Sequence[float]]) -> str:
    """Return a line for each sequence of values, all over the same places."""
    return _chart("xychart-beta", title, places, axis, {f"line {n}": list(line) for n, line in enumerate(values)})


def _chart(kind: str, title: str, places: Iterable[str], axis: str, series: Mapping[str, Sequence[float]]) -> str:
    top = max(value for values in series.values() for value in values)
    return "\n".join(
        [
            "```mermaid",
            kind,
            f"    title {_quoted(title)}",
            f"    x-axis [{', '.join(_quoted(place) for place in places)}]",
            f'    y-axis "{axis}" 0 --> {top:.3g}',
            *(f"    {name.partition(' ')[0]} [{', '.join(f'{value:.3g}' for value in values)}]" for name, values in series.items()),
            "```",
        ]
    )


def _quoted(text: str) -> str:
    return '"' + text.replace('"', "'") + '"'


def _contestants(known: Known, name: str) -> str:
    found = known[name]
    return bars(found.title, "seconds, whole process", {row.name: row.median for row in found.rows if row.seconds})


def _growth(known: Known, name: str) -> str:
    """Draw what a million records cost at both sizes, bare DuckDB below Lakelet."""
    sizes = [known[size] for size in ("commerce", name) if size in known]
    rows = [[figures.row(of) for figures in sizes] for of in (LAKELET, 0)]
    if len(sizes) < 2 or not all(row and row.rows for line in rows for row in line):
        return _contestants(known, name)
    places = [f"3 x {row.rows:,}" for row in rows[0] if row and row.rows]
    costs = [[row.median / row.rows * 1e6 for row in line if row and row.rows] for line in rows]
    return lines("Seconds for 3 x 1,000,000 records: Lakelet (first line), bare DuckDB (second)", places, "seconds", costs)


def _ages(known: Known, name: str) -> str:
    rows = [row for row in known[name].rows if row.seconds]
    return lines("One append, by the age of the table", [row.name for row in rows], "milliseconds", [[row.median * 1e3 for row in rows]])


PLOTS: Final[Mapping[str, Callable[[Known, str], str]]] = {"commerce": _contestants, "commerce_10m": _growth, "old_tables": _ages}
"""What is drawn, beside its table."""
