"""Transforms: when they are due, what they may say, and that a failure leaves their table as it was."""

from datetime import UTC, datetime
from typing import Any

import pytest

from core.run import Begun, Step, Undone
from core.transform import Readiness, Transformed, is_due, next_tick
from tests.world import ORDERS, World

HEADER = "id,amount,placed\n"
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def at(hour: int, minute: int = 0, day: int = 20) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


DUE: list[tuple[str, dict[str, int | None], dict[str, int], datetime | None, bool]] = [
    ("all_inputs", {"a": 1, "b": 1}, {"a": 0, "b": 0}, None, True),
    ("all_inputs", {"a": 2, "b": 1}, {"a": 1, "b": 1}, at(1), False),
    ("all_inputs", {"a": 2, "b": 2}, {"a": 1, "b": 1}, at(1), True),
    ("all_inputs", {"a": 5, "b": None}, {"a": 0, "b": 0}, None, False),
    ("all_inputs", {"a": 5, "b": 0}, {"a": 0, "b": 0}, None, False),
    ("any_input", {"a": 1, "b": None}, {"a": 0, "b": 0}, None, False),
    ("any_input", {"a": 1, "b": 1}, {"a": 0, "b": 0}, None, True),
    ("any_input", {"a": 2, "b": 1}, {"a": 1, "b": 1}, at(11, 59), True),
    ("any_input", {"a": 2, "b": 1}, {"a": 2, "b": 1}, at(1), False),
    ("any_input", {"a": 1}, {}, at(1), True),
    ("hourly", {"a": 1}, {"a": 0}, None, True),
    ("hourly", {"a": 2}, {"a": 1}, at(11, 30), True),
    ("hourly", {"a": 2}, {"a": 1}, at(12, 0), False),
    ("hourly", {"a": 2}, {"a": 2}, at(1), False),
    ("daily", {"a": 2}, {"a": 1}, at(0, 1), False),
    ("daily", {"a": 2}, {"a": 1}, at(23, 59, 19), True),
    ("daily", {"a": 2}, {"a": 1}, at(0, 0, 20), False),
    ("cron(30 11 * * *)", {"a": 2}, {"a": 1}, at(11, 29), True),
    ("cron(30 11 * * *)", {"a": 2}, {"a": 1}, at(11, 30), False),
    ("cron(0 0 * * 1)", {"a": 2}, {"a": 1}, at(0, 0, 16), False),
    ("cron(0 0 1 * *)", {"a": 2}, {"a": 1}, at(0, 0, 2), False),
    ("all_inputs", {}, {}, None, True),
    ("any_input", {}, {}, at(1), False),
    ("hourly", {}, {}, at(11, 1), True),
]


@pytest.mark.parametrize(("when", "now", "consumed", "ran", "due"), DUE)
def test_due_is_a_comparison_of_versions_and_ticks(
    when: str, now: dict[str, int | None], consumed: dict[str, int], ran: datetime | None, due: bool
) -> None:
    assert is_due(when, Readiness(now, consumed, ran), NOON) is due


@pytest.mark.parametrize(
    ("when", "after", "tick"),
    [
        ("hourly", at(11, 59), at(12)), ("hourly", at(12), at(13)), ("daily", at(0), at(0, 0, 21)), ("cron(*/15 * * * *)", at(11, 46),
        at(12)),
        ("cron(0 6 * * 1-5)", at(7), at(6, 0, 23)),
    ],
)  # fmt: skip
def test_a_tick_comes_strictly_after_the_last_run(when: str, after: datetime, tick: datetime) -> None:
    assert next_tick(when, after) == tick


# --- running ------------------------------------------------------------------------------------------------------------------------


def transform(world: World, sql: str, name: str = "t", when: str = "any_input", target: str = "") -> World:
    declared = f"transform: {name}\nsql: {name}.sql\nwhen: {when}\ntarget: {{path: gold/{name}/{target}}}\n"
    return world.declare(declared, **{name: sql})


