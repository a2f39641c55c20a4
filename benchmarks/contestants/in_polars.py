"""Polars, lazily: typed JSON lines -> the work of user_activity.sql in its own words -> gold.parquet. Needs polars alone.

The argument is a JSON object: dataset -> file.
"""

import json
import sys

import polars as pl

MOMENT = "%Y-%m-%dT%H:%M:%SZ"
TEXT, NUMBER = pl.String, pl.Int64
SCHEMAS = {
    "commerce_users": {"user_id": NUMBER, "country": TEXT, "plan": TEXT, "signed_up_at": TEXT, "updated_at": TEXT},
    "commerce_events": {"event_id": NUMBER, "user_id": NUMBER, "event_type": TEXT, "occurred_at": TEXT},
    "commerce_orders": {"order_id": NUMBER, "user_id": NUMBER, "amount": pl.Float64, "ordered_at": TEXT},
}


def main(files: dict[str, str]) -> None:
    """Write gold.parquet."""
    tables = {name: _read(name, file) for name, file in files.items()}
    users = tables["commerce_users"].sort("updated_at").unique("user_id", keep="last").drop("updated_at")
    gold = (
        users.join(_events(tables["commerce_events"]), on="user_id", how="left")
        .join(_orders(tables["commerce_orders"]), on="user_id", how="left")
        .with_columns(
            pl.col("country", "plan").fill_null("unknown"),
            pl.col("events", "carts", "orders").fill_null(0).cast(NUMBER),
            pl.col("total_amount").fill_null(0).cast(pl.Decimal(18, 2)),
        )
    )
    gold.sink_parquet("gold.parquet", compression="zstd")


def _read(name: str, file: str) -> pl.LazyFrame:
    moments = [column for column in SCHEMAS[name] if column.endswith("_at")]
    rows = pl.scan_ndjson(file, schema=SCHEMAS[name])
    return rows.with_columns(pl.col(moments).str.to_datetime(MOMENT, time_unit="us", time_zone="UTC"))


def _events(rows: pl.LazyFrame) -> pl.LazyFrame:
    counted = rows.unique().group_by("user_id")
    return counted.agg(
        events=pl.len(), carts=(pl.col("event_type") == "cart").sum(), last_event_at=pl.col("occurred_at").max()
    )  # fmt: skip


def _orders(rows: pl.LazyFrame) -> pl.LazyFrame:
    exact = rows.with_columns(pl.col("amount").round(2).cast(pl.Decimal(12, 2))).unique()
    return exact.group_by("user_id").agg(
        orders=pl.len(), total_amount=pl.col("amount").fill_null(0).sum(), last_order_at=pl.col("ordered_at").max()
    )  # fmt: skip


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
