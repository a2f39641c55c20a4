"""What each figure should come to, and whether it did. Pure: it judges figures that are kept, and measures nothing."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from benchmarks.figures import Figures, Row

Known = Mapping[str, Figures]
Name = str | int
LAKELET: Final = "Lakelet"
MB: Final = 1 << 20


@dataclass(frozen=True)
class Verdict:
    """What was found, and whether it meets the goal."""

    found: str
    met: bool


Judge = Callable[[Known], Verdict | None]


@dataclass(frozen=True)
class Goal:
    """A goal in words, the benchmark that it belongs to, and who judges it: None where it was not measured."""

    benchmark: str
    figure: str
    goal: str
    judge: Judge


def judged(known: Known) -> list[tuple[Goal, Verdict | None]]:
    """Hold every goal against what is known."""
    return [(goal, goal.judge(known)) for goal in GOALS]


def ratio(benchmark: str, of: Name, to: Name, most: float) -> Judge:
    """Ask for a ratio of medians, at most so much."""
    return _pair(benchmark, of, to, lambda a, b: Verdict(f"{_times(a.median / b.median)} x", a.median / b.median <= most))


def _times(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.3f}"


def times_faster(benchmark: str, of: Name, than: Name, least: float) -> Judge:
    """Ask by how much one is faster than another, at least so much."""
    return _pair(benchmark, of, than, lambda a, b: Verdict(f"{b.median / a.median:.1f} x", b.median / a.median >= least))


def peak(benchmark: str, of: Name, below: int) -> Judge:
    """Ask for a peak of memory, in MB."""
    return _one(benchmark, of, lambda row: Verdict(f"{row.median_peak / MB:,.0f} MB", row.median_peak < below * MB))


def seconds(benchmark: str, of: Name, most: float) -> Judge:
    """Ask for seconds, at most so many."""
    return _one(benchmark, of, lambda row: Verdict(f"{row.median:.2f} s", row.median <= most))


def exponent(small: str, large: str, of: Name, most: float) -> Judge:
    """Ask how the cost grows between two sizes of one benchmark: as the rows to this power."""

    def judge(known: Known) -> Verdict | None:
        a, b = _row(known, small, of), _row(known, large, of)
        if not a or not b or not a.rows or not b.rows or a.rows == b.rows:
            return None
        power = math.log(b.median / a.median) / math.log(b.rows / a.rows)
        return Verdict(f"{power:.2f}", power <= most)

    return judge


def speed(benchmark: str, of: Name, alone: Name, *, least: int, most: float) -> Judge:
    """Ask for MB (10^6) a second of what was read, or a ratio to what reading alone takes."""

    def judge(known: Known) -> Verdict | None:
        a, b = _row(known, benchmark, of), _row(known, benchmark, alone)
        if not a or not b:
            return None
        rate, times = known[benchmark].bytes / a.median / 1e6, a.median / b.median
        return Verdict(f"{rate:.0f} MB/s, {times:.2f} x", rate >= least or times <= most)

    return judge


def told(benchmark: str, of: Name, to: Name, what: str, less: str, most: float) -> Judge:
    """Ask for a ratio of something else that both told, less a part of it."""

    def judge(known: Known) -> Verdict | None:
        a, b = _row(known, benchmark, of), _row(known, benchmark, to)
        left = [(row.median_told(what) or 0) - (row.median_told(less) or 0) for row in (a, b) if row]
        if len(left) < 2 or not left[1]:
            return None
        return Verdict(f"{left[0] / left[1]:.2f} x", left[0] <= left[1] * most)

    return judge


def some(benchmark: str, of: Name, what: str) -> Judge:
    """Ask whether there was any of something that it told."""
    return _one(benchmark, of, lambda row: Verdict(f"{row.median_told(what) or 0:,.0f} {what}", bool(row.median_told(what))))


def both(*judges: Judge) -> Judge:
    """Ask for all of several things."""

    def judge(known: Known) -> Verdict | None:
        found = [verdict for one in judges if (verdict := one(known))]
        return Verdict(", ".join(one.found for one in found), all(one.met for one in found)) if len(found) == len(judges) else None

    return judge


def _pair(benchmark: str, of: Name, to: Name, verdict: Callable[[Row, Row], Verdict]) -> Judge:
    def judge(known: Known) -> Verdict | None:
        a, b = _row(known, benchmark, of), _row(known, benchmark, to)
        return verdict(a, b) if a and b else None

    return judge


def _one(benchmark: str, of: Name, verdict: Callable[[Row], Verdict]) -> Judge:
    def judge(known: Known) -> Verdict | None:
        row = _row(known, benchmark, of)
        return verdict(row) if row else None

    return judge


def _row(known: Known, benchmark: str, name: Name) -> Row | None:
    return known[benchmark].row(name) if benchmark in known else None


def first_answer(page: str, megabytes: str, most: float) -> Verdict | None:
    """Judge the image's first answer as its own page (docs/image.md) has it."""
    row = re.search(rf"^\| {megabytes} \|[^|]*\|[^|]*\| *([0-9.]+)", page, re.MULTILINE)
    return Verdict(f"{row[1]} s", float(row[1]) <= most) if row else None


