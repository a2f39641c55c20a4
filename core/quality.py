"""Text rows against a contract: typed rows, refused rows with their reasons, and the count of each. Works inside one session."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from core import readers
from core.contract import Dataset
from core.errors import Terminal
from core.project import tables_in
from core.quoting import identifier, identifiers, literal
from core.readers import Prepared
from core.sql import VERDICTS, conform, expression, stored_verdicts, with_value, without_value
from core.storage import ObjectRef
from core.types import stored_type

Mount = Callable[[str], object]
"""Makes a table visible to the session by its name."""

QUARANTINE: Final = pa.schema(
    [
        ("_source", pa.string()),
        ("_source_time", pa.timestamp("us", "UTC")),
        ("_row", pa.int64()),
        ("position", pa.string()),
        ("reasons", pa.list_(pa.string())),
        ("raw", pa.string()),
        ("quarantined_at", pa.timestamp("us", "UTC")),
    ]
)
"""The columns of every quarantine table."""

WRITTEN: Final = 64 << 20
"""Bytes of refused records' text that are written at once."""

GATHERED: Final = 16 << 20
"""Characters of refused records' text that are held at once."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Batch:
    """Objects of one dataset that are read together: the reader's files and, by number, the objects they are and the files as fetched."""

    dataset: Dataset
    files: tuple[Prepared, ...]
    objects: Mapping[int, ObjectRef]
    fetched: Mapping[int, Path]
    begun: float = field(default_factory=time.perf_counter)
    """When work on it began."""
    tallies: Mapping[int, "Tally"] = field(default_factory=dict)
    """The rows of each object, once they were judged."""


@dataclass(frozen=True)
class Tally:
    """The rows of one object: read = accepted + quarantined."""

    read: int = 0
    quarantined: int = 0

    @property
    def accepted(self) -> int:
        return self.read - self.quarantined


def table_columns(dataset: Dataset) -> tuple[str, ...]:
    """Return the columns of the dataset's table: the contract's, then the provenance."""
    rescued = ("_rescued",) if dataset.source.unknown_columns == "rescue" else ()
    return (*(column.name for column in dataset.columns), *rescued, "_source", "_source_time", "_row")


def enforce(connection: duckdb.DuckDBPyConnection, batch: Batch, mount: Mount, *, careful: bool = False) -> None:
    """Read a batch and judge every row; leaves the views `judged`, `accepted` and `refused` behind for the steps that follow.

    Raises duckdb.Error as the reader does; the caller finds out whose fault it is.
    """
    relation = readers.relation(connection, batch.dataset, batch.files, careful=careful)
    connection.execute(f"create or replace temp table _conformed as\n{conform(batch.dataset, relation, readers.values(batch.dataset))}")
    _check_elsewhere(connection, batch.dataset, mount)
    _objects(connection, batch)
    connection.execute(
        f"{_judged(batch.dataset)};\n"
        f"create or replace temp view accepted as select {identifiers(table_columns(batch.dataset))} from judged where _reasons is null;\n"
        "create or replace temp view refused as from judged where _reasons is not null"
    )


def _judged(dataset: Dataset) -> str:
    """Return the view of all rows with their object, their place, and the verdicts from here and from elsewhere."""
    here = ("_reasons", *stored_verdicts(dataset))
    there = {VERDICTS[check.action] for check in dataset.checks if check.looks_elsewhere}
    verdicts = [f"{_verdict(verdict, verdict in here, verdict in there)} as {verdict}" for verdict in VERDICTS.values()]
    return (
        "create or replace temp view judged as\n"
        f"select _conformed.* exclude ({', '.join(here)}),\n"
        f"       _source, _source_time, _conformed.rowid - _first + 1 as _row,\n       {', '.join(verdicts)}\n"
        f"from _conformed join objects using (_file){' left join _elsewhere on _conformed.rowid = _elsewhere._at' if there else ''}"
    )


def _verdict(name: str, here: object, there: object) -> str:
    if here and there:
        return f"if(_elsewhere.{name} is null, _conformed.{name}, list_concat(_conformed.{name}, _elsewhere.{name}))"
    if here or there:
        return f"{'_conformed' if here else '_elsewhere'}.{name}"
    return "null::varchar[]"


