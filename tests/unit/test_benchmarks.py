"""The benchmarks' page says what was measured: tables, goals met and missed, what is kept from other days. Nothing is timed here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import goals, harness, plots, report
from benchmarks.__main__ import BENCHMARKS
from benchmarks.contestants import trusting
from benchmarks.figures import Figures, Row, parse, save, saved, text
from benchmarks.figures import figures as of_rounds
from benchmarks.page import page

MACHINE = {"date": "2026-11-20 10:00", "load": "0.1", "processor": "a fast one", "duckdb": "1.5.5"}
IMAGE = "| MB | processors | API: init | API: first answer |\n|--:|\n| 1,769 | 1.00 | 0.31 (0.29) | 0.59 (0.56) |\n"


def row(name: str, *seconds: float, rows: int = 1_000_000, missing: str = "", peak: int = 100, **told: float) -> Row:
    peaks = tuple(peak << 20 for _ in seconds)
    return Row(name, missing, seconds, seconds, peaks, {what.replace("_", " "): (value,) for what, value in told.items()}, rows)


def figures(name: str, *rows: Row, size: int = 0, **machine: str) -> Figures:
    return Figures(name, f"About {name}", "How it was done.", {**MACHINE, **machine}, size, rows)


def found(name: str, *known: Figures, figure: str = "") -> goals.Verdict | None:
    verdicts = goals.judged({one.name: one for one in known})
    return next(verdict for goal, verdict in verdicts if goal.benchmark == name and figure in goal.figure)


COMMERCE = figures("commerce", row("bare DuckDB", 1, 3, 2), row("Lakelet", 3, 3.5, 4, peak=460), row("Sail", missing="not installed"))


def test_a_table_has_medians_bounds_and_ratios_to_its_first_row() -> None:
    header, first, second, _ = report.table(COMMERCE)
    assert header[:5] == ("contestant", "median seconds", "fastest", "slowest", "ratio")
    assert first[:5] == ("bare DuckDB", "2.00", "1.00", "3.00", "1.00")
    assert second[:5] == ("Lakelet", "3.50", "3.00", "4.00", "1.75")
    assert second[-1] == "460"


def test_a_rival_that_is_not_there_has_a_row_that_says_why() -> None:
    assert report.table(COMMERCE)[-1][:3] == ("Sail", "not installed", "")


def test_what_contestants_tell_beside_seconds_has_its_own_column() -> None:
    header, first, second = report.table(figures("pruned", row("the bytes alone", 1), row("Lakelet", 1, MB_read=2.5)))
    assert (header[-1], first[-1], second[-1]) == ("MB read", "", "2.50")


def test_a_ratio_meets_its_goal_or_misses_it() -> None:
    assert found("commerce", COMMERCE, figure="beside bare DuckDB") == goals.Verdict("1.75 x", True)
    slow = figures("commerce", row("bare DuckDB", 1), row("Lakelet", 1.81))
    assert found("commerce", slow, figure="beside bare DuckDB") == goals.Verdict("1.81 x", False)


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    assert found("commerce", COMMERCE, figure="beside PySpark") is None
    assert found("xlsx", COMMERCE) is None
    assert ("XLSX of 500k rows, beside fastexcel alone", "<= 1.5 x", "not measured", "") in report.verdicts({"commerce": COMMERCE})


@pytest.mark.parametrize(("seconds", "power", "met"), [(35, "1.00", True), (70, "1.30", False)])
def test_the_exponent_is_that_of_cost_over_rows(seconds: float, power: str, met: bool) -> None:
    large = figures("commerce_10m", row("bare DuckDB", 20), row("Lakelet", seconds, rows=10_000_000))
    assert found("commerce_10m", COMMERCE, large, figure="power") == goals.Verdict(power, met)


@pytest.mark.parametrize(("peak", "met"), [(399, True), (400, False)])
def test_a_goal_of_two_parts_is_met_by_both(peak: int, met: bool) -> None:
    merged = figures("merge_5m", row("delta-rs MERGE", 1), row("Lakelet", 0.5, peak=peak))
    assert found("merge_5m", merged) == goals.Verdict(f"0.50 x, {peak} MB", met)


@pytest.mark.parametrize(("alone", "met"), [(1.0, True), (0.5, False)])
def test_a_speed_is_met_by_its_rate_or_beside_reading_alone(alone: float, met: bool) -> None:
    wide = figures("wide_csv", row("bare DuckDB, reading alone", alone), row("Lakelet", 1.0), size=100_000_000)
    assert found("wide_csv", wide) == goals.Verdict(f"100 MB/s, {1 / alone:.2f} x", met)
    assert found("wide_csv", figures("wide_csv", *wide.rows, size=150_000_000)) == goals.Verdict(f"150 MB/s, {1 / alone:.2f} x", True)


@pytest.mark.parametrize(("read", "met"), [(2.4, True), (2.6, False)])
def test_what_is_read_of_the_log_is_not_held_against_the_columns_bytes(read: float, met: bool) -> None:
    pruned = figures("pruned", row("the bytes alone", 1, MB_read=1, of_it_log=0), row("Lakelet", 1, MB_read=read, of_it_log=1))
    verdict = found("pruned", pruned)
    assert verdict is not None
    assert verdict.met == met


def test_every_goal_belongs_to_a_benchmark() -> None:
    assert [goal.benchmark for goal in goals.GOALS if not goal.benchmark.startswith(tuple(BENCHMARKS))] == []


def test_figures_come_back_as_they_were_kept() -> None:
    told = figures("spill", row("Lakelet", 1, 2), row("Lakelet, 2000MB", 3, MB_spilled=4), size=10)
    assert parse(text(told)) == told


def test_a_benchmark_that_is_measured_again_leaves_the_others_as_they_were(tmp_path: Path) -> None:
    save(COMMERCE, tmp_path)
    save(figures("xlsx", row("fastexcel, reading alone", 1), row("Lakelet", 9)), tmp_path)
    save(figures("xlsx", row("fastexcel, reading alone", 1), row("Lakelet", 1.2), date="2026-11-21 09:00", duckdb="1.6"), tmp_path)
    told = page(saved(tmp_path, ["commerce", "xlsx"]), IMAGE)
    assert "| XLSX of 500k rows, beside fastexcel alone | <= 1.5 x | 1.20 x | yes |" in told
    assert told.index("## About commerce") < told.index("## About xlsx")
    assert "Measured 2026-11-20 10:00, load 0.1. With duckdb 1.5.5." in told
    assert "Measured 2026-11-21 09:00, load 0.1.\n" in told
    assert "| the image's first answer at 1,769 MB ([image.md](image.md)) | <= 0.6 s | 0.59 s | yes |" in told


PARQUET = """import duckdb; duckdb.sql("copy (select {} as n) to 'gold.parquet'")"""


def contestant(name: str, code: str, *check: str, **more: bool) -> harness.Contestant:
    return harness.Contestant(name, (sys.executable, "-c", code), check, **more)  # type: ignore[arg-type]


def measured(*contestants: harness.Contestant) -> Figures:
    benchmark = harness.Benchmark("b", "About b", "", contestants)
    return of_rounds(benchmark, harness.measure(benchmark, 1, lambda _: None), MACHINE)


def test_a_rival_that_fails_has_a_row_that_says_so_and_any_other_ends_the_benchmark() -> None:
    fails = "import sys; sys.exit(3)"
    found = measured(contestant("one", ""), contestant("rival", fails, may_fail=True))
    assert [(row.name, row.missing, len(row.seconds)) for row in found.rows] == [("one", "", 1), ("rival", "exit code 3", 0)]
    with pytest.raises(harness.Defect, match="two: exit code 3"):
        measured(contestant("one", ""), contestant("two", fails))


def test_other_results_are_no_figures_and_one_that_leaves_nothing_is_not_compared() -> None:
    one, reads = contestant("one", PARQUET.format(1), "gold.parquet"), contestant("reads", "")
    assert [row.rows for row in measured(one, reads).rows] == [1, None]
    with pytest.raises(harness.Defect, match="different results"):
        measured(one, contestant("two", PARQUET.format(2), "gold.parquet"))


def test_a_contestant_that_tells_its_seconds_is_believed_and_what_else_it_tells_is_kept() -> None:
    (row,) = measured(contestant("one", """print('{"seconds": 7, "MB read": 3}')""", tells=True)).rows
    assert (row.median, row.told) == (7, {"MB read": (3,)})


def test_the_readers_still_ask_what_a_benchmark_takes_for_granted() -> None:
    assert trusting.gone() == []


def test_a_plot_is_text_that_names_its_contestants() -> None:
    drawn = plots.bars('Two "bars"', "seconds", {"bare DuckDB": 2.0, "Lakelet": 3.5})
    assert drawn.splitlines()[1:-1] == [
        "xychart-beta horizontal",
        "    title \"Two 'bars'\"",
        '    x-axis ["bare DuckDB", "Lakelet"]',
        '    y-axis "seconds" 0 --> 3.5',
        "    bar [2, 3.5]",
    ]


@pytest.mark.parametrize("name", ["old_tables", "merge_days"])
def test_a_benchmark_whose_tables_are_made_from_within_still_runs(name: str) -> None:
    """They use the core as no user does, and notice late what has changed there."""
    miniature = ("--scale", "0.001", "--rounds", "1", "--json")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--only", name, *miniature], cwd=harness.ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert all(row["seconds"] for one in json.loads(done.stdout) for row in one["rows"])