GOALS: Final = (
    Goal("commerce", "3 x 1M JSON to user_activity, beside bare DuckDB", "<= 1.8 x", ratio("commerce", LAKELET, 0, 1.8)),
    Goal("commerce", "the same, beside PySpark", ">= 10 x faster", times_faster("commerce", LAKELET, "PySpark local[2]", 10)),
    Goal("commerce_10m", "3 x 10M, beside bare DuckDB", "<= 1.8 x", ratio("commerce_10m", LAKELET, 0, 1.8)),
    Goal("commerce_10m", "its peak, with 1 GiB for DuckDB", "< 1,536 MB", peak("commerce_10m", "Lakelet, 1 GiB for DuckDB", 1536)),
    Goal("commerce_10m", "cost from 1M to 10M, as a power of the rows", "<= 1.05", exponent("commerce", "commerce_10m", LAKELET, 1.05)),
    Goal("spill", "10 GB of JSON in 2 GB of memory, beside no limit", "<= 1.5 x, spilling",
         both(ratio("spill", 1, 0, 1.5), some("spill", 1, "MB spilled"))),
    *(
        Goal(f"wide_{kind}", f"one wide table, {text}, beside reading alone", ">= 150 MB/s or <= 1.5 x",
             speed(f"wide_{kind}", LAKELET, 0, least=150, most=1.5))
        for kind, text in {"csv": "CSV", "quoted": "CSV with quotes", "jsonl": "JSON"}.items()
    ),
    *(
        Goal(f"merge_{size}", f"100k rows merged into {size.upper()}, beside delta-rs' MERGE", "<= 0.7 x, < 400 MB",
             both(ratio(f"merge_{size}", LAKELET, 0, 0.7), peak(f"merge_{size}", LAKELET, 400)))
        for size in ("5m", "20m")
    ),
    Goal("merge_days", "100k rows of one day of 50M, beside delta-rs' MERGE by the same key", "<= 0.7 x, < 400 MB",
         both(ratio("merge_days", 3, 4, 0.7), peak("merge_days", 3, 400))),
    Goal("merge_days", "the same, beside a MERGE that is told the day", "<= 0.7 x", ratio("merge_days", 3, 2, 0.7)),
    Goal("merge_days", "the same day in a table of a tenth", "<= 1.2 x", ratio("merge_days", 3, 1, 1.2)),
    Goal("xlsx", "XLSX of 500k rows, beside fastexcel alone", "<= 1.5 x", ratio("xlsx", LAKELET, 0, 1.5)),
    *(
        Goal(f"small_files_{kind}", f"1,000 small {kind.upper()} files, beside bare DuckDB", "<= 5 x",
             ratio(f"small_files_{kind}", LAKELET, 0, 5))
        for kind in ("csv", "jsonl")
    ),
    *(
        Goal(f"warm_{place}", f"one small file, warm, {text}: to the commit, beside a bare append", "<= 3 x",
             ratio(f"warm_{place}", 1, 0, 3))
        for place, text in {"folder": "in a folder", "s3": "in S3"}.items()
    ),
    Goal("old_tables", "the 10,000th commit beside the 100th", "<= 1.5 x", ratio("old_tables", 2, 0, 1.5)),
    Goal("start", "a handler ready, from a cold process", "<= 0.45 s", seconds("start", "the ingest handler ready", 0.45)),
    Goal("pruned", "3 of 20 columns, one day of 365: bytes read, less the log, beside those alone", "<= 1.5 x",
         told("pruned", LAKELET, "the bytes alone", "MB read", "of it log", 1.5)),
)  # fmt: skip
