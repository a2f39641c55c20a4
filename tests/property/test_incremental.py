"""Any history of the inputs, run incrementally after each step, gives the table that a run over everything would give."""

import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from core import delta, maintenance, run
from core.amend import plans
from core.errors import Terminal
from core.run import Undone
from core.transform import Transformed
from tests.faults.figures import LONG
from tests.world import World

SALES = """
dataset: sales
source: {path: raw/sales/, format: jsonl, unknown_columns: ignore}
columns: [{name: id, type: bigint}, {name: customer, type: bigint}, {name: amount, type: bigint}, {name: date, type: date}MORE]
key: [id]
target: {path: silver/salesPLACE/, mode: MODE, partition_by: [date]}
"""
RETURNS = """
dataset: returns
source: {path: raw/returns/, format: jsonl, unknown_columns: ignore}
columns: [{name: id, type: bigint}, {name: amount, type: bigint}, {name: hour, type: integer}, {name: date, type: date}]
target: {path: silver/returns/, partition_by: [hour, date]}
"""
CUSTOMERS = """
dataset: customers
source: {path: raw/customers/, format: jsonl, unknown_columns: ignore}
columns: [{name: customer, type: bigint}, {name: region}]
key: [customer]
target: {path: silver/customers/, mode: merge}
"""
DAILY = """
transform: daily
sql: daily.sql
when: any_input
target: {path: gold/daily/, TARGET}
incremental: true
"""
QUERIES: Final = (
    "select date, sum(amount)::bigint as amount, count(*) as n from sales group by date",
    "with moves as (select date, amount from sales union all select date, -amount from returns) "
    "select date, sum(amount)::bigint as amount, count(*) as n from moves group by all",
    "with r as (select date, count(*) as n from returns group by 1) "
    "select s.date, sum(amount)::bigint as amount, max(r.n) as n from sales s left join r on r.date = s.date group by s.date",
    "select s.date, sum(s.amount)::bigint as amount, count(distinct c.region) as n "
    "from sales s join customers c using (customer) group by all",
    "select date, amount, row_number() over (partition by date order by amount, id, customer) as n from sales",
    "select s.date, s.amount, r.id as n from sales s join returns r using (date)",
    "select date, amount, length(cast(s as varchar))::bigint as n from sales as s",
)
BY_KEY: Final = (
    "select customer, sum(amount)::bigint as amount, count(*) as n from sales group by customer",
    "select customer, sum(s.amount)::bigint as amount, count(distinct c.region) as n "
    "from customers c left join sales s using (customer) group by customer",
    "select customer, amount, row_number() over (partition by customer order by amount, id, date) as n from sales",
    "select s.customer, sum(s.amount)::bigint as amount, count(r.id) as n from sales s left join returns r using (id) group by s.customer",
    "select customer, amount, length(cast(s as varchar))::bigint as n from sales as s",
)
MODES: Final = {
    "partitions": ("mode: partitions, partition_by: [date]", "date", QUERIES),
    "merge": ("mode: merge, key: [customer]", "customer", BY_KEY),
}
DATES: Final = ("2025-01-01", "2025-01-02", "2025-01-03", "2025-01-31", None)


