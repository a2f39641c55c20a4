"""Text becomes a value exactly, or not at all."""

import duckdb
import pytest

from core.casts import attempt, exact
from core.contract import Column
from core.types import canonical_type

BIG = "9007199254740993"  # 2^53 + 1: the first integer that a double cannot hold

EXACT = {
    "bigint": {"1": "1", "1.0": "1", "007": "7", "+5": "5", " 7 ": "7", "-0": "0", BIG: BIG, "9223372036854775807": "9223372036854775807"},
    "tinyint": {"127": "127"},
    "decimal(12,2)": {"1.5": "1.50", "1.500": "1.50", ".5": "0.50", "5.": "5.00", "-1.25": "-1.25", "+3": "3.00", " 3.10 ": "3.10"},
    "decimal(5,0)": {"7": "7", "1.0": "1"},
    "decimal(38,18)": {"1234567890.123456789012345678": "1234567890.123456789012345678"},
    "double": {"1.5": "1.5", "nan": "nan", "inf": "inf", "-0.0": "-0.0", "1e300": "1e+300"},
    "date": {"2025-01-01": "2025-01-01", "2025-4-1": "2025-04-01", "2025-01-01 00:00:00": "2025-01-01", "0001-01-01": "0001-01-01"},
    "timestamp": {
        "2025-01-01": "2025-01-01 00:00:00+00",
        "2025-01-01T10:00:00Z": "2025-01-01 10:00:00+00",
        "2025-01-01 10:00:00+02": "2025-01-01 08:00:00+00",
        "2025-01-01 10:00:00.123456": "2025-01-01 10:00:00.123456+00",
        "2025-01-01 10:00:00.123456000": "2025-01-01 10:00:00.123456+00",
        "9999-12-31 23:59:59.999999Z": "9999-12-31 23:59:59.999999+00",
        "2025-03-30 02:30:00 Europe/Berlin": "2025-03-30 01:30:00+00",
    },
    "boolean": {"true": "true", "F": "false", "1": "true"},
    "varchar": {"": "", " x ": " x "},
    "json": {'{"a": 1.50}': '{"a": 1.50}'},
    "integer[]": {"[1, 2]": "[1, 2]", "[]": "[]"},
    "double[]": {"[1.50, -0.25]": "[1.5, -0.25]"},
    "struct(a int, b varchar[])": {'{"a": 1, "b": ["x"]}': "{'a': 1, 'b': [x]}", '{"a": null}': "{'a': NULL, 'b': NULL}"},
}

INEXACT = {
    "bigint": ["1.7", "1e3", "", "abc", "9223372036854775808", "1_000", "0x1F", "1 2", "NaN"],
    "tinyint": ["128", "-129"],
    "decimal(12,2)": ["1.005", "0.001", "1e2", "1,5", "NaN", "12345678901.12", "."],
    "decimal(5,0)": ["1.5"],
    "double": ["x", "1_0", "1e400", "1,5", "1e-400", "-0.00001e-320"],
    "float": ["1e39", "1e-46"],
    "date": [
        "2025-01-01 10:00:00",
        "infinity",
        "10000-01-01",
        "0044-01-01 (BC)",
        "45000",
        "2025-02-30",
        "20250101",
        "25-01-01",
        "epoch",
        "2025-01-01 00:00:00.0000001",
    ],
    "timestamp": [
        "45000",
        "1732104000",
        "2025",
        "infinity",
        "10000-01-01",
        "12:00",
        "2025-01-01 10:00:00.123456789",
        "2025-13-01",
        "2025-1-1T1:0:0.0000001Z",
        "25-01-01",
        "epoch",
        " epoch ",
        "2025-01-01T10:00:00+25:00",
        "2025-01-01 10:00:00+02:60",
    ],
    "boolean": ["x", "2", "maybe"],
    "json": ["{", "x", "'a'"],
    "integer[]": ["[1.7]", "[x]", "1", "[9007199254740993]"],
    "struct(a int)": ['{"a": 1.7}', '{"a": "x"}', "[1]", '{"a": 1, "z": 2}'],
    "struct(a struct(b int))": ['{"a": [1]}', '{"a": {"b": 1, "c": 2}}'],
    "varchar[]": ["[1]"],
}


def cast(text: str, kind: str, form: str | None = None) -> str | None:
    column = Column(name="x", type=kind, format=form)
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        query = (
            f"select cast({exact('t', 'tried', column)} as varchar) from (select t, {attempt('t', column)} as tried from (select ? as t))"
        )
        row = connection.execute(query, [text]).fetchone()
    assert row is not None
    return row[0] if row[0] is None else str(row[0])


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in EXACT.items() for text in texts])
def test_a_text_that_says_a_value_becomes_it(kind: str, text: str) -> None:
    assert cast(text, kind) == EXACT[kind][text]


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in INEXACT.items() for text in texts])
def test_a_text_that_does_not_say_it_exactly_is_no_value(kind: str, text: str) -> None:
    assert cast(text, kind) is None


def test_a_declared_format_is_the_only_one() -> None:
    assert cast("01.04.2025", "date", "%d.%m.%Y") == "2025-04-01"
    assert cast("2025-04-01", "date", "%d.%m.%Y") is None
    assert cast("01.04.2025 10:30", "timestamp", "%d.%m.%Y %H:%M") == "2025-04-01 10:30:00+00"
    assert cast("2025-04-01 10:30:00,000001000", "timestamp", "%Y-%m-%d %H:%M:%S,%n") == "2025-04-01 10:30:00.000001+00"


def test_a_declared_format_tells_no_more_than_the_type_holds() -> None:
    assert cast("01.04.2025 00:00", "date", "%d.%m.%Y %H:%M") == "2025-04-01"
    assert cast("01.04.2025 10:30", "date", "%d.%m.%Y %H:%M") is None
    assert cast("2025-04-01 10:30:00,000001001", "timestamp", "%Y-%m-%d %H:%M:%S,%n") is None


@pytest.mark.parametrize(
    "kind", ["decimal", "hugeint", "time", "decimal(40,2)", "decimal(2,3)", "interval", "decimal(3,1)[]", "struct(a timestamp)"]
)
def test_a_type_that_a_table_cannot_hold_is_refused(kind: str) -> None:
    with pytest.raises(ValueError, match=r"unknown type|needs its precision|precision is|not exact in JSON"):
        canonical_type(kind)


def test_a_zone_s_name_says_nothing_of_the_rows_that_follow() -> None:
    column = Column(name="x", type="timestamp")
    zones = [" Europe/Berlin", "", " Etc/GMT+5", "", "+02", "", " NZ", "", "Z", ""]
    texts = [f"2025-07-01 12:00:00{zone}" for zone in zones]
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        tried = f"select t, {attempt('t', column)} as tried from (select unnest(?) as t)"
        query = f"select cast({exact('t', 'tried', column)} as varchar) from ({tried})"
        found = [row[0] for row in connection.execute(query, [texts]).fetchall()]
    assert [text[11:16] for text in found] == ["10:00", "12:00", "17:00", "12:00", "10:00", "12:00", "00:00", "12:00", "12:00", "12:00"]