def with_orders(world: World, body: str = "1,1.50,2025-01-01T10:00:00Z\n2,2.50,\n") -> World:
    world.declare(ORDERS).put("raw/orders/a.csv", HEADER + body)
    return world


def done(steps: list[Step]) -> list[str]:
    return [step.transform for step in steps if isinstance(step, Transformed)]


def undone(steps: list[Step]) -> dict[str, str]:
    return {step.name: step.error for step in steps if isinstance(step, Undone)}


def test_a_transform_runs_over_a_transform_and_only_when_something_is_new(world: World) -> None:
    with_orders(world)
    transform(world, "select sum(amount) as amount from orders", "total")
    transform(world, "select amount * 2 as twice from total", "double")

    assert done(world.run()) == ["total", "double"]
    assert world.rows("select * from double") == [{"twice": "8.00"}]
    versions = [world.version(name) for name in ("orders", "total", "double")]
    assert world.run() == []
    assert [world.version(name) for name in ("orders", "total", "double")] == versions
    world.put("raw/orders/b.csv", HEADER + "3,1,\n")
    assert done(world.run()) == ["total", "double"]
    assert world.rows("select * from double") == [{"twice": "10.00"}]


def test_a_transform_whose_sql_was_changed_runs_again_once(world: World) -> None:
    transform(with_orders(world), "select id from orders", when="cron(0 0 1 1 *)")
    assert done(world.run()) == ["t"]
    transform(world, "select id + 100 as id from orders", when="cron(0 0 1 1 *)")
    assert done(world.run()) == ["t"]
    assert done(world.run()) == []
    assert min(world.values("select id from t")) > 100


def test_a_run_records_what_it_consumed_in_its_own_commit(world: World) -> None:
    transform(with_orders(world), "select * from orders")
    world.run()
    table = world.lake.table(world.lake.project.named("t"))
    assert table is not None
    orders = world.lake.table(world.lake.project.named("orders"))
    assert orders is not None
    assert table.identity(f"input/orders/{orders.id}") == 1
    record = table.history()[0]["lakelet"]
    assert record.pop("took")["rows"] == 2
    assert record == {"kind": "transform", "transform": "t", "inputs": {"orders": 1}, "rows": 2}


@pytest.mark.parametrize(
    "sql",
    [
        "select error('no') from orders", "select cast(amount as date) as d from orders", "select no_such(id) from orders",
        "select x from orders",
        "select 9223372036854775807::hugeint + id as big from orders", "select interval 1 day as i from orders",
        "select time '10:00' as t from orders",
        "select map {'a': 1} as m from orders", "select amount as id from orders", "select 1 as id, 2 as extra, 3 as id from orders",
    ],
)  # fmt: skip
def test_a_transform_that_fails_leaves_its_table_and_the_others_alone(world: World, sql: str) -> None:
    transform(with_orders(world), "select id from orders")
    transform(world, "select count(*) as n from orders", "z")
    world.run()
    before = world.rows("select * from t order by id")

    transform(world, sql).put("raw/orders/b.csv", HEADER + "3,1,\n")
    steps = world.run()
    assert list(undone(steps)) == ["t"]
    assert done(steps) == ["z"]
    assert world.rows("select * from t order by id") == before
    transform(world, "select id from orders")
    assert done(world.run()) == ["t"]


def test_partitions_of_a_result_that_it_does_not_have_are_an_error_with_a_name(world: World) -> None:
    transform(with_orders(world), "select id, 1 as day from orders", target=", partition_by: [dya]")
    assert "dya" in undone(world.run())["t"]


