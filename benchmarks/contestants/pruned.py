"""Asks for three columns of one day of a table, and tells how much this process read for it. Arguments: who does it, and its own.

What is counted are the bytes that read() and its kin returned (/proc/self/io: rchar), the table's log included, imports left out.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from core.lake import Lake

WANTED: Final = ("device", "value_0", "value_1")


def counted(work: Callable[[], object], log: int = 0) -> None:
    """Do it, and tell; so many bytes of it were the table's log."""
    before, started, cpu = _read(), time.perf_counter(), time.process_time()
    work()
    took = {"seconds": time.perf_counter() - started, "cpu": time.process_time() - cpu}
    print(json.dumps({**took, "MB read": (_read() - before) / 1e6, "of it log": log / 1e6}))


def _read() -> int:
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["rchar"])


def alone(folder: str) -> None:
    """Read the day's footers and its wanted column chunks, as bytes; where they stand is known."""
    from pyarrow.parquet import read_metadata

    wanted: dict[Path, list[tuple[int, int]]] = {}
    for path in Path(folder).glob("*.parquet"):
        metadata, footer = read_metadata(path), 8 + int.from_bytes(path.read_bytes()[-8:-4], "little")
        groups = map(metadata.row_group, range(metadata.num_row_groups))
        chunks = [group.column(n) for group in groups for n in range(group.num_columns) if group.column(n).path_in_schema in WANTED]
        wanted[path] = [(chunk.dictionary_page_offset or chunk.data_page_offset, chunk.total_compressed_size) for chunk in chunks]
        wanted[path].append((path.stat().st_size - footer, footer))

    def work() -> None:
        for path, parts in wanted.items():
            with path.open("rb", buffering=0) as data:
                for start, length in parts:
                    data.seek(start)
                    data.read(length)

    counted(work)


def lakelet(project: str, folder: str, name: str) -> None:
    """Run the transform."""
    from core import transform
    from core.lake import open_lake
    from core.pruning import conditions

    lake = open_lake(project, folder)
    declaration = lake.project.transforms[name]
    conditions(declaration.query)  # what is imported for it
    (table,) = declaration.inputs
    look(lake, table)
    before = _read()
    look(lake, table)
    counted(lambda: transform.run(lake, declaration), log=_read() - before)


def look(lake: "Lake", table: str) -> None:
    """Read a table's log as a run does: its files, and what it remembers."""
    snapshot = lake.named_table(table)
    if snapshot is None or not snapshot.files or snapshot.identity("amended"):
        sys.exit("the table is not as it should be")


def duckdb(threads: str, files: str, query: str) -> None:
    """Let bare DuckDB find the day by its folder's name."""
    import duckdb

    connection = duckdb.connect()
    connection.execute(f"set TimeZone = 'UTC'; set threads = {int(threads)}")

    def work() -> None:
        connection.execute(f"create view measures as from read_parquet('{files}', hive_partitioning = true)")
        connection.execute(f"copy ({query}) to 'gold.parquet' (format parquet, compression zstd)")

    counted(work)


if __name__ == "__main__":
    {"alone": alone, "lakelet": lakelet, "duckdb": duckdb}[sys.argv[1]](*sys.argv[2:])