def _objects(connection: duckdb.DuckDBPyConnection, batch: Batch) -> None:
    """Keep the objects' names and times beside their rows. As text: to register an Arrow table imports pyarrow.dataset, 0.1 s."""
    named = ", ".join(
        f"({number}::integer, {literal(ref.source)}, make_timestamptz({(ref.modified - EPOCH) // timedelta(microseconds=1)}::bigint))"
        for number, ref in batch.objects.items()
    )
    connection.execute(
        "create or replace temp table objects as\n"
        f"select * from (values {named}) as named (_file, _source, _source_time)\n"
        "left join (select _file, min(rowid) as _first from _conformed group by _file) using (_file)"
    )


def _check_elsewhere(connection: duckdb.DuckDBPyConnection, dataset: Dataset, mount: Mount) -> None:
    """Run the checks that look into other tables, and keep what they say beside the rows, by rowid.

    Not inside the conform statement, because a join loses the rows' order; not by an update, because DuckDB moves the rows that it updates.
    """
    if not any(check.looks_elsewhere for check in dataset.checks):
        return
    said = []
    for check in (check for check in dataset.checks if check.looks_elsewhere):
        for table in tables_in(f"select {expression(check.sql)}"):
            if mount(table) is None:
                raise Terminal(
                    f"check {check.name}", expected=f"table {table} to exist", found="nothing loaded yet", remedy=f"Load {table} first."
                )
        name = f"check {check.name}" if check.action == "quarantine" else check.name
        said.append(
            f"select rowid as _at, {literal(VERDICTS[check.action])} as verdict, {literal(name)} as name\n"
            f"from _conformed where _problem is null and {expression(check.sql)} is false"
        )
    lists = ", ".join(f"list(name) filter (where verdict = {literal(verdict)}) as {verdict}" for verdict in VERDICTS.values())
    query = f"select _at, {lists} from (\n{' union all '.join(said)}\n) group by _at"
    connection.execute(f"create or replace temp table _elsewhere as {query}")


def failures(connection: duckdb.DuckDBPyConnection, dataset: Dataset) -> dict[int, str]:
    """Return the files that break a `fail` check, with the checks and how often."""
    if not _has(dataset, "fail"):
        return {}
    return dict(
        connection.execute(
            "select _file, string_agg(name || ' (' || n || ' rows)', ', ' order by name)\n"
            "from (select _file, name, count(*) as n from (select _file, unnest(_failed) as name from judged) group by all)\n"
            "group by _file"
        ).fetchall()
    )


def _has(dataset: Dataset, action: str) -> bool:
    return any(check.action == action for check in dataset.checks)


def drop_files(connection: duckdb.DuckDBPyConnection, numbers: Sequence[int]) -> None:
    """Take whole files out of the batch again; the others keep their rows' places."""
    for table in ("_conformed", "objects"):
        connection.execute(f"delete from {table} where _file in ({', '.join(map(str, numbers))})")


def tallies(connection: duckdb.DuckDBPyConnection, batch: Batch) -> dict[int, Tally]:
    """Count what was read and what was refused, an object."""
    counted = connection.execute("select _file, count(*), count(_reasons) from judged group by _file").fetchall()
    found = {number: Tally(read, refused) for number, read, refused in counted}
    return {number: found.get(number, Tally()) for number in batch.objects}


def warnings(connection: duckdb.DuckDBPyConnection, dataset: Dataset) -> dict[str, int]:
    """Count the rows that break a `warn` check, by check; they are loaded all the same."""
    if not _has(dataset, "warn"):
        return {}
    return dict(
        connection.execute(
            "select name, count(*) from (select unnest(_warned) as name from judged where _reasons is null) group by name"
        ).fetchall()
    )


