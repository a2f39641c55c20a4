"""Incremental transforms: what a run reads, when it runs in full and what it says of it, and that its table is the same."""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from core import consistency, delta, run, transform
from core.amend import plans
from core.errors import InvalidProject
from core.maintenance import maintain
from core.run import Undone
from core.status import status
from core.transform import Transformed
from handlers.cli.render import Place
from handlers.cli.report import show_summary
from handlers.cli.summary import summarize
from handlers.observe import _fields
from handlers.wording import sentence
from tests.world import World

SALES = """
dataset: sales
source: {path: raw/sales/, format: csv}
columns: [{name: id, type: bigint}, {name: customer, type: bigint}, {name: amount, type: bigint}, {name: date, type: date}]
target: {path: silver/sales/, partition_by: [date]}
"""
CUSTOMERS = """
dataset: customers
source: {path: raw/customers/, format: csv}
columns: [{name: customer, type: bigint, required: true}, {name: region}]
key: [customer]
target: {path: silver/customers/, mode: merge}
"""
DAILY = """
transform: daily
sql: daily.sql
when: any_input
target: {path: gold/daily/, mode: partitions, partition_by: [date]}
incremental: true
"""
SUMS = "select date, sum(amount) as amount, count(*) as sales from sales group by date"
HEADER = "id,customer,amount,date\n"
DAYS = [f"2025-01-{n:02}" for n in range(1, 11)]


@pytest.fixture
def sales(world: World) -> World:
    """Ten days of sales, and their daily sums."""
    world.declare(SALES).declare(DAILY, daily=SUMS)
    world.put("raw/sales/a.csv", HEADER + "".join(f"{n},{n % 3},{n * 10},{day}\n" for n, day in enumerate(DAYS)))
    assert ran(world) == "its table is new"
    return world


def ran(world: World, name: str = "daily") -> int | str | None:
    """Run what is due, and return how many partitions the transform ran, or why all of it."""
    steps = world.run()
    assert not [step.error for step in steps if isinstance(step, Undone)]
    done = [step for step in steps if isinstance(step, Transformed) and step.transform == name]
    return (done[0].full or done[0].partitions) if done else None


def record(world: World, name: str = "daily") -> dict[str, Any]:
    table = world.lake.table(world.lake.project.named(name))
    assert table is not None
    assert table.change is not None
    found: dict[str, Any] = table.change["lakelet"]
    return found


def same(world: World, name: str = "daily") -> None:
    """Assert that a table says what its query says of all that there is."""
    query = world.lake.project.transforms[name].query
    assert rows(world, f"select * from {name}") == rows(world, query)


def rows(world: World, query: str) -> list[str]:
    return sorted(str({name: str(value) for name, value in row.items()}) for row in world.rows(query))


def undo(world: World, key: str) -> None:
    for plan in plans.undo(world.lake, [key]):
        assert list(run.perform(world.lake, plan))


def table(world: World, name: str = "daily") -> delta.Snapshot:
    found = world.lake.table(world.lake.project.named(name))
    assert found is not None
    return found


# --- what is run ---------------------------------------------------------------------------------------------------------------------


def test_only_the_partitions_that_changed_are_run(sales: World) -> None:
    before = {file.path for file in table(sales).files}
    sales.put("raw/sales/b.csv", HEADER + "100,1,5,2025-01-03\n101,1,5,2025-02-01\n")
    assert ran(sales) == 2
    same(sales)
    assert len(before & {file.path for file in table(sales).files}) == 9
    assert record(sales)["partitions"] == 2
    assert "full" not in record(sales)
    assert ran(sales) is None


def test_a_late_row_costs_one_day_of_two_hundred(world: World) -> None:
    days = [f"2025-{month:02}-{day:02}" for month in range(1, 9) for day in range(1, 26)]
    world.declare(SALES).declare(DAILY, daily=SUMS)
    world.put("raw/sales/a.csv", HEADER + "".join(f"{n},1,{n},{day}\n" for n, day in enumerate(days)))
    assert ran(world) == "its table is new"
    assert record(world)["took"]["bytes"] == sum(file.size for file in table(world, "sales").files)
    world.put("raw/sales/b.csv", HEADER + "200,1,7,2025-03-07\n")
    assert ran(world) == 1
    of_the_day = [file.size for file in table(world, "sales").files if file.partition == {"date": "2025-03-07"}]
    assert len(table(world, "sales").files) == 201
    assert record(world)["took"]["bytes"] == sum(of_the_day)
    assert record(world)["took"]["rows"] == 1
    same(world)


