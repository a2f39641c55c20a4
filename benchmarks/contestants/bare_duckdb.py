"""Bare DuckDB: one statement a table, its columns declared; no contract, no reasons, no Delta, nothing archived.

The argument is a JSON object: `threads`, `tables` (name -> reader and files as SQL), `query` and `silver`: whether every table is written
as Parquet first, for the query to read, or the query reads the raw files. The result is gold.parquet in the working folder.
"""

import json
import sys
from typing import Any

import duckdb

PARQUET = "(format parquet, compression zstd)"


def main(work: dict[str, Any]) -> None:
    """Write gold.parquet."""
    connection = duckdb.connect()
    connection.execute(f"set TimeZone = 'UTC'; set threads = {int(work['threads'])}")
    for name, rows in work["tables"].items():
        if work["silver"]:
            connection.execute(f"copy ({rows}) to '{name}.parquet' {PARQUET}")
            rows = f"from read_parquet('{name}.parquet')"
        connection.execute(f"create view {name} as {rows}")
    connection.execute(f"copy ({work['query']}) to 'gold.parquet' {PARQUET}")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
