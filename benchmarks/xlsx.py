"""A workbook of half a million rows."""

from collections.abc import Iterator
from typing import Final

from benchmarks.harness import ROOT, Benchmark, Contestant
from benchmarks.inputs import link, samples, scaled
from benchmarks.rivals import bare_fastexcel, lakelet

PROJECT: Final = ROOT / "benchmarks" / "xlsx_project"
ROWS: Final = 500_000
KEY: Final = "raw/orders/orders.xlsx"
TABLE: Final = "lake/silver/orders"


def benchmarks(scale: float) -> Iterator[Benchmark]:
    """Give the one benchmark; its workbook takes a minute or two to make, the first time."""
    raw = samples(PROJECT, "book", rows := scaled(ROWS, scale))
    argv, environment = lakelet(PROJECT)
    check = (TABLE, "--one-commit", TABLE, "--empty", "lake/raw/orders")
    yield Benchmark(
        "xlsx",
        f"XLSX to Delta: {(raw / KEY).stat().st_size / 1e6:.0f} MB, 8 columns, {rows:,} rows",
        "fastexcel alone reads typed columns into Arrow and stops; or goes on to write one Parquet file, money as exact decimals. Lakelet "
        "reads by the same library and looks into the sheet for what that does not tell, checks every cell against the contract, writes a "
        "Delta table with provenance and archives the workbook.",
        (
            Contestant("fastexcel, reading alone", bare_fastexcel(raw / KEY), ()),
            Contestant("fastexcel", bare_fastexcel(raw / KEY, "gold.parquet"), ("gold.parquet",)),
            Contestant("Lakelet", argv, check, environment, lambda folder: link(raw, folder / "lake", [KEY])),
        ),
        (raw / KEY,),
    )