@dataclass
class History:
    """A lake, and the dice that make its history. `seen` counts what was done, and how the transform was run."""

    world: World
    dice: random.Random
    mode: str
    target: str
    patch: pytest.MonkeyPatch
    seen: Counter[str] = field(default_factory=Counter)
    query: str = ""
    place: str = ""
    more: str = ""
    number: int = 0

    def declare(self, *, incremental: bool = True) -> None:
        self.world.declare(SALES.replace("MODE", self.mode).replace("PLACE", self.place).replace("MORE", self.more))
        self.world.declare(RETURNS).declare(CUSTOMERS)
        target, column, _ = MODES[self.target]
        full = DAILY.replace("incremental: true", "").replace("TARGET", "partition_by: [date]" if column == "date" else "")
        declared = DAILY.replace("TARGET", target) if incremental else full
        self.world.declare(declared, daily=self.query)
        after = f"select {column}, sum(amount)::bigint as amount from daily group by {column}"
        self.world.declare(declared.replace("daily", "after"), after=after)

    def put(self, dataset: str, rows: list[dict[str, Any]]) -> None:
        self.number += 1
        self.world.put(f"raw/{dataset}/{self.number:04}", "".join(f"{json.dumps(row)}\n" for row in rows) or "\n")

    def row(self) -> dict[str, Any]:
        some = self.dice.randrange
        row = {
            "id": some(40),
            "customer": self.dice.choice([0, 1, 2, 3, None]),
            "amount": some(100),
            "date": self.dice.choice(DATES),
            "hour": some(2),
        }
        row |= {"region": self.dice.choice(["n", "s", None]), "note": f"n{some(3)}"}
        return row

    def load(self) -> None:
        """Rows of any day, late ones among them; in a merged table some of them correct others and move them to another day."""
        for dataset in self.dice.choice((["sales"], ["returns"], ["sales", "returns"])):
            self.put(dataset, [self.row() for _ in range(self.dice.randrange(5))])

    def load_one_day(self) -> None:
        self.put("sales", [{**self.row(), "date": "2025-01-02"} for _ in range(2)])

    def dimension(self) -> None:
        self.put("customers", [{"customer": n, "region": self.dice.choice("nsw")} for n in range(4)])

    def amend(self) -> None:
        dataset = self.dice.choice(["sales", "returns"])
        keys = [ref.key.split("archived/")[1] for ref in self.world.lake.raw.list(f"archived/raw/{dataset}/")]
        if keys:
            make = self.dice.choice([plans.undo, plans.replay])
            try:
                planned = list(make(self.world.lake, [self.dice.choice(keys).split("@")[0]]))
            except Terminal:
                return
            assert not [step.error for plan in planned for step in run.perform(self.world.lake, plan) if isinstance(step, Undone)]

    def compact(self) -> None:
        for name in self.dice.sample(["sales", "returns", "customers", "daily"], 2):
            done = maintenance.maintain(self.world.lake, self.world.lake.project.named(name))
            self.seen["compacted"] += bool(done.compacted)

    def evolve(self) -> None:
        self.more = ", {name: note}"
        self.declare()

    def requery(self) -> None:
        self.query = self.dice.choice([query for query in MODES[self.target][2] if query != self.query])
        self.declare()

    def move(self) -> None:
        self.place = f"_{self.number}"
        self.declare()
        self.load_one_day()

    def pause(self) -> None:
        """A run that is not incremental, and news on both sides of it."""
        self.load()
        self.declare(incremental=False)
        self.world.run()
        self.amend()
        self.declare()

    def forget(self) -> None:
        """The log is cleared of what was not consumed yet."""
        for date in DATES[:2]:
            self.put("sales", [{**self.row(), "date": date}])
            self.world.run(names=["sales"])
        table = self.world.lake.table(self.world.lake.project.named("sales"))
        assert table is not None
        delta.checkpoint(table)
        (Path(table.uri) / "_delta_log" / f"{table.version - 1:020}.json").unlink()

    def crash(self) -> None:
        """Killed just before a commit, or just after it."""
        self.load()
        real, left = delta.commit, [self.dice.randrange(3)]

        def killed(*given: Any, **named: Any) -> int:
            left[0] -= 1
            if left[0] != -1:
                return real(*given, **named)
            if self.dice.random() < 0.5:
                real(*given, **named)
            raise KeyboardInterrupt

        with self.patch.context() as patch:
            patch.setattr(delta, "commit", killed)
            try:
                self.world.run()
            except KeyboardInterrupt:
                self.seen["killed"] += 1

    def steps(self) -> list[Callable[[], None]]:
        """Everything that may happen, in any order."""
        steps = [self.load, self.load_one_day, self.amend, self.amend, self.compact, self.dimension, self.crash, self.requery]
        steps += [self.evolve, self.move, self.pause, self.forget]
        return self.dice.sample(steps, len(steps))

    def check(self) -> None:
        """Run what is due, and compare each table with its query over everything."""
        for done in self.world.run():
            assert not isinstance(done, Undone), done.error
            if isinstance(done, Transformed) and done.transform == "daily":
                self.seen["full" if done.full else "some"] += 1
        for name in ("daily", "after"):
            if self.world.lake.table(self.world.lake.project.named(name)) is not None:
                query = self.world.lake.project.transforms[name].query
                found, wanted = (sorted(map(str, self.world.rows(asked))) for asked in (f"select * from {name}", query))
                assert found == wanted, f"{name}, after {dict(self.seen)}: {query}"


SEEDS: Final = range(200 if LONG else 2)


@pytest.mark.parametrize("target", MODES)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_table_that_is_made_incrementally_is_the_one_that_a_full_run_makes(
    seed: int, target: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "FEW", 2)
    dice = random.Random(seed)
    queries = MODES[target][2]
    history = History(world, dice, dice.choice(["append", "merge"]), target, monkeypatch, query=queries[(seed + 3) % len(queries)])
    history.declare()
    for first in (history.load, history.dimension):
        first()
    history.put("returns", [history.row()])
    history.put("sales", [history.row() for _ in range(8)])
    history.check()
    for step in history.steps():
        history.seen[step.__name__] += 1
        step()
        history.check()
    for _ in range(2):  # the first one may bring the column that was declared meanwhile, for which everything is run
        history.load_one_day()
        history.seen["full"] = 0
        history.check()
    assert history.seen["some"] > history.seen["full"] == 0
