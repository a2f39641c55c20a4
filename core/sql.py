"""SQL text made from declarations: quoting, exact casts, the conform statement. Pure; nothing here runs a query."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from core.contract import Check, Column, Dataset
from core.types import declared_type, stored_type

IMPOSSIBLE_PARTITIONS: Final = ("", "__HIVE_DEFAULT_PARTITION__")
"""Texts that a partition's folder cannot tell from NULL (Delta reads a partition value '' back as NULL)."""


def identifier(name: str) -> str:
    """Quote a name; the only way by which a name reaches SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a text; the only way by which a value reaches SQL."""
    return "'" + text.replace("'", "''") + "'"


def identifiers(names: Iterable[str], prefix: str = "") -> str:
    return ", ".join(prefix + identifier(name) for name in names)


def texts(values: Iterable[str]) -> str:
    """Return a list literal of texts."""
    return "[" + ", ".join(literal(value) for value in values) + "]"


# --- exact casts --------------------------------------------------------------------------------------------------------------------


def exact_cast(text: str, column: Column) -> str:
    """Return an expression of the column's type that is NULL wherever the text does not say exactly one such value.

    DuckDB's own casts round (`1.7` to 2, `1.005` to 1.01), drop the time of day, and know infinite dates: none of that is let through.
    """
    kind = column.type
    if column.format:
        return _bounded(f"try_strptime({text}, {literal(column.format)})", kind)
    if kind == "varchar":
        return text
    if kind == "json":
        return f"case when json_valid({text}) then {text} end"
    if kind in ("tinyint", "smallint", "integer", "bigint"):
        return _round_trip(text, kind, r"\s*[+-]?[0-9]+(\.0*)?\s*", f"regexp_extract({text}, '[+-]?[0-9]+')")
    if kind.startswith("decimal") and not kind.endswith("]"):
        scale = int(kind[:-1].split(",")[1])
        return _round_trip(
            text, kind, rf"\s*[+-]?([0-9]+\.?|[0-9]*\.[0-9]{{1,{max(scale, 1)}}})0*\s*" if scale else r"\s*[+-]?[0-9]+(\.0*)?\s*", text
        )
    if kind == "date":
        as_time = f"try_cast({text} as timestamp)"
        return _bounded(f"case when {as_time} = date_trunc('day', {as_time}) then {as_time} end", kind)
    if kind == "timestamptz":
        return _bounded(f"case when not ({_finer_than_microseconds(text)}) then try_cast({text} as timestamptz) end", kind)
    if kind.endswith("]") or kind.startswith("struct"):
        return _nested(text, kind)
    if kind in ("float", "double"):
        cast = f"try_cast({text} as {kind})"
        return (
            f"case when (isfinite({cast}) or isnan({cast}) or contains(lower({text}), 'inf')) and not contains({text}, '_') then {cast} end"
        )
    return f"try_cast({text} as {kind})"


def _round_trip(text: str, kind: str, pattern: str, otherwise: str) -> str:
    cast = f"try_cast({text} as {kind})"
    return (
        f"case when cast({cast} as varchar) = {text} then {cast} "
        f"when regexp_full_match({text}, {literal(pattern)}) then try_cast({otherwise} as {kind}) end"
    )


def _nested(text: str, kind: str) -> str:
    """Cast JSON to a nested type; where a leaf comes out other than it stands there (1.7 as 2), it is not that type."""
    json, spelt = f"try_cast({text} as json)", re.sub(r"\b(tinyint|smallint|integer|bigint)\b(?=[\[\],) ]|$)", "varchar", kind)
    cast = f"try_cast({json} as {kind})"
    return f"case when try_cast({json} as {spelt}) is not distinct from cast({cast} as {spelt}) then {cast} end"


def _finer_than_microseconds(text: str) -> str:
    return rf"length({text}) > 26 and regexp_matches({text}, '\.[0-9]{{6}}[0-9]*[1-9]')"


def _bounded(moment: str, kind: str) -> str:
    """Keep a moment within the years 1 to 9999: what Delta, Athena and Python all can hold."""
    return f"try_cast(case when year({moment}) between 1 and 9999 then {moment} end as {kind})"


# --- conform ------------------------------------------------------------------------------------------------------------------------


