"""Binds the SQL of every declaration against empty tables: a misspelt column is found before any data arrives. Runs no query over data."""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import duckdb

from core import declarations
from core.casts import attempt
from core.catalog import clashes
from core.contract import Check, Column, Dataset, Declaration, Expect, Transform
from core.engine import PARTITION_TYPES, schema_of, storable
from core.errors import Problem, Terminal
from core.places import Place
from core.project import Project
from core.quality import QUARANTINE, empty_rows
from core.quoting import identifier, literal
from core.session import open_session
from core.sql import conform
from core.types import stored_type

MEMORY: Final = "512MiB"
UNKNOWN_COLUMN: Final = re.compile(r'Referenced column "(?P<name>.+?)" not found.*?Candidate bindings: (?P<known>.+)', re.DOTALL)


def problems(folder: Path, work: Path) -> tuple[Problem, ...]:
    """Return every problem of every declaration: those that reading finds, and those that binding finds in the files that are sound.

    `work` is an empty folder. Raises Terminal where there is no project at all.
    """
    reading = declarations.read(folder)
    places = {declaration.name: place for declaration, place in reading.sound}
    found = (*reading.problems, *bind(reading.project, places, folder, work), *_clashes(reading.project, places))
    return tuple(sorted(set(found)))


def _clashes(project: Project, places: Mapping[str, Place]) -> Iterator[Problem]:
    """Find tables that the catalog could not tell apart."""
    for name, (first, *others) in clashes(project):
        for other in others:
            place = places[other.removeprefix("quarantine.")]
            kind = "dataset" if other.removeprefix("quarantine.") in project.datasets else "transform"
            yield place.problem(kind, f"Athena would call it {name}, and {first} too")


def bind(project: Project, places: Mapping[str, Place], folder: Path, work: Path) -> tuple[Problem, ...]:
    """Return what DuckDB would refuse of a project's SQL, with file and line. What reads something that did not bind is left out."""
    found: list[Problem] = []
    needs = {name: {table.removeprefix("quarantine.") for table in project.reads(name)} for name in project.declarations}
    bound: set[str] = set()
    with open_session([], work, memory=MEMORY, threads=1) as connection:
        connection.register("refused", QUARANTINE.empty_table())
        while ready := [name for name, tables in needs.items() if tables <= bound]:
            for name in ready:
                del needs[name]
                declaration = project.declarations[name]
                if isinstance(declaration, Dataset):
                    found += _dataset(connection, declaration, places[name])
                else:
                    found += _transform(connection, declaration, places[name], folder)
                bound |= {name} if _exists(connection, name) else set()
    return tuple(sorted(found))


def _exists(connection: duckdb.DuckDBPyConnection, table: str) -> bool:
    return bool(connection.execute("select 1 from duckdb_views() where view_name = ?", [table]).fetchall())


# --- datasets ------------------------------------------------------------------------------------------------------------------------


def _dataset(connection: duckdb.DuckDBPyConnection, dataset: Dataset, place: Place) -> Iterator[Problem]:
    connection.execute(f"create view {identifier(dataset.name)} as select * from ({empty_rows(dataset)}) limit 0")
    connection.execute(f"create table quarantine.{identifier(dataset.name)} as from refused")
    found = [*_columns(connection, dataset, place), *_checks(connection, dataset, place)]
    if not found and (error := _error(connection, f"describe {conform(dataset, _read_rows(dataset))}")):
        found.append(place.problem("", error))
    yield from found
    yield from _partitions(connection, dataset, f"from {identifier(dataset.name)}", place)
    yield from _ages(connection, dataset.expect, place)


def _read_rows(dataset: Dataset) -> str:
    """Return what a reader gives of the dataset's objects, without rows."""
    rescued = ["null::varchar as _rescued"] if dataset.source.unknown_columns == "rescue" else []
    columns = [f"null::varchar as {identifier(column.name)}" for column in dataset.read_columns]
    fixed = ["null::integer as _file", "null::varchar as _problem", "null::varchar as _raw"]
    return f"select {', '.join([*fixed, *rescued, *columns])} limit 0"


def _columns(connection: duckdb.DuckDBPyConnection, dataset: Dataset, place: Place) -> Iterator[Problem]:
    """Bind what makes each column, and leave the view `judged` behind: the columns that a check sees."""
    seen = [f"null::{stored_type(column.type)} as {identifier(column.name)}" for column in dataset.read_columns]
    seen += ["null::varchar as _rescued"] if dataset.source.unknown_columns == "rescue" else []
    for n, column in enumerate(dataset.columns):
        if column.format and (error := _error(connection, f"select {attempt(literal(''), column)}")):
            yield place.problem(f"columns.{n}.format", error)
    connection.execute(f"create or replace temp view judged as select {', '.join(seen)} limit 0")
    for n, column in enumerate(dataset.columns):
        if column.sql:
            if error := _error(connection, f"describe select *, {_computed(column)} from judged"):
                yield place.problem(f"columns.{n}.sql", error)
            seen.append(f"null::{stored_type(column.type)} as {identifier(column.name)}")
            connection.execute(f"create or replace temp view judged as select {', '.join(seen)} limit 0")


