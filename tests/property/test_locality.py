"""Random queries: whatever is accepted as local says of each partition alone what it says of it among all."""

import random
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from typing import Final

import duckdb
import pytest

from core.locality import refuse_unless_local
from tests.figures import LONG

TABLES: Final = {
    "sales": ("id", "customer", "amount", "date"), "returns": ("id", "amount", "day", "date"),
    "customers": ("customer", "amount", "date"), "calendar": ("date", "day"),
}  # fmt: skip
SLICED: Final = ("sales", "returns")
DATES: Final = (None, *range(1, 5))


@dataclass
class Author:
    """Writes queries with some care, for most of what is thrown together without is refused or no SQL at all."""

    dice: random.Random
    care: float = 0.9
    names: count = field(default_factory=count)  # type: ignore[type-arg]

    @property
    def careful(self) -> bool:
        return self.chance(self.care)

    def one(self, *choices: str) -> str:
        return self.dice.choice(choices)

    def chance(self, share: float) -> bool:
        return self.dice.random() < share

    def relation(self, depth: int) -> tuple[str, tuple[str, ...]]:
        if depth and self.chance(0.45):
            query, columns = self.query(depth - 1)
            return f"({query})", columns
        name = self.one("sales", "sales", "returns", *TABLES)
        return name, TABLES[name]

    def column(self, sources: dict[str, tuple[str, ...]]) -> str:
        alias = self.dice.choice(list(sources))
        name = "date" if "date" in sources[alias] and self.chance(0.4) else self.dice.choice(sources[alias])
        return f"{alias}.{name}" if self.careful else name

    def condition(self, sources: dict[str, tuple[str, ...]], latest: str = "") -> str:
        parts = [f"{self.column(sources)} {self.one('=', '=', '=', '<', 'is not distinct from')} {self.column(sources)}"]
        if latest and self.careful:
            parts.append(f"{self.one(*[alias for alias in sources if alias != latest] or [latest])}.date = {latest}.date")
        if self.chance(0.2):
            inner = self.one(*TABLES)
            parts.append(f"{self.column(sources)} in (select {self.one(*TABLES[inner])} from {inner})")
        return (" and " if self.careful else " or ").join(parts)

    def sources(self, depth: int) -> tuple[str, dict[str, tuple[str, ...]]]:
        relation, columns = self.relation(depth)
        alias = f"t{next(self.names)}"
        text, sources = f"{relation} as {alias}", {alias: columns}
        while self.chance(0.55) and len(sources) < 3:
            relation, columns = self.relation(depth)
            alias = f"t{next(self.names)}"
            sources[alias] = columns
            kind = self.one(
                "join", "join", "left join", "left join", "full join", "right join", "semi join", "anti join", ",", "cross join"
            )
            text += f"{kind if kind == ',' else f' {kind}'} {relation} as {alias}"
            if kind not in (",", "cross join"):
                text += " using (date)" if self.chance(0.3) else f" on {self.condition(sources, alias)}"
        return text, sources

    def item(self, sources: dict[str, tuple[str, ...]]) -> str:
        column = self.column(sources)
        date = f"{next(iter(sources))}.date" if self.careful else self.column(sources)
        window = f"over (partition by {date}{f', {self.column(sources)}' if self.chance(0.4) else ''})"
        return self.one(
            column, column, f"{column} + 1", f"count(*) {window}", f"max({column}) {window}", f"rank() {window[:-1]} order by {column})",
            f"coalesce({column}, {self.column(sources)})", f"(select max(day) from calendar where calendar.day <> {column})",
        )  # fmt: skip

    def query(self, depth: int) -> tuple[str, tuple[str, ...]]:
        if depth and self.chance(0.15):
            (left, columns), (right, _) = self.query(depth - 1), self.query(depth - 1)
            return f"({left}) {self.one('union all', 'union', 'except', 'union by name', 'intersect')} ({right})", columns
        text, sources = self.sources(depth)
        first = f"{next(iter(sources))}.date" if self.careful else self.column(sources)
        where = f" where {self.condition(sources, self.one(*sources))}" if self.chance(0.3) else ""
        if self.chance(0.3):
            column = self.column(sources)
            items = [f"{first} as date", f"{self.one('count', 'sum', 'min', 'max')}({column}) as {'amount' if self.careful else 'date'}"]
            group = self.one(first, "all", "1", "date", f"{first}, {self.column(sources)}") if self.careful else self.column(sources)
            return f"select {', '.join(items)} from {text}{where} group by {group}", ("date", "amount")
        items = [
            self.one(first, f"{first} as date", f"{first} as day"),
            f"{self.item(sources)} as {'amount' if self.careful else self.one('day', 'date')}",
        ]
        if not self.careful:
            self.dice.shuffle(items)
        if self.chance(0.2):
            items = self.dice.choice([["*"], [f"{self.one(*sources)}.*"], [f"{self.one(*sources)}.*", items[0]]])
        qualify = f" qualify count(*) over (partition by {self.column(sources)}) > 1" if self.chance(0.1) else ""
        return f"select {self.one('', '', '', 'distinct ')}{', '.join(items)} from {text}{where}{qualify}", ("date", "amount", "day")


def answer(connection: duckdb.DuckDBPyConnection, query: str, where: str) -> list[tuple[object, str]]:
    """Return the rows of a query over some partitions, each with its own."""
    for name in SLICED:
        connection.execute(f"create or replace temp view {name} as select * from all_{name} where {where}")
    found = connection.execute(query)
    place = [column[0].lower() for column in found.description].index("date")
    return sorted(((row[place], str(row)) for row in found.fetchall()), key=str)


@pytest.mark.parametrize("seed", range(60 if LONG else 2))
def test_what_is_accepted_says_the_same_of_each_partition_alone(seed: int) -> None:
    dice, seen = random.Random(seed), Counter[str]()
    with duckdb.connect(config={"threads": 1}) as connection:
        for name, columns in TABLES.items():
            values = ", ".join(
                f"([null, 1, 2, 3, 4])[1 + (hash({seed}, '{name}', '{column}', i) % 5)::integer] as {column}" for column in columns
            )
            table = f"all_{name}" if name in SLICED else name
            connection.execute(f"create table {table} as select {values} from range(12) as t(i)")
        for _ in range(5000 if LONG else 700):
            query, _ = Author(dice).query(2)
            try:
                refuse_unless_local(query, SLICED, ("date",))
            except ValueError:
                seen["refused"] += 1
                continue
            try:
                full = answer(connection, query, "true")
            except duckdb.Error:
                seen["no SQL"] += 1
                continue
            seen["accepted"] += 1
            parts = []
            for date in DATES:
                part = answer(connection, query, f"date is not distinct from {'null' if date is None else date}")
                assert {found for found, _ in part} <= {date}, query
                parts += part
            assert sorted(parts, key=str) == full, query
    assert seen["accepted"] > 50, seen
