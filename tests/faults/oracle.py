"""The oracle: whatever was done to a lake, its books balance, its log has no gap, its objects have one place, all readers agree."""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb
from deltalake import DeltaTable

from core.delta import Snapshot
from core.delta.location import address
from core.engine import relation
from core.storage import open_store
from tests.faults.figures import FIGURES
from tests.world import World

PLACES = ("raw/", "archived/", "rejected/")


def assert_sound(world: World, *names: str, objects: Iterable[bytes] | None = None) -> None:
    """Hold a lake's tables against everything that needs no model: log, books, readers; and its objects against what was put."""
    for name in names:
        for table in (name, f"quarantine.{name}"):
            if snapshot := world.lake.named_table(table):
                assert_log(snapshot)
                assert_readers(snapshot)
        assert_books(world, name)
    if objects is not None:
        assert_places(world, objects)


def assert_log(snapshot: Snapshot) -> None:
    """The log holds every commit from the first that it still needs up to this version."""
    store = open_store(snapshot.uri, options())
    found = {match[1] for ref in store.list("_delta_log/") if (match := re.fullmatch(r"_delta_log/(\d{20})\.json", ref.key))}
    versions = sorted(map(int, found))
    assert versions == list(range(versions[0], snapshot.version + 1)), f"{snapshot.uri}: {versions} up to {snapshot.version}"


def assert_books(world: World, name: str) -> None:
    """Each object version was loaded once, its rows add up, and what was refused of it lies in the quarantine.

    A version that was taken out or run again is counted from then on. Books go back as far as the log does.
    """
    snapshot = world.lake.named_table(name)
    if snapshot is None:
        return
    books: dict[str, Mapping[str, int]] = {}
    history = snapshot.history()
    for commit in reversed(history):
        for entry in commit["lakelet"].get("objects", ()):
            assert entry["source"] not in books or commit["lakelet"]["kind"] != "ingest", f"{entry['source']} was loaded twice"
            books[entry["source"]] = entry
    for source, rows in books.items():
        fates = [rows[fate] for fate in ("inserted", "updated", "superseded", "duplicate")]
        assert rows["accepted"] == sum(fates), f"{source}: {rows}"
        assert rows["read"] == rows["accepted"] + rows["quarantined"], f"{source}: {rows}"
    held = world.lake.named_table(f"quarantine.{name}")
    whole = history[-1]["version"] == 0
    refused = Counter(row["_source"] for row in rows_of(held) if whole or row["_source"] in books) if held else Counter()
    assert refused <= Counter({source: rows["quarantined"] for source, rows in books.items()}), "rows refused that no commit counts"


def assert_places(world: World, objects: Iterable[bytes]) -> None:
    """Every object that was put is in exactly one place, and nothing else is there."""
    store = world.lake.raw
    keys = [ref.key for place in PLACES for ref in store.list(place) if not ref.key.endswith(".report.json")]
    assert Counter(_digest(store.get(key) or b"") for key in keys) == Counter(map(_digest, objects)), f"objects: {sorted(keys)}"


def assert_readers(snapshot: Snapshot) -> None:
    """deltalake, DuckDB's Delta reader and our own reading of the log give the same rows."""
    ours = rows_of(snapshot)
    assert _bag(duckdb_delta().execute(f"select * from delta_scan('{snapshot.uri}')").to_arrow_table().to_pylist()) == _bag(ours)
    theirs = DeltaTable(address(snapshot.uri), storage_options=options(), version=snapshot.version).to_pyarrow_table()
    assert _bag(theirs.to_pylist()) == _bag(ours)
    FIGURES.count("readers", cases=1)


def rows_of(snapshot: Snapshot) -> list[dict[str, Any]]:
    """Return all rows of a table, as Lakelet's own queries see them."""
    rows: list[dict[str, Any]] = duckdb_delta().execute(relation(snapshot)).to_arrow_table().to_pylist()
    return rows


def options() -> dict[str, str]:
    """Return delta-rs' options for the S3 server that the environment names, if it names one."""
    found = {name.lower(): value for name, value in os.environ.items() if name.startswith("AWS_")}
    return {**found, "aws_allow_http": "true"} if found.get("aws_endpoint_url") else {}


def duckdb_delta() -> duckdb.DuckDBPyConnection:
    """Return a bare DuckDB with its own Delta reader, which shares no code with ours, and the way into the test's S3 server."""
    connection = _loaded().cursor()
    connection.execute("set TimeZone = 'UTC'")
    if endpoint := os.environ.get("AWS_ENDPOINT_URL"):
        connection.execute(
            f"create or replace secret test_s3 (type s3, key_id 'test', secret 'test', region 'us-east-1', "
            f"endpoint '{endpoint.removeprefix('http://')}', url_style 'path', use_ssl false)"
        )
    return connection


@cache
def _loaded() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    for name in ("httpfs", "delta"):
        spec = find_spec(f"duckdb_extension_{name}")
        assert spec is not None
        assert spec.origin is not None
        (extension,) = Path(spec.origin).parent.glob(f"extensions/v{duckdb.__version__}/{name}.duckdb_extension")
        connection.execute(f"load '{extension}'")
    return connection


def _bag(rows: Iterable[Mapping[str, Any]]) -> Counter[str]:
    return Counter(repr(sorted(row.items())) for row in rows)


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:12]
