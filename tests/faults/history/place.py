"""The real thing: one lake in a folder, whose clock is behind ours, and what a test reads of it."""

import csv
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from core import delta, run
from core.amend import plans
from core.declarations import load
from core.delta import Snapshot
from core.ingest import ingest
from core.lake import Lake, Settings
from core.loading import Ingested
from core.maintenance import maintain
from core.project import Project
from core.storage import ObjectRef
from tests.faults.history.faults import Trouble, Unsteady
from tests.faults.history.model import Contract, Row
from tests.faults.oracle import rows_of
from tests.world import World

EPOCH: Final = int(datetime.now(UTC).timestamp()) - 7200
"""The time 0 of all objects."""

BEHIND: Final = timedelta(days=20)
"""How far the lake's clock is behind until a reader opens a table: what it removes is past its retention at once."""

AHEAD: Final = timedelta(days=8)
"""How far the clock of upkeep is ahead: a table just made is due."""

ORDERS: Final = """
dataset: orders
source: {{path: raw/orders/, format: csv}}
columns:
  - {{name: id, type: bigint, required: true}}
  - {{name: amount, type: "decimal(12,2)"}}
  - {{name: placed, type: date}}
  - {{name: shop}}
{column}checks:
  - {{name: small, sql: amount <= {limit}}}
{check}target: {{path: processed/orders/, {target}
exports: [{{path: exports/orders/, format: csv{exported}}}]
maintenance: {{vacuum_after: 7 days}}
"""
MODES: Final = {
    "append": ("partition_by: [shop]}", ", partition_by: [shop]"),
    "add": ("mode: append}\non_change: add", ""),
    "merge": ("mode: merge, partition_by: [shop]}\nkey: [id]\norder_by: [placed]", ", partition_by: [shop]"),
    "overwrite": ("mode: overwrite}", ""),
}
TRANSFORMS: Final = {
    "totals": "select shop, count(*) as n, sum(amount) as amount from orders group by shop",
    "refused": "select _source, count(*) as n from quarantine.orders group by _source",
}


@cache
def project(mode: str, contract: Contract) -> Project:
    """Declare a dataset of one mode, and what hangs on it."""
    target, exported = MODES[mode]
    column = "  - {name: note}\n" if contract.wide else ""
    check = "  - {name: sane, sql: amount >= 0, action: fail}\n" if contract.strict else ""
    with TemporaryDirectory() as home:
        world = World(Path(home), home)
        world.declare(ORDERS.format(column=column, check=check, limit=contract.limit, target=target, exported=exported))
        for name, query in TRANSFORMS.items():
            exports = "exports: [{path: exports/totals/, format: csv}]\n" if name == "totals" else ""
            text = f"transform: {name}\nsql: {name}.sql\nwhen: any_input\ntarget: {{path: gold/{name}/}}\n{exports}"
            world.declare(text, **{name: query})
        return load(Path(home, "project"))


@dataclass(frozen=True)
class Clocked(Lake):
    """A lake with a clock of its own."""

    offset: timedelta = timedelta()

    def now(self) -> datetime:
        return super().now() + self.offset


