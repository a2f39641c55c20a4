"""A validated set of declarations: which dataset a key belongs to, what depends on what, in which order things run."""

import fnmatch
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from core import contract
from core.contract import Dataset, Declaration, Transform
from core.errors import InvalidProject, Problem, Terminal


@dataclass(frozen=True)
class Project:
    """Every dataset and transform by its name; a name is unique over all pipelines."""

    datasets: Mapping[str, Dataset]
    transforms: Mapping[str, Transform]

    @cached_property
    def declarations(self) -> Mapping[str, Declaration]:
        return {**self.datasets, **self.transforms}

    @cached_property
    def order(self) -> tuple[Declaration, ...]:
        """Every declaration after all that it reads."""
        graph = {name: {read.removeprefix("quarantine.") for read in self.reads(name)} for name in self.declarations}
        return tuple(self.declarations[name] for name in TopologicalSorter(graph).static_order())

    def reads(self, name: str) -> tuple[str, ...]:
        """Return the tables that a declaration's SQL names: a transform's inputs, or those that a dataset's checks look into."""
        declaration = self.declarations[name]
        if isinstance(declaration, Transform):
            return declaration.inputs
        return tuple(dict.fromkeys(table for check in declaration.checks for table in tables_in(f"select ({check.sql})")))

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
                remedy=_suggest(name, self.declarations),
            )
        return self.declarations[name]


def covers(dataset: Dataset, key: str) -> bool:
    path = dataset.source.path
    return key.startswith(path) and key != path if path.endswith("/") else fnmatch.fnmatchcase(key, path)


def tables_in(query: str) -> tuple[str, ...]:
    """Return the tables that a query reads, in order of appearance; a quarantine table as `quarantine.<dataset>`.

    Raises ValueError where the query is not one SELECT.
    """
    import sqlglot
    from sqlglot import exp

    try:
        statements = sqlglot.parse(query, read="duckdb")
    except sqlglot.ParseError as error:
        raise ValueError(str(error).splitlines()[0]) from error
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise ValueError("it must be one SELECT")
    defined = {cte.alias for cte in statements[0].find_all(exp.CTE)}
    names = [f"{table.db}.{table.name}" if table.db else table.name for table in statements[0].find_all(exp.Table) if table.name]
    return tuple(dict.fromkeys(name for name in names if name not in defined))


# --- reading -------------------------------------------------------------------------------------------------------------------------


def load(folder: Path) -> Project:
    """Read every declaration below a project folder; raises InvalidProject with all problems of all files."""
    if not folder.is_dir():
        raise Terminal(f"project {folder}", expected="a folder of pipelines", found="none", remedy="Name it with --project.")
    found: list[tuple[str, Declaration]] = []
    problems: list[Problem] = []
    for path in _files(folder):
        declaration, wrong = _read(path, folder)
        problems += wrong
        if declaration:
            found.append((path.relative_to(folder).as_posix(), declaration))
    problems += _between(found)
    if problems:
        raise InvalidProject(tuple(sorted(problems)))
    if not found:
        raise Terminal(f"project {folder}", expected="declarations (*.yaml) in a folder a pipeline", found="none")
    return Project(
        {d.name: d for _, d in found if isinstance(d, Dataset)},
        {d.name: d for _, d in found if isinstance(d, Transform)},
    )


def _files(folder: Path) -> Iterator[Path]:
    for pipeline in sorted(path for path in folder.iterdir() if path.is_dir()):
        yield from sorted([*pipeline.glob("*.yaml"), *pipeline.glob("*.yml")])


