"""Work that is disturbed: what lies in a lake before it, what a worker is asked to do, and what the lake must hold afterwards.

A scenario's past is made once and copied for each case; what it expects is written out here and takes nothing from the code under test.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from core import delta, land, maintenance, run
from core.errors import Transient
from core.ingest import Ingested
from core.lake import Lake
from core.land import CUTTERS
from core.run import Step, Undone
from core.storage import ObjectRef
from handlers.events import Announced, Message
from handlers.ingest import take
from tests.world import ORDERS, World

HEADER: Final = "id,amount,placed\n"
MERGED: Final = ORDERS.replace("target: {", "key: [id]\norder_by: [placed]\ntarget: {mode: merge, ")
OVERWRITTEN: Final = ORDERS.replace("target: {", "target: {mode: overwrite, ")
EXPORTED: Final = ORDERS.replace(
    "target: {path: processed/orders/}",
    "  - {name: day, type: date, sql: cast(placed as date)}\n"
    "target: {path: processed/orders/, partition_by: [day]}\n"
    "exports: [{path: exports/days/, format: csv, partition_by: [day]}, {path: exports/all/, format: parquet}]",
)
TOTALS: Final = """
transform: totals
sql: totals.sql
when: any_input
target: {path: gold/totals/}
exports: [{path: exports/totals/, format: csv}]
"""
POSTED: Final = ORDERS.replace("format: csv", "format: jsonl")

ROWS: Final = "select id, amount from orders order by id"
REFUSED: Final = "select raw from quarantine.orders order by raw"
Row = tuple[int, int, str]
"""An order: its number, its whole amount, its day."""

OLD: Final[tuple[Row, ...]] = ((1, 10, "2025-01-01"), (2, 20, "2025-01-02"), (3, 30, "2025-01-02"))


def csv(rows: Iterable[Row], *bad: str) -> bytes:
    lines = [f"{number},{amount},{day}" for number, amount, day in rows]
    return (HEADER + "".join(f"{line}\n" for line in [*lines, *bad])).encode()


def held(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Return rows as ROWS answers them."""
    return [{"id": number, "amount": f"{amount}.00"} for number, amount, _ in sorted(rows)]


def act_on_announced(world: World) -> list[dict[str, Any]]:
    """Load what was announced, as a queue's delivery does."""
    return told(run.run_objects(world.lake, announced(world)))


def act_as_the_function(world: World) -> list[dict[str, Any]]:
    """Let the ingest function take one message: load, publish, and run the transforms that follow."""
    bucket, _, prefix = world.uri.removeprefix("s3://").partition("/")
    objects = [Announced(bucket, replace(ref, key=f"{prefix}/{ref.key}")) for refs in announced(world).values() for ref in refs]
    failed = take(world.lake, [Message("m", 1, tuple(objects))])
    return [{"step": "Undone", "error": why} for why in failed.values()]


def act_on_upkeep(world: World) -> list[dict[str, Any]]:
    """Do all the upkeep that there is, as if everything were old."""
    found = world.lake.named_table("orders")
    assert found is not None
    due = maintenance.plan(found, world.lake.project.datasets["orders"].maintenance, world.lake.now())
    wanted = {"delta.deletedFileRetentionDuration": "interval 8 days"}
    changed = wanted if not wanted.items() <= found.properties.items() else None
    due = replace(due, properties=changed, checkpoint=True, clear_log=True, vacuum=True)
    try:
        done = list(maintenance._perform(world.lake, "processed/orders", found, due, timedelta(0)))
        return [{"step": "Maintained", **vars(part)} for part in done]
    except Transient as error:  # a rival, or storage that failed for longer than anybody asks: upkeep is left for another time
        return [{"step": "Left", "error": str(error)}]


def act_on_posted(world: World) -> list[dict[str, Any]]:
    """Post records once more under one idempotency key, after a time in which whoever did so before must have died."""
    lake = Later(world.lake.project, world.lake.settings) if (world.home / "later").exists() else world.lake
    landed = land.land(lake, lake.project.datasets["orders"], CUTTERS["jsonl"](POST), once="a key")
    return [{"step": "Landed", "accepted": landed.accepted, "key": landed.key}]


class Later(Lake):
    """A lake in which two minutes have passed."""

    def now(self) -> datetime:
        return super().now() + timedelta(minutes=2)


def told(steps: Iterable[Step]) -> list[dict[str, Any]]:
    """Return what steps report, as far as it must be true."""
    found: list[dict[str, Any]] = []
    for step in steps:
        if isinstance(step, Ingested):
            found.append({"step": "Ingested", "version": step.version, "fates": {o.object.source: o.fate for o in step.objects}})
        elif isinstance(step, Undone):
            found.append({"step": "Undone", "error": step.error, "may_pass": step.may_pass})
    return found


def announced(world: World) -> dict[str, list[ObjectRef]]:
    found = json.loads((world.home / "announced.json").read_text())
    return {"orders": [ObjectRef(key, version, size) for key, version, size in found]}


def load_each(world: World, bodies: Iterable[bytes], names: str = "abcdefgh") -> None:
    """Load objects, one commit each."""
    for name, body in zip(names, bodies, strict=False):
        world.put(f"raw/orders/{name}.csv", body)
        world.run()


def remember_nothing_of_the_log(world: World) -> None:
    """Let every log entry behind a checkpoint be old enough to go."""
    snapshot = world.lake.named_table("orders")
    assert snapshot is not None
    delta.configure(snapshot, {"delta.logRetentionDuration": "interval 0 seconds"})


