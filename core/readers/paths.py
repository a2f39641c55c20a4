"""Where a contract's columns are in a JSON record: what its parser is asked for, and each column's way into what that gives. Pure."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from core.casts import INTEGERS
from core.contract import Column, Dataset
from core.quoting import literal
from core.readers import numbers, proof

Way = tuple[str, ...]
"""The keys that lead to a value."""


def values(dataset: Dataset) -> dict[str, str]:
    """Return the columns whose values the parser itself may give: whole numbers and booleans, which have one spelling each.

    By column, the name under which a relation gives the value, beside the column's text.
    """
    return {column.name: f"_value of {column.name}" for column in _valued(dataset)}


def _valued(dataset: Dataset) -> list[Column]:
    ways = {column.name: _way(column) for column in dataset.read_columns}
    taken = [*ways.values(), *_objects(ways.values())]
    kinds = (*INTEGERS, "boolean")
    return [column for column in dataset.read_columns if column.type in kinds and taken.count(ways[column.name]) == 1]


class Paths:
    """A structure for json_transform, in which some columns stand as what they are and the others as text, and the way to each column."""

    def __init__(self, columns: Sequence[Column], typed: Collection[str] = ()) -> None:
        self.structure: dict[str, Any] = {}
        self.columns, self.typed = columns, typed
        self.ways = {column.name: _way(column) for column in columns}
        self.objects = _objects(self.ways.values())
        self.tops = list(dict.fromkeys(way[0] for way in self.ways.values()))
        for column in columns:
            if self.ways[column.name] not in self.objects:
                self._add(self.ways[column.name], self._kind(column))

    def _add(self, way: Way, kind: str) -> None:
        level = self.structure
        for key in way[:-1]:
            level = level.setdefault(key, {})
        level.setdefault(way[-1], kind)

    def expression(self, column: Column, parsed: str = "parsed") -> str:
        """Return the column's text, or its value, in what the parser gave.

        By place, not by name: names of a struct ignore case, keys of JSON don't.
        """
        way, found = self.ways[column.name], parsed
        level: Any = self.structure
        for key in way:
            found = f"struct_extract_at({found}, {list(level).index(key) + 1})"
            level = level[key]
        if level != self._kind(column):  # an object of which a part is a column too, or a key that two columns take differently
            at = literal(pointer(way))
            return f"nullif(cast(exact -> {at} as varchar), 'null')" if numbers.nested(column.type) else f"(exact ->> {at})"
        return found if column.name in self.typed else f"cast({found} as varchar)"

    def text_at(self, way: Way) -> proof.Text | None:
        """Return the text of what stands at a place of the record, None where no column reads just that."""
        column = next((column for column in self.columns if self.ways[column.name] == way), None)
        if column is None or way in self.objects or numbers.nested(column.type):
            return None
        text = self.expression(column)
        return proof.Text(f"cast({text} as varchar)" if column.name in self.typed else text, column.required, column.name not in self.typed)

    def _kind(self, column: Column) -> str:
        """Return json_transform's type: the column's own, the JSON of a value that is nested, otherwise what the value says."""
        if column.name in self.typed:
            return column.type
        return "JSON" if numbers.nested(column.type) else "VARCHAR"


def pointer(way: Sequence[str]) -> str:
    """Return a JSON pointer (RFC 6901)."""
    return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in way)


def _objects(ways: Iterable[Way]) -> list[Way]:
    """Return the places in which something lies deeper."""
    return sorted({way[:depth] for way in ways for depth in range(1, len(way))})


def _way(column: Column) -> Way:
    return tuple(column.from_.split(".")) if column.from_ else (column.name,)
