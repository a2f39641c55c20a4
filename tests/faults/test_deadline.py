"""Time runs out: whatever was not committed was not done, nobody is blamed, and it is done the next time."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core import change, run
from core.errors import OutOfTime
from core.ingest import ingest
from core.lake import Lake
from core.run import Undone
from core.storage import ObjectRef
from core.transform import run as transform_run
from tests.world import ORDERS, World

BOMB = "(select max(a.range * b.range) from range(1000000) a, range(1000000) b)"
SLOW = "(select max(a.range * b.range) from range(100000) a, range(4000) b)"
"""It ends by itself after some seconds, so that a statement that nobody interrupts is a test that fails and not one that hangs."""
GOOD = "id,amount,placed\n1,2.50,2026-01-01T00:00:00Z\n"


def soon(world: World, seconds: float = 0.7) -> World:
    """The same world, whose time is nearly over."""
    limited = World(world.home, world.uri)
    limited.lake = world.lake.until(datetime.now(UTC) + timedelta(seconds=seconds))
    return limited


def test_a_statement_is_interrupted_when_the_time_is_over_and_no_file_is_blamed(world: World) -> None:
    world.declare(ORDERS + f"checks: [{{name: bomb, sql: 'id < {BOMB}'}}]\n")
    world.put("raw/orders/a.csv", GOOD)
    started = time.monotonic()
    (undone,) = [step for step in soon(world).run() if isinstance(step, Undone)]
    assert undone.late
    assert undone.may_pass
    assert time.monotonic() - started < 10
    assert world.keys() >= {"raw/orders/a.csv"}
    assert not world.keys("rejected/") | world.keys("archived/")
    world.declare(ORDERS)
    assert world.fates() == {"raw/orders/a.csv": "loaded"}
    assert world.values("select count(*) from orders") == [1]


def test_nothing_is_committed_once_the_time_is_over(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time runs out while it is decided what to commit."""
    world.declare(ORDERS).put("raw/orders/a.csv", GOOD)

    def slow(*given: Any) -> change.Decision:
        decision = change.append(*given)
        monkeypatch.setattr(Lake, "now", lambda _: datetime.now(UTC) + timedelta(hours=1))
        return decision

    monkeypatch.setattr("core.loading.SINKS", {**change.SINKS, "append": slow})
    with pytest.raises(OutOfTime):
        ingest(soon(world, 60).lake, world.lake.project.datasets["orders"], [ObjectRef("raw/orders/a.csv")])
    assert world.version("orders") == 0
    assert world.keys("raw/") == {"raw/orders/a.csv"}


def test_what_is_late_is_not_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.declare(ORDERS).put("raw/orders/a.csv", GOOD)
    asked: list[str] = []
    real = Lake.in_time
    monkeypatch.setattr(Lake, "in_time", lambda lake, work: [asked.append(work), real(lake, work)])
    with pytest.raises(OutOfTime):
        ingest(soon(world, -1).lake, world.lake.project.datasets["orders"], [ObjectRef("raw/orders/a.csv")])
    assert asked == ["loading orders"]


def test_a_transform_is_interrupted_and_leaves_its_table_as_it_was(world: World) -> None:
    total = "transform: total\nsql: total.sql\nwhen: any_input\ntarget: {path: gold/total/}\n"
    world.declare(ORDERS).declare(total, total="select count(*) as n from orders")
    world.put("raw/orders/a.csv", GOOD)
    world.run()
    world.put("raw/orders/b.csv", GOOD.replace("1,", "2,"))
    world.run(names=["orders"])
    world.declare(total, total=f"select count(*) as n from orders where id < {SLOW}")
    with pytest.raises(OutOfTime):
        transform_run(soon(world).lake, world.lake.project.transforms["total"])
    assert world.values("select n from total") == [1]


@pytest.mark.parametrize("stage", range(6))
def test_time_that_runs_out_at_any_stage_leaves_the_object_loaded_or_in_raw(
    world: World, stage: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock jumps past the deadline at the n-th time that somebody asks."""
    world.declare(ORDERS)
    world.put("raw/orders/a.csv", GOOD + "x,1,\n")
    asked = 0

    def in_time(lake: Lake, work: str) -> None:
        nonlocal asked
        if lake.deadline and (asked := asked + 1) > stage:
            raise OutOfTime(work)

    with monkeypatch.context() as patch:
        patch.setattr(Lake, "in_time", in_time)
        limited = soon(world, 60).lake
        try:
            ingest(limited, limited.project.datasets["orders"], [ObjectRef("raw/orders/a.csv")])
        except OutOfTime:
            assert world.keys("raw/") == {"raw/orders/a.csv"}
            assert world.values("select count(*) from orders") == [0] if stage else True
    world.run()
    assert world.values("select count(*) from orders") == [1]
    assert world.values("select count(*) from quarantine.orders") == [1]
    assert not world.keys("raw/")


NOW = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("trigger", "age", "ready"),
    [
        ("arrival", timedelta(minutes=14), False),
        ("arrival", timedelta(minutes=15), True),
        ("hourly", timedelta(minutes=29), False),
        ("hourly", timedelta(minutes=31), True),
        ("daily", timedelta(hours=12), False),
        ("daily", timedelta(hours=13), True),
        ("cron(0 12 * * *)", timedelta(minutes=31), True),
        ("cron(0 13 * * *)", timedelta(minutes=31), False),
    ],
)
def test_an_object_is_taken_once_its_schedule_has_ticked(world: World, trigger: str, age: timedelta, ready: bool) -> None:
    world.declare(ORDERS.replace("format: csv", f"format: csv, trigger: {trigger}"))
    ref = ObjectRef("raw/orders/a.csv", modified=NOW - age)
    assert run.by_trigger(world.lake.project.datasets["orders"], ref, NOW) is ready


def test_only_transforms_without_a_schedule_follow_a_load_and_those_that_read_them(world: World) -> None:
    def transform(name: str, when: str) -> str:
        return f"transform: {name}\nsql: {name}.sql\nwhen: {when}\ntarget: {{path: gold/{name}/}}\n"

    world.declare(ORDERS)
    world.declare(transform("total", "any_input"), total="select sum(amount) as amount from orders")
    world.declare(transform("doubled", "all_inputs"), doubled="select 2 * amount as amount from total")
    world.declare(transform("nightly", "daily"), nightly="select * from total")
    world.put("raw/orders/a.csv", GOOD)
    world.run(names=["orders"])
    assert [step.transform for step in run.follow(world.lake, ["orders"]) if isinstance(step, run.Transformed)] == ["total", "doubled"]
    assert not list(run.follow(world.lake, ["orders"]))
