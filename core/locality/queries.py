"""What tables, subqueries, joins and unions carry, from the inside out; raises ValueError where rows of different partitions meet. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from core.locality import clauses
from core.locality.known import WHOLE, Known, Relation, carrying, equalities, is_one_of, refuse_unknown, told

SELECT: Final = {"with_", "expressions", "from_", "joins", "where", "group", "having", "qualify", "distinct", "order"}
COMBINED: Final = {"with_", "this", "expression", "distinct", "by_name", "order"}
JOIN: Final = {"this", "on", "using", "side", "kind"}
"""The parts of a select, of a union and its like, and of a join that are understood here."""

INNER: Final = {("", ""), ("", "CROSS"), ("", "INNER")}
JOINS: Final = INNER | {("LEFT", ""), ("LEFT", "OUTER"), ("", "SEMI"), ("", "ANTI")}
"""Sides and kinds of joins; after each of them a row of the left side is still of its partition."""


def relation(node: Any, known: Known) -> Relation:
    """Return what a table, a subquery or a query carries; it is whole where nothing sliced is named in it."""
    from sqlglot import exp

    if not known.mentions(node):
        return WHOLE
    match node:
        case exp.Subquery() if isinstance(node.this, exp.Query):
            refuse_unknown(node, {"this", "alias", "with_", "order"})
            return relation(node.this, _with(node, known))
        case exp.Select():
            return _select(node, known)
        case exp.SetOperation():
            return _combined(node, known)
        case exp.Table():
            refuse_unknown(node, {"this", "alias"})
            return known.table(node)
    raise ValueError(f"{told(node)} reads a sliced input in a way that cannot be looked through; join it as a table, a subquery or a CTE")


def _with(node: Any, known: Known) -> Known:
    """Return what names mean below a `with`."""
    clause = node.args.get("with_")
    for cte in clause.expressions if clause else ():
        if known.mentions(cte):
            if clause.args.get("recursive"):
                raise ValueError(f"with recursive {cte.alias} reads a sliced input; only whole ones can be read so")
            refuse_unknown(cte, {"this", "alias", "materialized"})
        known = replace(known, ctes={**known.ctes, cte.alias.lower(): relation(cte.this, known)})
    return known


def _select(select: Any, known: Known) -> Relation:
    refuse_unknown(select, SELECT)
    known = _with(select, known)
    sources = _sources(select, known)
    clauses.refuse_subqueries(select, known)
    if not any(source.sliced for source in sources.values()):
        return WHOLE
    carried = {column: carrying(sources, column) for column in known.partition_by}
    clauses.refuse_windows(select, carried)
    clauses.refuse_groups(select, carried)
    return clauses.result(select, sources, carried)


def _combined(node: Any, known: Known) -> Relation:
    """Of a union and its like each branch carries each partition column at the same place, or under the same name."""
    refuse_unknown(node, COMBINED)
    known = _with(node, known)
    left, right = relation(node.this, known), relation(node.expression, known)
    if not (left.sliced or right.sliced):
        return WHOLE
    by_name = bool(node.args.get("by_name"))
    names, places = {}, {}
    for column in known.partition_by:
        here, there = left.places.get(column, {}), right.places.get(column, {})
        places[column] = {} if by_name else {place: name for place, name in here.items() if place in there}
        names[column] = left.carried(column) & right.carried(column) if by_name else frozenset(places[column].values())
        if not names[column]:
            where = "under the same name" if by_name else "at the same place"
            raise ValueError(f"a branch of the {node.key} lacks {column} {where}; select it there by its name, and no `*`")
    return Relation(True, names, places)


# --- joins ---------------------------------------------------------------------------------------------------------------------------


def _sources(select: Any, known: Known) -> dict[str, Relation]:
    """Return what a select reads, joined from left to right."""
    if select.args.get("from_") is None:
        return {}
    first = select.args["from_"].this
    sources = {_alias(first, {}): relation(first, known)}
    where = select.args.get("where")
    equal = list(equalities(where.this)) if where else []
    joins = select.args.get("joins") or []
    for before, join in zip([None, *joins], joins, strict=False):
        right, kind = relation(join.this, known), (join.side, join.kind)
        left = any(source.sliced for source in sources.values())
        alias = _alias(join.this, sources)
        if right.sliced or left:
            refuse_unknown(join, {*JOIN, "method"})
            if before and _is_comma(before) and not _is_comma(join):
                raise ValueError(f"{told(join)} binds closer than the comma before it; write the comma as a cross join")
            if join.method or kind not in JOINS:
                raise ValueError(f"{told(join)}: after it not every row is sure to have its partition; use an inner or a left join")
        if right.sliced and not left and kind not in INNER:
            raise ValueError(f"the left side of {told(join)} does not carry {known.partition_by[0]}; begin with the sliced input")
        if right.sliced and left:
            _refuse_unless_equal(join, sources, {alias: right}, known, equal if kind in INNER else [])
        sources[alias] = right if kind in INNER else Relation(right.sliced)
    return sources


def _is_comma(join: Any) -> bool:
    return not any(join.args.get(part) for part in ("on", "using", "side", "kind", "method"))


def _alias(node: Any, others: Mapping[str, Relation]) -> str:
    """Return the name under which a relation stands in a `from`; one of its own where it has none."""
    alias = str(node.alias_or_name).lower() or f"?{len(others)}"
    if alias in others:
        raise ValueError(f"{alias} stands twice in one from; give each an alias")
    return alias


def _refuse_unless_equal(
    join: Any, left: Mapping[str, Relation], right: Mapping[str, Relation], known: Known, where: list[tuple[Any, Any]]
) -> None:
    """A row must meet rows of its own partition only."""
    using = {str(name.name).lower() for name in join.args.get("using") or ()}
    pairs = [*equalities(join.args.get("on")), *where]
    for column in known.partition_by:
        here, there = carrying(left, column), carrying(right, column)
        shared = {name for _, name in here} & {name for _, name in there} & using
        if not shared and not any(
            (is_one_of(one, here) and is_one_of(other, there)) or (is_one_of(one, there) and is_one_of(other, here)) for one, other in pairs
        ):
            raise ValueError(f"{told(join)} meets rows of any {column}; join on {column}, too")