def conform(dataset: Dataset, relation: str) -> str:
    """Return the query that turns a reader's text rows into typed rows, each with its reasons (NULL when it is accepted).

    Columns: `_file`, `_ordinal`, `_problem`, the contract's columns, `_rescued` where it is declared, `_reasons` (varchar[]), `_failed` and
    `_warned` (names of row checks), `_raw` (the record as it came, of refused rows only).
    """
    rescued = ", _rescued" if dataset.source.unknown_columns == "rescue" else ""
    read = [f"read.{identifier(c.name)} as {identifier(f'_{n}')}" for n, c in enumerate(dataset.read_columns)]
    typed = [f"{exact_cast('read.' + identifier(c.name), c)} as {identifier(c.name)}" for c in dataset.read_columns]
    computed = [f"try(cast(({c.sql}) as {stored_type(c.type)})) as {identifier(c.name)}" for c in dataset.computed_columns]
    reasons = [*_reader_reasons(), *_column_reasons(dataset), *_check_reasons(row_checks(dataset, "quarantine"))]
    columns = identifiers(column.name for column in dataset.columns)
    steps = [
        f"with read as (\n{_indent(relation)}\n)",
        f"typed as (\n    select _file, _ordinal, _problem, _raw{rescued},\n           {_lines([*read, *typed])}\n    from read\n)",
        f"computed as (\n    select *{''.join(', ' + c for c in computed)}\n    from typed\n)" if computed else "computed as (from typed)",
        f"judged as (\n    select *,\n           {_list(reasons)} as _reasons,\n           {_names(dataset, 'fail')} as _failed,\n"
        f"           {_names(dataset, 'warn')} as _warned\n    from computed\n)",
    ]
    return ",\n".join(steps) + (
        f"\nselect _file, _ordinal, _problem, {columns}{rescued}, _reasons, _failed, _warned,\n"
        "       case when _reasons is not null then _raw end as _raw\nfrom judged"
    )


def row_checks(dataset: Dataset, action: str) -> tuple[Check, ...]:
    return tuple(check for check in dataset.checks if check.action == action and not looks_elsewhere(check))


def looks_elsewhere(check: Check) -> bool:
    """Whether a check reads another table: those run after the rows have their order, a join would lose it."""
    return re.search(r"\bselect\b", check.sql, re.IGNORECASE) is not None


def _reader_reasons() -> list[tuple[str, str]]:
    return [("_problem is not null", "_problem")]


def _column_reasons(dataset: Dataset) -> list[tuple[str, str]]:
    """Return (condition, reason) for each way in which a column refuses a row; a record that could not be read has no columns to judge."""
    found = []
    needed = {column.name for column in dataset.columns if column.required} | set(dataset.key)
    numbers = {column.name: n for n, column in enumerate(dataset.read_columns)}
    for column in dataset.columns:
        name, number = identifier(column.name), numbers.get(column.name)
        text = identifier(f"_{number}") if number is not None else None
        if text and column.type != "varchar":
            unfit = f"_problem is null and {text} is not null and {name} is null"
            found.append((unfit, literal(f"{column.name}: not {declared_type(column.type)}")))
        if column.name in needed:
            absent = text or name
            found.append((f"_problem is null and {absent} is null", literal(f"{column.name}: required")))
        if column.name in dataset.target.partition_by and column.type == "varchar":
            options = ", ".join(literal(value) for value in IMPOSSIBLE_PARTITIONS)
            found.append((f"{name} in ({options})", literal(f"{column.name}: a partition's value cannot be this text")))
    return found


def _check_reasons(checks: Sequence[Check]) -> list[tuple[str, str]]:
    return [(f"_problem is null and ({check.sql}) is false", literal(f"check {check.name}")) for check in checks]


def _names(dataset: Dataset, action: str) -> str:
    return _list(
        [
            (condition, literal(check.name))
            for check in row_checks(dataset, action)
            for condition in [f"_problem is null and ({check.sql}) is false"]
        ]
    )


def _list(pairs: Sequence[tuple[str, str]]) -> str:
    """Return the list of the reasons whose condition holds, NULL for none: the list is only made for rows that need one."""
    if not pairs:
        return "null::varchar[]"
    either = " or ".join(f"({condition})" for condition, _ in pairs)
    cases = ", ".join(f"case when {condition} then {reason} end" for condition, reason in pairs)
    return f"case when {either} then list_filter([{cases}], lambda reason: reason is not null) end"


def _lines(expressions: Sequence[str]) -> str:
    return ",\n           ".join(expressions)


def _indent(text: str) -> str:
    return "\n".join("    " + line for line in text.splitlines())


# --- order ---------------------------------------------------------------------------------------------------------------------------

PROVENANCE: Final = ("_source_time", "_source", "_row")


def version_of(alias: str, order_by: Sequence[str]) -> str:
    """Return a value by which two versions of a key compare: the declared order, then the object's time, then its name and the row.

    NULL in `order_by` is older than any value; the last two make the order total, so that no order of arrival changes the table.
    """
    declared = [part for name in order_by for part in (f"{alias}.{identifier(name)} is not null", f"{alias}.{identifier(name)}")]
    return "row(" + ", ".join([*declared, *(f"{alias}.{name}" for name in PROVENANCE)]) + ")"


def same_key(left: str, right: str, key: Sequence[str]) -> str:
    return " and ".join(f"{left}.{identifier(name)} = {right}.{identifier(name)}" for name in key)


def same_values(left: str, right: str, names: Sequence[str]) -> str:
    return " and ".join(f"{left}.{identifier(name)} is not distinct from {right}.{identifier(name)}" for name in names)
