"""One wide table, appended: CSV and JSON lines of 40 columns become Delta."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import yaml

from benchmarks.caution import FILES, PROJECT, ROWS
from benchmarks.harness import Benchmark, Contestant
from benchmarks.inputs import link, samples, scaled
from benchmarks.rivals import MOMENT, bare_duckdb, lakelet, rows_of_csv, rows_of_json

READERS: Final = {"csv": rows_of_csv, "quoted": rows_of_csv, "jsonl": rows_of_json}


def benchmarks(scale: float) -> Iterator[Benchmark]:
    """Give one benchmark a kind of file."""
    raw = samples(PROJECT, "wide", count := scaled(ROWS, scale))
    yield from (_benchmark(raw, kind, count) for kind in FILES)


def _benchmark(raw: Path, kind: str, count: int) -> Benchmark:
    (file,) = (raw / "raw" / kind).iterdir()
    table, key = f"lake/silver/{kind}", file.relative_to(raw).as_posix()
    rows = READERS[kind](file, columns(kind))
    argv, environment = lakelet(PROJECT)
    check = (table, "--one-commit", table, "--empty", f"lake/raw/{kind}")
    return Benchmark(
        f"wide_{kind}",
        f"{FILES[kind]} to Delta: {file.stat().st_size / 1e6:.0f} MB, 40 columns, {count:,} rows",
        "Lakelet checks every field against its contract, writes a Delta table with provenance and archives the file. Bare DuckDB reads "
        "typed columns, nothing sniffed, and writes one Parquet file; alone, it reads them and counts the values of each.",
        (
            Contestant("bare DuckDB, reading alone", bare_duckdb({"wide": rows}, "select count(columns(*)) from wide"), ()),
            Contestant("bare DuckDB", bare_duckdb({"wide": rows}, "from wide"), ("gold.parquet",)),
            Contestant("Lakelet", argv, check, environment, lambda folder: link(raw, folder / "lake", [key])),
        ),
        (file,),
    )


def columns(kind: str) -> dict[str, str]:
    """Return the declared columns as DuckDB names their types."""
    declared = yaml.safe_load((PROJECT / "wide" / f"wide_{kind}.yaml").read_text("utf-8"))["columns"]
    return {column["name"]: MOMENT if column["type"] == "timestamp" else column["type"] for column in declared}
