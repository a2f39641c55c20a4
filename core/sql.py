"""SQL text made from declarations: the conform statement, the order of versions. Pure; nothing here runs a query."""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from core.casts import attempt, exact
from core.contract import Check, Column, Dataset
from core.quoting import identifier, literal
from core.telling import LONGEST_VALUE, VALUE_MARK
from core.types import declared_type, stored_type

IMPOSSIBLE_PARTITIONS: Final = ("", "__hive_default_partition__", "null")
"""Texts, in whatever case, that read as NULL where they are a partition's value: '' to delta-rs, the others to DuckDB."""

# --- conform ------------------------------------------------------------------------------------------------------------------------


TEXTS_ALONE: Final[Mapping[str, str]] = MappingProxyType({})
"""A reader gives no values."""


def conform(dataset: Dataset, relation: str, values: Mapping[str, str] = TEXTS_ALONE) -> str:
    """Return the query that turns a reader's text rows into typed rows, each with its reasons (NULL when it is accepted).

    `values` are columns of which the reader may give the value itself, exactly, under that name, and no text then.

    Columns: `_file`, the contract's columns, `_rescued` where it is declared, `_reasons` (varchar[]), those of `stored_verdicts` (names of
    broken checks), `_raw` (the record as it came, of refused rows only); `_problem` where a check looks into other tables. What no one
    asks for is not kept: a column of NULLs is memory too.
    """
    rescued = ["_rescued"] if dataset.source.unknown_columns == "rescue" else []
    read = [f"read.{identifier(c.name)} as {identifier(f'_{n}')}" for n, c in enumerate(dataset.read_columns)]
    tried = [f"{_tried('read.' + identifier(c.name), c, values)} as _t{n}" for n, c in enumerate(dataset.read_columns)]
    typed = [f"{_typed(n, c, values)} as {identifier(c.name)}" for n, c in enumerate(dataset.read_columns)]
    computed = [f"try({_computed(c)}) as {identifier(c.name)}" for c in dataset.computed_columns]
    attempts = ", ".join(f"_t{n}" for n in range(len(tried)))
    columns = [identifier(column.name) for column in dataset.columns]
    broken = [f"{_broken(dataset, action)} as {verdict}" for action, verdict in VERDICTS.items() if verdict in stored_verdicts(dataset)]
    problem = ["_problem"] if any(check.looks_elsewhere for check in dataset.checks) else []
    return (
        f"with read as (\n{_indent(relation)}\n),\n"
        + _step("tried", ["_file", "_problem", "_raw", *rescued, *read, *tried], "read")
        + _step("typed", [f"* exclude ({attempts})", *typed], "tried")
        + _step("computed", ["*", *computed], "typed")
        + _step("checked", ["*", *_verdicts(dataset)], "computed")
        + _step("judged", ["*", f"{_reasons(dataset, values)} as _reasons", *broken], "checked").rstrip(",\n")
        + _select(["_file", *problem, *columns, *rescued, "_reasons", *stored_verdicts(dataset), RAW_WHERE_REFUSED], "judged")
    )


VERDICTS: Final = {"quarantine": "_reasons", "fail": "_failed", "warn": "_warned"}
"""Where the checks of an action leave their names."""


def stored_verdicts(dataset: Dataset) -> tuple[str, ...]:
    """Return the columns, beside `_reasons`, in which conform leaves the names of broken checks."""
    return tuple(VERDICTS[action] for action in ("fail", "warn") if _row_checks(dataset, action))


RAW_WHERE_REFUSED: Final = "case when _reasons is not null then _raw end as _raw"


def _step(name: str, columns: Sequence[str], source: str) -> str:
    return f"{name} as ({_indent(_select(columns, source))}\n),\n"


def _select(columns: Sequence[str], source: str) -> str:
    return f"\nselect {', '.join(columns[:1])}{''.join(',' + chr(10) + '       ' + column for column in columns[1:])}\nfrom {source}"


def _tried(text: str, column: Column, values: Mapping[str, str]) -> str:
    """Return the value that the reader gives in place of a text, otherwise the cast that may be wrong."""
    cast = attempt(text, column)
    return f"case when {text} is null then read.{identifier(values[column.name])} else {cast} end" if column.name in values else cast


def _typed(number: int, column: Column, values: Mapping[str, str]) -> str:
    """Return what is exact of it: of a reader's value there is nothing to ask."""
    text, tried = f"_{number}", f"_t{number}"
    kept = exact(text, tried, column)
    return f"case when {text} is null then {tried} else {kept} end" if column.name in values else kept


def _computed(column: Column) -> str:
    return f"cast({expression(column.sql or '')} as {stored_type(column.type)})"


def expression(sql: str) -> str:
    """Return a declared expression so that nothing in it, not even a comment, reaches beyond its parentheses."""
    return f"({sql}\n)" if "--" in sql else f"({sql})"


def _verdicts(dataset: Dataset) -> list[str]:
    """Return a column for each row check (0 passed, 1 broken, 2 could not be computed) and for each computed column (whether it failed)."""
    checks = [
        f"coalesce(try(if({expression(check.sql)} is false, 1, 0)), 2) as _k{n}"
        for n, check in enumerate(dataset.checks)
        if not check.looks_elsewhere
    ]
    failed = [
        f"if({identifier(c.name)} is null, try({_computed(c)} is null) is null, false) as _f{n}"
        for n, c in enumerate(dataset.computed_columns)
    ]
    return [*checks, *failed]


