"""The headline: users, events and orders as JSON, a million records each, to one row per user with what the user did and bought."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.harness import ROOT, Benchmark, Contestant, python
from benchmarks.inputs import link, samples, scaled
from benchmarks.rivals import BIGINT, MOMENT, MONEY, TEXT, bare_duckdb, in_frames, lakelet, missing, rows_of_json, spark, spark_table

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
SPARKS: Final = {"pyspark": "PySpark local[2]", "pysail": "Sail"}
TOO_LARGE: Final = "not tried: it holds whole files in memory, several times"
SILVER: Final = ("lake/silver/commerce/users", "lake/silver/commerce/events", "lake/silver/commerce/orders")
GOLD: Final = "lake/gold/user_activity"


@dataclass(frozen=True)
class Size:
    """How many records of each dataset, and how many rounds at most, of slow contestants and of all."""

    name: str
    rows: int
    most: int
    slow: int
    limited: bool = False


def headline() -> Size:
    """Return the headline's size."""
    return Size("commerce", 1_000_000, most=99, slow=2)


def large() -> Size:
    """Return the size at which cost must not have grown faster than the rows."""
    return Size("commerce_10m", 10_000_000, most=2, slow=1, limited=True)


def benchmarks(size: Size, scale: float) -> Iterator[Benchmark]:
    """Give the headline at one size."""
    raw = samples(PROJECT, "commerce", rows := scaled(size.rows, scale))
    yield Benchmark(
        size.name,
        f"3 x {rows:,} JSON records to user_activity",
        "Lakelet checks every record against its contract, writes three Delta tables with their provenance, a Delta gold table and its "
        "Parquet export, and archives the raw files. Bare DuckDB reads typed JSON straight into the same query and writes one Parquet "
        "file; with silver it writes the three tables as Parquet first. PySpark and Sail read with a schema, write silver and gold "
        "Parquet. Polars and pandas do the query's work in their own words and write one Parquet file.",
        (*_duckdb(raw), *_lakelet(raw, size), _spark(raw, "pyspark", size.slow), _spark(raw, "pysail", size.slow), *_frames(raw, size)),
        tuple(raw / key for key in KEYS.values()),
        most=size.most,
    )


def bad(scale: float) -> Iterator[Benchmark]:
    """Give what bad records cost."""
    raw = samples(PROJECT, "commerce", rows := scaled(headline().rows, scale))
    yield Benchmark(
        "commerce_bad",
        f"The same with bad records among 3 x {rows:,}",
        "All objects of the samples: records that are no JSON, lack a key, or break a check (quarantined), files that cannot be read "
        "(rejected), and later versions of users. A typed read stops at the first of them, so there is no rival.",
        (_lakelet_bad(raw),),
        tuple(raw / key for key in KEYS.values()),
    )


def _lakelet(raw: Path, size: Size) -> Iterator[Contestant]:
    """Give Lakelet as it comes, and, where it matters, with as much memory as a function may have."""
    argv, environment = lakelet(PROJECT)
    done = ("--same", "lake/exports/user_activity/user_activity.parquet", "--one-commit", *SILVER, GOLD, "--empty", "lake/bronze")
    check = (GOLD, *done, "--files", "lake/archived", str(len(KEYS)))

    def setup(folder: Path) -> None:
        link(raw, folder / "lake", tuple(KEYS.values()))

    yield Contestant("Lakelet", argv, check, environment, setup)
    if size.limited:
        yield Contestant("Lakelet, 1 GiB for DuckDB", argv, check, {**environment, "LAKELET_MEMORY": "1GiB"}, setup)


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


def _spark(raw: Path, engine: str, most: int) -> Contestant:
    provenance = {"_source_time": "timestamp(null)", "_source": "string(null)", "_row": "bigint(null)"}
    tables = {name: spark_table(raw / key, COLUMNS[name], provenance) for name, key in KEYS.items()}
    argv = spark(tables, python("benchmarks.dialect", str(QUERY), "spark"), engine)
    return Contestant(SPARKS[engine], argv, ("gold.parquet",), most=most, missing=missing(engine), may_fail=True)


def _frames(raw: Path, size: Size) -> Iterator[Contestant]:
    files = {name: raw / key for name, key in KEYS.items()}
    for engine in ("polars", "pandas"):
        argv, environment = in_frames(engine, files)
        why = missing(engine) or (TOO_LARGE if engine == "pandas" and size.rows > headline().rows else "")
        yield Contestant(engine, argv, ("gold.parquet",), environment, most=size.slow, missing=why, may_fail=True)
