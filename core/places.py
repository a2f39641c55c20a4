"""Where declarations stand: YAML files with the line of each word, so that every problem can be found. Knows no declaration."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from core.errors import Problem

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's where there is one: ten times as fast."""


@dataclass(frozen=True)
class Place:
    """Where a declaration stands: its file below the project folder, and the line of each path inside it."""

    file: str
    lines: Mapping[str, int]

    def problem(self, path: str, message: str) -> Problem:
        parts = path.split(".")
        known = [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
        return Problem(self.file, next((self.lines[inner] for inner in known if inner in self.lines), 1), path, message)


def composed(path: Path, folder: Path) -> tuple[Any, Any, Place, Sequence[Problem]]:
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


def stands_twice(node: Any, file: str, path: str = "") -> Iterator[Problem]:
    """Find words that stand twice in one mapping: YAML forbids it, PyYAML takes the last without a word."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            inner = f"{path}.{key.value}" if path else str(key.value)
            if str(key.value) in seen:
                yield Problem(file, key.start_mark.line + 1, inner, f"{key.value} stands there twice")
            seen.add(str(key.value))
            yield from stands_twice(value, file, inner)
    elif isinstance(node, yaml.SequenceNode):
        for n, value in enumerate(node.value):
            yield from stands_twice(value, file, f"{path}.{n}" if path else str(n))


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
