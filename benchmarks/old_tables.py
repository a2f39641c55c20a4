"""A table that took thousands of small commits, beside a young one: what the next append takes."""

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.harness import CACHE, ROOT, Benchmark, Contestant, python, workspace
from benchmarks.inputs import link_all, scaled
from benchmarks.rivals import SCRIPTS, THREADS

PROJECT: Final = ROOT / "benchmarks" / "old_tables_project"
YOUNG: Final = 100
OLD: Final = 10_000
FILES: Final = 20
FIRST: Final = 1_000_000
"""The number of the first file that is measured: the same for all, and none that a table has met."""


def benchmarks(scale: float) -> Iterator[Benchmark]:
    """Give the one benchmark; a table is made the first time, some hundred commits a second, and kept."""
    commits = scaled(OLD, scale)
    ages = sorted({min(YOUNG, commits), max(commits // 10, 1), commits})
    contestants = [_contestant(f"after {age:,} commits", age, "maintained") for age in ages]
    yield Benchmark(
        "old_tables",
        f"One more append to a table of {commits:,} small commits",
        f"The median of {FILES} appends of a file of ten records, one commit each, by one warm process: seconds of the append alone, "
        "from the object's key to its place in the archive. The tables got a file each quarter of an hour, and daily upkeep by the "
        "default policy. A tenth of the files has a row that is refused, so the quarantine is older, too.",
        (*contestants, _contestant(f"after {commits * 3 // 10:,} commits, no upkeep", commits * 3 // 10, "neglected")),
    )


def _contestant(name: str, commits: int, upkeep: str) -> Contestant:
    table = grown(commits, upkeep)
    return Contestant(
        name,
        (sys.executable, str(SCRIPTS / "append.py"), str(PROJECT), "lake", str(FIRST), str(FILES)),
        ("appended.parquet", "--empty", "lake/raw", "--files", "lake/archived", str(commits + FILES)),
        {"LAKELET_THREADS": str(THREADS)},
        lambda folder: link_all(table, folder / "lake"),
        tells=True,
    )


def grown(commits: int, upkeep: str) -> Path:
    """Return a lake whose table took so many commits, `maintained` or `neglected`; makes it the first time."""
    sources = [SCRIPTS / "grow.py", SCRIPTS / "append.py", *PROJECT.rglob("*.yaml")]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:8]
    folder = CACHE / f"{upkeep}-{commits}-{digest}"
    if not folder.is_dir():
        with workspace() as making:
            python("benchmarks.contestants.grow", str(PROJECT), str(making / "lake"), str(commits), upkeep)
            (making / "lake").rename(folder)
    return folder
