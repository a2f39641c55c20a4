"""Appends small files to a lake's one dataset, a commit each, as events do. Arguments: the project, the lake, the first file, how many.

Its last line tells the median append; the rows that it appended are left in appended.parquet.
"""

import json
import statistics
import sys
import time
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq

from core.contract import Dataset
from core.ingest import ingest
from core.lake import Lake, open_lake
from core.storage import ObjectRef

ROWS: Final = 10
BAD: Final = 10
"""One file in so many has a row that is refused."""


def main(project: str, place: str, first: str, files: str) -> None:
    """Append, and tell the medians."""
    lake = open_lake(project, place)
    (dataset,) = lake.project.datasets.values()
    took = [append(lake, dataset, number) for number in range(int(first), int(first) + int(files))]
    with lake.workplace() as work, lake.session(work) as connection:
        lake.mount(connection, dataset.name)
        rows = f"select * from {dataset.name} where reading_id >= {int(first) * ROWS}"
        pq.write_table(connection.execute(rows).to_arrow_table(), Path("appended.parquet"))
    seconds, cpu = (statistics.median(figures) for figures in zip(*took, strict=True))
    print(json.dumps({"seconds": seconds, "cpu": cpu}))


def append(lake: Lake, dataset: Dataset, number: int) -> tuple[float, float]:
    """Append one file; return the seconds on the clock and on all processors."""
    key = key_of(dataset, number)
    lake.raw.put(key, body(number))
    started, cpu = time.perf_counter(), time.process_time()
    (done,) = ingest(lake, dataset, [ObjectRef(key)]).objects
    took = time.perf_counter() - started, time.process_time() - cpu
    if done.fate != "loaded":
        sys.exit(f"{key}: {done}")
    return took


def key_of(dataset: Dataset, number: int) -> str:
    return f"{dataset.source.prefix}{number:07}.csv"


def body(number: int) -> bytes:
    """Return a file's content; the last row of a bad one has a temperature that is no number."""
    rows = [f"{number * ROWS + n},device-{n},{20 + n}.5,2026-11-20T10:00:{n:02}Z" for n in range(ROWS)]
    if number % BAD == 0:
        rows[-1] = rows[-1].replace(".5", ".x")
    return "\n".join(["reading_id,device,temperature,measured_at", *rows, ""]).encode()


if __name__ == "__main__":
    main(*sys.argv[1:])
