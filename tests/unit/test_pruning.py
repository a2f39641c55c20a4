"""A query opens only the files that it must: the others are taken away, and it answers all the same."""

from pathlib import Path

import pytest

from core.pruning import conditions
from core.query import query
from tests.world import ORDERS, World

HEADER = "id,amount,placed\n"
OTHERS = ORDERS.replace("orders", "returns")


@pytest.fixture
def months(world: World) -> World:
    """Orders of three months in three files, returns of one."""
    world.declare(OTHERS).declare(ORDERS)
    for month in (1, 2, 3):
        rows = "".join(f"{month * 100 + n},{month}.5,2025-0{month}-0{n + 1}\n" for n in range(5))
        world.put(f"raw/orders/{month}.csv", HEADER + rows)
        world.run()
    world.put("raw/returns/a.csv", HEADER + "201,1,2025-02-01\n")
    world.run()
    return world


def keep_only(world: World, month: int) -> None:
    """Delete the files of the other months from the disk."""
    snapshot = world.lake.table(world.lake.project.named("orders"))
    assert snapshot is not None
    assert len(snapshot.files) == 3
    for file in snapshot.files:
        if f'"id": {month * 100},' not in _log(world, file.path):
            Path(snapshot.uri, file.path).unlink()


def _log(world: World, path: str) -> str:
    log = Path(world.uri, "processed/orders/_delta_log")
    lines = [line for file in log.glob("*.json") for line in file.read_text().splitlines() if path in line and '"add"' in line]
    return lines[0].replace('\\"', '"')


@pytest.mark.parametrize(
    "sql",
    [
        "select count(*) from orders where id between 200 and 299",
        "select count(*) from orders where id >= 200 and 300 > id",
        "select count(*) from orders where placed >= timestamp '2025-02-01' and placed < timestamp '2025-03-01'",
        "select count(*) from orders o where o.id in (200, 201, 202, 203, 204)",
        "select count(*) from orders where amount = 2.5 and id is not null",
        "with february as (select * from orders where amount = 2.5) select count(*) from february where id > 0",
        "select count(*) from orders left join returns using (id) where orders.id >= 200 and orders.id < 300",
    ],
)
def test_a_query_opens_only_the_files_that_may_hold_what_it_wants(months: World, sql: str) -> None:
    keep_only(months, 2)
    assert query(months.lake, sql).rows == ((5,),)


def test_a_transform_opens_only_the_files_that_may_hold_what_it_wants(months: World) -> None:
    keep_only(months, 3)
    months.declare("transform: march\nsql: march.sql\ntarget: {path: gold/march/}\n", march="select id from orders where id >= 300")
    months.run()
    assert months.values("select count(*) from march") == [5]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select count(*) from orders where id = 200 or id = 100", 2),
        ("select count(*) from orders where not id = 200", 14),
        ("select count(*) from orders where id not in (200)", 14),
        ("select count(*) from (select * from orders where id = 100 union all select * from Orders where id = 200)", 2),
        ("select count(*) from orders where id > (select max(id) from returns)", 8),
        ("select count(*) from returns left join orders on orders.id = returns.id and orders.amount = 9 where returns.id = 201", 1),
        ("select count(*) from orders where id::varchar = '200'", 1),
        ("select count(*) filter (where id = 200) from orders", 1),
        ("select count(*) from orders a join orders b using (id) where a.id = 100", 1),
        ("select count(*) from returns where exists (select 1 from orders where orders.id = returns.id and returns.amount = 1)", 1),
        ("select count(*) from orders where id = '200'", 1),
        ("select count(*) from orders where placed = '2025-02-01'", 1),
    ],
)
def test_what_is_less_than_certain_prunes_nothing_that_counts(months: World, sql: str, expected: int) -> None:
    assert query(months.lake, sql).rows == ((expected,),)


def test_texts_are_compared_as_texts(world: World) -> None:
    world.declare(ORDERS.replace('{name: amount, type: "decimal(12,2)"}', "{name: amount}"))
    for n, amount in enumerate(("9", "10", "x" * 100)):
        world.put(f"raw/orders/{n}.csv", HEADER + f"{n},{amount},\n")
        world.run()
    assert query(world.lake, "select id from orders where amount < '9'").rows == ((1,),)
    assert query(world.lake, "select count(*) from orders where cast(amount as varchar) > '9' and amount > '9'").rows == ((1,),)


def test_a_nan_is_found_whatever_the_bounds_of_the_others(world: World) -> None:
    """DuckDB takes it for greater than any number."""
    world.declare(ORDERS.replace('"decimal(12,2)"', "double"))
    for n, body in enumerate(("1,1.5,\n2,nan,\n", "3,1,\n4,2,\n")):
        world.put(f"raw/orders/{n}.csv", HEADER + body)
        world.run()
    assert query(world.lake, "select id from orders where amount > 1.7 order by id").rows == ((2,), (4,))


def test_a_condition_on_a_table_that_stands_there_twice_is_nobodys() -> None:
    assert conditions("select * from orders where id = 1 union all select * from ORDERS where id = 2") == {}
