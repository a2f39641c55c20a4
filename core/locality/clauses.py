"""What a select makes of the rows that it reads: its windows, its groups, its result. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from core.locality.known import Columns, Known, Relation, carrying, is_one_of, refuse_unknown, told

Carried = Mapping[str, Columns]
"""By partition column, the columns of a select's `from` that carry it."""


def refuse_subqueries(select: Any, known: Known) -> None:
    """A subquery in an expression sees all rows of what it reads."""
    for part in _parts(select):
        if known.mentions(part):
            raise ValueError(f"a subquery in an expression reads a sliced input: {told(part)}; join it on {known.partition_by[0]}")


def refuse_windows(select: Any, carried: Carried) -> None:
    """A window sees the rows of its partition only where it is partitioned by it."""
    from sqlglot import exp

    for node in _nodes(select):
        if isinstance(node, exp.Columns | exp.PositionalColumn | exp.Explode):
            raise ValueError(f"{told(node)}: nobody knows its columns; name them (and unnest in from)")
        if isinstance(node, exp.Window):
            if node.args.get("alias"):
                raise ValueError(f"{told(node)}: a named window cannot be looked through; write it out")
            for column in carried:
                if not any(is_one_of(part.unnest(), carried[column]) for part in node.args.get("partition_by") or ()):
                    raise ValueError(f"window {told(node)} without partition by {column}; add it")


def refuse_groups(select: Any, carried: Carried) -> None:
    """Rows that become one are of one partition."""
    from sqlglot import exp

    group, distinct = select.args.get("group"), select.args.get("distinct")
    if distinct and distinct.args.get("on"):
        on = distinct.args["on"]
        _refuse_unless_in(on.expressions if isinstance(on, exp.Tuple) else [on], carried, f"distinct on {told(on)}")
    if group:
        refuse_unknown(group, {"expressions", "all"})
        if any(isinstance(part, exp.Rollup | exp.Cube | exp.GroupingSets) for part in group.expressions):
            raise ValueError(f"{told(group)} adds up over several {', '.join(carried)}; group by each set in a select of its own")
        if not group.args.get("all"):
            _refuse_unless_in([_item(part, select) for part in group.expressions], carried, told(group))
    elif any(isinstance(node, exp.AggFunc) and not node.find_ancestor(exp.Window) for part in select.expressions for node in _own(part)):
        raise ValueError(f"{told(select)} adds up everything; group by {', '.join(carried)}")


def _item(part: Any, select: Any) -> Any:
    """Return what an expression of a `group by` stands for: `2` and an alias are what stands in the select list."""
    from sqlglot import exp

    items = select.expressions
    if isinstance(part, exp.Literal) and part.name.isdigit() and not any(_star(item) for item in items):
        place = int(part.name) - 1
        return items[place].unalias() if place in range(len(items)) else part
    aliases = {item.alias.lower(): item.this for item in items if isinstance(item, exp.Alias)}
    bare = isinstance(part, exp.Column) and not part.table
    return aliases.get(part.name.lower(), part) if bare else part


def _refuse_unless_in(parts: list[Any], carried: Carried, clause: str) -> None:
    for column in carried:
        if not any(is_one_of(part.unnest(), carried[column]) for part in parts):
            raise ValueError(f"{clause} lacks {column}; add it")


# --- the select list -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Item:
    """One entry of a select list: its name ('' for a star), and the names by which it carries each partition column."""

    name: str
    names: Mapping[str, frozenset[str]]
    left_out: frozenset[str] = frozenset()

    def may_be(self, name: str) -> bool:
        return name not in self.left_out if not self.name else name == self.name


def result(select: Any, sources: Mapping[str, Relation], carried: Carried) -> Relation:
    """Return what a select carries; each partition column must be in its list, and under a name that nothing else there can have."""
    items = [_read(item, select, sources, carried) for item in select.expressions]
    names = {column: frozenset(name for item in items for name in item.names[column]) for column in carried}
    for column, found in names.items():
        if not found:
            raise ValueError(f"{told(select)} has no plain column {column} of a sliced input; select it")
        for name in found:
            if sum(item.may_be(name) for item in items) > 1:
                raise ValueError(f"{told(select)} may have two columns {name}; name its columns, or exclude it from the `*`")
    if any(not item.name for item in items):
        return Relation(True, names)
    places = {column: {n: item.name for n, item in enumerate(items) if item.names[column]} for column in carried}
    return Relation(True, names, places)


def _read(item: Any, select: Any, sources: Mapping[str, Relation], carried: Carried) -> Item:
    from sqlglot import exp

    if star := _star(item):
        return _starred(item, star, select, sources, carried)
    if any(isinstance(node, exp.Star) and not isinstance(node.parent, exp.Count) for node in _own(item)):
        raise ValueError(f"{told(item)}: nobody knows its columns; name them")
    value = item.unalias().unnest()
    name = (item.alias or value.name if isinstance(value, exp.Column) else item.alias).lower() or "?"
    names = {column: frozenset([name]) if is_one_of(value, carried[column]) else frozenset[str]() for column in carried}
    for column in carried:
        if any(name == held for _, held in carried[column]) and not names[column]:
            raise ValueError(f"{told(item)} takes the name of {column} and may not be it; give it another")
    return Item(name, names)


def _star(item: Any) -> Any:
    from sqlglot import exp

    return item if isinstance(item, exp.Star) else item.this if isinstance(item, exp.Column) and isinstance(item.this, exp.Star) else None


def _starred(item: Any, star: Any, select: Any, sources: Mapping[str, Relation], carried: Carried) -> Item:
    table = item.table.lower() if item is not star else ""
    if star.args.get("rename") or star.args.get("replace") or (table and table not in sources):
        raise ValueError(f"{told(item)}: nobody knows its columns; name them")
    left_out = frozenset(str(column.name).lower() for column in star.args.get("except_") or ())
    of = {table: sources[table]} if table else sources
    names = {column: frozenset(name for _, name in carrying(of, column)) - left_out for column in carried}
    for join in (select.args.get("joins") or ()) if not table else ():
        using = {str(column.name).lower() for column in join.args.get("using") or ()}
        if join.kind not in ("SEMI", "ANTI") and not frozenset[str]().union(*names.values()) <= using:
            raise ValueError(
                f"* over several tables may have two columns {', '.join(carried)}; name the columns, or take one table's (t.*)"
            )
    return Item("", names, left_out)


# --- walking -------------------------------------------------------------------------------------------------------------------------


def _parts(select: Any) -> Iterator[Any]:
    """Return a select's clauses but for what it reads."""
    for name in ("expressions", "where", "group", "having", "qualify", "distinct", "order"):
        found = select.args.get(name)
        yield from found if isinstance(found, list) else [found] if found else []
    for join in select.args.get("joins") or ():
        if join.args.get("on"):
            yield join.args["on"]


def _nodes(select: Any) -> Iterator[Any]:
    for part in _parts(select):
        yield from _own(part)


def _own(part: Any) -> Iterator[Any]:
    """Return the nodes of an expression that are not in a subquery."""
    from sqlglot import exp

    for node in part.walk(prune=lambda node: isinstance(node, exp.Query)):
        if not isinstance(node, exp.Query):
            yield node