class Place:
    """One lake below a temporary folder, and the ways into it."""

    def __init__(self, home: Path, mode: str, trouble: Trouble) -> None:
        self.mode = mode
        self.root = home / "lake"
        self.store = Unsteady(self.root, trouble)
        self.settings = replace(Settings.read(home, str(self.root)), threads=1, memory="256MB", work=home / "work")
        self.world = World(home, str(self.root))
        self.offset = -BEHIND
        self.declare(Contract())

    def declare(self, contract: Contract) -> None:
        self.contract = contract
        self.lake = self._lake(self.offset)
        self.world.__dict__["lake"] = self.lake

    def turn(self, offset: timedelta) -> None:
        """Set the lake's clock: what is removed while it is not behind is kept for those who read on."""
        self.offset = offset
        self.declare(self.contract)

    def _lake(self, offset: timedelta) -> Clocked:
        lake = Clocked(project(self.mode, self.contract), self.settings, offset=offset)
        vars(lake).update(store=self.store, raw=self.store)
        return lake

    # --- doing -----------------------------------------------------------------------------------------------------------------------

    def put(self, key: str, body: bytes, time: int) -> None:
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        waiting = path.with_suffix(".part")
        waiting.write_bytes(body)
        os.utime(waiting, (EPOCH + time,) * 2)
        waiting.replace(path)

    def ingest(self, refs: list[ObjectRef]) -> Ingested:
        return ingest(self.lake, self.lake.project.datasets["orders"], refs)

    def amend(self, order: str, source: str) -> list[run.Step]:
        """Give an order as one types it: `source` is the object version that undo and replay name."""
        planned = {
            "undo": lambda: plans.undo(self.lake, [source]),
            "replay": lambda: plans.replay(self.lake, [source]),
            "redrive": lambda: plans.replay(self.lake),
            "backfill": lambda: plans.backfill(self.lake, everything=True),
        }[order]()
        steps = [step for plan in planned for step in run.perform(self.lake, plan)]
        assert not [plan.strange for plan in planned if plan.strange]
        assert not [step for step in steps if isinstance(step, run.Undone)], steps
        return steps

    def due(self) -> tuple[str, ...]:
        return run.due(self.lake)

    def run(self) -> list[run.Step]:
        steps = list(run.run(self.lake))
        assert not [step for step in steps if isinstance(step, run.Undone | run.Unknown)], steps
        return steps

    def maintain(self) -> None:
        ahead = self._lake(AHEAD)
        for declaration in ahead.project.declarations.values():
            maintain(ahead, declaration)

    def checkpoint(self) -> None:
        for name in ("orders", "quarantine.orders"):
            if snapshot := self.lake.named_table(name):
                delta.checkpoint(snapshot)

    def age(self) -> None:
        """Let what was written be old."""
        long_ago = EPOCH - timedelta(days=30).total_seconds()
        for path in [
            *self.root.glob("processed/**/*.parquet"),
            *self.root.glob("quarantine/**/*.parquet"),
            *self.root.glob("gold/**/*.parquet"),
        ]:
            os.utime(path, (long_ago, long_ago))

    # --- reading ---------------------------------------------------------------------------------------------------------------------

    def version(self, name: str) -> int:
        """Return how many commits a table's log holds, without opening it."""
        return len(list(Path(self.lake.uri(PATHS[name]), "_delta_log").glob("*.json")))

    def news(self) -> int | None:
        """Return what those who follow the table go by."""
        snapshot = self.opened("orders")
        return snapshot.data_version if snapshot else None

    def opened(self, name: str) -> Snapshot | None:
        return self.lake.named_table(name)

    def raw(self) -> dict[str, bytes]:
        return {path.relative_to(self.root).as_posix(): path.read_bytes() for path in self.root.glob("raw/**/*.csv")}

    def settled(self) -> Counter[tuple[str, bytes]]:
        """Return the objects that left raw: the folder that they lie in, and their content."""
        paths = [*self.root.glob("archived/orders/*.csv"), *self.root.glob("rejected/*/orders/*.csv")]
        return Counter((path.relative_to(self.root).parent.as_posix(), path.read_bytes()) for path in paths)

    def set_aside(self) -> set[Path]:
        """Return the rejected objects, without their reports."""
        return set(self.root.glob("rejected/*/orders/*.csv"))

    def exported(self) -> Counter[Row]:
        """Return the rows of a dataset's export, with their order in the file."""
        return Counter(row for path in self.root.glob("exports/orders/**/*.csv") for row in _exported(path))

    def exported_totals(self) -> Counter[Row]:
        path = self.root / "exports/totals/totals.csv"
        return Counter((row["shop"] or None, int(row["n"]), row["amount"] or None) for row in _read(path)) if path.exists() else Counter()


PATHS: Final = {"orders": "processed/orders", "quarantine.orders": "quarantine/orders", "totals": "gold/totals", "refused": "gold/refused"}


def _exported(path: Path) -> Iterator[Row]:
    folder = path.parent.name.removeprefix("shop=") if "shop=" in path.parent.name else None
    shop = None if folder == "__HIVE_DEFAULT_PARTITION__" else folder
    for row in _read(path):
        yield (
            int(row["id"]),
            *(row[name] or None for name in ("amount", "placed")),
            row.get("shop", shop) or None,
            row.get("note") or None,
        )


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def values(snapshot: Snapshot) -> Counter[Row]:
    """Return a dataset's table as the model tells it."""
    return Counter(
        (
            row["id"],
            None if row["amount"] is None else str(row["amount"]),
            None if row["placed"] is None else str(row["placed"]),
            row["shop"],
            row.get("note"),
            int(row["_source_time"].timestamp()) - EPOCH,
            row["_source"],
            row["_row"],
        )
        for row in rows_of(snapshot)
    )


def refused(snapshot: Snapshot) -> Counter[Row]:
    """Return a quarantine as the model tells it."""
    return Counter((row["_source"], row["_row"], row["raw"], tuple(sorted(row["reasons"]))) for row in rows_of(snapshot))


def totals(snapshot: Snapshot) -> Counter[Row]:
    return Counter((row["shop"], row["n"], None if row["amount"] is None else str(row["amount"])) for row in rows_of(snapshot))


def counts(snapshot: Snapshot) -> dict[str, Any]:
    return {row["_source"]: row["n"] for row in rows_of(snapshot)}
