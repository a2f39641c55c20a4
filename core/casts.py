"""Exact casts: text becomes a value only where it says exactly that value. Pure.

DuckDB's own casts round (`1.7` to 2, `1.005` to 1.01), drop the time of day and know infinite dates: nothing of that is let through.
Two expressions a column, so that the cast is computed once: `attempt` the quick one, `exact` what remains of it.
"""

from typing import Final

from core.contract import Column
from core.quoting import literal

INTEGERS: Final = ("tinyint", "smallint", "integer", "bigint")
FIRST, LAST = "0001-01-01", "9999-12-31"
"""The days that Delta, Athena and Python all can hold."""


def attempt(text: str, column: Column) -> str:
    """Return the cast that may be wrong, or NULL."""
    if column.format:
        return f"try_cast(try_strptime({text}, {literal(column.format)}) as {column.type})"
    if column.type in ("varchar", "json"):
        return text
    if _is_nested(column.type):
        return f"try_cast(try_cast({text} as json) as {column.type})"
    return f"try_cast({text} as {column.type})"


def exact(text: str, tried: str, column: Column) -> str:
    """Return the column's value: the attempt where it is true to the text, a second look where the text is written otherwise, else NULL."""
    kind = column.type
    if column.format:
        return _within(tried, kind)
    if kind == "json":
        return f"case when json_valid({text}) then {text} end"
    if kind in INTEGERS:
        return _spelt(text, tried, kind, r"\s*[+-]?[0-9]+(\.0*)?\s*", f"regexp_extract({text}, '[+-]?[0-9]+')")
    if _is_nested(kind):
        return _nested(text, tried)
    if kind.startswith("decimal"):
        return _spelt(text, tried, kind, _decimal_pattern(kind), text)
    if kind == "date":
        moment = f"try_cast({text} as timestamp)"
        midnight = f"case when {moment} = date_trunc('day', {moment}) then cast({moment} as date) end"
        return _within(f"case when cast({tried} as varchar) = {text} then {tried} else {midnight} end", kind)
    if kind == "timestamptz":
        return _within(f"case when length({text}) > 26 and {_finer_than_microseconds(text)} then null else {tried} end", kind)
    if kind in ("float", "double"):
        written = f"isfinite({tried}) or isnan({tried}) or contains(lower({text}), 'inf')"
        return f"case when ({written}) and not contains({text}, '_') then {tried} end"
    return tried


def _is_nested(kind: str) -> bool:
    return kind.endswith("]") or kind.startswith("struct")


def _spelt(text: str, tried: str, kind: str, pattern: str, otherwise: str) -> str:
    """Take the attempt where it is written as the text is; else (`007`, `1.50`, `+5`) cast again if the text has the type's form."""
    again = f"when regexp_full_match({text}, {literal(pattern)}) then try_cast({otherwise} as {kind})"
    return f"case when cast({tried} as varchar) = {text} then {tried} {again} end"


def _decimal_pattern(kind: str) -> str:
    scale = int(kind[:-1].split(",")[1])
    if scale == 0:
        return r"\s*[+-]?[0-9]+(\.0*)?\s*"
    return rf"\s*[+-]?([0-9]+\.?|[0-9]*\.[0-9]{{1,{scale}}})0*\s*"


def _nested(text: str, tried: str) -> str:
    """Take nested JSON where all that stands in it has come through: no key dropped, no leaf other than it is written (1.7 as 2)."""
    return f"case when json_contains(to_json({tried}), try_cast({text} as json)) then {tried} end"


def _finer_than_microseconds(text: str) -> str:
    return rf"regexp_matches({text}, '\.[0-9]{{6}}[0-9]*[1-9]')"


def _within(moment: str, kind: str) -> str:
    return f"case when {within(moment, kind)} then {moment} end"


def within(moment: str, kind: str) -> str:
    """Return the condition that a date or timestamp lies in the years that every reader of a table can hold."""
    midnight, end_of_day = ("", "") if kind.lower() == "date" else (" 00:00:00Z", " 23:59:59.999999Z")
    return f"{moment} between {kind} '{FIRST}{midnight}' and {kind} '{LAST}{end_of_day}'"
