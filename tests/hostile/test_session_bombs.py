"""SQL that would take all time or memory is stopped, at the deadline or at the limit; what asked for it is named, and the next one runs."""

import subprocess
import sys
from datetime import timedelta

import pytest

from core.errors import OutOfTime, Terminal
from core.query import query
from core.run import Undone
from tests.figures import LONG
from tests.hostile.figures import FIGURES
from tests.world import ORDERS, World

BOMBS = {
    "cross join": "select count(*) as n from range(1000000) a, range(1000000) b, range(1000) c",
    "endless recursion": "with recursive r as (select 1 as n union all select n + 1 from r) select count(*) as n from r",
    "endless recursion of distinct rows": "with recursive r as (select 1 as n union select n + 1 from r) select count(*) as n from r",
    "range": "select sum(range) as n from range(1000000000000000000)",
    "series": "select sum(a) as n from generate_series(1, 1000000000000000000) as s(a)",
    "one text of 10 GB": "select length(repeat('x', cast(1e10 as bigint) + min(range))) as n from range(1)",
    "texts of 10 kB": "select sum(length(repeat('x', 10000 + range % 2))) as n from range(1000000000)",
    "texts of 10 kB kept": "select len(list(repeat('x', 10000 + range % 2))) as n from range(1000000)",
    "string_agg": "select length(string_agg(repeat('x', 100000), '')) as n from range(1000000)",
    "a list of 10 billion": "select len(range(10000000000)) as n",
    "lists": "select sum(list_sum(range(range % 1000))) as n from range(1000000000)",
    "array_agg": "select len(array_agg(a.range)) as n from range(100000) a, range(100000) b",
    "distinct": "select count(distinct a.range || '-' || b.range) as n from range(100000) a, range(100000) b",
    "sort": "select a.range as n from range(100000) a, range(100000) b order by hash(a.range, b.range)",
    "patterns": "select count(*) as n from range(1000000000) where regexp_matches(repeat('a', 2000 + range % 2), '(a*)*(a*)*(a*)*b')",
    "pattern of patterns": "select regexp_matches('a' || range, '((((a{1,100}){1,100}){1,100}){1,100})') as n from range(1)",
}
"""What grows from vector to vector of 2,048 rows. What one vector makes, DuckDB neither interrupts nor counts: see docs/decisions."""

SECONDS = 0.4
LATE = 6
"""Seconds after the deadline that a machine full of other work may take."""


@pytest.fixture
def bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("LAKELET_MEMORY", "300MiB")
    world.declare(ORDERS).put("raw/orders/a.csv", "id,amount,placed\n1,1,\n")
    world.run()
    return world


def timed(world: World) -> World:
    """The world with a deadline."""
    lake = world.lake
    world.__dict__["lake"] = lake.until(lake.now() + timedelta(seconds=SECONDS))
    return world


def assert_in_time(world: World) -> None:
    left = world.lake.seconds_left
    assert left is not None
    assert left > -LATE


def test_a_question_is_stopped_and_the_next_one_is_answered(bounded: World) -> None:
    lake = bounded.lake
    for bomb in BOMBS.values():
        with pytest.raises((OutOfTime, Terminal)):
            pytest.fail(f"{bomb} came to {query(timed(bounded).lake, bomb)}")
        assert_in_time(bounded)
        bounded.__dict__["lake"] = lake
    assert query(lake, "select id from orders").rows == ((1,),)
    FIGURES.count("bombs", "`lakelet query`", len(BOMBS))


def test_a_transform_is_stopped_and_named(bounded: World) -> None:
    for bomb in BOMBS.values():
        bounded.declare("transform: t\nsql: t.sql\nwhen: any_input\ntarget: {path: gold/t/}\n", t=f"{bomb}")
        (undone,) = (step for step in timed(bounded).run(names=["t"]) if isinstance(step, Undone))
        assert undone.name == "t", bomb
        assert_in_time(bounded)
        assert bounded.lake.named_table("t") is None
    FIGURES.count("bombs", "a transform's SQL", len(BOMBS))


@pytest.mark.parametrize("action", ["quarantine", "fail", "warn"] if LONG else ["quarantine"])
def test_a_check_is_stopped_and_its_dataset_named(bounded: World, action: str) -> None:
    for n, bomb in enumerate(BOMBS.values()):
        sql = f"id in (select n from ({bomb}))".replace("'", "''")
        bounded.declare(ORDERS.replace("target: {", f"checks: [{{name: bomb, sql: '{sql}', action: {action}}}]\ntarget: {{"))
        bounded.put(f"raw/orders/b{n}.csv", "id,amount,placed\n2,2,\n")
        (undone,) = (step for step in timed(bounded).run() if isinstance(step, Undone))
        assert undone.name == "orders", bomb
        assert_in_time(bounded)
        bounded.lake.raw.delete(f"raw/orders/b{n}.csv")
    bounded.declare(ORDERS)
    assert bounded.values("select id from orders") == [1]
    FIGURES.count("bombs", f"a check ({action})", len(BOMBS))


def test_memory_is_bounded(bounded: World) -> None:
    code = (
        "import os, sys; from datetime import timedelta; from pathlib import Path\n"
        "from core.errors import LakeError; from core.query import query; from tests.world import World\n"
        "from tests.hostile.alone import memory; from tests.hostile.test_session_bombs import BOMBS\n"
        "lake = World(Path(sys.argv[1]), sys.argv[2]).lake\n"
        "for bomb in BOMBS.values():\n"
        "    try: query(lake.until(lake.now() + timedelta(seconds=0.5)), bomb)\n"
        "    except LakeError: pass\n"
        "print(memory(os.getpid())['VmHWM'])"  # ru_maxrss would begin with the peak of whoever started it
    )
    done = subprocess.run([sys.executable, "-c", code, str(bounded.home), bounded.uri], check=True, capture_output=True, text=True)
    assert int(done.stdout) < 1000, "MiB, at a limit of 300 for DuckDB alone"
