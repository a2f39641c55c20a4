"""A transform that wants three of twenty columns and one day of 365: what it reads."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.harness import ROOT, Benchmark, Contestant
from benchmarks.inputs import link_all, scaled
from benchmarks.merge import stocked
from benchmarks.rivals import SCRIPTS, THREADS

PROJECT: Final = ROOT / "benchmarks" / "pruned_project"
QUERY: Final = PROJECT / "measures" / "one_day.sql"
DAYS: Final = 365
ROWS: Final = 50_000_000
TOGETHER: Final = 5
"""So many days were loaded at once."""

DAY: Final = "day=2026-03-01"
COLUMNS: Final = (
    "i as id, format('device_{:04d}', hash(i) % 2000) as device, "
    + "".join(f"(hash(i, {n}) % 30000) / 100 as value_{n}, " for n in range(6))
    + "".join(f"cast(hash(i, {n}, 1) % {10 ** (n % 3)} as bigint) as count_{n}, " for n in range(5))
    + "".join(f"['on', 'off', 'broken', 'new'][1 + cast(hash(i, {n}, 2) % 4 as bigint)] as state_{n}, " for n in range(5))
    + "hash(i, 3) % 100 > 0 as fine"
)


def benchmarks(scale: float) -> Iterator[Benchmark]:
    """Give the one benchmark; its table is made the first time, in a few minutes."""
    a_day = max(scaled(ROWS, scale) // DAYS, 100)
    lake = _lake(a_day)
    table, day = lake / "silver/measures", lake / "silver/measures" / DAY
    size = sum(file.stat().st_size for file in table.rglob("*.parquet"))
    log = sum(file.stat().st_size for file in (table / "_delta_log").iterdir())
    script, environment = str(SCRIPTS / "pruned.py"), {"LAKELET_THREADS": str(THREADS)}
    yield Benchmark(
        "pruned",
        f"3 of 20 columns and one day of {DAYS}, of {a_day * DAYS:,} rows",
        f"The table has {size / 1e6:,.0f} MB of Parquet and {log / 1e6:.1f} MB of log. MB read are what the process read while it ran the "
        "query, imports left out. The bytes alone: the day's footers and the chunks of three columns, and nothing done with them. Bare "
        "DuckDB finds the day by its folder's name, and writes one Parquet file; Lakelet finds it by the log, and commits. What it reads "
        "of the log (a checkpoint, the commits since) tells of all files; what is left is held against the bytes alone.",
        (
            Contestant(
                "bare DuckDB",
                (sys.executable, script, "duckdb", str(THREADS), f"{table}/day=*/*.parquet", QUERY.read_text("utf-8")),
                ("gold.parquet",),
                tells=True,
            ),
            Contestant("the bytes alone", (sys.executable, script, "alone", str(day)), (), tells=True),
            Contestant(
                "Lakelet",
                (sys.executable, script, "lakelet", str(PROJECT), "lake", "one_day"),
                ("lake/gold/one_day", "--one-commit", "lake/gold/one_day"),
                environment,
                lambda folder: link_all(lake, folder / "lake"),
                tells=True,
            ),
        ),
        (day,),
    )


def _lake(a_day: int) -> Path:
    query = f"select date '2026-01-01' + cast(i // {a_day} as integer) as day, {COLUMNS} from range({{}}) as n(i)"
    together = [f"{first * a_day}, {min(first + TOGETHER, DAYS) * a_day}" for first in range(0, DAYS, TOGETHER)]
    return stocked("measures", query, together, PROJECT)
