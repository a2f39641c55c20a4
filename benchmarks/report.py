"""Measured figures as a table for people, JSON for machines, and the page docs/benchmarks.md."""

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.harness import Benchmark, Measured
from benchmarks.rivals import THREADS, spark_version

Round = tuple[Benchmark, tuple[Measured, ...]]
HEADER = ("contestant", "median seconds", "fastest", "slowest", "ratio", "CPU seconds", "CPU ratio", "peak MB")


def table(measured: Sequence[Measured]) -> list[tuple[str, ...]]:
    """Return a row a contestant: its figures, or why there are none. The ratio is to the first."""
    base = measured[0] if measured[0].results else None
    rows: list[tuple[str, ...]] = []
    for one in measured:
        if not one.results:
            rows.append((one.contestant.name, one.contestant.missing, *[""] * (len(HEADER) - 2)))
            continue
        seconds = [one.seconds, *(bound(result.seconds for result in one.results) for bound in (min, max))]
        ratios = [f"{one.seconds / base.seconds:.2f}", f"{one.cpu / base.cpu:.2f}"] if base else ["", ""]
        rows.append(
            (one.contestant.name, *(f"{s:.2f}" for s in seconds), ratios[0], f"{one.cpu:.2f}", ratios[1], f"{one.peak / 2**20:.0f}")
        )
    return rows


def text(benchmark: Benchmark, measured: Sequence[Measured]) -> str:
    """Return a table for a terminal."""
    rows = [HEADER, *table(measured)]
    widths = [max(len(row[n]) for row in rows) for n in range(len(HEADER))]
    lines = [
        "  ".join(cell.rjust(width) if n else cell.ljust(width) for n, (cell, width) in enumerate(zip(r, widths, strict=True)))
        for r in rows
    ]
    return "\n".join([benchmark.title, *(f"  {line.rstrip()}" for line in lines)])


def document(rounds: Sequence[Round]) -> dict[str, Any]:
    """Return everything that was measured, every round of it."""
    found = [
        {
            "benchmark": benchmark.name,
            "title": benchmark.title,
            "contestants": [
                {
                    "name": one.contestant.name,
                    "missing": one.contestant.missing or None,
                    "seconds": [round(result.seconds, 4) for result in one.results],
                    "median_seconds": round(one.seconds, 4) if one.results else None,
                    "cpu_seconds": [round(result.cpu, 4) for result in one.results],
                    "median_peak_bytes": int(one.peak) if one.results else None,
                    "rows": one.results[0].rows if one.results else None,
                }
                for one in measured
            ],
        }
        for benchmark, measured in rounds
    ]
    return {"machine": machine(), "benchmarks": found}


def page(rounds: Sequence[Round]) -> str:
    """Return docs/benchmarks.md."""
    parts = [INTRODUCTION]
    for benchmark, measured in rounds:
        count = max(len(one.results) for one in measured)
        slow = any(one.contestant.slow and one.results for one in measured)
        parts.append(f"## {benchmark.title}\n\n{benchmark.note}\n")
        parts.append("| " + " | ".join(HEADER) + " |\n|---|" + "--:|" * (len(HEADER) - 1))
        parts += ["| " + " | ".join(row) + " |" for row in table(measured)]
        parts.append(f"\n{count} round{'s'[: count != 1]} in turns{'; at most two of PySpark' if slow else ''}.\n")
    parts.append("## The machine\n")
    parts += [f"- {name}: {value}" for name, value in machine().items()]
    return "\n".join(parts) + "\n"


INTRODUCTION = """# Benchmarks

Written by `python -m benchmarks --write`. Seconds are those of the whole process, from its start to its end, imports included; CPU
seconds are those of its process tree on all cores, which say more than the clock where a machine is shared; MB are the peak of that tree.
Where only one step of a process is measured, its paragraph says so.
Contestants take turns, each in a new process and an empty folder, with the same number of threads; ratios are of medians, to the first row.
After each run the result is read back: the contestants of a table gave the same rows, or there would be no table. The inputs were read
once before, so all of them read from memory rather than from disk.

```
make bench                                     # all of it
.venv/bin/python -m benchmarks --only commerce --rows 10000000 --rounds 3
LAKELET_SPARK_PYTHON=/path/to/python make bench    # an interpreter that has pyspark, with Java beside it
```
"""


def machine() -> dict[str, str]:
    """Return what the figures depend on. The load is the last minute's, this run included."""
    packages = {name: _version(name) for name in ("duckdb", "deltalake", "pyarrow")} | {"pyspark": spark_version() or "not installed"}
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "processor": f"{_processor()}, {os.cpu_count()} cores, {THREADS} threads for each contestant",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "load": f"{os.getloadavg()[0]:.1f}",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        **packages,
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