TYPES: dict[str, Any] = {
    "sum(id)": 3,  # a HUGEINT
    "list(id order by id)": [1, 2],
    "[sum(id)]": [3],
    "{'total': sum(id), 'each': [sum(id)]}": {"total": 3, "each": [3]},
    "9007199254740993::hugeint": 9007199254740993,
    "[9007199254740993::hugeint]": [9007199254740993],
    "255::utinyint": 255,
    "65535::usmallint": 65535,
    "4294967295::uinteger": 4294967295,
    "18446744073709551615::ubigint": "18446744073709551615",
    "timestamp '2025-01-01 10:00:00.123456'": "2025-01-01T10:00:00.123456+00:00",
    "timestamp_s '2025-01-01 10:00:00'": "2025-01-01T10:00:00+00:00",
    "timestamptz '2025-01-01 10:00:00+02'": "2025-01-01T08:00:00+00:00",
    "[timestamp '2025-01-01 10:00:00']": None,
    "'a'::enum('a', 'b')": "a",
    "['a'::enum('a', 'b')]": ["a"],
    """'{"a": 1.50}'::json""": '{"a": 1.50}',
    "uuid '00000000-0000-0000-0000-000000000001'": "00000000-0000-0000-0000-000000000001",
    "null": None,
    "[null]": [None],
    "1.5::float": 1.5,
    "'nan'::double": "nan",
    "true": True,
    "'x'::blob": b"x",
    "array_value(1::float, 2::float)": [1.0, 2.0],
    "avg(amount)": 2.0,
    "sum(amount)": "4.00",
    "count(*)": 2,
    "1e0 / 3": 1 / 3,
    "max(placed)::date": datetime(2025, 1, 1, tzinfo=UTC).date(),
}


@pytest.mark.parametrize("expression", TYPES)
def test_a_result_of_any_type_is_kept_exactly(world: World, expression: str) -> None:
    transform(with_orders(world), f"select {expression} as v from orders")
    steps = world.run()
    assert undone(steps) == {}
    found, wanted = world.values("select v from t")[0], TYPES[expression]
    if expression.startswith("[timestamp"):
        assert [moment.isoformat() for moment in found] == ["2025-01-01T10:00:00+00:00"]
    else:
        assert (str(found) if wanted == "nan" else found) == wanted


def test_a_result_of_a_type_without_an_equal_is_refused_by_its_column(world: World) -> None:
    """Parquet would hold it as a double."""
    transform(with_orders(world), "select 340282366920938463463374607431768211455::uhugeint as v from orders")
    assert undone(world.run())["t"].startswith("column v: expected a type that a table can hold; found UHUGEINT")


def test_a_partition_that_reads_as_null_is_an_error(world: World) -> None:
    for value in ("''", "'NULL'"):
        transform(with_orders(world), f"select id, {value} as day from orders", target=", partition_by: [day]")
        assert "a value of partition column day" in undone(world.run())["t"]


@pytest.mark.parametrize("expression", ["timestamp 'infinity'", "date 'infinity'", "date '20000-01-01'", "timestamp '0044-03-15 (BC)'"])
def test_a_moment_that_no_reader_of_delta_can_hold_is_an_error(world: World, expression: str) -> None:
    transform(with_orders(world), f"select {expression} as v from orders")
    assert list(undone(world.run())) == ["t"]


@pytest.mark.parametrize("sql", ["select {} as v from orders where false", "select {} as v from orders limit 0"])
@pytest.mark.parametrize("value", ["id", "[id]", "{'a': [id]}", "sum(id) over ()", "amount", "placed", "null", "'x'::blob"])
def test_a_result_without_rows_is_a_table_without_rows(world: World, sql: str, value: str) -> None:
    transform(with_orders(world), sql.format(value))
    transform(world, "select count(v) as n from t", "counted")
    assert undone(world.run()) == {}
    assert world.rows("select * from t") == []
    assert world.values("select n from counted") == [0]


def test_a_result_s_columns_may_grow_but_not_shrink(world: World) -> None:
    transform(with_orders(world), "select id from orders")
    world.run()
    transform(world, "select id, amount from orders").put("raw/orders/b.csv", HEADER + "3,1,\n")
    assert done(world.run()) == ["t"]
    assert world.rows("select * from t order by id limit 1") == [{"id": 1, "amount": "1.50"}]
    transform(world, "select amount from orders").put("raw/orders/c.csv", HEADER + "4,1,\n")
    assert "column id is no longer declared" in undone(world.run())["t"]


