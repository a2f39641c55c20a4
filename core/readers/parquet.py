"""Parquet: its columns by their exact names, each value as a text that casts back to the same value. What has no such text is refused."""

import json
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from core.contract import Column, Dataset
from core.errors import Rejected
from core.quoting import identifier, literal, texts
from core.readers import header as headers
from core.readers import instants
from core.readers.files import Prepared, RawFile, refused, unpacked

if TYPE_CHECKING:
    import pyarrow as pa


def prepare(dataset: Dataset, file: RawFile, work: Path) -> Prepared:
    """Read the footer and check names and types."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = unpacked(dataset, file, work, "parquet")
    try:
        metadata = pq.read_metadata(path)
        schema = metadata.schema.to_arrow_schema()
    except (pa.ArrowException, OSError) as error:
        raise unreadable(dataset, Prepared(file.number, path, file.name), error) from error
    if sum(metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)) != metadata.num_rows:
        raise _contradicts(dataset, file)
    headers.check_header(dataset, file.name, schema.names)
    _check_cases(dataset, file, schema.names)
    wanted = set(schema.names) if dataset.source.unknown_columns == "rescue" else {column.source_name for column in dataset.read_columns}
    refusals = [f"{field.name} {field.type}" for field in schema if field.name in wanted and _without_text(field.type)]
    if refusals:
        raise refused(dataset, file.name, "invalid_schema", "types that have no text", found=f"[{', '.join(refusals)}]")
    try:
        path = instants.exact(path, wanted)
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise unreadable(dataset, Prepared(file.number, path, file.name), error) from error
    return Prepared(file.number, path, file.name, tuple(schema.names), types=tuple(_named(field.type) for field in schema))


def relation(connection: duckdb.DuckDBPyConnection, dataset: Dataset, files: Sequence[Prepared], *, careful: bool = False) -> str:  # noqa: ARG001
    """Return one select over all the files; those with the same columns share one scan: DuckDB casts it to its first file's types."""
    groups: dict[tuple[object, ...], list[Prepared]] = {}
    for file in files:
        groups.setdefault((file.header, file.types), []).append(file)
    for group in groups.values():
        _check_counts(connection, dataset, group)
    return "\nunion all\n".join(_select(dataset, group) for group in groups.values())


def raw_records(_: Dataset, file: Prepared, ordinals: Collection[int]) -> dict[int, str]:
    """Return rows as JSON objects; reads the file's batches up to the last that is asked for."""
    import pyarrow.parquet as pq

    wanted, found, before = sorted(set(ordinals)), {}, 0
    with pq.ParquetFile(file.path) as source:
        for batch in source.iter_batches(use_threads=False):
            here = [ordinal for ordinal in wanted if before < ordinal <= before + batch.num_rows]
            rows = _sayable(batch.take([ordinal - before - 1 for ordinal in here])).to_pylist() if here else []
            found.update({ordinal: json.dumps(row, ensure_ascii=False, default=str) for ordinal, row in zip(here, rows, strict=True)})
            before += batch.num_rows
            if not wanted or before >= wanted[-1]:
                break
    return found


def _sayable(batch: "pa.RecordBatch") -> "pa.RecordBatch":
    """Make texts of dates and times: Python has none of nanoseconds, nor of the year 10000, and a refused row may hold just that."""
    import pyarrow as pa
    import pyarrow.types as types

    def naive(kind: "pa.DataType") -> "pa.DataType":
        return pa.timestamp(kind.unit) if types.is_timestamp(kind) else kind

    def text(kind: "pa.DataType") -> "pa.DataType":
        return pa.string() if types.is_temporal(kind) and not types.is_duration(kind) else kind

    for change in (naive, text):
        batch = batch.cast(pa.schema([field.with_type(_changed(field.type, change)) for field in batch.schema]))
    return batch


def _changed(kind: "pa.DataType", change: "Callable[[pa.DataType], pa.DataType]") -> "pa.DataType":
    """Return a type whose innermost types are changed."""
    import pyarrow as pa
    import pyarrow.types as types

    if types.is_list(kind) or types.is_large_list(kind):
        return pa.list_(_changed(kind.value_type, change))
    if types.is_struct(kind):
        return pa.struct([field.with_type(_changed(field.type, change)) for field in kind])
    if types.is_map(kind):
        return pa.map_(kind.key_type, _changed(kind.item_type, change))
    return change(kind)


