"""What is known of a query's relations: which of their columns carry a partition column. Pure."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Columns = frozenset[tuple[str, str]]
"""Columns by (table, name), in lower case."""


@dataclass(frozen=True)
class Relation:
    """What a table or query says of its rows: by partition column, the names under which it is carried, and of those their places.

    Nothing is carried by a whole one (`sliced` is False), nor by the right side of a left join. Places are told where all are known.
    """

    sliced: bool = False
    names: Mapping[str, frozenset[str]] = field(default_factory=dict)
    places: Mapping[str, Mapping[int, str]] = field(default_factory=dict)

    def carried(self, column: str) -> frozenset[str]:
        return self.names.get(column, frozenset())


WHOLE: Final = Relation()


@dataclass(frozen=True)
class Known:
    """What names mean at some place of a query: the sliced inputs, and the CTEs so far. All in lower case."""

    sliced: frozenset[str]
    partition_by: tuple[str, ...]
    ctes: Mapping[str, Relation] = field(default_factory=dict)

    def mentions(self, node: Any) -> bool:
        """Whether anything in a node may read a sliced input."""
        from sqlglot import exp

        return any(self.table(table).sliced for table in node.find_all(exp.Table))

    def table(self, table: Any) -> Relation:
        name = table.name.lower()
        if table.db or name not in {*self.sliced, *self.ctes}:
            return WHOLE
        return self.ctes.get(name) or Relation(sliced=True, names={column: frozenset([column]) for column in self.partition_by})


def carrying(sources: Mapping[str, Relation], column: str) -> Columns:
    """Return the columns of some sources that carry a partition column."""
    return frozenset((alias, name) for alias, source in sources.items() for name in source.carried(column))


def is_one_of(node: Any, columns: Columns) -> bool:
    """Whether an expression is one of these columns and nothing else. A bare name that two tables have is refused by DuckDB."""
    from sqlglot import exp

    if not isinstance(node, exp.Column) or isinstance(node.this, exp.Star) or node.args.get("db"):
        return False
    name = node.name.lower()
    return (node.table.lower(), name) in columns if node.table else any(name == held for _, held in columns)


def equalities(condition: Any) -> Iterator[tuple[Any, Any]]:
    """Return the pairs that are equal wherever a condition holds: those that stand in it joined by `and`."""
    from sqlglot import exp

    condition = condition.unnest() if condition else None
    if isinstance(condition, exp.And):
        yield from equalities(condition.this)
        yield from equalities(condition.expression)
    elif isinstance(condition, exp.EQ | exp.NullSafeEQ):
        yield condition.this.unnest(), condition.expression.unnest()


def refuse_unknown(node: Any, allowed: Collection[str]) -> None:
    """Raise ValueError where a node has parts beyond those that are understood here."""
    alias = node.args.get("alias")
    if getattr(alias, "columns", None):
        raise ValueError(f"{told(alias)} names the columns anew; name them with `as` in a select list")
    if unknown := [name for name, value in node.args.items() if value and name not in allowed]:
        raise ValueError(f"{told(node)}: its {unknown[0].rstrip('_')} cannot be looked through; write it as a plain select, join or CTE")


def told(node: Any) -> str:
    """Return a piece of SQL as an error shows it."""
    text = " ".join(str(node.sql(dialect="duckdb", comments=False)).split())
    return text if len(text) <= 80 else f"{text[:77]}..."