def _computed(column: Column) -> str:
    return f"try(cast((\n{column.sql}\n) as {stored_type(column.type)})) as {identifier(column.name)}"


def _checks(connection: duckdb.DuckDBPyConnection, dataset: Dataset, place: Place) -> Iterator[Problem]:
    for n, check in enumerate(dataset.checks):
        error = _error(connection, _judgement(check)) or _no_condition(connection, check)
        if error:
            yield place.problem(f"checks.{n}.sql", error)


def _judgement(check: Check) -> str:
    if check.looks_elsewhere:
        return f"describe select * from judged where (\n{check.sql}\n) is false"
    return f"describe select *, (\n{check.sql}\n) is false from judged"


def _no_condition(connection: duckdb.DuckDBPyConnection, check: Check) -> str:
    (_, kind, *_) = connection.execute(f"describe select (\n{check.sql}\n) from judged").fetchall()[0]
    return "" if kind in ("BOOLEAN", '"NULL"') else f"a check is true or false, and this is a {kind}"


# --- transforms ----------------------------------------------------------------------------------------------------------------------


def _transform(connection: duckdb.DuckDBPyConnection, transform: Transform, place: Place, folder: Path) -> Iterator[Problem]:
    """Bind a transform's query; leaves the view of its name behind, unless it does not bind."""
    file = folder / transform.pipeline / transform.sql
    text = file.read_text("utf-8")
    before = text[: len(text) - len(text.lstrip())].count("\n")
    in_sql = file.relative_to(folder).as_posix()
    try:
        names = [row[0] for row in connection.execute(f"describe\n{transform.query}").fetchall()]
        query = storable(connection, transform.query)
    except duckdb.Error as error:
        line = re.search(r"^LINE (\d+):", str(error), re.MULTILINE)
        yield Problem(in_sql, int(line[1]) - 1 + before if line else 0, "", plain(error))
        return
    except Terminal as error:
        yield Problem(in_sql, 0, "", str(error))
        return
    lowered = [name.lower() for name in names]
    if twice := sorted({name for name in names if lowered.count(name.lower()) > 1}):
        yield Problem(in_sql, 0, "", f"the result has {', '.join(twice)} twice; give each column a name of its own")
        return
    connection.execute(f"create view {identifier(transform.name)} as {query}")
    yield from _partitions(connection, transform, query, place)
    yield from _expectations(transform, names, place)
    yield from _ages(connection, transform.expect, place)


def _expectations(transform: Transform, names: list[str], place: Place) -> Iterator[Problem]:
    for n, expect in enumerate(transform.expect):
        for word, columns in (("nulls", expect.nulls), ("unique", expect.unique), ("fresh", expect.fresh)):
            for name in columns or ():
                if name not in names:
                    yield place.problem(f"expect.{n}.{word}", _unknown(name, names))


# --- both ----------------------------------------------------------------------------------------------------------------------------


def _partitions(connection: duckdb.DuckDBPyConnection, declaration: Declaration, query: str, place: Place) -> Iterator[Problem]:
    schema = schema_of(connection, query)
    for name in declaration.target.partition_by:
        if name not in schema.names:
            yield place.problem("target.partition_by", _unknown(name, schema.names))
        elif not any(test(schema.field(name).type) for test in PARTITION_TYPES):
            kind = schema.field(name).type
            yield place.problem("target.partition_by", f"{name} is {kind}; a partition is a date, varchar, integer or boolean")
    if declaration.target.partition_by and len(declaration.target.partition_by) >= len(schema.names):
        yield place.problem("target.partition_by", "at least one column must remain outside the partitioning")


def _ages(connection: duckdb.DuckDBPyConnection, expects: tuple[Expect, ...], place: Place) -> Iterator[Problem]:
    for n, expect in enumerate(expects):
        for column, age in (expect.fresh or {}).items():
            if _error(connection, f"select cast({literal(age)} as interval)"):
                yield place.problem(f"expect.{n}.fresh.{column}", f"{age!r} is not an age such as 2 days or 36 hours")


def _error(connection: duckdb.DuckDBPyConnection, statement: str) -> str:
    try:
        connection.execute(statement)
    except duckdb.Error as error:
        return plain(error)
    return ""


def plain(error: Any) -> str:
    """Say what DuckDB said in one line: without its kind, its list of every overload and the generated statement."""
    said = re.split(r"\n\s*(?:LINE \d+:|Candidate functions:)", str(error))[0].strip()
    said = re.sub(r"^[A-Z][\w ]* Error: ", "", said)
    if found := UNKNOWN_COLUMN.fullmatch(said):
        return _unknown(found["name"], re.findall(r'"([^"]+)"', found["known"]))
    return " ".join(said.split())


def _unknown(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, 1)
    return f"no column {name}" + (f"; did you mean {near[0]}?" if near else f"; there is {', '.join(known)}")