def _reasons(dataset: Dataset, values: Mapping[str, str]) -> str:
    """Return the list of what speaks against a row. A record that could not be read has no columns to judge."""
    found = [reason for column in dataset.columns for reason in _column_reasons(dataset, column, values)]
    found += [(f"_f{n}", literal(f"{c.name}: cannot be computed")) for n, c in enumerate(dataset.computed_columns)]
    for n, check in _row_checks(dataset, "quarantine"):
        found += [(f"_k{n} = 1", literal(f"check {check.name}")), (f"_k{n} = 2", literal(f"check {check.name}: cannot be computed"))]
    return _list(found, first="when _problem is not null then [_problem]\n           ")


def _column_reasons(dataset: Dataset, column: Column, values: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return (condition, reason) for each way in which a column refuses a row; the reason quotes its value where the dataset says so."""
    found = []
    numbers = {c.name: n for n, c in enumerate(dataset.read_columns)}
    name, number = identifier(column.name), numbers.get(column.name)
    text = name if number is None else identifier(f"_{number}")
    if number is not None and column.type != "varchar":
        found.append(
            (
                f"{text} is not null and {name} is null",
                literal(f"{column.name}: not {declared_type(column.type)}") + _quoting(dataset, text),
            )
        )
    if column.required or column.name in dataset.key:
        missing = f"{text} is null and {name} is null" if column.name in values else f"{text} is null"
        found.append((missing, literal(f"{column.name}: required")))
    if column.name in dataset.target.partition_by and column.type == "varchar":
        texts = ", ".join(literal(value) for value in IMPOSSIBLE_PARTITIONS)
        found.append(
            (f"lower({name}) in ({texts})", literal(f"{column.name}: a partition's value cannot be this text") + _quoting(dataset, text))
        )
    return found


def _quoting(dataset: Dataset, text: str) -> str:
    """Return what puts a value behind its reason, kept apart by a mark so that reasons can be counted without it; mostly nothing."""
    if not dataset.reports.values:
        return ""
    return f" || {literal(VALUE_MARK)} || if(length({text}) > {LONGEST_VALUE}, left({text}, {LONGEST_VALUE}) || '...', {text})"


def without_value(reason: str) -> str:
    return f"split_part({reason}, {literal(VALUE_MARK)}, 1)"


def with_value(reason: str) -> str:
    return f"replace({reason}, {literal(VALUE_MARK)}, ': ')"


def _broken(dataset: Dataset, action: str) -> str:
    """Return the list of the checks of one action that a row breaks, or for which they could not be computed."""
    return _list([(f"_problem is null and _k{n} > 0", literal(check.name)) for n, check in _row_checks(dataset, action)])


def _row_checks(dataset: Dataset, action: str) -> list[tuple[int, Check]]:
    return [(n, check) for n, check in enumerate(dataset.checks) if check.action == action and not check.looks_elsewhere]


def _list(pairs: Sequence[tuple[str, str]], *, first: str = "") -> str:
    """Return the list of the reasons whose condition holds, NULL for none: the list is only made for rows that need one.

    `first` is a case that comes before them, and leaves them unasked.
    """
    if not pairs:
        return f"case {first.rstrip()} end" if first else "null::varchar[]"
    either = "\n               or ".join(condition for condition, _ in pairs)
    cases = ",\n               ".join(f"case when {condition} then {reason} end" for condition, reason in pairs)
    return (
        f"case {first}when {either}\n"
        f"           then list_filter([\n               {cases}\n           ], lambda reason: reason is not null) end"
    )


QUOTED: Final = re.compile(r"""--[^\n]*|/\*.*?\*/|'[^']*'|"[^"]*"|\$(\w*)\$.*?\$\1\$""", re.DOTALL)
"""A remark, or a text or name in quotes."""


def _indent(text: str) -> str:
    """Indent a query, but not one in which a text or a name goes over a line's end: it would be another one."""
    if any("\n" in found[0] and found[0][0] in "'\"$" for found in QUOTED.finditer(text)):
        return text
    return "\n".join("    " + line if line else line for line in text.split("\n"))


# --- order ---------------------------------------------------------------------------------------------------------------------------

PROVENANCE: Final = ("_source_time", "_source", "_row")


def version_of(alias: str, order_by: Sequence[str], provenance: Sequence[str] = PROVENANCE) -> str:
    """Return a value by which two versions of a key compare: the declared order, then the object's time, then its name and the row.

    NULL in `order_by` is older than any value; the last two make the order total, so that no order of arrival changes the table. Without
    `provenance` it is the declared order alone, in which two versions may be equal.
    """
    declared = [part for name in order_by for part in (f"{alias}.{identifier(name)} is not null", f"{alias}.{identifier(name)}")]
    return "row(" + ", ".join([*declared, *(f"{alias}.{name}" for name in provenance)]) + ")"


def same_key(left: str, right: str, key: Sequence[str]) -> str:
    return " and ".join(f"{left}.{identifier(name)} = {right}.{identifier(name)}" for name in key)


def same_values(left: str, right: str, names: Sequence[str]) -> str:
    return " and ".join(f"{left}.{identifier(name)} is not distinct from {right}.{identifier(name)}" for name in names)