def test_a_partition_of_which_nothing_is_left_is_gone(sales: World) -> None:
    sales.put("raw/sales/b.csv", HEADER + "100,1,5,2025-03-01\n")
    assert ran(sales) == 1
    assert len(rows(sales, "select * from daily")) == 11
    undo(sales, "raw/sales/b.csv")
    assert ran(sales) == 1
    assert len(rows(sales, "select * from daily")) == 10
    same(sales)


def test_no_date_is_a_partition_too(sales: World) -> None:
    for n in range(2):
        sales.put(f"raw/sales/n{n}.csv", HEADER + f"{100 + n},1,5,\n")
        assert ran(sales) == 1
        same(sales)
    assert sales.values("select sales from daily where date is null") == [2]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("varchar", ["a b", "a/b", "é=%20", "e\u0301", "007", "+", "NaN", "true", "ﬀ;--", ""]),
        ("integer", ["7", "-7", "07", "0", "2147483647", ""]),
        ("boolean", ["true", "false", ""]),
        ("date", ["2025-01-01", "0001-01-01", "9999-12-31", ""]),
    ],
)
def test_a_partition_is_known_again_whatever_its_value(world: World, kind: str, values: list[str]) -> None:
    world.declare(SALES.replace("{name: date, type: date}", f"{{name: date, type: {kind}}}")).declare(DAILY, daily=SUMS)
    body = "".join(f'{n},1,{n},"{value}"\n' for n, value in enumerate(values))
    world.put("raw/sales/a.csv", HEADER + body)
    ran(world)
    for n, value in enumerate(values):
        world.put(f"raw/sales/b{n}.csv", HEADER + f'{100 + n},1,{n},"{value}"\n')
        assert ran(world) == 1
    same(world)
    assert set(world.values("select count(*) from daily group by date")) == {1}


def test_a_commit_without_rows_runs_no_partition(sales: World) -> None:
    sales.put("raw/sales/b.csv", HEADER)
    assert ran(sales) == 0
    same(sales)


def test_compaction_of_an_input_runs_nothing(sales: World) -> None:
    for n in range(6):
        sales.put(f"raw/sales/c{n}.csv", HEADER + f"{100 + n},1,5,2025-01-05\n")
        sales.run(names=["sales"])
    assert ran(sales) == 1
    assert maintain(sales.lake, sales.lake.project.named("sales")).compacted
    assert ran(sales) is None
    sales.put("raw/sales/d.csv", HEADER + "200,1,5,2025-01-06\n")
    assert ran(sales) == 1
    same(sales)


def test_files_that_were_compacted_before_they_were_consumed_are_not_lost(sales: World) -> None:
    for n in range(6):
        sales.put(f"raw/sales/c{n}.csv", HEADER + f"{100 + n},1,5,2025-01-05\n")
        sales.run(names=["sales"])
    assert maintain(sales.lake, sales.lake.project.named("sales")).compacted
    assert ran(sales) == 1
    same(sales)


def test_a_transform_over_an_incremental_one_is_incremental_too(sales: World) -> None:
    sales.declare(DAILY.replace("daily", "shares"), shares="select date, amount / sales as mean from daily")
    assert ran(sales, "shares") == "its table is new"
    sales.put("raw/sales/b.csv", HEADER + "100,1,5,2025-01-03\n")
    assert ran(sales, "shares") == 1
    same(sales, "shares")


