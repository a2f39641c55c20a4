"""A validated set of declarations: which dataset a key belongs to, what depends on what, in which order things run. Pure."""

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from graphlib import TopologicalSorter

from core.contract import Dataset, Declaration, Transform
from core.errors import Terminal
from core.receipt import Prices
from core.remembered import remembered
from core.statements import refuse_harmful, refuse_long, too_deep


@dataclass(frozen=True)
class Project:
    """Every dataset and transform by its name; a name is unique over all pipelines. And what computing costs."""

    datasets: Mapping[str, Dataset]
    transforms: Mapping[str, Transform]
    prices: Prices = field(default_factory=Prices)

    @cached_property
    def declarations(self) -> Mapping[str, Declaration]:
        return {**self.datasets, **self.transforms}

    @cached_property
    def order(self) -> tuple[Declaration, ...]:
        """Every declaration after all that it reads."""
        reads = {name: {table.removeprefix("quarantine.") for table in self.reads(name)} for name in self.declarations}
        graph = {name: tables & reads.keys() for name, tables in reads.items()}
        return tuple(self.declarations[name] for name in TopologicalSorter(graph).static_order())

    def reads(self, name: str) -> tuple[str, ...]:
        """Return the tables that a declaration's SQL names: a transform's inputs, or those that a dataset's checks look into."""
        declaration = self.declarations[name]
        if isinstance(declaration, Transform):
            return declaration.inputs
        elsewhere = [check.sql for check in declaration.checks if check.looks_elsewhere]
        return tuple(dict.fromkeys(table for sql in elsewhere for table in tables_in(f"select ({sql}\n)")))

    def sliced(self, transform: Transform) -> tuple[str, ...]:
        """Return the inputs of which an incremental transform reads only a part: those that can be cut by what it goes by."""
        wanted = set(transform.slice_by)
        tables = {name: self.declarations.get(name) for name in transform.inputs}
        return tuple(name for name, table in tables.items() if table and wanted <= _cut_by(table, transform.target.mode))

    def match(self, key: str) -> Dataset | None:
        """Return the dataset whose source path covers a key; Terminal where two claim it."""
        found = [dataset for dataset in self.datasets.values() if covers(dataset, key)]
        if len(found) > 1:
            raise Terminal(
                f"object {key}", expected="one dataset", found=" and ".join(d.name for d in found), remedy="Narrow their source paths."
            )
        return found[0] if found else None

    def pipeline(self, name: str) -> tuple[Declaration, ...]:
        return tuple(declaration for declaration in self.order if declaration.pipeline == name)

    def named(self, name: str) -> Declaration:
        """Return a declaration; Terminal with a suggestion where there is none of this name."""
        if name not in self.declarations:
            raise Terminal(
                f"{name} is not declared",
                expected=f"one of {', '.join(sorted(self.declarations))}",
                remedy=suggest(name, self.declarations),
            )
        return self.declarations[name]


def _cut_by(table: Declaration, mode: str) -> set[str]:
    """Return the columns that a table is partitioned by; for a merge those that it is known to have."""
    if mode == "partitions":
        return set(table.target.partition_by)
    return {column.name for column in table.columns} if isinstance(table, Dataset) else {*table.target.key, *table.target.partition_by}


def covers(dataset: Dataset, key: str) -> bool:
    path = dataset.source.path
    return key.startswith(path) and key != path if path.endswith("/") else fnmatch.fnmatchcase(key, path)


def tables_in(query: str) -> tuple[str, ...]:
    """Return the tables that a query reads, in order of appearance; a quarantine table as `quarantine.<dataset>`.

    Raises ValueError where the query is not one SELECT, or one that must not be run.
    """
    return tuple(_tables_in(query))


@remembered
def _tables_in(query: str) -> Sequence[str]:
    import sqlglot
    from sqlglot import exp
    from sqlglot.optimizer.scope import traverse_scope

    refuse_long(query)
    try:
        statements = sqlglot.parse(query, read="duckdb")
        if len(statements) != 1 or not isinstance(statements[0], exp.Query):
            raise ValueError("it must be one SELECT")
        refuse_harmful(statements[0])
        sources = [source for scope in traverse_scope(statements[0]) for source in scope.sources.values()]
    except sqlglot.errors.SqlglotError as error:
        raise ValueError(str(error).splitlines()[0]) from error
    except RecursionError:
        raise too_deep() from None
    tables = [source for source in sources if isinstance(source, exp.Table) and source.name]
    return tuple(dict.fromkeys(f"{table.db}.{table.name}" if table.db else table.name for table in tables))


@remembered
def refuse_unless_expression(sql: str) -> None:
    """Raise ValueError for what is not one whole expression by itself: it is going to stand in parentheses, and must not reach out."""
    import sqlglot

    refuse_long(sql)
    try:
        sqlglot.parse_one(sql, read="duckdb", into=sqlglot.exp.Condition)
    except RecursionError:
        raise too_deep() from None
    except sqlglot.errors.SqlglotError as error:
        raise ValueError(str(error).splitlines()[0]) from error


def suggest(name: str, known: Iterable[str], before: str = "") -> str:
    """Return `did you mean ...?` for a misspelt name, nothing where none is near."""
    near = get_close_matches(name, list(known), 1)
    return f"{before}did you mean {near[0]}?" if near else ""


def levels(project: Project) -> list[list[str]]:
    """Return the transforms in steps: those of one step read only what earlier steps make, so they may run side by side. Pure."""
    depth: dict[str, int] = {}
    for declaration in project.order:
        if isinstance(declaration, Transform):
            reads = (name.removeprefix("quarantine.") for name in declaration.inputs)
            depth[declaration.name] = 1 + max((depth.get(name, 0) for name in reads), default=0)
    return [[name for name, level in depth.items() if level == step] for step in sorted(set(depth.values()))]
