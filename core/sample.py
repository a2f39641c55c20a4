"""Example input for a pipeline: each file under its `samples/` folder becomes one raw object, bad ones included.

`samples/<key>.sql` is a query whose rows are written as the format of the dataset that owns `<key>`, gzipped where the key ends in .gz.
Its result may have one column `line` (written verbatim, a line each) or `text` (verbatim, nothing between), or a column `_object`: the
rows are then split among objects of those names in the key's folder. A file of any other name is copied byte by byte.
"""

import gzip
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import duckdb

from core.contract import Dataset
from core.errors import Terminal
from core.quoting import identifiers, literal
from core.source import CsvOptions, JsonlOptions, JsonOptions, ParquetOptions, XlsxOptions

DRAW: Final = "create temp macro draw(what, i, n) as cast(hash(what, i, getvariable('seed')) % cast(n as ubigint) as bigint)"
"""`draw('city', i, 5)`: a number from 0 to 4 that depends on the name, the row and the seed alone."""

VERBATIM: Final = {"line": "\n", "text": ""}
ISO: Final = "dateformat '%Y-%m-%d', timestampformat '%Y-%m-%dT%H:%M:%SZ'"
CREATED: Final = datetime(2026, 11, 1)


@dataclass(frozen=True)
class Sample:
    """One object that was made: its key, its rows (0 for one that was copied) and its size."""

    key: str
    rows: int
    bytes: int


@dataclass(frozen=True)
class Query:
    """A sample's query with the parameters that it names, as a prepared statement refuses any others."""

    connection: duckdb.DuckDBPyConnection
    text: str
    values: dict[str, int]

    def run(self, around: str = "{}") -> duckdb.DuckDBPyConnection:
        return self.connection.execute(around.replace("{}", self.text), self.values or None)

    def columns(self) -> list[str]:
        return [row[0] for row in self.run("describe {}").fetchall()]

    def copy(self, file: Path, how: str) -> int:
        found = self.run(f"copy ({{}}) to {literal(str(file))} ({how})").fetchone()
        return int(found[0]) if found else 0


Owner = Callable[[str], Dataset | None]
Writer = Callable[[Query, Any, Path], int]


def sample(pipeline: Path, *, rows: int, owner: Owner, put: Callable[[str, Path], object], work: Path, seed: int = 1) -> tuple[Sample, ...]:
    """Make every object of a pipeline's `samples/`, in the order of its files, and hand each to `put(key, file)`.

    `rows` is the size of the pipeline's main objects. The same rows and seed give the same bytes, so a second run puts the same objects.
    The file lies in `work`, and is gone after `put` has returned.
    """
    folder, made = pipeline / "samples", []
    work.mkdir(parents=True, exist_ok=True)
    file = work / "object"  # never a path made from a key
    with duckdb.connect() as connection:
        connection.execute(f"set TimeZone = 'UTC'; set variable rows = {int(rows)}; set variable seed = {int(seed)}; {DRAW}")
        for source in sorted(path for path in folder.rglob("*") if path.is_file()):
            try:
                for key, count in _objects(connection, source, folder, {"rows": rows, "seed": seed}, owner, file):
                    made.append(Sample(key, count, file.stat().st_size))
                    put(key, file)
            except duckdb.Error as error:
                raise Terminal(f"{source}: the sample's query fails", found=str(error), remedy="Mend the query.") from error
            finally:
                file.unlink(missing_ok=True)
    return tuple(made)


def _objects(
    connection: duckdb.DuckDBPyConnection, source: Path, folder: Path, values: dict[str, int], owner: Owner, file: Path
) -> Iterator[tuple[str, int]]:
    """Yield the key and rows of each object that one file of `samples/` makes, its content in `file`."""
    key = source.relative_to(folder).as_posix()
    if source.suffix != ".sql":
        shutil.copyfile(source, file)
        yield key, 0
        return
    key, text = key.removesuffix(".sql"), source.read_text("utf-8").strip().rstrip(";")
    query = Query(connection, text, {name: value for name, value in values.items() if re.search(rf"\${name}\b", text)})
    columns = query.columns()
    if "_object" not in columns:
        yield key, _write(query, columns, key, owner(key), file)
        return
    query.run("create or replace temp table split as {}")
    columns.remove("_object")
    for (name,) in connection.execute("select distinct _object from split order by _object").fetchall():
        whole = f"{key.rpartition('/')[0]}/{name}"
        part = f"select {identifiers(columns)} from split where _object = {literal(name)} order by rowid"
        yield whole, _write(Query(connection, part, {}), columns, whole, owner(whole), file)


