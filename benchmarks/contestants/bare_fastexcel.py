"""fastexcel: a workbook's first sheet, its types guessed by column, into Arrow. Arguments: the workbook, and the Parquet file if one is
asked for: money as the decimals that it is, moments as UTC, so that it holds what a contract would make of it.
"""

import sys
from typing import Final

import fastexcel
import pyarrow as pa

TYPES: Final = {
    "order_id": pa.int64(),
    "ordered_at": pa.timestamp("us", tz="UTC"),
    "amount": pa.decimal128(12, 2),
    "quantity": pa.int64(),
}


def main(workbook: str, result: str = "") -> None:
    """Read; write where that is asked for."""
    rows = pa.table(fastexcel.read_excel(workbook).load_sheet(0))
    if not result:
        return
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    for place, name in enumerate(rows.column_names):
        if name in TYPES:
            whole = pc.round(rows[name], 2) if pa.types.is_decimal(TYPES[name]) else rows[name]
            rows = rows.set_column(place, name, whole.cast(TYPES[name]))
    pq.write_table(rows, result, compression="zstd")


if __name__ == "__main__":
    main(*sys.argv[1:])
