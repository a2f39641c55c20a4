"""Says what a contestant left behind, as one JSON object: rows and a checksum that no order of rows changes; and that it did its work.

`python -m benchmarks.check RESULT`, where RESULT is a Parquet file, a folder of them or a Delta table. Provenance (`_...`) is left out.
"""

import argparse
import json
import sys
from pathlib import Path

import duckdb

from core.delta import Snapshot, open_table
from core.engine import relation
from core.quoting import identifier, literal


def main() -> None:
    """Print the fingerprint, or say what is wrong and fail."""
    parser = argparse.ArgumentParser(prog="benchmarks.check")
    parser.add_argument("result", type=Path)
    parser.add_argument("--where", default="true", help="which of its rows")
    parser.add_argument("--same", type=Path, nargs="*", default=[], help="other copies, which must say the same")
    parser.add_argument("--one-commit", type=Path, nargs="*", default=[], help="tables that must have been written by one commit")
    parser.add_argument("--empty", type=Path, nargs="*", default=[], help="folders in which no file may be left")
    parser.add_argument("--files", nargs=2, action="append", default=[], metavar=("FOLDER", "COUNT"), help="a folder must hold that many")
    asked = parser.parse_args()
    found = fingerprint(asked.result, asked.where)
    wrong = [f"{copy} differs from {asked.result}" for copy in asked.same if fingerprint(copy, asked.where) != found]
    wrong += [f"{table} took {count} commits" for table in asked.one_commit if (count := commits(table)) != 1]
    wrong += [f"{folder} is not empty" for folder in asked.empty if files(folder)]
    wrong += [f"{folder} does not hold {count} files" for folder, count in asked.files if files(Path(folder)) != int(count)]
    if wrong:
        sys.exit("; ".join(wrong))
    print(json.dumps({"rows": found[0], "checksum": found[1]}))


def fingerprint(result: Path, where: str) -> tuple[int, str]:
    """Return the rows, and the sum of the hashes of each row's values as text: columns by name, moments as microseconds."""
    rows = f"from ({rows_of(result)}) where {where}"
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        columns = sorted((name, kind) for name, kind, *_ in connection.execute(f"describe {rows}").fetchall() if name[0] != "_")
        values = ", ".join(f"{_text(identifier(name), kind)}" for name, kind in columns)
        count, total = connection.execute(f"select count(*), sum(hash({values}))::varchar from ({rows})").fetchone() or (0, "")
    return count, f"{total} over {', '.join(name for name, _ in columns)}"


def _text(column: str, kind: str) -> str:
    return f"cast(epoch_us({column}) as varchar)" if kind.startswith("TIMESTAMP") else f"cast({column} as varchar)"


def rows_of(result: Path) -> str:
    """Return a query over a result."""
    if (result / "_delta_log").is_dir():
        return relation(_table(result))
    return f"from read_parquet({literal(str(result / '*.parquet') if result.is_dir() else str(result))})"


def commits(table: Path) -> int:
    """Count the commits that wrote data: those that carry a record."""
    return sum(bool(commit["lakelet"]) for commit in _table(table).history())


def files(folder: Path) -> int:
    """Count the files below a folder, reports and hidden ones included."""
    return sum(path.is_file() for path in folder.rglob("*"))


def _table(path: Path) -> Snapshot:
    snapshot = open_table(str(path.absolute()), {})
    if snapshot is None:
        raise SystemExit(f"{path} is no Delta table")
    return snapshot


if __name__ == "__main__":
    main()
