"""Exact casts: text becomes a value only where it says exactly that value. Pure.

DuckDB's own casts round (`1.7` to 2, `1.005` to 1.01, `1e-400` to 0), drop the time of day and what is finer than microseconds, take
`25-01-01` for the year 25 and `epoch` for a day, know infinite dates and offsets of 25 hours: nothing of that is let through.
Two expressions a column, so that the cast is computed once: `attempt` the quick one, `exact` what remains of it.
"""

import re
from typing import Final

from core.contract import Column
from core.quoting import literal

INTEGERS: Final = ("tinyint", "smallint", "integer", "bigint")
FIRST, LAST = "0001-01-01", "9999-12-31"
START, END, DAY_AFTER_EPOCH = f"{FIRST} 00:00:00Z", f"{LAST} 23:59:59.999999Z", "1970-01-02 00:00:00Z"
"""The days that Delta, Athena and Python all can hold."""

YEAR: Final = r"^\s*[0-9]{4}"
OFFSET: Final = "[+-](1[5-9]|[2-9][0-9])(:?[0-9]{2})?$|[+-][0-9]{2}:?[6-9][0-9]$"
"""An offset that no zone has: 15 hours and more, or 60 minutes."""

CLOCK: Final = re.compile(r"%-?[HIMSpfgnTXcrRzZ]")
"""The parts of a strptime format that tell more than the day."""


def attempt(text: str, column: Column) -> str:
    """Return the cast that may be wrong, or NULL."""
    if column.format:
        return f"try_cast(try_strptime({text}, {literal(column.format)}) as {column.type})"
    if column.type in ("varchar", "json"):
        return text
    if _is_nested(column.type):
        return f"try_cast(try_cast({text} as json) as {column.type})"
    cast = f"try_cast({text} as {column.type})"
    if column.type == "timestamptz":  # apart, because DuckDB 1.5.5 reads what follows a zone's name as if it stood there, too
        return f"case when ends_with({text}, 'Z') then {cast} when regexp_matches({text}, '[A-Za-z][A-Za-z]') then {cast} else {cast} end"
    return cast


def exact(text: str, tried: str, column: Column) -> str:
    """Return the column's value: the attempt where it is true to the text, a second look where the text is written otherwise, else NULL."""
    kind = column.type
    if column.format:
        return _within(_parsed(text, tried, column), kind)
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
        whole = f"{moment} = date_trunc('day', {moment}) and regexp_matches({text}, {literal(YEAR)}) and not {_finer(text)}"
        return _within(f"case when cast({tried} as varchar) = {text} then {tried} when {whole} then cast({moment} as date) end", kind)
    if kind == "timestamptz":
        return _moment(text, tried)
    if kind in ("float", "double"):
        written = f"isfinite({tried}) or isnan({tried}) or contains(lower({text}), 'inf')"
        kept = f"{tried} <> 0 or not regexp_matches({text}, '^[^eE]*[1-9]')"
        return f"case when ({written}) and not contains({text}, '_') and ({kept}) then {tried} end"
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


def _moment(text: str, tried: str) -> str:
    """Take a moment no finer than microseconds, whose offset can exist and whose year has four digits (`epoch` has none).

    First as nearly all are written (`2026-11-20T10:00:00Z`): too short for a fraction so fine or for an offset.
    """
    plain = f"length({text}) <= 20 and ends_with({text}, 'Z') and {tried} between timestamptz '{DAY_AFTER_EPOCH}' and timestamptz '{END}'"
    offset = f"length({text}) > 19 and not ends_with({text}, 'Z') and regexp_matches(right({text}, 6), {literal(OFFSET)})"
    spelt = f"{tried} >= timestamptz '{DAY_AFTER_EPOCH}' or regexp_matches({text}, {literal(YEAR)})"
    refused = f"{_finer(text)} or ({offset})"
    return f"case when {plain} then {tried} when {refused} then null when {within(tried, 'timestamptz')} and ({spelt}) then {tried} end"


def _parsed(text: str, tried: str, column: Column) -> str:
    """Take what a declared format gives where the type holds all of it: a date no time of day, a timestamp no nanoseconds."""
    parsed, form = f"try_strptime({text}, {literal(column.format or '')})", column.format or ""
    if column.type == "date" and CLOCK.search(form):
        return f"case when {parsed} = {tried} then {tried} end"
    if "%n" in form:
        return f"case when cast(cast({tried} as timestamp) as timestamp_ns) = {parsed} then {tried} end"
    return tried


def _finer(text: str) -> str:
    """Return the condition that a moment is written finer than microseconds; only texts with so long an end are asked."""
    return rf"(strpos({text}, '.') between 1 and length({text}) - 7 and regexp_matches({text}, '\.[0-9]{{6}}[0-9]*[1-9]'))"


def _within(moment: str, kind: str) -> str:
    return f"case when {within(moment, kind)} then {moment} end"


def within(moment: str, kind: str) -> str:
    """Return the condition that a date or timestamp lies in the years that every reader of a table can hold."""
    first, last = (FIRST, LAST) if kind.lower() == "date" else (START, END)
    return f"{moment} between {kind} '{first}' and {kind} '{last}'"
