"""Declaration files: YAML and SQL below a project folder become a Project, or every problem of every file with its line."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError

from core import contract, source
from core.contract import Dataset, Declaration, Transform
from core.errors import InvalidProject, Problem, Terminal
from core.project import Project, refuse_unless_expression, suggest, tables_in
from core.receipt import Prices


@dataclass(frozen=True)
class Place:
    """Where a declaration stands: its file below the project folder, and the line of each path inside it."""

    file: str
    lines: Mapping[str, int]

    def problem(self, path: str, message: str) -> Problem:
        parts = path.split(".")
        known = [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
        return Problem(self.file, next((self.lines[inner] for inner in known if inner in self.lines), 1), path, message)


@dataclass(frozen=True)
class Reading:
    """What a project folder holds: the sound declarations with their places, the names that broken files declare, and every problem."""

    sound: tuple[tuple[Declaration, Place], ...]
    broken: frozenset[str]
    problems: tuple[Problem, ...]
    prices: Prices = field(default_factory=Prices)

    @property
    def project(self) -> Project:
        """The sound declarations alone."""
        declared = [declaration for declaration, _ in self.sound]
        return Project(
            {found.name: found for found in declared if isinstance(found, Dataset)},
            {found.name: found for found in declared if isinstance(found, Transform)},
            self.prices,
        )


def load(folder: Path) -> Project:
    """Read every declaration below a project folder; raises InvalidProject with all problems of all files."""
    reading = read(folder)
    if reading.problems:
        raise InvalidProject(reading.problems)
    return reading.project


def read(folder: Path) -> Reading:
    """Read every declaration, sound or not; raises Terminal where there is no project at all."""
    files = list(_files(folder)) if folder.is_dir() else []
    if not files:
        remedy = "Name it with --project."
        raise Terminal(f"project {folder}", expected="a folder of pipelines with their declarations (*.yaml)", found="none", remedy=remedy)
    sound: list[tuple[Declaration, Place]] = []
    broken: set[str] = set()
    problems: list[Problem] = []
    for file in files:
        name, declaration, place, wrong = _read(file, folder)
        problems += wrong
        if declaration and not wrong:
            sound.append((declaration, place))
        elif name:
            broken.add(name)
    problems += _between(sound, broken)
    prices, wrong = _prices(folder)
    return Reading(tuple(sound), frozenset(broken), tuple(sorted([*problems, *wrong])), prices)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a declaration file, for editors."""
    schema = TypeAdapter(Declaration).json_schema(mode="validation")
    for definition in ("Dataset", "Transform"):
        for hidden in ("pipeline", "query", "inputs"):
            schema["$defs"][definition]["properties"].pop(hidden, None)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Lakelet declaration", **schema}


LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's where there is one: ten times as fast."""

# --- one file ------------------------------------------------------------------------------------------------------------------------


def _files(folder: Path) -> Iterator[Path]:
    for pipeline in sorted(path for path in folder.iterdir() if path.is_dir()):
        yield from sorted([*pipeline.glob("*.yaml"), *pipeline.glob("*.yml")])


def _read(path: Path, folder: Path) -> tuple[str, Declaration | None, Place, Sequence[Problem]]:
    """Return the name that a file declares, its declaration where it is one, its place, and what is wrong with it."""
    node, data, place, wrong = _composed(path, folder)
    file = place.file
    if wrong:
        return "", None, place, wrong
    kind = next((word for word in ("dataset", "transform") if isinstance(data, dict) and word in data), None)
    if kind is None:
        return "", None, place, [Problem(file, 1, "", "it declares neither a `dataset:` nor a `transform:`")]
    name = str(data[kind])
    if twice := list(_stands_twice(node, file)):
        return name, None, place, twice
    try:
        if kind == "dataset":
            dataset = Dataset.model_validate(data).model_copy(update={"pipeline": path.parent.name})
            return name, dataset, place, list(_expressions(dataset, place))
        return name, *_transform(Transform.model_validate(data), path, place)
    except ValidationError as error:
        return name, None, place, list(_told(error, place))


