"""A question to the lake: names become tables, values keep all that they say, and nothing can be written."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from core.errors import Terminal
from core.query import json_value, query
from tests.world import ORDERS, World


@pytest.fixture
def loaded(world: World) -> World:
    world.declare(ORDERS).put("raw/orders/1.csv", "id,amount,placed\n1,1.10,2026-11-01T10:00:00Z\n2,2,2026-11-02T10:00:00Z\nx,3,\n")
    world.run()
    return world


def only(world: World, sql: str) -> Any:
    ((value,),) = query(world.lake, sql).rows
    return value


def test_a_table_is_asked_by_its_name_in_any_case(loaded: World) -> None:
    assert query(loaded.lake, "select id, amount, placed from Orders order by id").rows == (
        (1, Decimal("1.10"), datetime(2026, 11, 1, 10, tzinfo=UTC)),
        (2, Decimal("2.00"), datetime(2026, 11, 2, 10, tzinfo=UTC)),
    )


def test_quarantined_rows_are_asked_like_a_table(loaded: World) -> None:
    assert query(loaded.lake, "select reasons, raw from quarantine.orders").rows == ((["id: not bigint"], "x,3,"),)


def test_where_nothing_was_ever_refused_the_quarantine_is_empty(loaded: World) -> None:
    loaded.declare(ORDERS.replace("orders", "returns"))
    answer = query(loaded.lake, "select _row, reasons from quarantine.returns")
    assert answer.rows == ()
    assert answer.types == ("BIGINT", "VARCHAR[]")


def test_tables_join_and_ctes_are_not_taken_for_tables(loaded: World) -> None:
    sql = "with big as (from orders where amount > 1.5) select count(*) from big join orders on big.id = orders.id"
    assert only(loaded, sql) == 1


@pytest.mark.parametrize("sql", ["describe orders", "describe select id from orders", "summarize orders", "SUMMARIZE from orders"])
def test_a_table_can_be_described(loaded: World, sql: str) -> None:
    assert query(loaded.lake, sql).rows[0][0] == "id"


def test_only_as_many_rows_as_asked_for_are_given_and_the_rest_is_owned_up_to(loaded: World) -> None:
    answer = query(loaded.lake, "from range(30000) order by 1", limit=20_000)
    assert [len(answer.rows), answer.rows[-1][0], answer.cut] == [20_000, 19_999, True]
    assert not query(loaded.lake, "from range(3)", limit=3).cut


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1.10::decimal(12,2)", Decimal("1.10")),
        ("12345678901234567890.123456789::decimal(38,9)", Decimal("12345678901234567890.123456789")),
        ("170141183460469231731687303715884105727", 2**127 - 1),
        ("sum(3::bigint)", 3),
        ("timestamptz '2026-11-01 10:00:00.123456Z'", datetime(2026, 11, 1, 10, 0, 0, 123456, tzinfo=UTC)),
        ("timestamptz 'infinity'", "infinity"),
        ("timestamp_ns '2026-11-01 10:00:00.123456789'", "2026-11-01 10:00:00.123456789"),
        ("[timestamp '-infinity', timestamp '2026-11-01 10:00:00']", "[-infinity, '2026-11-01 10:00:00']"),
        ("date '2026-11-01'", date(2026, 11, 1)),
        ("interval '1 day'", "1 day"),
        ("'101'::bit", "101"),
        ("null", None),
        ("['a', null]", ["a", None]),
        ("{'a': 1.5::decimal(2,1)}", {"a": Decimal("1.5")}),
        ("json('[1]')", "[1]"),
    ],
)
def test_a_value_comes_back_as_it_is(loaded: World, expression: str, expected: Any) -> None:
    assert only(loaded, f"select {expression} as value") == expected


def test_two_columns_of_one_name_are_told_apart(loaded: World) -> None:
    assert query(loaded.lake, "select 1 as a, 2 as a, 3 as a_1, interval '1 day' as a").records() == [
        {"a": 1, "a_1": 2, "a_1_1": 3, "a_2": "1 day"}
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Decimal("10.10"), 10.1),
        (Decimal("1234567890123.45"), 1234567890123.45),
        (Decimal("12345678901234.567"), "12345678901234.567"),
        (2**80, 2**80),
        (float("nan"), "nan"),
        (datetime(2026, 11, 1, 10, tzinfo=UTC), "2026-11-01T10:00:00Z"),
        (date(2026, 11, 1), "2026-11-01"),
        (b"\x00\xff", "AP8="),
        ({"a": [date(2026, 11, 1)]}, {"a": ["2026-11-01"]}),
        (True, True),
    ],
)
def test_json_loses_nothing_of_a_value(value: Any, expected: Any) -> None:
    assert json_value(value) == expected


@pytest.mark.parametrize(
    "sql",
    [
        "delete from orders",
        "create table x as select 1",
        "copy (select 1) to 'x.csv'",
        "select 1; drop view orders",
        "attach 'x.db'",
        "set threads = 1",
        "pragma database_list",
    ],
)
def test_nothing_but_one_select_is_run(loaded: World, sql: str) -> None:
    with pytest.raises(Terminal, match="the query does not run"):
        query(loaded.lake, sql)


@pytest.mark.parametrize(
    "sql", ["select * from '/etc/passwd'", "select * from read_csv('/etc/passwd')", "select * from read_text('/etc/passwd')"]
)
def test_files_outside_the_lake_cannot_be_read(loaded: World, sql: str) -> None:
    with pytest.raises(Terminal):
        query(loaded.lake, sql)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("from ordres", "did you mean orders"),
        ("from quarantine.ordres", "did you mean orders"),
        ("from main.orders", "expected a dataset, a transform or quarantine"),
        ("select amuont from orders", r"LINE 1: select amuont"),
        ("select cast('x' as integer)", "Could not convert"),
    ],
)
def test_what_does_not_run_is_said_with_what_would(loaded: World, sql: str, said: str) -> None:
    with pytest.raises(Terminal, match=said):
        query(loaded.lake, sql)