def test_a_transform_over_quarantined_rows_runs_when_there_are_any(world: World) -> None:
    transform(with_orders(world), "select count(*) as n from quarantine.orders")
    assert done(world.run()) == []
    world.put("raw/orders/b.csv", HEADER + "x,1,\n")
    assert done(world.run()) == ["t"]
    assert world.values("select n from t") == [1]
    assert world.run() == []


def test_a_transform_that_reads_nothing_runs_once(world: World) -> None:
    world.declare(ORDERS)
    transform(world, "select unnest(range(date '2025-01-01', date '2025-01-04', interval 1 day))::date as day", when="all_inputs")
    assert done(world.run()) == ["t"]
    assert world.values("select count(*) from t") == [3]
    assert world.run() == []


def test_strings_comments_and_ctes_are_no_inputs(world: World) -> None:
    world.declare(ORDERS.replace("orders", "returns"))
    transform(
        with_orders(world), "with returns_ as (from orders) select 'from returns' as s, count(*) as n from returns_ -- from returns\n"
    )
    assert done(world.run()) == ["t"]
    assert world.lake.project.transforms["t"].inputs == ("orders",)


def test_now_runs_a_scheduled_transform_before_its_tick_but_not_without_news(world: World) -> None:
    transform(with_orders(world), "select id from orders", when="cron(0 0 1 1 *)")
    assert done(world.run()) == ["t"]
    world.put("raw/orders/b.csv", HEADER + "3,1,\n")
    assert done(world.run()) == []
    assert done(world.run(ignore_schedules=True)) == ["t"]
    assert world.run(ignore_schedules=True) == []


def test_a_partition_that_a_result_no_longer_has_is_gone(world: World) -> None:
    transform(
        with_orders(world),
        "select id % 2 as odd, max(id) as most from orders where amount < 100 group by all",
        target=", partition_by: [odd]",
    )
    world.run()
    assert world.rows("select * from t order by odd") == [{"odd": 0, "most": 2}, {"odd": 1, "most": 1}]
    transform(world, "select id % 2 as odd, max(id) as most from orders where id = 2 group by all", target=", partition_by: [odd]")
    world.put("raw/orders/b.csv", HEADER + "4,1,\n")
    assert not any(isinstance(step, Undone) for step in world.run())
    assert world.rows("select * from t") == [{"odd": 0, "most": 2}]


def test_begun_comes_before_what_was_done(world: World) -> None:
    steps = transform(with_orders(world), "select id from orders").run()
    assert [type(step).__name__ for step in steps] == ["Begun", "Ingested", "Begun", "Transformed"]
    assert isinstance(steps[0], Begun)


def test_an_input_that_was_moved_to_a_new_target_path_is_new_although_its_versions_begin_again(world: World) -> None:
    transform(with_orders(world), "select count(*) as n from orders")
    for name in ("b", "c"):
        world.put(f"raw/orders/{name}.csv", HEADER + "3,1,\n")
        world.run()
    world.declare(ORDERS.replace("processed/orders/", "processed/orders_v2/")).put("raw/orders/d.csv", HEADER + "9,1,\n")
    assert done(world.run()) == ["t"]
    assert world.values("select n from t") == [1]


def test_a_moment_finer_than_a_table_holds_is_an_error_and_not_cut(world: World) -> None:
    transform(with_orders(world), "select timestamp_ns '2025-01-01 00:00:00.123456' as fits from orders")
    assert done(world.run()) == ["t"]
    transform(world, "select timestamp_ns '2025-01-01 00:00:00.123456789' as fits from orders")
    assert "finer than microseconds" in "".join(step.error for step in world.run() if isinstance(step, Undone))