def test_a_run_and_the_status_say_how_many_partitions_were_run(sales: World) -> None:
    sales.put("raw/sales/b.csv", HEADER + "100,1,5,2025-01-03\n101,1,5,2025-02-01\n")
    (some,) = [step for step in sales.run() if isinstance(step, Transformed)]
    assert sentence(some).startswith("daily: 2 rows, 2 partitions, ")
    assert _fields(some)["partitions"] == 2
    assert status(sales.lake, ["daily"])[0].state == "up to date; last run: 2 partitions"
    sales.declare(DAILY, daily=SUMS.replace("count(*)", "count(distinct customer)"))
    (full,) = [step for step in sales.run() if isinstance(step, Transformed)]
    assert sentence(full).startswith("daily: 11 rows, in full: its SQL was changed, ")
    assert _fields(full)["full"] == "its SQL was changed"
    assert status(sales.lake, ["daily"])[0].state == "up to date; last run in full: its SQL was changed"
    shown = Console(file=StringIO(), width=100)
    show_summary(shown, summarize([some, full], sales.lake.project, seconds=1), Place(sales.uri, sales.uri, []))
    lines = [line.split() for line in shown.file.getvalue().splitlines()]  # type: ignore[attr-defined]
    assert ["transform", "rows", "of", "version", "time"] in lines
    assert [line[1:4] for line in lines if line[:1] == ["daily"]] == [["2", "2", "partitions"], ["11", "all", "3"]]


# --- when all of it is run -----------------------------------------------------------------------------------------------------------


def test_a_changed_query_is_run_in_full(sales: World) -> None:
    sales.declare(DAILY, daily=SUMS.replace("count(*)", "count(distinct customer)"))
    assert ran(sales) == "its SQL was changed"
    assert record(sales)["full"] == "its SQL was changed"
    same(sales)


def test_an_input_that_is_read_whole_runs_everything_when_it_changed_and_only_then(world: World) -> None:
    world.declare(SALES).declare(CUSTOMERS)
    world.declare(
        DAILY, daily="select s.date, c.region, sum(s.amount) as amount from sales s join customers c using (customer) group by all"
    )
    world.put("raw/sales/a.csv", HEADER + "".join(f"{n},{n % 3},{n},{day}\n" for n, day in enumerate(DAYS)))
    world.put("raw/customers/a.csv", "customer,region\n0,n\n1,s\n2,n\n")
    ran(world)
    world.put("raw/sales/b.csv", HEADER + "100,1,5,2025-01-03\n")
    assert ran(world) == 1
    same(world)
    world.put("raw/customers/b.csv", "customer,region\n0,w\n")
    world.put("raw/sales/c.csv", HEADER + "101,1,5,2025-01-03\n")
    assert ran(world) == "customers, which is read whole, was changed"
    same(world)


def test_an_input_at_a_new_place_is_read_in_full(sales: World) -> None:
    sales.declare(SALES.replace("silver/sales", "silver/sales_v2")).put("raw/sales/b.csv", HEADER + "100,1,5,2025-01-03\n")
    assert ran(sales) == "sales is another table than before, or the last run was not incremental"
    same(sales)
    assert len(rows(sales, "select * from daily")) == 1


def test_a_column_that_an_input_gained_is_read_in_full(sales: World) -> None:
    sales.declare(DAILY.replace("daily", "all_of"), all_of="select * exclude (_source, _source_time, _row) from sales")
    ran(sales, "all_of")
    sales.declare(SALES.replace("{name: amount,", "{name: note}, {name: amount,"))
    sales.put("raw/sales/b.csv", "id,customer,note,amount,date\n100,1,x,5,2025-01-03\n")
    assert str(ran(sales, "all_of")).startswith("the columns or properties of sales were changed")
    same(sales, "all_of")
    sales.put("raw/sales/c.csv", "id,customer,note,amount,date\n101,1,x,5,2025-01-04\n")
    assert ran(sales, "all_of") == 1
    same(sales, "all_of")


def test_where_the_log_was_cleared_all_is_read(sales: World) -> None:
    for n in range(2):
        sales.put(f"raw/sales/b{n}.csv", HEADER + f"{100 + n},1,5,2025-01-03\n")
        sales.run(names=["sales"])
    delta.checkpoint(table(sales, "sales"))
    log = Path(sales.uri, "silver/sales/_delta_log")
    (log / f"{table(sales, 'sales').version - 1:020}.json").unlink()
    assert ran(sales) == "the log of sales no longer reaches back to version 1"
    same(sales)