def _read(path: Path, folder: Path) -> tuple[Declaration | None, list[Problem]]:
    name = path.relative_to(folder).as_posix()
    try:
        node = yaml.compose(path.read_text("utf-8"), Loader=yaml.SafeLoader)
        data = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        return None, [Problem(name, mark.line + 1 if mark else 0, "", f"not YAML: {getattr(error, 'problem', None) or error}")]
    kind = next((word for word in ("dataset", "transform") if isinstance(data, dict) and word in data), None)
    if kind is None:
        return None, [Problem(name, 1, "", "it declares neither a `dataset:` nor a `transform:`")]
    if twice := list(_stands_twice(node, name)):
        return None, twice
    lines = dict(_lines(node))
    try:
        if kind == "dataset":
            dataset = Dataset.model_validate(data).model_copy(update={"pipeline": path.parent.name})
            return dataset, _check_sql(dataset, name, lines)
        return _transform(Transform.model_validate(data), path, name, lines)
    except ValidationError as error:
        return None, [_problem(name, lines, wrong) for wrong in error.errors()]


def _transform(declared: Transform, path: Path, name: str, lines: Mapping[str, int]) -> tuple[Transform | None, list[Problem]]:
    file = path.parent / declared.sql
    if not file.is_file():
        return None, [Problem(name, lines.get("sql", 0), "sql", f"there is no file {declared.sql} beside it")]
    query = file.read_text("utf-8").strip().rstrip(";")
    try:
        inputs = tables_in(query)
    except ValueError as error:
        return None, [Problem(f"{path.parent.name}/{declared.sql}", 0, "", str(error))]
    return declared.model_copy(update={"pipeline": path.parent.name, "query": query, "inputs": inputs}), []


def _check_sql(dataset: Dataset, name: str, lines: Mapping[str, int]) -> list[Problem]:
    problems = []
    expressions = [(f"checks.{n}.sql", check.sql) for n, check in enumerate(dataset.checks)]
    expressions += [(f"columns.{n}.sql", column.sql) for n, column in enumerate(dataset.columns) if column.sql]
    for where, expression in expressions:
        try:
            tables = tables_in(f"select ({expression})")
            if tables and where.startswith("columns"):
                raise ValueError("a computed column sees its own row only; use a check or a transform to look into other tables")
        except ValueError as error:
            problems.append(Problem(name, lines.get(where, 0), where, str(error)))
    return problems


# --- what can only be seen with all of them together --------------------------------------------------------------------------------


def _between(found: list[tuple[str, Declaration]]) -> Iterator[Problem]:
    yield from _twice([(file, declaration.name, "the name") for file, declaration in found])
    yield from _twice([(file, declaration.target.path, "the target path") for file, declaration in found])
    yield from _overlaps([(file, d) for file, d in found if isinstance(d, Dataset)])
    yield from _written_to(found)
    project = Project({d.name: d for _, d in found if isinstance(d, Dataset)}, {d.name: d for _, d in found if isinstance(d, Transform)})
    unknown = list(_unknown(found, project))
    yield from unknown
    if not unknown:
        yield from _cycles(found, project)


def _twice(entries: list[tuple[str, str, str]]) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for file, value, what in entries:
        if value in seen:
            yield Problem(file, 0, "", f"{what} {value} is taken by {seen[value]}")
        seen.setdefault(value, file)


def _overlaps(datasets: list[tuple[str, Dataset]]) -> Iterator[Problem]:
    for n, (file, dataset) in enumerate(datasets):
        for other_file, other in datasets[:n]:
            folders = [d.source.path for d in (dataset, other) if d.source.path.endswith("/")]
            inside = dataset.source.prefix.startswith(other.source.path) or other.source.prefix.startswith(dataset.source.path)
            if (folders and inside) or dataset.source.path == other.source.path:
                yield Problem(file, 0, "source.path", f"{dataset.source.path} overlaps {other.source.path} of {other_file}")


OURS = {"archived/": "what was loaded", "rejected/": "what was rejected", "quarantine/": "quarantined rows"}


