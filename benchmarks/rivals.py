"""The interpreters and arguments that start each contestant; and the same SQL and columns for all of them."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.harness import ROOT

THREADS: Final = 2
"""What every contestant may use, so that a larger machine compares the same work."""

SCRIPTS: Final = ROOT / "benchmarks" / "contestants"
BIGINT, TEXT, MOMENT, MONEY = "bigint", "varchar", "timestamptz", "decimal(12,2)"

Columns = Mapping[str, str]
"""A raw table's columns as DuckDB names their types."""


def lakelet(project: Path, script: str = "lakelet.py") -> tuple[tuple[str, ...], dict[str, str]]:
    """Return what starts Lakelet over ./lake, and its environment."""
    return (sys.executable, str(SCRIPTS / script), str(project), "lake"), {"LAKELET_THREADS": str(THREADS)}


def bare_duckdb(tables: Mapping[str, str], query: str, *, silver: bool = False) -> tuple[str, ...]:
    """Return what starts bare DuckDB over raw files (name -> `rows_of_json` or `rows_of_csv`)."""
    work = {"threads": THREADS, "tables": tables, "query": query, "silver": silver}
    return sys.executable, str(SCRIPTS / "bare_duckdb.py"), json.dumps(work)


def spark(tables: Mapping[str, dict[str, Any]], query: str) -> tuple[str, ...]:
    """Return what starts PySpark."""
    return spark_python(), str(SCRIPTS / "spark.py"), json.dumps({"threads": THREADS, "tables": tables, "query": query})


def spark_python() -> str:
    """Return the interpreter that has pyspark: LAKELET_SPARK_PYTHON, else this one."""
    return os.environ.get("LAKELET_SPARK_PYTHON") or sys.executable


def spark_version() -> str:
    """Return pyspark's version, '' where it cannot be imported."""
    command = [spark_python(), "-c", "import pyspark; print(pyspark.__version__)"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


def spark_missing() -> str:
    """Return why PySpark cannot run here, '' where it can."""
    if not spark_version():
        return "not installed"
    return "" if os.environ.get("JAVA_HOME") or shutil.which("java") else "no Java"


def rows_of_json(files: Path | str, columns: Columns, constants: Columns | None = None) -> str:
    """Return DuckDB's typed read of JSON lines; `constants` stand in for what only Lakelet adds to a row."""
    declared = ", ".join(f"{name}: '{kind}'" for name, kind in columns.items())
    return _rows(f"read_json('{files}', format = 'newline_delimited', columns = {{{declared}}})", constants)


def rows_of_csv(files: Path | str, columns: Columns) -> str:
    """Return DuckDB's typed read of CSV, nothing sniffed."""
    declared = ", ".join(f"{name}: '{kind}'" for name, kind in columns.items())
    dialect = "header = true, delim = ',', quote = '\"', escape = '\"', auto_detect = false"
    return _rows(f"read_csv('{files}', {dialect}, columns = {{{declared}}})", None)


def _rows(scan: str, constants: Columns | None) -> str:
    return f"select *{''.join(f', {value} as {name}' for name, value in (constants or {}).items())} from {scan}"


def spark_table(folder: Path, columns: Columns, constants: Columns) -> dict[str, Any]:
    """Return what the Spark script is told of one raw table."""
    return {
        "folder": str(folder),
        "schema": ", ".join(f"{name} {SPARK_TYPES[kind]}" for name, kind in columns.items()),
        "constants": constants,
    }


SPARK_TYPES: Final = {BIGINT: "bigint", TEXT: "string", MOMENT: "timestamp", MONEY: "decimal(12,2)"}