def test_a_run_in_between_that_was_not_incremental_does_no_harm(sales: World) -> None:
    """Its result stands for versions that nobody wrote down: a file that came and went since is in none of the two known ones."""
    sales.put("raw/sales/b.csv", HEADER + "100,1,5,2025-01-03\n")
    sales.declare(DAILY.replace("incremental: true", "").replace("partitions,", "overwrite,"))
    assert ran(sales) is None
    undo(sales, "raw/sales/b.csv")
    sales.declare(DAILY)
    assert ran(sales) == 1
    same(sales)


def test_a_table_that_is_partitioned_otherwise_than_declared_is_read_in_full(world: World) -> None:
    """The declaration was changed after the table had come to be."""
    loader = World(world.home / "other", world.uri).declare(SALES)
    loader.put("raw/sales/a.csv", HEADER + "1,1,5,2025-01-03\n")
    loader.run()
    by_customer = DAILY.replace("[date]", "[customer]")
    world.declare(SALES.replace("[date]", "[customer]")).declare(
        by_customer, daily="select customer, count(*) as n from sales group by all"
    )
    for told in ("its table is new", "sales is not partitioned by customer, as the result is"):
        steps = world.run(names=["daily"])
        assert [step.full for step in steps if isinstance(step, Transformed)] == [told]
        same(world)
        loader.put("raw/sales/b.csv", HEADER + "2,1,5,2025-01-04\n")
        loader.run()


# --- what is refused -----------------------------------------------------------------------------------------------------------------