@dataclass(frozen=True)
class Scenario:
    """A piece of work. `past` and `put` make the lake it finds, `act` is the work, `rows` are what each query must answer then."""

    declared: str
    put: Mapping[str, bytes]
    rows: Mapping[str, Sequence[Mapping[str, Any]]]
    past: Sequence[bytes] = ()
    act: Callable[[World], list[dict[str, Any]]] = act_on_announced
    commit: str = "processed/orders"
    loaded: bool = False
    """Whether what was put has been committed already, and only its settling is left."""
    aged: bool = False
    queries: Mapping[str, str] | None = None
    exports: frozenset[str] = frozenset()
    places: tuple[int, int, int] | None = None
    """How many objects lie in raw, archived and rejected afterwards; by default all are archived."""
    fate: str = "loaded"

    @property
    def decisive(self) -> str:
        """A pattern for the one request that decides: the PUT of the commit (a table's creation is none), else of the copy or the claim."""
        return self.commit if self.commit.startswith("^") else rf"^PUT \S*/{self.commit}/_delta_log/0{{19}}[^0]\.json"


def perform(name: str, home: Path, uri: str) -> list[dict[str, Any]]:
    """Do a scenario's work (in a worker)."""
    return SCENARIOS[name].act(World(home, uri))


NEW: Final[tuple[Row, ...]] = ((4, 40, "2025-01-02"), (5, 50, "2025-01-03"))
NEWER: Final[tuple[Row, ...]] = ((2, 21, "2025-02-02"), (3, 31, "2024-12-31"), (6, 60, "2025-01-03"))
SMALL: Final = tuple(((n, n, "2025-01-01"),) for n in range(6))
POST: Final = '{"id": 1, "amount": "1.00"}\n{"id": 2, "amount": "2.00"}\n'
SUM: Final = {"totals": "select count(*) as orders, sum(amount)::bigint as amount from orders"}
TOTAL: Final = "select orders, amount from totals"

SCENARIOS: Final[Mapping[str, Scenario]] = {
    "create": Scenario(ORDERS, {"a": csv(OLD)}, {ROWS: held(OLD)}),
    "append": Scenario(ORDERS, {"b": csv(NEW)}, {ROWS: held((*OLD, *NEW))}, past=[csv(OLD)]),
    "merge": Scenario(
        MERGED, {"b": csv(NEWER)}, {ROWS: held(((1, 10, ""), (2, 21, ""), (3, 30, ""), (6, 60, "")))}, past=[csv(OLD)]
    ),
    "overwrite": Scenario(OVERWRITTEN, {"b": csv(NEW)}, {ROWS: held(NEW)}, past=[csv(OLD)]),
    "quarantine": Scenario(
        ORDERS,
        {"b": csv(NEW, "x,7,2025-01-01")},
        {ROWS: held((*OLD, *NEW)), REFUSED: [{"raw": "x,7,2025-01-01"}]},
        past=[csv(OLD)],
    ),
    "reject": Scenario(
        ORDERS,
        {"b": b"id,amonut\n1,2\n"},
        {ROWS: held(OLD)},
        past=[csv(OLD)],
        commit=r"^PUT \S*/rejected/\S* copy",
        places=(0, 1, 1),
        fate="rejected",
    ),
    "export": Scenario(
        EXPORTED,
        {"b": csv(NEW)},
        {ROWS: held((*OLD, *NEW))},
        past=[csv(OLD)],
        exports=frozenset(f"days/day=2025-01-0{n}/orders.csv" for n in (1, 2, 3)) | {"all/orders.parquet"},
    ),
    "archive": Scenario(
        ORDERS,
        {"b": csv(NEW), "c": csv(())},
        {ROWS: held((*OLD, *NEW))},
        past=[csv(OLD)],
        loaded=True,
        commit=r"^PUT \S*/archived/\S* copy",
        fate="already loaded",
    ),
    "first transform": Scenario(
        ORDERS, {"a": csv(OLD)}, {TOTAL: [{"orders": 3, "amount": 60}]}, act=act_as_the_function, commit="gold/totals", queries=SUM,
        exports=frozenset({"totals/totals.csv"}),
    ),
    "transform": Scenario(
        ORDERS, {"b": csv(NEW)}, {TOTAL: [{"orders": 5, "amount": 150}]}, past=[csv(OLD)], act=act_as_the_function, commit="gold/totals",
        queries=SUM, exports=frozenset({"totals/totals.csv"}),
    ),
    "maintenance": Scenario(
        ORDERS, {}, {ROWS: held(row for (row,) in SMALL)}, past=[csv(rows) for rows in SMALL], act=act_on_upkeep, aged=True,
        commit=r"^PUT \S*/_delta_log/0{19}9\.json",
    ),
    "changed object": Scenario(
        ORDERS,
        {"a": csv(NEW, "z,8,2025-01-01")},
        {ROWS: held((*NEW, (9, 9, ""))), REFUSED: [{"raw": "z,8,2025-01-01"}]},
        past=[csv(OLD, "x,7,2025-01-01"), csv([(9, 9, "2025-01-01")])],
    ),
    "landing": Scenario(POSTED, {}, {}, act=act_on_posted, commit=r"^PUT \S*/raw/\S* create", places=(1, 0, 0)),
}  # fmt: skip
