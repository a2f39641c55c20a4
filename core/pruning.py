"""Which of a table's files a query can do without: its plain conditions against the statistics in the log. Pure.

Only what is certain counts: a comparison of one column with a constant, in the `where` of the one place that names the table. Everything
else is left to DuckDB, which reads the files' footers.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from core.quoting import identifier
from core.remembered import remembered


@dataclass(frozen=True)
class Condition:
    """`column operator operand` holds for every row that a query wants; operands are constant SQL. `in` has several, `between` two."""

    column: str
    operator: str
    operands: tuple[str, ...]
    textual: bool


def conditions(query: str) -> dict[str, tuple[Condition, ...]]:
    """Return the conditions that a query puts on each table which it names once (as `tables_in` names it)."""
    found: dict[str, tuple[Condition, ...]] = {}
    for name, column, operator, operands, textual in _conditions_in(query):
        found[name] = (*found.get(name, ()), Condition(column, operator, tuple(operands), textual))
    return found


@remembered
def _conditions_in(query: str) -> list[tuple[str, str, str, tuple[str, ...], bool]]:
    import sqlglot
    from sqlglot import exp
    from sqlglot.optimizer.scope import traverse_scope

    parsed = sqlglot.parse_one(query, read="duckdb")
    if not isinstance(parsed, exp.Query):
        return []
    places = [
        (scope, alias, source)
        for scope in traverse_scope(parsed)
        for alias, source in scope.sources.items()
        if isinstance(source, exp.Table) and source.name
    ]
    names = [f"{source.db}.{source.name}" if source.db else source.name for _, _, source in places]
    lowered = [name.lower() for name in names]  # SQL does not tell Orders from orders
    return [
        (name, found.column, found.operator, found.operands, found.textual)
        for name, (scope, alias, _) in zip(names, places, strict=True)
        if lowered.count(name.lower()) == 1
        for found in _conditions(scope.expression, alias, alone=len(scope.selected_sources) == 1)
    ]


def _conditions(select: Any, alias: str, *, alone: bool) -> Iterator[Condition]:
    where = select.args.get("where")
    for part in where.this.flatten() if where and where.this.key == "and" else [where.this] if where else []:
        found = _condition(part.unnest())
        if found and (found[0].table == alias or (alone and not found[0].table)):
            column, operator, operands = found
            yield Condition(column.name, operator, tuple(o.sql(dialect="duckdb") for o in operands), all(o.is_string for o in operands))


FLIPPED: Final = {"eq": "eq", "lt": "gt", "lte": "gte", "gt": "lt", "gte": "lte"}


def _condition(part: Any) -> tuple[Any, str, tuple[Any, ...]] | None:
    """Return (column, operator, operands) of a comparison with constants, None for anything else."""
    if part.key in FLIPPED:
        left, right = part.this.unnest(), part.expression.unnest()
        if left.key == "column" and _is_constant(right):
            return left, part.key, (right,)
        if right.key == "column" and _is_constant(left):
            return right, FLIPPED[part.key], (left,)
    if (
        part.key == "between"
        and not part.args.get("symmetric")
        and part.this.key == "column"
        and _is_constant(part.args["low"])
        and _is_constant(part.args["high"])
    ):
        return part.this, "between", (part.args["low"], part.args["high"])
    if part.key == "in" and part.this.key == "column" and part.expressions and all(map(_is_constant, part.expressions)):
        return part.this, "in", tuple(part.expressions)
    return None


def _is_constant(node: Any) -> bool:
    """Whether an expression says the same for every row: literals, signs and casts of them."""
    return node.key in ("literal", "boolean") or (node.key in ("neg", "cast", "paren") and _is_constant(node.this))


def file_test(wanted: tuple[Condition, ...], schema: pa.Schema, bounded: Mapping[str, pa.DataType]) -> str:
    """Return the condition, over a file's `actions`, that it may hold a wanted row; '' where nothing can be told.

    `bounded` are the columns that have bounds in the log. DuckDB compares a text column with a number as numbers, its bounds are texts:
    such a condition tells nothing.
    """
    names = {name.lower(): name for name in bounded}
    tests = []
    for condition in wanted:
        name = names.get(condition.column.lower())
        if name and (condition.textual or not pa.types.is_string(schema.field(name).type)):
            tests.append(_test(condition, f"actions.min.{identifier(name)}", f"actions.max.{identifier(name)}"))
    return " and ".join(tests)


def _test(condition: Condition, low: str, high: str) -> str:
    first, last = condition.operands[0], condition.operands[-1]
    held = {
        "lt": f"{low} < {first}",
        "lte": f"{low} <= {first}",
        "gt": f"{high} > {first}",
        "gte": f"{high} >= {first}",
        "between": f"({high} >= {first} and {low} <= {last})",
    }.get(condition.operator) or " or ".join(f"{operand} between {low} and {high}" for operand in condition.operands)
    return f"({low} is null or {high} is null or {held})"