def _written_to(found: list[tuple[str, Declaration]]) -> Iterator[Problem]:
    """Find sources that would read what the lake itself writes, and tables or exports that lie inside a table."""
    tables = {d.target.path: f"the table {d.name}" for _, d in found} | OURS
    copies = {export.path: f"an export of {d.name}" for _, d in found for export in d.exports}
    for file, declaration in found:
        if isinstance(declaration, Dataset):
            source = declaration.source.prefix
            for path, what in {**copies, **tables}.items():
                if source.startswith(path) or path.startswith(source):
                    yield Problem(file, 0, "source.path", f"{declaration.source.path} overlaps {path}, where {what} is written")
        own = [("target.path", declaration.target.path), *((f"exports.{n}.path", e.path) for n, e in enumerate(declaration.exports))]
        for where, path in own:
            for other, what in tables.items():
                same = path == other and where == "target.path" and other not in OURS
                if path.startswith(other) and not same:
                    yield Problem(file, 0, where, f"{path} lies inside {other}, where {what} is written")


def _unknown(found: list[tuple[str, Declaration]], project: Project) -> Iterator[Problem]:
    for file, declaration in found:
        try:
            names = project.reads(declaration.name)
        except ValueError:
            continue  # told already, where the check stands
        for name in names:
            if name.removeprefix("quarantine.") not in project.declarations:
                yield Problem(file, 0, "sql", f"{name} is neither a dataset nor a transform{_suggest(name, project.declarations, '; ')}")


def _cycles(found: list[tuple[str, Declaration]], project: Project) -> Iterator[Problem]:
    try:
        _ = project.order
    except CycleError as error:
        cycle = error.args[1]
        files = {declaration.name: file for file, declaration in found}
        yield Problem(files[cycle[0]], 0, "sql", f"a cycle: {' reads '.join(reversed(cycle))}")


# --- telling it well -----------------------------------------------------------------------------------------------------------------


def _problem(file: str, lines: Mapping[str, int], wrong: Any) -> Problem:
    location = [str(part) for part in wrong["loc"]]
    path = ".".join(location)
    line = next((lines[".".join(location[:n])] for n in range(len(location), 0, -1) if ".".join(location[:n]) in lines), 1)
    message = str(wrong["msg"]).removeprefix("Value error, ")
    if wrong["type"] == "extra_forbidden":
        message = f"unknown word {location[-1]}{_suggest(location[-1], _words(), '; ')}"
    elif wrong["type"] == "missing":
        message = f"{location[-1]} is required"
    return Problem(file, line, path, message)


def _words() -> list[str]:
    models = [model for model in vars(contract).values() if isinstance(model, type) and issubclass(model, BaseModel)]
    return sorted({field.alias or name for model in models for name, field in model.model_fields.items()})


def _suggest(name: str, known: Iterable[str], before: str = "") -> str:
    near = get_close_matches(name, list(known), 1)
    return f"{before}did you mean {near[0]}?" if near else ""


def _lines(node: Any, path: str = "") -> Iterator[tuple[str, int]]:
    """Yield (path, line) for every value of a YAML document."""
    if path:
        yield path, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = f"{path}.{key.value}" if path else str(key.value)
            yield from _lines(value, inner)
            yield inner, key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for n, value in enumerate(node.value):
            yield from _lines(value, f"{path}.{n}" if path else str(n))


def _stands_twice(node: Any, file: str, path: str = "") -> Iterator[Problem]:
    """Find words that stand twice in one mapping: YAML forbids it, PyYAML takes the last."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            inner = f"{path}.{key.value}" if path else str(key.value)
            if str(key.value) in seen:
                yield Problem(file, key.start_mark.line + 1, inner, f"{key.value} stands there twice")
            seen.add(str(key.value))
            yield from _stands_twice(value, file, inner)
    elif isinstance(node, yaml.SequenceNode):
        for n, value in enumerate(node.value):
            yield from _stands_twice(value, file, f"{path}.{n}" if path else str(n))


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a declaration file, for editors."""
    from pydantic import TypeAdapter

    schema = TypeAdapter(Declaration).json_schema(mode="validation")
    for definition in ("Dataset", "Transform"):
        for hidden in ("pipeline", "query", "inputs"):
            schema["$defs"][definition]["properties"].pop(hidden, None)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Lakelet declaration", **schema}