def _write(query: Query, columns: list[str], key: str, dataset: Dataset | None, file: Path) -> int:
    if len(columns) == 1 and columns[0] in VERBATIM:
        rows = _write_text(query, VERBATIM[columns[0]], file)
    elif dataset is None:
        raise Terminal(
            f"{key}: no dataset's source covers this sample", remedy="Move it below a source.path, or give its text in one column `line`."
        )
    else:
        rows = WRITERS[dataset.source.format](query, dataset.source.options, file)
    if key.endswith(".gz"):
        _gzip(file)
    return rows


def _write_text(query: Query, end: str, file: Path) -> int:
    rows, found = 0, query.run()
    with file.open("w", encoding="utf-8", newline="") as out:
        while batch := found.fetchmany(10_000):
            rows += len(batch)
            out.writelines(f"{text}{end}" for (text,) in batch)
    return rows


def _write_csv(query: Query, options: CsvOptions, file: Path) -> int:
    dialect = {"delimiter": options.delimiter, "quote": options.quote, "escape": options.escape, "nullstr": options.null}
    marks = ", ".join(f"{name} {literal(mark)}" for name, mark in dialect.items())
    rows = query.copy(file, f"format csv, header {str(options.header).lower()}, {marks}, {ISO}")
    if options.first_row > 1:
        file.write_bytes(b"\n" * (options.first_row - 1) + file.read_bytes())
    return rows


def _write_json(query: Query, options: JsonOptions, file: Path) -> int:
    rows = query.copy(file, f"format json, array {str(options.layout == 'array').lower()}, {ISO}")
    if options.layout == "concatenated":  # as Firehose writes: inside a record a newline is escaped, so each one ends a record
        lines = file.rename(file.with_suffix(".lines"))
        with lines.open("rb") as records, file.open("wb") as out:
            out.writelines(record.rstrip(b"\n") for record in records)
        lines.unlink()
    return rows


def _write_jsonl(query: Query, _options: JsonlOptions, file: Path) -> int:
    return query.copy(file, f"format json, array false, {ISO}")


def _write_parquet(query: Query, _options: ParquetOptions, file: Path) -> int:
    return query.copy(file, "format parquet")


def _write_xlsx(query: Query, options: XlsxOptions, file: Path) -> int:
    from xlsxwriter import Workbook

    rows, found = 0, query.run()
    texts = {"strings_to_formulas": False, "strings_to_urls": False}  # a text stays one, whatever it begins with
    options_of_book = {"constant_memory": True, "tmpdir": str(file.parent), "default_date_format": "yyyy-mm-dd hh:mm:ss", **texts}
    with Workbook(str(file), options_of_book) as book:
        book.set_properties({"created": CREATED})  # else the clock's, and no two runs are equal
        sheet, first = book.add_worksheet(options.sheet), options.first_row - 1
        if options.header:
            sheet.write_row(first, 0, [column[0] for column in found.description])
            first += 1
        while batch := found.fetchmany(10_000):
            for row in batch:
                sheet.write_row(first + rows, 0, [float(cell) if isinstance(cell, Decimal) else cell for cell in row])
                rows += 1
    return rows


def _gzip(file: Path) -> None:
    plain = file.rename(file.with_suffix(".plain"))
    with plain.open("rb") as content, file.open("wb") as raw, gzip.GzipFile("", "wb", mtime=0, fileobj=raw) as packed:
        shutil.copyfileobj(content, packed)
    plain.unlink()


WRITERS: Final[dict[str, Writer]] = {
    "csv": _write_csv,
    "json": _write_json,
    "jsonl": _write_jsonl,
    "parquet": _write_parquet,
    "xlsx": _write_xlsx,
}
