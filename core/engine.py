"""SQL in, Parquet files out: fragments that nothing sees until a commit names them; and snapshots as relations for SQL to read."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import quote
from uuid import uuid4

import duckdb
import pyarrow as pa

from core.casts import within
from core.delta import DataFile, Snapshot
from core.errors import Terminal
from core.pruning import Condition, file_test
from core.quoting import identifier, identifiers, literal, texts
from core.sql import IMPOSSIBLE_PARTITIONS
from core.statistics import delta_statistics

MANY_PARTITIONS: Final = 30
"""Above this, rows are ordered by partition first: DuckDB keeps 100 files open, and unordered rows become thousands of small files."""

FEWEST_ROWS: Final = 2048
"""The smallest row group that DuckDB writes."""

PARTITION_TYPES: Final = (pa.types.is_string, pa.types.is_date, pa.types.is_integer, pa.types.is_boolean)


def schema_of(connection: duckdb.DuckDBPyConnection, query: str) -> pa.Schema:
    """Return the Arrow schema that a query's fragments will have."""
    return connection.execute(f"select * from ({query}) limit 0").to_arrow_table().schema


class Layout(Protocol):
    """What fragments need to know of a table: a Snapshot, or a table that is not there yet."""

    @property
    def uri(self) -> str: ...
    @property
    def schema(self) -> pa.Schema: ...
    @property
    def partition_by(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Planned:
    """A table as it is about to be created."""

    uri: str
    schema: pa.Schema
    partition_by: tuple[str, ...]


def fragments(connection: duckdb.DuckDBPyConnection, query: str, table: Layout, *, spread: str = "") -> tuple[DataFile, ...]:
    """Run a query and write its rows as Parquet files into the table's location, by partition; return them with their statistics.

    `query` gives the table's columns; `spread`, where one is known, a cheaper one all of its partitions. A crash leaves orphans, which
    vacuum takes.
    """
    if "://" not in table.uri:
        Path(table.uri).mkdir(parents=True, exist_ok=True)
    if not table.partition_by:
        target, options = f"{table.uri}/part-{uuid4()}.parquet", ""
    else:
        _refuse_partitions(table)
        target = table.uri
        options = f", partition_by ({identifiers(table.partition_by)}), filename_pattern 'part-{{uuidv7}}', append true"
        query = f"select * from ({query}){_partition_order(connection, spread or query, table.partition_by)}"
    copy = f"copy ({query}) to {literal(target)} (format parquet, compression zstd, compression_level 1, return_stats{options}"
    try:
        written = connection.execute(f"{copy})").fetchall()
    except duckdb.OutOfMemoryException:  # a row group is put together in memory: of long rows it has to be a small one
        written = connection.execute(f"{copy}, row_group_size {FEWEST_ROWS})").fetchall()
    files = [_data_file(table, row) for row in written]
    return tuple(file for file in files if file.rows)


def _partition_order(connection: duckdb.DuckDBPyConnection, query: str, partition_by: Sequence[str]) -> str:
    columns = identifiers(partition_by)
    distinct = f"select count(*) from (select distinct {columns} from ({query}) limit {MANY_PARTITIONS + 1})"
    (count,) = connection.execute(distinct).fetchone() or (0,)
    return f" order by {columns}" if count > MANY_PARTITIONS else ""


def _refuse_partitions(table: Layout) -> None:
    for name in table.partition_by:
        if name not in table.schema.names:
            raise Terminal(f"table {table.uri}", expected=f"its partition column {name}", found=", ".join(table.schema.names))
        kind = table.schema.field(name).type
        if not any(test(kind) for test in PARTITION_TYPES):
            raise Terminal(
                f"table {table.uri}", expected="partition columns of type date, varchar, integer or boolean", found=f"{name} {kind}"
            )


def _data_file(table: Layout, written: tuple[Any, ...]) -> DataFile:
    filename, rows, size, _, statistics, keys = written
    partition = dict(keys or {})
    for name, value in partition.items():
        if value is not None and value.lower() in IMPOSSIBLE_PARTITIONS:
            raise Terminal(
                f"table {table.uri}", expected=f"a value of partition column {name}", found=f"the text {value!r}", remedy="Map it first."
            )
    path = filename.removeprefix(table.uri).lstrip("/")
    return DataFile(path, size, rows, partition, json.dumps(delta_statistics(table.schema, rows, statistics), ensure_ascii=False))


# --- reading tables ------------------------------------------------------------------------------------------------------------------


def relation(snapshot: Snapshot, *, files: Iterable[DataFile] | None = None, file_column: str | None = None) -> str:
    """Return a query over a snapshot, or over some of its files; `file_column` adds each row's file (its path below the table)."""
    wanted = snapshot.files if files is None else tuple(files)
    hive = {
        name: quote(name, safe="") for name in snapshot.partition_by
    }  # DuckDB percent-encodes a column's name in a path, as it does values
    columns = [f"{identifier(hive[n])} as {identifier(n)}" if hive.get(n, n) != n else identifier(n) for n in snapshot.schema.names]
    if not wanted:
        empty = [f"null::{_duck_type(field.type)} as {identifier(field.name)}" for field in snapshot.schema]
        extra = [f"null::varchar as {file_column}"] if file_column else []
        return f"select {', '.join(empty + extra)} where false"
    if file_column:
        columns.append(f"substr(filename, {len(snapshot.uri) + 2}) as {file_column}")
    evolved = _evolved(snapshot) or any(not file.written for file in wanted)  # the log's statistics tell nothing of a file that is not live
    options = ["union_by_name = true"] if evolved else []
    if snapshot.partition_by:
        types = ", ".join(f"{identifier(hive[name])}: {literal(_duck_type(snapshot.schema.field(name).type))}" for name in hive)
        options += ["hive_partitioning = true", f"hive_types = {{{types}}}"]
    else:
        options += ["hive_partitioning = false"]
    if file_column:
        options.append("filename = true")
    paths = texts(f"{snapshot.uri}/{file.path}" for file in wanted)
    scan = f"read_parquet({paths}, {', '.join(options)})"
    if evolved:  # perhaps none of these files has the column that was added
        shape = ", ".join(f"null::{_duck_type(field.type)} as {identifier(hive.get(field.name, field.name))}" for field in snapshot.schema)
        scan = f"(select {shape} where false union all by name from {scan})"
    return f"select {', '.join(columns)} from {scan}"


def bounded_columns(snapshot: Snapshot) -> dict[str, pa.DataType]:
    """Return the columns for which the log has bounds."""
    known = snapshot.actions.schema
    return {field.name: field.type for field in known.field("min").type} if {"min", "max"} <= set(known.names) else {}


def files_where(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, test: str) -> tuple[DataFile, ...]:
    """Return the files of which a condition over `actions` (Snapshot.actions) is true."""
    connection.register("actions", snapshot.actions)
    found = connection.execute(f"select row_number() over () - 1 as n, {test} as candidate from actions").fetchall()
    connection.unregister("actions")
    return tuple(snapshot.files[n] for n, candidate in found if candidate)


def wanted_files(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, wanted: tuple[Condition, ...]) -> tuple[DataFile, ...]:
    """Return the files that may hold rows of which all conditions hold; all of them where that cannot be told."""
    test = file_test(wanted, snapshot.schema, bounded_columns(snapshot)) if wanted and len(snapshot.files) > 1 else ""
    try:
        return files_where(connection, snapshot, test) if test else snapshot.files
    except duckdb.Error:  # a constant that does not compare with the column: the query itself will say so, in its own words
        connection.unregister("actions")
        return snapshot.files


def _evolved(snapshot: Snapshot) -> bool:
    """Whether files may lack columns that were added later; only then are all their footers read to find out."""
    counted = snapshot.actions.schema.field("null_count").type if "null_count" in snapshot.actions.column_names else None
    if counted is None:
        return True
    counts = snapshot.actions["null_count"].combine_chunks()
    names = [field.name for field in counted]
    return any(counts.field(name).null_count for name in names) or len(names) < len(snapshot.schema.names) - len(snapshot.partition_by)


def _duck_type(kind: pa.DataType) -> str:
    if pa.types.is_timestamp(kind):
        return "timestamptz" if kind.tz else "timestamp"
    if pa.types.is_struct(kind):
        return "struct(" + ", ".join(f"{identifier(f.name)} {_duck_type(f.type)}" for f in kind) + ")"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"{_duck_type(kind.value_type)}[]"
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    return DUCK_TYPES[str(kind)]


DUCK_TYPES: Final = {
    "bool": "boolean", "int8": "tinyint", "int16": "smallint", "int32": "integer", "int64": "bigint", "float": "float", "double": "double",
    "string": "varchar", "large_string": "varchar", "string_view": "varchar", "date32[day]": "date", "binary": "blob",
}  # fmt: skip


# --- what a table can hold -----------------------------------------------------------------------------------------------------------

STORED_AS: Final = {
    "HUGEINT": "bigint", "UTINYINT": "smallint", "USMALLINT": "integer", "UINTEGER": "bigint", "UBIGINT": "decimal(20,0)",
    "TIMESTAMP": "timestamptz", "TIMESTAMP_S": "timestamptz", "TIMESTAMP_MS": "timestamptz", "TIMESTAMP_NS": "timestamptz",
    "UUID": "varchar", "JSON": "varchar", '"NULL"': "varchar",
}  # fmt: skip
"""DuckDB's types that Delta lacks, and what they become; a value that does not fit is an error (Parquet would make a HUGEINT a double)."""

UNSTORABLE: Final = ("TIME", "TIMETZ", "TIME WITH TIME ZONE", "INTERVAL", "BIT", "UHUGEINT", "BIGNUM", "VARINT")


def _stored(kind: Any, column: str) -> str:
    """Return the type that a table holds instead of one of DuckDB's, also inside a list or struct."""
    if kind.id in ("list", "array"):
        return f"{_stored(kind.children[0][1], column)}[]"
    if kind.id == "struct":
        return f"STRUCT({', '.join(f'{identifier(name)} {_stored(inner, column)}' for name, inner in kind.children)})"
    if kind.id in ("map", "union") or str(kind) in UNSTORABLE:
        found = str(kind)
        raise Terminal(f"column {column}", expected="a type that a table can hold", found=found, remedy="Cast it, for example to varchar.")
    return "varchar" if kind.id == "enum" else STORED_AS.get(str(kind), str(kind))


def storable(connection: duckdb.DuckDBPyConnection, query: str) -> str:
    """Wrap a query so that every column has a type that a Delta table can hold; Terminal for one that has no equal."""
    result = connection.execute(f"select * from (\n{query}\n) limit 0")
    columns = []
    for name, kind in zip((column[0] for column in result.description), connection.sql(query).types, strict=True):
        stored = _stored(kind, name)
        value = _whole_microseconds(name) if str(kind) == "TIMESTAMP_NS" else identifier(name)
        value = f"cast({value} as {stored})" if stored != str(kind) else value
        columns.append(f"{_holdable(value, stored, name)} as {identifier(name)}")
    return f"select {', '.join(columns)} from (\n{query}\n)"


def _whole_microseconds(column: str) -> str:
    """Let a nanosecond be an error: a cast would cut it off."""
    name, told = identifier(column), literal(f"column {column}: a moment finer than microseconds")
    return f"case when {name} is null or {name} = cast(cast({name} as timestamp) as timestamp_ns) then {name} else error({told}) end"


def _holdable(value: str, kind: str, column: str) -> str:
    """Let a date or moment outside the years 1 to 9999 (or infinite) be an error: no reader of Delta could hold it."""
    if kind not in ("DATE", "timestamptz", "TIMESTAMP WITH TIME ZONE"):
        return value
    told = literal(f"column {column}: a date or moment outside the years 1 to 9999")
    return f"case when {value} is null or {within(value, kind)} then {value} else error({told}) end"
