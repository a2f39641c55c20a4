"""One SELECT over the lake's tables by their names, as they are now. Reads only; nothing else can be run here."""

import base64
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final

import duckdb

from core.contract import Dataset
from core.errors import Terminal
from core.lake import Lake
from core.project import tables_in
from core.pruning import Condition, conditions
from core.quality import QUARANTINE
from core.quoting import identifier
from core.session import UNBLAMED
from core.statements import refuse_long
from core.telling import is_of_sql, told

ABOUT: Final = re.compile(r"\s*(describe|summarize)\s+(.+)", re.IGNORECASE | re.DOTALL)

AS_TEXT: Final = ("INTERVAL", "TIME WITH TIME ZONE", "TIMESTAMP_NS", "BIT", "BIGNUM")
"""Types of which Python, or Arrow on the way to it, has no exact equal."""

EXACT_DIGITS: Final = 15
"""A decimal number of so many digits comes back from a double as it went in."""


@dataclass(frozen=True)
class Answer:
    """Rows as Python values (decimals and times exact). `cut` says that there are more than were asked for."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    cut: bool = False

    def records(self) -> list[dict[str, Any]]:
        """Return the rows as JSON has them, see `json_value`."""
        return [{name: json_value(value) for name, value in zip(self.columns, row, strict=True)} for row in self.rows]


def query(lake: Lake, sql: str, *, limit: int | None = None) -> Answer:
    """Run one SELECT (or `describe`, `summarize`) over tables by name: datasets, transforms, `quarantine.<dataset>`.

    Raises Terminal for a name that is not declared or not loaded yet, and for whatever DuckDB refuses.
    """
    try:
        names = _tables(sql)
    except duckdb.Error as error:
        raise Terminal("the query does not run", found=str(error)) from None
    with lake.workplace() as work, lake.session(work) as connection:
        wanted = {} if ABOUT.fullmatch(sql) else conditions(sql)
        for name in names:
            _mount(lake, connection, name, wanted.get(name, ()))
        try:
            return _answer(connection, sql, limit)
        except UNBLAMED:
            raise
        except duckdb.Error as error:
            raise _failed(lake, sql, names, error) from None


def _failed(lake: Lake, sql: str, names: tuple[str, ...], error: duckdb.Error) -> Terminal:
    """An error about the SQL is told as DuckDB tells it, which points at the place; one at a value without it, where tables keep theirs."""
    if is_of_sql(error):
        return Terminal("the query does not run", found=str(error))
    known = {name.lower(): declaration for name, declaration in lake.project.declarations.items()}
    asked = [known.get(name.lower().removeprefix("quarantine.")) for name in names]
    values = all(declaration is not None and declaration.reports.values for declaration in asked)
    remedy = "" if values else "The value is not told (reports: values); where a cast fails, `try_cast` finds it."
    return Terminal("the query does not run", found=told(error, sql=sql, values=values), remedy=remedy)


def _tables(sql: str) -> tuple[str, ...]:
    """Return the tables that a query reads. Raises duckdb.Error where it is not SQL, Terminal where it is not one SELECT."""
    try:
        refuse_long(sql)
        statements = duckdb.extract_statements(sql)  # sqlglot would find the same errors, DuckDB points at them
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise _not_one_select(" and ".join(statement.type.name for statement in statements) or "nothing")
        if about := ABOUT.fullmatch(sql):
            return tables_in(about[2] if re.match(r"(select|with|from)\b|\(", about[2], re.IGNORECASE) else f"from {about[2]}")
        return tables_in(sql)
    except ValueError as error:
        raise _not_one_select(str(error)) from error


def _not_one_select(found: str) -> Terminal:
    return Terminal("the query does not run", expected="one SELECT", found=found, remedy="A query reads; `lakelet run` writes.")


def _mount(lake: Lake, connection: duckdb.DuckDBPyConnection, name: str, wanted: tuple[Condition, ...]) -> None:
    schema, _, table = name.rpartition(".")
    declared = {known.lower(): known for known in lake.project.declarations}  # SQL does not tell Orders from orders
    if schema not in ("", "quarantine"):
        raise Terminal(f"{name} is not declared", expected="a dataset, a transform or quarantine.<dataset>")
    table = declared.get(table.lower(), table)
    if lake.mount(connection, f"{schema}.{table}" if schema else table, wanted) is not None:
        return
    if schema and isinstance(lake.project.declarations[table], Dataset):  # nothing was ever refused: an answer, not an error
        connection.register("refused_never", QUARANTINE.empty_table())
        connection.execute(f"create table quarantine.{identifier(table)} as from refused_never")
    else:
        raise Terminal(f"{name} has no table", found="nothing loaded yet", remedy="`lakelet run` loads what is in raw.")


def _answer(connection: duckdb.DuckDBPyConnection, sql: str, limit: int | None) -> Answer:
    columns, types = _shape(connection, sql)
    try:
        try:
            rows = _rows(connection, sql, types, AS_TEXT, limit)
        except (ValueError, OverflowError):  # infinity, or a year that Python does not have
            rows = _rows(connection, sql, types, (*AS_TEXT, "DATE", "TIMESTAMP"), limit)
    finally:
        connection.interrupt()  # a stream that is not read to its end computes on, and closing would wait for it
    return Answer(columns, types, tuple(rows[:limit]), cut=limit is not None and len(rows) > limit)


def _rows(
    connection: duckdb.DuckDBPyConnection, sql: str, types: tuple[str, ...], as_text: tuple[str, ...], limit: int | None
) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for batch in connection.execute(_readable(sql, types, as_text)).to_arrow_reader(10_000):
        rows += zip(*(_values(column, kind) for column, kind in zip(batch.columns, types, strict=True)), strict=True)
        if limit is not None and len(rows) > limit:
            break
    return rows


def _shape(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    try:
        relation = connection.sql(sql)
    except duckdb.Error:
        connection.execute(sql)  # fails as well, and unlike a relation it says at which line and place
        raise
    names: list[str] = []
    for name in relation.columns:
        names.append(next(_numbered(name, names)))
    return tuple(names), tuple(map(str, relation.types))


def _numbered(name: str, taken: list[str]) -> Iterator[str]:
    """Yield a name that is not taken: a JSON object cannot have one twice."""
    if name not in taken:
        yield name
    yield from (f"{name}_{n}" for n in range(1, len(taken) + 1) if f"{name}_{n}" not in taken)


def _readable(sql: str, types: tuple[str, ...], as_text: tuple[str, ...]) -> str:
    """Have DuckDB write as text what Python cannot hold; a nested value as a whole."""
    awkward = [any(word in kind for word in as_text) for kind in types]
    if not any(awkward):
        return sql
    names = [f"c{n}" for n in range(len(types))]
    columns = [f"cast({name} as varchar)" if text else name for name, text in zip(names, awkward, strict=True)]
    return f"select {', '.join(columns)} from (\n{sql.strip().rstrip(';')}\n) as answer({', '.join(names)})"


def _values(column: Any, kind: str) -> list[Any]:
    values: list[Any] = column.to_pylist()
    if kind in ("HUGEINT", "UHUGEINT"):  # Arrow has no such integer, DuckDB hands over a decimal
        return [None if value is None else int(value) for value in values]
    return values


def json_value(value: Any) -> Any:
    """Return a value as JSON has it, losing nothing.

    Times in ISO 8601; integers with all their digits; a decimal of at most 15 digits as a number, which a double holds exactly, a longer
    one as text; NaN and infinities as text; bytes as base64.
    """
    if isinstance(value, Decimal):
        return float(value) if len(value.as_tuple().digits) <= EXACT_DIGITS else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, Mapping):
        return {str(name): json_value(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(inner) for inner in value]
    return value
