"""Parquet's moments in nanoseconds where DuckDB would cut them to microseconds: laid out as text, in a copy, if any is that fine.

It reads `timestamp_ns` without a zone as it is; with one, as INT96 (Spark's, Hive's) and as a time of day it drops three digits.
"""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


def exact(path: Path, wanted: Collection[str]) -> Path:
    """Return the file, or a copy of it whose columns that hold something finer than microseconds are texts with all digits."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = list(_cut(path, wanted))
    fine = (
        {name for group in _groups(path, names) for name, column in zip(names, group, strict=True) if _is_finer(*column)} if names else ()
    )
    if not fine:
        return path
    target = path.with_name(f"{path.stem}.exact.parquet")
    with pq.ParquetFile(path, coerce_int96_timestamp_unit="us") as source:
        fields = [pa.field(field.name, pa.string()) if field.name in fine else field for field in source.schema_arrow]
        with pq.ParquetWriter(target, pa.schema(fields)) as sink:
            for number, group in enumerate(_groups(path, names)):
                rows = source.read_row_group(number)
                for name, column in zip(names, group, strict=True):
                    if name in fine:
                        rows = rows.set_column(rows.schema.get_field_index(name), name, _spelt(*column))
                sink.write_table(rows)
    return target


def _cut(path: Path, wanted: Collection[str]) -> Iterator[str]:
    import pyarrow.parquet as pq
    import pyarrow.types as types

    with pq.ParquetFile(path) as file:
        legacy = {found.path for n in range(len(file.schema)) if (found := file.schema.column(n)).physical_type == "INT96"}
        for field in file.schema_arrow:
            kind = field.type
            zoned = types.is_timestamp(kind) and kind.unit == "ns" and (kind.tz is not None or field.name in legacy)
            if field.name in wanted and (zoned or (types.is_time64(kind) and kind.unit == "ns")):
                yield field.name


def _groups(path: Path, names: list[str]) -> "Iterator[list[tuple[pa.ChunkedArray, pa.ChunkedArray]]]":
    """Yield of each row group the columns as microseconds and what is left in nanoseconds, which also hold where nanoseconds overflow."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as fine, pq.ParquetFile(path, coerce_int96_timestamp_unit="us") as coarse:
        for number in range(fine.num_row_groups):
            found = []
            for nanos, micros in zip(*(file.read_row_group(number, columns=names).select(names) for file in (fine, coarse)), strict=True):
                numbers = nanos.cast(pa.int64())
                if micros.type == nanos.type:
                    whole = pc.divide(pc.subtract(numbers, pc.if_else(pc.less(numbers, 0), 999, 0)), 1000)
                    micros = whole.cast(pa.time64("us") if pa.types.is_time(nanos.type) else pa.timestamp("us", nanos.type.tz))
                found.append((micros, pc.subtract(numbers, pc.multiply(micros.cast(pa.int64()), 1000))))
            yield found


def _is_finer(_: "pa.ChunkedArray", rest: "pa.ChunkedArray") -> bool:
    import pyarrow.compute as pc

    return bool(pc.any(pc.not_equal(rest, 0)).as_py())


def _spelt(micros: "pa.ChunkedArray", rest: "pa.ChunkedArray") -> "pa.ChunkedArray":
    import pyarrow as pa
    import pyarrow.compute as pc

    zoned = pa.types.is_timestamp(micros.type) and micros.type.tz is not None
    text = (micros.cast(pa.timestamp("us")) if zoned else micros).cast(pa.string())
    digits = pc.utf8_lpad(rest.cast(pa.string()), 3, "0")
    return pc.binary_join_element_wise(text, digits, "+00" if zoned else "", "")
