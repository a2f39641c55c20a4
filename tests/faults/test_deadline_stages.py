"""The deadline passes at each question that core and handlers ask the clock, and within statements: never half done, done the next time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from core import maintenance, run, transform
from core.errors import OutOfTime
from core.ingest import ingest
from core.lake import Lake
from handlers import ingest as ingest_function
from handlers import schedule, tasks
from tests.conftest import bucket
from tests.faults.figures import FIGURES, LONG
from tests.faults.oracle import assert_log, assert_readers, assert_sound
from tests.functions import functions
from tests.unit.test_events import sqs
from tests.unit.test_functions import announce
from tests.world import ORDERS, World

HEADER = "id,amount,placed\n"
TOTAL = "transform: total\nsql: total.sql\nwhen: any_input\ntarget: {path: gold/total/}\nexports: [{path: exports/total/, format: csv}]\n"
MODES = {
    "append": ORDERS,
    "merge": ORDERS.replace("target: {", "key: [id]\norder_by: [placed]\ntarget: {mode: merge, "),
    "overwrite": ORDERS.replace("target: {", "target: {mode: overwrite, "),
}
BODIES = [f"{n},{n}.00,2026-01-0{n + 1}\n7,{n}.50,2026-01-0{n + 1}\nx,1,\n" for n in range(2)]


@contextmanager
def over_at(patch: pytest.MonkeyPatch, stage: int) -> Iterator[list[str]]:
    """Let the time be over from the stage-th question on, of whatever lake has a deadline; gives what was asked."""
    asked: list[str] = []

    def in_time(lake: Lake, work: str) -> None:
        if lake.deadline:
            asked.append(work)
            if len(asked) > stage:
                raise OutOfTime(work)

    with patch.context() as own:
        own.setattr(Lake, "in_time", in_time)
        yield asked


@contextmanager
def interrupted_at(patch: pytest.MonkeyPatch, stage: int) -> Iterator[list[str]]:
    """Let the time be over in the middle of the stage-th statement: DuckDB runs it, and the session's watch has interrupted it."""
    from core import session

    asked: list[str] = []

    class Connection:
        def __init__(self, real: duckdb.DuckDBPyConnection) -> None:
            self.real = real

        def __getattr__(self, name: str) -> Any:
            return getattr(self.real, name)

        def execute(self, query: str, *parameters: Any) -> Any:
            done = self.real.execute(query, *parameters)
            asked.append(query)
            if len(asked) > stage:
                self.real.interrupt()
                raise duckdb.InterruptException("INTERRUPT Error: Interrupted!")
            return done

    real = session.open_session

    @contextmanager
    def opened(*given: Any, **named: Any) -> Iterator[Any]:
        with real(*given, **named) as connection:
            yield Connection(connection) if named.get("seconds") is not None else connection

    def in_time(lake: Lake, work: str) -> None:
        if lake.deadline and len(asked) > stage:
            raise OutOfTime(work)

    with patch.context() as own:
        own.setattr("core.lake.open_session", opened)
        own.setattr(Lake, "in_time", in_time)
        yield asked


FAULTS: dict[str, Callable[[pytest.MonkeyPatch, int], Any]] = {"asked": over_at, "interrupted": interrupted_at}


def limited(world: World) -> Lake:
    return world.lake.until(datetime.now(UTC) + timedelta(minutes=5))


def each_stage(work: Callable[[], None], patch: pytest.MonkeyPatch, fault: str) -> Iterator[int]:
    """Do the work with the time over at one stage after another, in the same lake, until it is done before the time is over."""
    step = 1 if LONG or fault == "asked" else 7
    for stage in range(0, 400, step):
        with FAULTS[fault](patch, stage) as asked:
            work()
        if len(asked) <= stage:
            return
        yield stage
    pytest.fail("it never comes to an end")


def assert_whole(world: World, name: str) -> None:
    """Between the commit of refused rows and that of the accepted ones the books are open: logs and readers only."""
    for table in filter(None, (world.lake.named_table(name), world.lake.named_table(f"quarantine.{name}"))):
        assert_log(table)
        assert_readers(table)


def contents(world: World) -> dict[str, Any]:
    rows = world.rows("select id, amount, placed, _row from orders order by all")
    refused = world.lake.named_table("quarantine.orders")
    return {"orders": rows, "refused": world.values("select _row from quarantine.orders order by _source, _row") if refused else []}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("mode", MODES if LONG else ["merge"])
