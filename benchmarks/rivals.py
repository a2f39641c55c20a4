"""The interpreters and arguments that start each contestant; and the same SQL and columns for all of them."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import cache
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


def bare_fastexcel(workbook: Path, result: str = "") -> tuple[str, ...]:
    """Return what starts fastexcel alone; it only reads where no result is asked for."""
    return sys.executable, str(SCRIPTS / "bare_fastexcel.py"), str(workbook), *([result] if result else [])


def spark(tables: Mapping[str, dict[str, Any]], query: str, engine: str = "pyspark") -> tuple[str, ...]:
    """Return what starts PySpark, or `pysail`, which answers Spark's API."""
    work = {"threads": THREADS, "tables": tables, "query": query, "engine": engine}
    return INTERPRETERS[engine](), str(SCRIPTS / "spark.py"), json.dumps(work)


def in_frames(engine: str, files: Mapping[str, Path]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return what starts pandas or polars on the headline's work, and its environment."""
    paths = {name: str(path) for name, path in files.items()}
    return (INTERPRETERS[engine](), str(SCRIPTS / f"in_{engine}.py"), json.dumps(paths)), {"POLARS_MAX_THREADS": str(THREADS)}


def _named(setting: str) -> Callable[[], str]:
    return lambda: os.environ.get(setting) or sys.executable


INTERPRETERS: Final[dict[str, Callable[[], str]]] = {
    "pyspark": _named("LAKELET_SPARK_PYTHON"),
    "pysail": _named("LAKELET_SAIL_PYTHON"),
    "pandas": _named("LAKELET_RIVALS_PYTHON"),
    "polars": _named("LAKELET_RIVALS_PYTHON"),
}
"""The interpreter that has each rival: the user's, else this one. The project itself depends on none of them."""


@cache
def missing(engine: str) -> str:
    """Return why a rival cannot run here, '' where it can."""
    try:
        found = subprocess.run([INTERPRETERS[engine](), "-c", f"import {engine}"], capture_output=True, check=False).returncode == 0
    except OSError:
        found = False
    if not found:
        return "not installed"
    if engine == "pyspark" and not (os.environ.get("JAVA_HOME") or shutil.which("java")):
        return "no Java"
    return ""


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
