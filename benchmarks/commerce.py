"""The headline: users, events and orders as JSON, a million records each, to one row per user with what the user did and bought."""

from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.harness import ROOT, Benchmark, Contestant, python
from benchmarks.inputs import link, samples
from benchmarks.rivals import (
    BIGINT,
    MOMENT,
    MONEY,
    TEXT,
    bare_duckdb,
    lakelet,
    rows_of_json,
    spark,
    spark_missing,
    spark_table,
)

PROJECT: Final = ROOT / "pipelines"
QUERY: Final = PROJECT / "commerce" / "user_activity.sql"
KEYS: Final = {
    "commerce_users": "bronze/users/users.json",
    "commerce_events": "bronze/events/events.json",
    "commerce_orders": "bronze/orders/orders.json",
}
"""The large object of each dataset: those without a bad record, which every contestant can read."""

COLUMNS: Final = {
    "commerce_users": {"user_id": BIGINT, "country": TEXT, "plan": TEXT, "signed_up_at": MOMENT, "updated_at": MOMENT},
    "commerce_events": {"event_id": BIGINT, "user_id": BIGINT, "event_type": TEXT, "occurred_at": MOMENT},
    "commerce_orders": {"order_id": BIGINT, "user_id": BIGINT, "amount": MONEY, "ordered_at": MOMENT},
}
SILVER: Final = ("lake/silver/commerce/users", "lake/silver/commerce/events", "lake/silver/commerce/orders")
GOLD: Final = "lake/gold/user_activity"


def benchmarks(rows: int) -> tuple[Benchmark, ...]:
    """Return the headline, and what bad records cost."""
    raw = samples(PROJECT, "commerce", rows)
    inputs = tuple(raw / key for key in KEYS.values())
    headline = Benchmark(
        "commerce",
        f"3 x {rows:,} JSON records to user_activity",
        "Lakelet checks every record against its contract, writes three Delta tables with their provenance, a Delta gold table and its "
        "Parquet export, and archives the raw files. Bare DuckDB reads typed JSON straight into the same query and writes one Parquet "
        "file; with silver it writes the three tables as Parquet first. PySpark reads with a schema, writes silver and gold Parquet.",
        (*_duckdb(raw), _lakelet(raw), _spark(raw)),
        inputs,
    )
    bad = Benchmark(
        "commerce_bad",
        f"The same with bad records among 3 x {rows:,}",
        "All objects of the samples: records that are no JSON, lack a key, or break a check (quarantined), files that cannot be read "
        "(rejected), and later versions of users. A typed read stops at the first of them, so there is no rival.",
        (_lakelet_bad(raw),),
        inputs,
    )
    return headline, bad


def _lakelet(raw: Path) -> Contestant:
    argv, environment = lakelet(PROJECT)
    done = ("--same", "lake/exports/user_activity/user_activity.parquet", "--one-commit", *SILVER, GOLD, "--empty", "lake/bronze")
    check = (GOLD, *done, "--files", "lake/archived", str(len(KEYS)))
    return Contestant("Lakelet", argv, check, environment, lambda folder: link(raw, folder / "lake", tuple(KEYS.values())))


def _lakelet_bad(raw: Path) -> Contestant:
    argv, environment = lakelet(PROJECT)
    check = (GOLD, "--same", "lake/exports/user_activity/user_activity.parquet", "--one-commit", *SILVER, GOLD, "--empty", "lake/bronze")
    return Contestant("Lakelet", argv, check, environment, lambda folder: link(raw, folder / "lake"))


def _duckdb(raw: Path) -> tuple[Contestant, ...]:
    provenance = {"_source_time": "null::timestamptz", "_source": "null::varchar", "_row": "null::bigint"}
    tables = {name: rows_of_json(raw / key, COLUMNS[name], provenance) for name, key in KEYS.items()}
    start = partial(bare_duckdb, tables, QUERY.read_text("utf-8"))
    return (
        Contestant("bare DuckDB", start(), ("gold.parquet",)),
        Contestant("bare DuckDB with silver", start(silver=True), ("gold.parquet",)),
    )


def _spark(raw: Path) -> Contestant:
    provenance = {"_source_time": "timestamp(null)", "_source": "string(null)", "_row": "bigint(null)"}
    tables = {name: spark_table(raw / key, COLUMNS[name], provenance) for name, key in KEYS.items()}
    argv = spark(tables, python("benchmarks.dialect", str(QUERY), "spark"))
    return Contestant("PySpark local[2]", argv, ("gold.parquet",), slow=True, missing=spark_missing())