def test_loading(world: World, monkeypatch: pytest.MonkeyPatch, mode: str, fault: str) -> None:
    """Rows that are refused, a table that is replaced or merged into: as if the time had never been over."""
    calm = World(world.home / "calm", str(world.home / "calm" / "lake")).declare(MODES[mode])
    world.declare(MODES[mode])
    for one in (calm, world):
        one.put("raw/orders/0.csv", HEADER + BODIES[0])
        one.run()
    held = contents(world)
    for one in (calm, world):
        one.put("raw/orders/1.csv", HEADER + BODIES[1])
    (ref,) = world.lake.raw.list("raw/orders/")
    dataset, stages = world.lake.project.datasets["orders"], 0

    def work() -> None:
        try:
            ingest(limited(world), dataset, [ref])
        except OutOfTime:
            assert world.keys("raw/") == {"raw/orders/1.csv"}
            assert contents(world)["orders"] == held["orders"]

    for _ in each_stage(work, monkeypatch, fault):
        stages += 1
        assert_whole(world, "orders")
    calm.run()
    assert contents(world) == contents(calm)
    assert not world.keys("raw/")
    assert_sound(world, "orders", objects=[(HEADER + body).encode() for body in BODIES])
    assert stages >= 3
    FIGURES.count("deadlines", mode, stages)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_transform_and_its_export(world: World, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    world.declare(ORDERS).declare(TOTAL, total="select count(*) as n from orders")
    for n, body in enumerate(BODIES):
        world.put(f"raw/orders/{n}.csv", HEADER + body)
        world.run(names=["orders"])
        if not n:
            world.run()

    def work() -> None:
        steps = list(run.run(limited(world), names=["total"]))
        assert all(step.late for step in steps if isinstance(step, run.Undone))
        assert world.values("select n from total") in ([2], [4])

    stages = 0
    for _ in each_stage(work, monkeypatch, fault):
        stages += 1
        assert (world.lake.store.get("exports/total/total.csv") or b"").split() in ([b"n", b"2"], [b"n", b"4"])
    assert world.values("select n from total") == [4]
    assert world.lake.store.get("exports/total/total.csv") == b"n\n4\n"
    assert not transform.is_due("any_input", transform.readiness(world.lake, world.lake.project.transforms["total"]), world.lake.now())
    assert_sound(world, "orders", "total")
    FIGURES.count("deadlines", "transform and export", stages)


@pytest.mark.parametrize("fault", FAULTS)
def test_maintenance(world: World, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    world.declare(ORDERS)
    for n in range(6):
        world.put(f"raw/orders/{n}.csv", HEADER + f"{n},{n},\nx,1,\n")
        world.run()
    before, left = contents(world), []

    def work() -> None:
        left.append(maintenance.maintain(limited(world), world.lake.project.named("orders")).left)
        assert contents(world) == before

    stages = 0
    for _ in each_stage(work, monkeypatch, fault):
        stages += 1
        assert left[-1]
        assert_sound(world, "orders")
    assert not left[-1]
    snapshot = world.lake.named_table("orders")
    assert snapshot is not None
    assert len(snapshot.files) == 1
    FIGURES.count("deadlines", "maintenance", stages)


# --- functions -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not LONG, reason="part of `make faults`")
def test_the_messages_of_what_was_not_done_go_back_to_their_queue(
    tmp_path: Path, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two datasets in a batch: what is committed when the time is over stays, each message of the other comes back, and is done then."""
    world = World(tmp_path, bucket(s3_endpoint, monkeypatch).rpartition("/")[0])
    world.declare(ORDERS).declare(ORDERS.replace("orders", "more")).declare(TOTAL, total="select count(*) as n from orders")
    driven, stages = functions(world, monkeypatch, capsys), 0
    for stage in range(100):
        keys = [f"raw/{name}/{stage}.csv" for name in ("orders", "more")]
        for key in keys:
            world.put(key, HEADER + BODIES[0].replace("7,", f"{stage + 10},"))
        batch = sqs(*announce(driven, *keys))
        with over_at(monkeypatch, stage) as asked:
            back = {item["itemIdentifier"] for item in driven.invoke(ingest_function, batch)["batchItemFailures"]}
        waiting = {record["messageId"] for record, key in zip(batch["Records"], keys, strict=True) if key in world.keys("raw/")}
        assert back == waiting
        again = {**batch, "Records": [record for record in batch["Records"] if record["messageId"] in back]}
        if back:
            assert driven.invoke(ingest_function, again) == {"batchItemFailures": []}
        stages += 1
        for name in ("orders", "more"):
            assert world.values(f"select count(distinct _source) from {name}") == [stages]
            assert world.values(f"select count(*) from {name}") == [2 * stages]
        if len(asked) <= stage:
            break
    world.run()
    assert world.values("select n from total") == [2 * stages]
    assert_sound(world, "orders", "more", "total")
    FIGURES.count("deadlines", "functions", stages)


SECONDS = (15.0, 5.0, 3.0, 2.0, 1.0, 0.0) if LONG else (15.0, 3.0, 0.0)


@pytest.mark.parametrize("left", SECONDS)
@pytest.mark.parametrize("what", ["hourly", "daily", "sweep", "transform", "maintain"] if LONG else ["daily", "sweep"])
def test_a_function_with_little_time_left_does_all_or_says_that_it_did_not(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], what: str, left: float
) -> None:
    world.declare(ORDERS).declare(TOTAL, total="select count(*) as n from orders")
    world.put("raw/orders/0.csv", HEADER + BODIES[0])
    if what == "transform":
        world.run(names=["orders"])
    monkeypatch.setattr(run, "ANNOUNCED_WITHIN", timedelta(0))
    driven = functions(world, monkeypatch, capsys)
    event = {"run": what} if what in schedule.RUNS else {"task": what, "name": "total" if what == "transform" else "orders"}
    module = schedule if what in schedule.RUNS else tasks
    late = left <= 3  # the margin for what follows a commit
    if late and what in ("sweep", "transform"):
        with pytest.raises(OutOfTime):
            driven.invoke(module, event, left=left)
    else:
        driven.invoke(module, event, left=left)
    if late and what in (*schedule.RUNS, "sweep"):
        assert world.keys("raw/") == {"raw/orders/0.csv"}
    world.run()
    assert world.values("select count(*) from orders") == [2]
    assert world.values("select n from total") == [2]
    assert_sound(world, "orders", "total", objects=[(HEADER + BODIES[0]).encode()])
    FIGURES.count("deadlines", "functions")
