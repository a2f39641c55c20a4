"""One small file by a process that is warm, in a folder and in S3: from the handler's call to the commit."""

import sys
from collections.abc import Iterator
from typing import Final

from benchmarks.harness import Benchmark, Contestant
from benchmarks.rivals import SCRIPTS, THREADS

PLACES: Final = {"folder": "a folder", "s3": "S3, moto's server on the same machine"}
WHO: Final = {"bare": "bare deltalake append", "commit": "Lakelet, to the commit", "answer": "Lakelet, to the answer"}


def benchmarks(_scale: float) -> Iterator[Benchmark]:
    """Give one benchmark a place."""
    for place, named in PLACES.items():
        yield Benchmark(
            f"warm_{place}",
            f"One file of ten records, warm, in {named}",
            "The median of 20 files, a commit each, by one process that has done five before. A bare append has typed rows in memory and "
            "opens the table and appends to it; no file is read, none archived. Lakelet is called with the event that announces an object"
            f"{' (in a folder by what the handler calls)' * (place == 'folder')}: until the commit has landed, or until the handler "
            "returns, the object archived.",
            tuple(_contestant(who, place) for who in WHO),
        )


def _contestant(who: str, place: str) -> Contestant:
    argv = (sys.executable, str(SCRIPTS / "warm.py"), who, place)
    return Contestant(WHO[who], argv, ("appended.parquet",), {"LAKELET_THREADS": str(THREADS)}, tells=True)
