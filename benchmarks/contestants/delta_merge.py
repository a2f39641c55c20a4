"""delta-rs' own MERGE of a CSV file into a table, its columns declared; tells what that took, from the file to the commit, no imports.

Arguments: the table, the file, the columns as DuckDB's list, and the condition over `t` and `s`.
"""

import json
import sys
import time

import duckdb
from deltalake import DeltaTable

PROVENANCE = "'file' as _source, now() as _source_time, 1::bigint as _row"
"""What the table has beside; it costs next to nothing, and a MERGE that inserts has to fill every column."""


def main(table: str, file: str, columns: str, condition: str) -> None:
    """Merge, and tell."""
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    started, cpu = time.perf_counter(), time.process_time()
    dialect = "header = true, delim = ',', quote = '\"', escape = '\"', auto_detect = false"
    rows = connection.execute(f"select *, {PROVENANCE} from read_csv('{file}', {dialect}, columns = {columns})").to_arrow_table()
    merging = DeltaTable(table).merge(rows, condition, source_alias="s", target_alias="t")
    merging.when_matched_update_all().when_not_matched_insert_all().execute()
    print(json.dumps({"seconds": time.perf_counter() - started, "cpu": time.process_time() - cpu}))


if __name__ == "__main__":
    main(*sys.argv[1:])
