"""Declaration files: YAML and SQL below a project folder become a Project, or every problem of every file with its line."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from core import contract, source
from core.consistency import contradictions
from core.contract import Dataset, Declaration, Transform
from core.errors import InvalidProject, Problem, Terminal
from core.places import Place, composed, stands_twice
from core.project import Project, refuse_unless_expression, suggest, tables_in
from core.pruning import conditions
from core.receipt import Prices
from core.remembered import beside


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
    with beside(folder):
        return _reading(files, folder)


def _reading(files: Sequence[Path], folder: Path) -> Reading:
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
    problems += contradictions(sound, broken, Reading(tuple(sound), frozenset(), ()).project)
    prices, wrong = _prices(folder)
    return Reading(tuple(sound), frozenset(broken), tuple(sorted([*problems, *wrong])), prices)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a declaration file, for editors."""
    schema = TypeAdapter(Declaration).json_schema(mode="validation")
    for definition in ("Dataset", "Transform"):
        for hidden in ("pipeline", "query", "inputs"):
            schema["$defs"][definition]["properties"].pop(hidden, None)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Lakelet declaration", **schema}


# --- one file ------------------------------------------------------------------------------------------------------------------------


def _files(folder: Path) -> Iterator[Path]:
    for pipeline in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        yield from sorted([*pipeline.glob("*.yaml"), *pipeline.glob("*.yml")])


def _read(path: Path, folder: Path) -> tuple[str, Declaration | None, Place, Sequence[Problem]]:
    """Return the name that a file declares, its declaration where it is one, its place, and what is wrong with it."""
    node, data, place, wrong = composed(path, folder)
    file = place.file
    if wrong:
        return "", None, place, wrong
    kind = next((word for word in ("dataset", "transform") if isinstance(data, dict) and word in data), None)
    if kind is None:
        return "", None, place, [Problem(file, 1, "", "it declares neither a `dataset:` nor a `transform:`")]
    name = str(data[kind])
    if twice := list(stands_twice(node, file)):
        return name, None, place, twice
    try:
        if kind == "dataset":
            dataset = Dataset.model_validate(data).model_copy(update={"pipeline": path.parent.name})
            return name, dataset, place, list(_expressions(dataset, place))
        return name, *_transform(Transform.model_validate(data), path, place)
    except ValidationError as error:
        return name, None, place, list(_told(error, place))


def _prices(folder: Path) -> tuple[Prices, Sequence[Problem]]:
    """Return the project's own prices, or the list prices, and what is wrong with the file."""
    file = folder / "prices.yaml"
    if not file.is_file():
        return Prices(), []
    node, data, place, wrong = composed(file, folder)
    if wrong:
        return Prices(), wrong
    try:
        return Prices.model_validate(data), list(stands_twice(node, place.file))
    except ValidationError as error:
        return Prices(), list(_told(error, place))


def _transform(declared: Transform, path: Path, place: Place) -> tuple[Transform | None, Place, Sequence[Problem]]:
    file = path.parent / declared.sql
    if not file.is_file():
        return None, place, [place.problem("sql", f"there is no file {declared.sql} beside it")]
    query = file.read_text("utf-8").strip().rstrip(";")
    try:
        inputs = tables_in(query)
        conditions(query)  # which a run will ask for: now it is remembered
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
