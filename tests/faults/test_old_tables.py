"""A table grows older by small commits and is looked after: what upkeep clears away is never what says that an object was loaded."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.delta import Snapshot
from core.ingest import ingest
from core.lake import Lake
from core.maintenance import Maintained, maintain
from core.storage import ObjectRef
from tests.faults.figures import FIGURES, LONG
from tests.faults.oracle import assert_sound, rows_of
from tests.faults.test_protocol import MERGED
from tests.world import ORDERS, World

COMMITS, EVERY = (600, 50) if LONG else (60, 10)
DAYS = 24
"""How old the table gets: within the 30 days for which it remembers objects, far behind what its policy keeps of the rest."""

POLICY = "maintenance: {vacuum_after: 2 days, keep_log: 8 days}\ntarget:"
KEYS = 25
"""Of a merge: each is written again and again."""


def body(number: int) -> bytes:
    """Two rows, and in every fifth object one that is refused."""
    refused = ",1,2025-01-01\n" if number % 5 == 0 else ""
    return f"id,amount,placed\n{number % KEYS},{number},2025-01-01\n{1_000 + number},{number},2025-01-01\n{refused}".encode()


def key(number: int) -> str:
    return f"raw/orders/{number}.csv"


def amounts(mode: str) -> list[tuple[int, int]]:
    """Say by hand which rows the table holds at the end."""
    rows = [(row, number) for number in range(COMMITS) for row in (number % KEYS, 1_000 + number)]
    return sorted(dict(rows).items() if mode == "merge" else rows)  # of a key's versions the newest object's stays


def let_it_rest_since(uri: str, moment: datetime) -> None:
    """Let everything below a table that was written just now have been written then: what clears goes by the files' times."""
    for path in Path(uri).rglob("*"):
        if path.is_file() and path.stat().st_mtime > moment.timestamp() + 1:
            os.utime(path, (moment.timestamp(),) * 2)


def grow_old(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Maintained]:
    """Load the objects one by one in the course of `DAYS` and look after the table after each `EVERY`, as a schedule does."""
    birth = datetime.now(UTC) - timedelta(days=DAYS)
    dataset = world.lake.project.datasets["orders"]
    monkeypatch.setattr(Snapshot, "created", property(lambda _: birth))
    for number in range(COMMITS):
        moment = birth + timedelta(days=DAYS) * number / COMMITS
        monkeypatch.setattr(Lake, "now", lambda _, moment=moment: moment)
        world.put(key(number), body(number))
        os.utime(Path(world.uri, key(number)), (moment.timestamp(),) * 2)
        (done,) = ingest(world.lake, dataset, [ObjectRef(key(number))]).objects
        assert done.fate == "loaded"
        for table in ("processed/orders", "quarantine/orders"):
            let_it_rest_since(world.lake.uri(table), moment)
        if (number + 1) % EVERY == 0:
            yield maintain(world.lake, dataset)
    monkeypatch.undo()


@pytest.mark.parametrize("mode", ["append", "merge"] if LONG else ["append"])
def test_an_old_table_still_knows_every_object_that_it_loaded(world: World, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    world.declare((MERGED if mode == "merge" else ORDERS).replace("target:", POLICY))
    done = list(grow_old(world, monkeypatch))
    assert not any(one.left for one in done)
    assert sum(one.vacuumed for one in done) > COMMITS / 2

    table = world.lake.named_table("orders")
    assert table is not None
    log = sorted(path.name for path in Path(table.uri, "_delta_log").glob("*.json"))
    assert int(log[0].removesuffix(".json")) > COMMITS / 3, "of the log most is cleared"
    assert len(table.files) < EVERY
    loaded = [(row["id"], int(row["amount"])) for row in rows_of(table)]
    assert sorted(loaded) == amounts(mode)

    sources = {row["_source"] for row in rows_of(table)}
    known = [source for source in sources if table.identity(source) is not None]
    assert len(known) == len(sources) == COMMITS
    assert all(table._table.transaction_version(source) is not None for source in sources)
    before = table.version
    for number in range(COMMITS):
        world.put(key(number), body(number))
    assert set(world.fates().values()) == {"already loaded"}
    assert world.version("orders") == before
    assert_sound(world, "orders", objects=map(body, range(COMMITS)))
    FIGURES.count("old tables", mode, COMMITS)
