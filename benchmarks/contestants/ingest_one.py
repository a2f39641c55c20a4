"""Loads one object that waits in a lake, and tells what that took: from its key to its place in the archive, imports left out. Arguments:
the project, the lake, the dataset, the key.
"""

import json
import sys
import time

import pyarrow.dataset  # noqa: F401 - DuckDB imports it with the first Arrow table that is registered

from core.ingest import ingest
from core.lake import open_lake
from core.storage import ObjectRef


def main(project: str, folder: str, name: str, key: str) -> None:
    """Load it, and tell."""
    lake = open_lake(project, folder)
    started, cpu = time.perf_counter(), time.process_time()
    (done,) = ingest(lake, lake.project.datasets[name], [ObjectRef(key)]).objects
    took = {"seconds": time.perf_counter() - started, "cpu": time.process_time() - cpu}
    if done.fate != "loaded":
        sys.exit(f"{key}: {done}")
    print(json.dumps(took))


if __name__ == "__main__":
    main(*sys.argv[1:])
