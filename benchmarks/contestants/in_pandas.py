"""pandas on Arrow's types: JSON lines -> the work of user_activity.sql as merge and groupby -> gold.parquet. Needs pandas and pyarrow.

The argument is a JSON object: dataset -> file.
"""

import json
import sys
from decimal import Decimal

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

MOMENT = pd.ArrowDtype(pa.timestamp("us", tz="UTC"))
CENTS = 100


def main(files: dict[str, str]) -> None:
    """Write gold.parquet."""
    tables = {name: _read(file) for name, file in files.items()}
    users = tables["commerce_users"].sort_values("updated_at").drop_duplicates("user_id", keep="last").drop(columns="updated_at")
    gold = users.merge(_events(tables["commerce_events"]), on="user_id", how="left")
    gold = gold.merge(_orders(tables["commerce_orders"]), on="user_id", how="left")
    gold = gold.fillna({"country": "unknown", "plan": "unknown", "events": 0, "carts": 0, "orders": 0, "cents": 0})
    cents = pa.array(gold.pop("cents").astype("int64[pyarrow]")).cast(pa.decimal128(19, 0))
    amount = pc.multiply(cents, pa.scalar(Decimal("0.01"), pa.decimal128(2, 2))).cast(pa.decimal128(18, 2))
    rows = pa.Table.from_pandas(gold, preserve_index=False).append_column("total_amount", amount)
    pq.write_table(rows, "gold.parquet", compression="zstd")


def _read(file: str) -> pd.DataFrame:
    rows = pd.read_json(file, lines=True, engine="pyarrow", dtype_backend="pyarrow")
    return rows.astype({column: MOMENT for column in rows.columns if column.endswith("_at")})


def _events(rows: pd.DataFrame) -> pd.DataFrame:
    rows = rows.drop_duplicates()
    counted = rows.assign(cart=rows["event_type"] == "cart").groupby("user_id", as_index=False)
    return counted.agg(events=("event_id", "size"), carts=("cart", "sum"), last_event_at=("occurred_at", "max"))


def _orders(rows: pd.DataFrame) -> pd.DataFrame:
    rows = rows.drop_duplicates()
    counted = rows.assign(cents=(rows["amount"].fillna(0) * CENTS).round().astype("int64[pyarrow]")).groupby("user_id", as_index=False)
    return counted.agg(orders=("order_id", "size"), cents=("cents", "sum"), last_order_at=("ordered_at", "max"))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
