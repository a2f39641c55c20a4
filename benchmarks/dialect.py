"""Prints a transform's SQL in another engine's dialect, so that every rival runs the query that the product runs."""

import sys
from pathlib import Path

import sqlglot

if __name__ == "__main__":
    print(sqlglot.transpile(Path(sys.argv[1]).read_text("utf-8"), read="duckdb", write=sys.argv[2])[0])