def reasons(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Count the refused rows by reason, whatever values the reasons quote."""
    return dict(
        connection.execute(
            f"select {without_value('reason')} as why, count(*)\n"
            "from (select unnest(_reasons) as reason from judged) group by why order by 2 desc, 1"
        ).fetchall()
    )


def refused_rows(connection: duckdb.DuckDBPyConnection, batch: Batch, *, now: datetime) -> list[str]:
    """Return the queries that give the quarantine table's rows; fetches the text of those records that the reader did not keep.

    Mostly one. Each gives so much text that it can be written: a row group is put together in memory, however long its texts are.
    """
    _fill_in(connection, batch)
    sizes = (
        "select _file, _row, coalesce(strlen(coalesce(refused._raw, found.raw)), 0) as size\n"
        "from refused left join found using (_file, _row)"
    )
    (size,) = connection.execute(f"select sum(size) from ({sizes})").fetchone() or (0,)
    if (size or 0) <= WRITTEN:
        return [_refused(batch.dataset, "refused", "found", now)]
    connection.execute(
        "create or replace temp table pieces as\n"
        f"select _file, _row, sum(size) over (order by _file, _row) // {WRITTEN} as piece from ({sizes})"
    )
    pieces = connection.execute("select distinct piece from pieces order by piece").fetchall()
    return [_refused(batch.dataset, _piece("refused", piece), _piece("found", piece), now) for (piece,) in pieces]


def _piece(table: str, piece: int) -> str:
    return f"(from {table} semi join (from pieces where piece = {piece}) using (_file, _row))"


def _refused(dataset: Dataset, refused: str, found: str, now: datetime) -> str:
    reasons = f"list_transform(_reasons, lambda reason: {with_value('reason')})" if dataset.reports.values else "_reasons"
    return (
        f"select _source, _source_time, _row, coalesce(found.position, 'record ' || _row) as position, {reasons} as reasons, "
        "coalesce(refused._raw, found.raw) as raw,\n"
        f"       {literal(now.isoformat())}::timestamptz as quarantined_at\n"
        f"from {refused} as refused left join {found} as found using (_file, _row)"
    )


def _fill_in(connection: duckdb.DuckDBPyConnection, batch: Batch) -> None:
    """Gather what a person is shown of the refused rows, GATHERED bytes at a time: it may be nearly all of a file."""
    connection.execute("create or replace temp table found (_file integer, _row bigint, position varchar, raw varchar)")
    rows: list[tuple[int, int, str, str | None]] = []
    size = 0
    for file in batch.files:
        wanted = connection.execute("select _row, _raw is null from refused where _file = ?", [file.number]).fetchall()
        for row, text in _texts(batch.dataset, file, wanted):
            rows.append((file.number, row, readers.position(batch.dataset, file, row), text))
            size += len(text or "") + 100
            if size > GATHERED:
                _gather(connection, rows)
                rows, size = [], 0
    _gather(connection, rows)


def _texts(dataset: Dataset, file: Prepared, wanted: Sequence[tuple[int, bool]]) -> Iterable[tuple[int, str | None]]:
    missing = {row for row, is_missing in wanted if is_missing}
    found = readers.raw_records(dataset, file, missing) if missing else ()
    if dataset.source.format != "xlsx":
        return found
    known = dict(found)  # a workbook's rows have a place that a person knows, whether their text is here or not
    return ((row, known.get(row)) for row, _ in wanted)


def _gather(connection: duckdb.DuckDBPyConnection, rows: Sequence[tuple[int, int, str, str | None]]) -> None:
    names = ("_file", "_row", "position", "raw")
    kinds = (pa.int32(), pa.int64(), pa.string(), pa.string())
    arrow = pa.table({name: pa.array([row[n] for row in rows], kinds[n]) for n, name in enumerate(names)})
    connection.register("gathered", arrow)
    connection.execute("insert into found from gathered")
    connection.unregister("gathered")


def empty_rows(dataset: Dataset) -> str:
    """Return a query of the dataset's table's shape without rows: what its schema is made from."""
    columns = [f"null::{stored_type(column.type)} as {identifier(column.name)}" for column in dataset.columns]
    if dataset.source.unknown_columns == "rescue":
        columns.append("null::varchar as _rescued")
    return f"select {', '.join(columns)}, null::varchar as _source, null::timestamptz as _source_time, null::bigint as _row"