def _composed(path: Path, folder: Path) -> tuple[Any, Any, Place, Sequence[Problem]]:
    """Return a file's YAML, as nodes and as data, its place, and why it is none."""
    file = path.relative_to(folder).as_posix()
    try:
        node = yaml.compose(path.read_text("utf-8"), Loader=LOADER)
        data: Any = LOADER("").construct_document(node) if node else None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        message = f"not YAML: {getattr(error, 'problem', None) or error}"
        return None, None, Place(file, {}), [Problem(file, mark.line + 1 if mark else 0, "", message)]
    return node, data, Place(file, dict(_lines(node))), []


def _prices(folder: Path) -> tuple[Prices, Sequence[Problem]]:
    """Return the project's own prices, or the list prices, and what is wrong with the file."""
    file = folder / "prices.yaml"
    if not file.is_file():
        return Prices(), []
    node, data, place, wrong = _composed(file, folder)
    if wrong:
        return Prices(), wrong
    try:
        return Prices.model_validate(data), list(_stands_twice(node, place.file))
    except ValidationError as error:
        return Prices(), list(_told(error, place))


def _transform(declared: Transform, path: Path, place: Place) -> tuple[Transform | None, Place, Sequence[Problem]]:
    file = path.parent / declared.sql
    if not file.is_file():
        return None, place, [place.problem("sql", f"there is no file {declared.sql} beside it")]
    query = file.read_text("utf-8").strip().rstrip(";")
    try:
        inputs = tables_in(query)
    except ValueError as error:
        return None, place, [Problem(f"{path.parent.name}/{declared.sql}", 0, "", str(error))]
    return declared.model_copy(update={"pipeline": path.parent.name, "query": query, "inputs": inputs}), place, []


def _expressions(dataset: Dataset, place: Place) -> Iterator[Problem]:
    expressions = [(f"checks.{n}.sql", check.sql) for n, check in enumerate(dataset.checks)]
    expressions += [(f"columns.{n}.sql", column.sql) for n, column in enumerate(dataset.columns) if column.sql]
    for path, expression in expressions:
        try:
            refuse_unless_expression(expression)
            tables = tables_in(f"select ({expression}\n)")
        except ValueError as error:
            yield place.problem(path, str(error))
            continue
        if tables and path.startswith("columns"):
            yield place.problem(path, "a computed column sees its own row only; use a check or a transform to look into other tables")


# --- what can only be seen with all of them together --------------------------------------------------------------------------------


def _between(sound: Sequence[tuple[Declaration, Place]], broken: Iterable[str]) -> Iterator[Problem]:
    yield from _twice([(place, declaration.name, "the name") for declaration, place in sound])
    yield from _written_to(sound)
    yield from _twice([(place, declaration.target.path, "the target path") for declaration, place in sound])
    yield from _overlaps([(declaration, place) for declaration, place in sound if isinstance(declaration, Dataset)])
    project = Reading(tuple(sound), frozenset(), ()).project
    known = {*project.declarations, *broken}
    unknown = [problem for declaration, place in sound for problem in _unknown(project.reads(declaration.name), known, place)]
    yield from unknown
    if not unknown:
        yield from _cycles(sound, project)


def _twice(entries: list[tuple[Place, str, str]]) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for place, value, what in entries:
        folded = value.lower()  # SQL does not tell Orders from orders
        if folded in seen:
            yield Problem(place.file, 1, "", f"{what} {value} is taken by {seen[folded]}")
        seen.setdefault(folded, place.file)


def _overlaps(datasets: list[tuple[Dataset, Place]]) -> Iterator[Problem]:
    for n, (dataset, place) in enumerate(datasets):
        for other, elsewhere in datasets[:n]:
            (head, tail), (other_head, other_tail) = _ends(dataset.source.path), _ends(other.source.path)
            begin_alike = head.startswith(other_head) or other_head.startswith(head)
            if begin_alike and (tail.endswith(other_tail) or other_tail.endswith(tail)):
                yield place.problem("source.path", f"{dataset.source.path} overlaps {other.source.path} of {elsewhere.file}")


