"""A sheet's columns become a Parquet file of the rows that hold anything, which remembers where in the sheet they stood."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from core.source import XlsxOptions

if TYPE_CHECKING:
    import pyarrow as pa

TOGETHER: Final = 122_880
"""Rows of a row group, DuckDB's own: each thread reads one, where Arrow's million would be one thread's."""


def lay_out(
    target: Path, columns: Sequence["pa.Array"], numbers: Mapping[int, "pa.Array"], errors: Mapping[int, str], options: XlsxOptions
) -> tuple[tuple[int, int], ...]:
    """Write the rows that hold anything, and return where rows were left out."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    size = max(len(columns[0]), *(row + 1 for row in errors), 0) if columns else 0
    columns = [_long(column, size) for column in columns]
    numbers = {place: _long(column, size) for place, column in numbers.items()}
    problems = pa.array([errors.get(row) for row in range(size)], pa.string()) if errors else pa.nulls(size, pa.string())
    named = {f"f{place}": column for place, column in enumerate(columns)} | {f"n{place}": column for place, column in numbers.items()}
    table = pa.table({**named, "problem": problems}).slice(1 if options.header else 0)
    filled = pc.is_valid(table["problem"])
    for place in range(len(columns)):
        filled = pc.or_(filled, pc.is_valid(table[f"f{place}"]))
    if not pc.all(filled, min_count=0).as_py():
        kept = pc.indices_nonzero(filled)
        table = table.filter(filled)
    else:
        kept = None
    pq.write_table(table, target, row_group_size=TOGETHER, compression="lz4", use_dictionary=False, write_statistics=False)
    first = options.first_row + (1 if options.header else 0)
    return ((1, first),) if kept is None else _gaps(kept, first)


def _long(column: "pa.Array", size: int) -> "pa.Array":
    """Return a column with as many rows as the sheet has: behind its last value there may be formulas without any."""
    import pyarrow as pa

    return column if len(column) == size else pa.concat_arrays([column, pa.nulls(size - len(column), column.type)])


def _gaps(kept: "pa.Array", first: int) -> tuple[tuple[int, int], ...]:
    """Return (ordinal, row of the sheet) of each record before which rows are left out."""
    found, previous = [], -1
    for ordinal, row in enumerate(kept.to_pylist(), 1):
        if ordinal == 1 or row != previous + 1:
            found.append((ordinal, first + row))
        previous = row
    return tuple(found)
