"""One file of 10 GB with a limit of 2 GB of memory, and without."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.harness import ROOT, Benchmark, Contestant
from benchmarks.inputs import generated, scaled
from benchmarks.rivals import lakelet

PROJECT: Final = ROOT / "benchmarks" / "spill_project"
ROWS: Final = 29_000_000
LIMIT: Final = 2_000_000_000
TABLE: Final = "lake/silver/journeys"
QUERY: Final = """
select i as journey_id, format('vehicle_{{:05d}}', hash(i) % 20000) as vehicle,
    strftime(timestamp '2026-01-01' + to_seconds(i % 28000000), '%Y-%m-%dT%H:%M:%SZ') as started_at,
    strftime(timestamp '2026-01-01' + to_seconds(i % 28000000 + hash(i, 1) % 5000), '%Y-%m-%dT%H:%M:%SZ') as ended_at,
    strftime(date '2026-01-01' + cast(i % 28000000 // 86400 as integer), '%Y-%m-%d') as day,
    format('station_{{:04d}}', hash(i, 2) % 3000) as from_station, format('station_{{:04d}}', hash(i, 3) % 3000) as to_station,
    hash(i, 4) % 60000 as metres, (hash(i, 5) % 100000) / 1000 as energy, cast(hash(i, 6) % 10000 as decimal(12,2)) / 100 as fare,
    hash(i, 7) % 9 > 0 as paid, 'what the driver wrote, some forty characters of it: ' || hash(i, 8) as remark
from range({rows}) as numbers(i)
"""


def benchmarks(scale: float) -> Iterator[Benchmark]:
    """Give the one benchmark; its input is removed afterwards. The limit is scaled, too."""
    file = generated("journeys.jsonl", QUERY.format(rows=scaled(ROWS, scale)), "format json")
    limit = f"{max(int(LIMIT * min(scale, 1) / 1e6), 64)}MB"
    yield Benchmark(
        "spill",
        f"{file.stat().st_size / 1e9:.1f} GB of JSON to Delta in one file, with a memory limit of {limit}",
        f"Lakelet as it comes may use half of the machine's memory for DuckDB; with LAKELET_MEMORY={limit} what does not fit goes to disk. "
        "Beside DuckDB's own there is memory of Arrow, of the Parquet writer and of Python, so the peak is higher than the limit. MB "
        "spilled are the most that lay in the folder for it at one time, looked at ten times a second.",
        (_contestant(file, "Lakelet", {}), _contestant(file, f"Lakelet, {limit}", {"LAKELET_MEMORY": limit})),
        (file,),
        discard=(file,),
        most=1,
    )


def _contestant(file: Path, name: str, more: dict[str, str]) -> Contestant:
    argv, environment = lakelet(PROJECT, "spilling.py")

    def setup(folder: Path) -> None:
        (folder / "lake/raw/journeys").mkdir(parents=True)
        (folder / "lake/raw/journeys/journeys.jsonl").hardlink_to(file)

    check = (TABLE, "--one-commit", TABLE, "--empty", "lake/raw")
    return Contestant(name, argv, check, {**environment, "LAKELET_WORK": "work", **more}, setup, tells=True)
