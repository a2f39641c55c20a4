"""A thousand small files waiting in raw: one commit takes them all."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from benchmarks.harness import ROOT, Benchmark, Contestant
from benchmarks.inputs import link, samples
from benchmarks.rivals import BIGINT, MOMENT, TEXT, bare_duckdb, lakelet, rows_of_csv, rows_of_json

PROJECT: Final = ROOT / "benchmarks" / "small_files_project"
FILES: Final = 1000
ROWS: Final = 100_000
COLUMNS: Final = {"reading_id": BIGINT, "device": TEXT, "temperature": "double", "measured_at": MOMENT}
READERS: Final[dict[str, Callable[[str, dict[str, str]], str]]] = {"csv": rows_of_csv, "jsonl": rows_of_json}


def benchmarks(_scale: float) -> Iterator[Benchmark]:
    """Give one benchmark a format; their size is their point, so they are never scaled."""
    raw = samples(PROJECT, "small", ROWS)
    yield from (_benchmark(raw / "raw" / kind, raw, kind) for kind in READERS)


def _benchmark(files: Path, raw: Path, kind: str) -> Benchmark:
    keys = tuple(path.relative_to(raw).as_posix() for path in sorted(files.iterdir()))
    table, argv_and_environment = f"lake/silver/{kind}", lakelet(PROJECT)
    rows = READERS[kind](f"{files}/*", COLUMNS)
    check = (table, "--one-commit", table, "--empty", "lake/raw", "--files", "lake/archived", str(FILES))
    return Benchmark(
        f"small_files_{kind}",
        f"{FILES:,} {kind.upper()} files of {ROWS // FILES} records each",
        "Lakelet checks them, loads them by one commit that records each file, and archives each. Bare DuckDB reads them into one Parquet "
        "file and leaves them where they are.",
        (
            Contestant("bare DuckDB", bare_duckdb({"readings": rows}, "from readings"), ("gold.parquet",)),
            Contestant("Lakelet", argv_and_environment[0], check, argv_and_environment[1], lambda folder: link(raw, folder / "lake", keys)),
        ),
        (files,),
    )
