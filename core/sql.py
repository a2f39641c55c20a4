"""SQL text made from declarations: the conform statement, the order of versions. Pure; nothing here runs a query."""

from collections.abc import Sequence
from typing import Final

from core.casts import attempt, exact
from core.contract import Check, Dataset
from core.quoting import identifier, identifiers, literal
from core.types import declared_type, stored_type

IMPOSSIBLE_PARTITIONS: Final = ("", "__hive_default_partition__", "null")
"""Texts, in whatever case, that read as NULL where they are a partition's value: '' to delta-rs, the others to DuckDB."""

# --- conform ------------------------------------------------------------------------------------------------------------------------


def conform(dataset: Dataset, relation: str) -> str:
    """Return the query that turns a reader's text rows into typed rows, each with its reasons (NULL when it is accepted).

    Columns: `_file`, `_ordinal`, `_problem`, the contract's columns, `_rescued` where it is declared, `_reasons` (varchar[]), `_failed` and
    `_warned` (names of row checks), `_raw` (the record as it came, of refused rows only).
    """
    rescued = ", _rescued" if dataset.source.unknown_columns == "rescue" else ""
    read = [f"read.{identifier(c.name)} as {identifier(f'_{n}')}" for n, c in enumerate(dataset.read_columns)]
    tried = [f"{attempt('read.' + identifier(c.name), c)} as {identifier(f'_t{n}')}" for n, c in enumerate(dataset.read_columns)]
    typed = [f"{exact(f'_{n}', f'_t{n}', c)} as {identifier(c.name)}" for n, c in enumerate(dataset.read_columns)]
    computed = [f"try(cast(({c.sql}) as {stored_type(c.type)})) as {identifier(c.name)}" for c in dataset.computed_columns]
    reasons = [*_reader_reasons(), *_column_reasons(dataset), *_check_reasons(row_checks(dataset, "quarantine"))]
    columns = identifiers(column.name for column in dataset.columns)
    attempts = ", ".join(f"_t{n}" for n in range(len(tried)))
    steps = [
        f"with read as (\n{_indent(relation)}\n)",
        f"tried as (\n    select _file, _ordinal, _problem, _raw{rescued},\n           {_lines([*read, *tried])}\n    from read\n)",
        f"typed as (\n    select * exclude ({attempts}),\n           {_lines(typed)}\n    from tried\n)",
        f"computed as (\n    select *{''.join(', ' + c for c in computed)}\n    from typed\n)" if computed else "computed as (from typed)",
        f"judged as (\n    select *,\n           {_list(reasons)} as _reasons,\n           {_names(dataset, 'fail')} as _failed,\n"
        f"           {_names(dataset, 'warn')} as _warned\n    from computed\n)",
    ]
    return ",\n".join(steps) + (
        f"\nselect _file, _ordinal, _problem, {columns}{rescued}, _reasons, _failed, _warned,\n"
        "       case when _reasons is not null then _raw end as _raw\nfrom judged"
    )


def row_checks(dataset: Dataset, action: str) -> tuple[Check, ...]:
    return tuple(check for check in dataset.checks if check.action == action and not check.looks_elsewhere)


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
            found.append((f"lower({name}) in ({options})", literal(f"{column.name}: a partition's value cannot be this text")))
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