def _ends(path: str) -> tuple[str, str]:
    """Return what every key of a source begins and ends with: one key can be of two sources only if both are alike."""
    first, *rest = re.split(r"\[[^]]*\]|[*?]", path)
    return first, rest[-1] if rest else ""


OURS = {
    "archived/": "what was loaded",
    "rejected/": "what was rejected",
    "quarantine/": "quarantined rows",
    "landing/": "what was posted under an idempotency key",
    "athena-results/": "answers of Athena",
}


def _written_to(sound: Sequence[tuple[Declaration, Place]]) -> Iterator[Problem]:
    """Find sources that would read what the lake itself writes, and tables and exports that lie inside a table."""
    tables = {d.target.path: f"the table {d.name}" for d, _ in sound} | OURS
    copies = {export.path: f"an export of {d.name}" for d, _ in sound for export in d.exports}
    for declaration, place in sound:
        if isinstance(declaration, Dataset):
            source = declaration.source.prefix
            for path, what in {**copies, **tables}.items():
                if source.startswith(path) or path.startswith(source):
                    yield place.problem("source.path", f"{declaration.source.path} overlaps {path}, where {what} is written")
        own = [("target.path", declaration.target.path), *((f"exports.{n}.path", e.path) for n, e in enumerate(declaration.exports))]
        for where, path in own:
            for other, what in tables.items():
                same = path == other and where == "target.path" and other not in OURS
                if path.startswith(other) and not same:
                    yield place.problem(where, f"{path} lies inside {other}, where {what} is written")


def _unknown(names: Iterable[str], known: Iterable[str], place: Place) -> Iterator[Problem]:
    for name in names:
        if name.removeprefix("quarantine.") not in known:
            yield place.problem("sql", f"{name} is neither a dataset nor a transform{suggest(name, known, '; ')}")


def _cycles(sound: Sequence[tuple[Declaration, Place]], project: Project) -> Iterator[Problem]:
    try:
        _ = project.order
    except CycleError as error:
        cycle = error.args[1]
        places = {declaration.name: place for declaration, place in sound}
        yield places[cycle[0]].problem("sql", f"a cycle: {' reads '.join(reversed(cycle))}")


# --- telling it well -----------------------------------------------------------------------------------------------------------------


def _told(error: ValidationError, place: Place) -> Iterator[Problem]:
    """Translate pydantic's findings; one that only follows from another further down is left out."""
    found = error.errors()
    for wrong in found:
        location = tuple(part for n, part in enumerate(wrong["loc"]) if not (n == 1 and part in source.FORMATS))  # the union's tag
        follows = wrong["type"] == "too_short" and any(other["loc"][: len(wrong["loc"])] == wrong["loc"] != other["loc"] for other in found)
        if not follows:
            yield place.problem(".".join(map(str, location)), _message(wrong))


def _message(wrong: Any) -> str:
    word = str(wrong["loc"][-1]) if wrong["loc"] else ""
    if wrong["type"] == "extra_forbidden":
        return f"unknown word {word}{suggest(word, _words(), '; ')}"
    if wrong["type"] == "missing":
        return f"{word} is required"
    if wrong["type"] == "string_type" and isinstance(wrong["input"], bool):
        return "it should be a text; quote it, because YAML reads on, off, yes and no as true and false"
    return str(wrong["msg"]).removeprefix("Value error, ")


def _words() -> list[str]:
    known = [*vars(contract).values(), *vars(source).values()]
    models = [model for model in known if isinstance(model, type) and issubclass(model, BaseModel)]
    return sorted({field.alias or name for model in models for name, field in model.model_fields.items()})


def _stands_twice(node: Any, file: str, path: str = "") -> Iterator[Problem]:
    """Find words that stand twice in one mapping: YAML forbids it, PyYAML takes the last without a word."""
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