def position(_: Dataset, __: Prepared, ordinal: int) -> str:
    """Return where a person finds the record."""
    return f"record {ordinal}"


def unreadable(dataset: Dataset, file: Prepared, error: Exception) -> Rejected:  # noqa: ARG001
    """Say that the file is damaged; the libraries' own words quote bytes."""
    return refused(
        dataset, file.name, "unreadable", "the Parquet file cannot be read", found="a file that is truncated, damaged or no Parquet"
    )


def _contradicts(dataset: Dataset, file: Prepared | RawFile) -> Rejected:
    found = "a footer whose numbers of rows contradict each other"
    return refused(dataset, file.name, "unreadable", "the Parquet file cannot be read", found=found)


def _check_counts(connection: duckdb.DuckDBPyConnection, dataset: Dataset, files: Sequence[Prepared]) -> None:
    """Refuse a row group that counts other rows than its columns do: it would be read as far as it says, and the rest left out.

    DuckDB is asked, because pyarrow 26 ends the process when it looks at a column of some damaged footers.
    """
    flat = [name for name, kind in zip(files[0].header, files[0].types, strict=True) if not kind.startswith("nested ")]
    wrong = connection.execute(
        "select distinct cast(left(parse_filename(file_name), 6) as integer) "
        f"from parquet_metadata({texts(str(file.path) for file in files)}) "
        f"where num_values <> row_group_num_rows and list_contains({texts(flat)}, path_in_schema)"
    ).fetchall()
    for file in files:
        if (file.number,) in wrong:
            raise _contradicts(dataset, file)


def _check_cases(dataset: Dataset, file: RawFile, names: Sequence[str]) -> None:
    """Refuse names that differ only in case: DuckDB renames one of them."""
    folded = [name.lower() for name in names]
    if twice := [name for name in names if folded.count(name.lower()) > 1]:
        raise headers.mismatch(dataset, file.name, f"duplicate [{', '.join(twice)}] but for case")


def _without_text(kind: "pa.DataType") -> bool:
    import pyarrow.types as types

    if types.is_decimal256(kind):  # DuckDB makes a double of it
        return True
    if any(
        test(kind) for test in (types.is_binary, types.is_large_binary, types.is_fixed_size_binary, types.is_duration, types.is_interval)
    ):
        return True
    return any(_without_text(kind.field(place).type) for place in range(kind.num_fields))


def _named(kind: "pa.DataType") -> str:
    return f"nested {kind}" if kind.num_fields else str(kind)


def _select(dataset: Dataset, files: Sequence[Prepared]) -> str:
    names, kinds = files[0].header, dict(zip(files[0].header, files[0].types, strict=True))
    path = next(name for name in ("_path", "__path", "___path") if name not in map(str.lower, names))
    columns = [f"{_text(column, kinds[column.source_name])} as {identifier(column.name)}" for column in dataset.read_columns]
    rescued = [_rescued(dataset, names)] if dataset.source.unknown_columns == "rescue" else []
    selected = ",\n    ".join(
        [
            f"cast(left(parse_filename({path}), 6) as integer) as _file",
            "cast(null as varchar) as _problem",
            "cast(null as varchar) as _raw",
            *rescued,
            *columns,
        ]
    )
    paths = ", ".join(literal(str(file.path)) for file in files)
    return f"select\n    {selected}\nfrom read_parquet([{paths}], filename = '{path}', hive_partitioning = false)"


def _text(column: Column, kind: str) -> str:
    name = identifier(column.source_name)
    if kind.startswith("nested "):
        return f"cast(to_json({name}) as varchar)"
    if column.type == "double" and kind in ("float", "halffloat"):  # its own text, 0.1, is that of another double
        name = f"cast({name} as double)"
    return f"cast({name} as varchar)"


def _rescued(dataset: Dataset, names: Sequence[str]) -> str:
    pairs = ", ".join(f"{literal(names[place])}, {identifier(names[place])}" for place in headers.unknown(dataset, names))
    return (f"cast(json_object({pairs}) as varchar)" if pairs else "cast(null as varchar)") + " as _rescued"