def test_a_row_of_another_partition_than_those_that_changed_is_never_committed(sales: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the look through the query had missed something."""
    monkeypatch.setattr(consistency, "refuse_unless_local", lambda *_: None)
    sales.declare(DAILY, daily="select date + 1 as date, sum(amount) as amount, count(*) as sales from sales group by date")
    ran(sales)
    before = rows(sales, "select * from daily")
    sales.put("raw/sales/b.csv", HEADER + "100,1,5,2025-01-03\n")
    (error,) = [step.error for step in sales.run() if isinstance(step, Undone)]
    assert "expected rows of the date that changed in its inputs; found 1 rows of others" in error
    assert rows(sales, "select * from daily") == before


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("mode: partitions, ", "", "incremental: it needs target.mode partitions and target.partition_by"),
        (", partition_by: [date]", "", "incremental: it needs target.mode partitions and target.partition_by"),
        (
            "incremental: true",
            "",
            "target.mode partitions needs `incremental: true`; to replace the whole table in each run, declare overwrite",
        ),
        ("partition_by: [date]", "key: [date]", "incremental: it needs target.mode partitions and target.partition_by"),
        (
            "mode: partitions, partition_by: [date]",
            "mode: merge, key: [nothing]",
            "none of its inputs (sales) is known to have the columns nothing",
        ),
        ("mode: partitions", "mode: partitions, key: [id]", "target.key is for merge; target.mode is partitions"),
        ("[date]", "[month]", "none of its inputs (sales) is partitioned by month; one has to, by these very names"),
        ("sql: daily.sql", "sql: other.sql", "other.sql: GROUP BY customer lacks date; add it; or let it run in full (mode: overwrite)"),
    ],
)
def test_what_cannot_be_incremental_is_refused_with_what_to_do(world: World, old: str, new: str, told: str) -> None:
    other = "select customer, max(date) as date from sales group by customer"
    world.declare(SALES).declare(DAILY.replace(old, new), daily=SUMS, other=other)
    with pytest.raises(InvalidProject) as raised:
        _ = world.lake
    assert told in str(raised.value)


# --- by key --------------------------------------------------------------------------------------------------------------------------

SPENT = """
transform: daily
sql: daily.sql
when: any_input
target: {path: gold/spent/, mode: merge, key: [customer]}
incremental: true
"""
TOTALS = """
select c.customer, c.region, count(s.id) as n, sum(s.amount)::bigint as amount
from customers c left join sales s using (customer)
group by all
"""


@pytest.fixture
def spent(world: World) -> World:
    """Nine customers, and what each of them spent."""
    world.declare(SALES).declare(CUSTOMERS).declare(SPENT, daily=TOTALS)
    world.put("raw/customers/a.csv", "customer,region\n" + "".join(f"{n},r{n}\n" for n in range(9)))
    world.put("raw/sales/a.csv", HEADER + "".join(f"{n},{n % 5},{n * 10},{day}\n" for n, day in enumerate(DAYS)))
    assert keys(world) == "its table is new"
    same(world)
    return world


def keys(world: World) -> int | str | None:
    """Run what is due, and return how many keys the transform ran, or why all of it."""
    steps = world.run()
    assert not [step.error for step in steps if isinstance(step, Undone)]
    done = [step for step in steps if isinstance(step, Transformed)]
    return (done[0].full or done[0].keys) if done else None


def test_only_the_keys_that_changed_are_run(spent: World) -> None:
    spent.put("raw/sales/b.csv", HEADER + "100,1,5,2025-01-03\n101,8,5,2025-02-01\n")
    assert keys(spent) == 2
    same(spent)
    assert record(spent)["keys"] == record(spent)["rows"] == 2
    assert keys(spent) is None
    assert status(spent.lake, ["daily"])[0].state == "up to date; last run: 2 keys"


def test_a_key_whose_row_was_written_again_as_it_was_is_not_run(spent: World) -> None:
    """A merge writes whole files again: nine customers, of which one moved."""
    spent.put("raw/customers/b.csv", "customer,region\n3,moved\n")
    assert keys(spent) == 1
    same(spent)


def test_a_key_of_which_nothing_is_left_is_gone(spent: World) -> None:
    spent.put("raw/customers/b.csv", "customer,region\n77,r\n")
    assert keys(spent) == 1
    undo(spent, "raw/customers/b.csv")
    assert keys(spent) == 1
    assert spent.values("select count(*) from daily where customer = 77") == [0]
    same(spent)


def test_only_the_files_that_may_hold_a_key_are_read(world: World) -> None:
    world.declare(SALES).declare(SPENT, daily="select customer, sum(amount)::bigint as amount from sales group by customer")
    for n, day in enumerate(DAYS):
        world.put(f"raw/sales/{n}.csv", HEADER + "".join(f"{n * 10 + m},{n * 10 + m},1,{day}\n" for m in range(10)))
        world.run(names=["sales"])
    assert keys(world) == "its table is new"
    world.put("raw/sales/late.csv", HEADER + "1000,37,1,2025-02-01\n")
    assert keys(world) == 1
    same(world)
    late = [file.size for file in table(world, "sales").files if file.partition["date"] in (DAYS[3], "2025-02-01")]
    assert record(world)["took"]["bytes"] == sum(late)


def test_no_key_is_a_key_too(world: World) -> None:
    world.declare(SALES).declare(SPENT, daily="select customer, sum(amount)::bigint as amount from sales group by customer")
    for n in range(3):
        world.put(f"raw/sales/{n}.csv", HEADER + f"{n},,{n},2025-01-01\n1{n},{n},1,2025-01-01\n")
        assert keys(world) == (2 if n else "its table is new")
        same(world)


def test_compaction_of_an_input_touches_no_key(spent: World) -> None:
    for n in range(6):
        spent.put(f"raw/sales/c{n}.csv", HEADER + f"{100 + n},1,5,2025-01-05\n")
        spent.run(names=["sales"])
    assert maintain(spent.lake, spent.lake.project.named("sales")).compacted
    spent.put("raw/sales/d.csv", HEADER + "200,2,5,2025-01-05\n")
    assert keys(spent) == 2
    same(spent)


def test_a_file_from_before_a_column_was_added_is_read_although_it_was_replaced(spent: World) -> None:
    spent.declare(CUSTOMERS.replace("{name: region}", "{name: region}, {name: note}"))
    spent.put("raw/customers/b.csv", "customer,region,note\n20,r,x\n")
    assert str(keys(spent)).startswith("the columns or properties of customers were changed")
    spent.put("raw/customers/c.csv", "customer,region,note\n3,moved,x\n")
    assert keys(spent) == 1
    same(spent)


def test_where_a_replaced_file_was_deleted_all_is_run(spent: World) -> None:
    old = table(spent, "customers").files
    spent.put("raw/customers/b.csv", "customer,region\n3,moved\n")
    spent.run(names=["customers"])
    for file in old:
        Path(spent.uri, "silver/customers", file.path).unlink()
    assert keys(spent) == "files that were replaced since the last run could not be read"
    same(spent)


def test_a_run_in_between_that_was_not_incremental_is_noticed_by_key(spent: World) -> None:
    """A row that came and went since is in neither of the two known versions, but in its result."""
    spent.put("raw/sales/b.csv", HEADER + "100,1,5,2025-01-03\n")
    spent.declare(SPENT.replace("incremental: true", "").replace("mode: merge, key: [customer]", "mode: overwrite"))
    assert keys(spent) is None
    undo(spent, "raw/sales/b.csv")
    spent.declare(SPENT)
    assert keys(spent) == "a run that was not incremental has read sales since version 1"
    same(spent)


def test_a_row_of_another_key_than_those_that_changed_is_never_committed(spent: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consistency, "refuse_unless_local", lambda *_: None)
    spent.declare(
        SPENT, daily="select customer + 1 as customer, 'x' as region, count(*) as n, sum(amount)::bigint as amount from sales group by all"
    )
    keys(spent)
    before = rows(spent, "select * from daily")
    spent.put("raw/sales/b.csv", HEADER + "100,1,5,2025-01-03\n")
    (error,) = [step.error for step in spent.run() if isinstance(step, Undone)]
    assert "expected rows of the customer that changed in its inputs; found 1 rows of others" in error
    assert rows(spent, "select * from daily") == before


@pytest.mark.parametrize(
    ("declared", "query"), [(DAILY, SUMS), (SPENT, "select customer, sum(amount) as amount from sales group by customer")]
)
def test_it_is_the_same_in_every_place(anywhere: World, declared: str, query: str) -> None:
    anywhere.declare(SALES).declare(declared, daily=query)
    for n, rows in enumerate(("1,1,5,2025-01-03\n2,2,5,2025-01-04\n", "3,1,5,2025-01-03\n", "4,,5,\n")):
        anywhere.put(f"raw/sales/{n}.csv", HEADER + rows)
        assert (ran(anywhere) if declared == DAILY else keys(anywhere)) == (1 if n else "its table is new")
        same(anywhere)
    undo(anywhere, "raw/sales/1.csv")
    assert (ran(anywhere) if declared == DAILY else keys(anywhere)) == 1
    same(anywhere)


# --- two at a time -------------------------------------------------------------------------------------------------------------------


def own(world: World) -> World:
    """The same lake in other hands."""
    return World(world.home, world.uri)


def test_a_run_that_another_one_overtook_starts_again(sales: World, monkeypatch: pytest.MonkeyPatch) -> None:
    real, rivals = transform._planned, [own(sales)]

    def overtaken(*given: Any) -> Any:
        if rivals:
            rival = rivals.pop()
            rival.put("raw/sales/c.csv", HEADER + "101,1,5,2025-01-04\n")
            assert ran(rival) == 2
        return real(*given)

    monkeypatch.setattr(transform, "_planned", overtaken)
    sales.put("raw/sales/b.csv", HEADER + "100,1,5,2025-01-03\n")
    assert ran(sales) is None
    same(sales)


def test_a_run_whose_query_was_changed_by_another_one_does_not_mix_the_two(sales: World, monkeypatch: pytest.MonkeyPatch) -> None:
    real, rivals = transform._planned, [own(sales)]

    def overtaken(*given: Any) -> Any:
        if rivals:
            rival = rivals.pop()
            rival.declare(DAILY, daily=SUMS.replace("sum(amount)", "-sum(amount)"))
            assert ran(rival) == "its SQL was changed"
        return real(*given)

    monkeypatch.setattr(transform, "_planned", overtaken)
    sales.put("raw/sales/b.csv", HEADER + "100,1,5,2025-01-03\n")
    assert ran(sales) == "its SQL was changed"
    same(sales)


def test_a_commit_that_fails_leaves_the_table_and_the_next_run_does_it_all(sales: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sales.put("raw/sales/b.csv", HEADER + "100,1,5,2025-01-03\n")
    before = table(sales).version
    with monkeypatch.context() as patch:

        def killed(*_: Any, **__: Any) -> int:
            raise KeyboardInterrupt

        sales.run(names=["sales"])
        patch.setattr(delta, "commit", killed)
        with pytest.raises(KeyboardInterrupt):
            sales.run()
    assert table(sales).version == before
    assert ran(sales) == 1
    same(sales)
