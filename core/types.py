"""The types that a contract may name, and what they are called by DuckDB, in a table and by people. Pure."""

import re
from typing import Final

SCALARS: Final = {
    "boolean": "boolean", "bool": "boolean",
    "tinyint": "tinyint", "smallint": "smallint", "integer": "integer", "int": "integer", "bigint": "bigint",
    "float": "float", "real": "float", "double": "double",
    "varchar": "varchar", "text": "varchar", "string": "varchar", "json": "json",
    "date": "date", "timestamp": "timestamptz", "timestamptz": "timestamptz", "timestamp with time zone": "timestamptz",
}  # fmt: skip
"""Type names of a contract -> DuckDB's. A `timestamp` is an instant in UTC: Delta's naive one is refused by older readers."""

DECIMAL: Final = re.compile(r"(?:decimal|numeric)\s*\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)")


def canonical_type(name: str) -> str:
    """Return DuckDB's name of a declared type; raises ValueError for a type that a Delta table cannot hold."""
    text = " ".join(name.strip().split())
    lowered = text.lower()
    if lowered in SCALARS:
        return SCALARS[lowered]
    if lowered in ("decimal", "numeric"):
        raise ValueError(f"{name} needs its precision and scale, as in decimal(12,2)")
    if found := DECIMAL.fullmatch(lowered):
        precision, scale = int(found[1]), int(found[2] or 0)
        if not (1 <= precision <= 38 and scale <= precision):
            raise ValueError(f"{name}: precision is 1 to 38, scale 0 to the precision")
        return f"decimal({precision},{scale})"
    if lowered.endswith("[]"):
        return _inner(text[:-2]) + "[]"
    if found := re.fullmatch(r"struct\s*\((.+)\)", text, re.IGNORECASE):
        return f"struct({', '.join(_field(part) for part in _split(found[1]))})"
    raise ValueError(f"unknown type {name}; one of {', '.join(dict.fromkeys(SCALARS))}, decimal(p,s), TYPE[], struct(name TYPE, ...)")


def _field(text: str) -> str:
    found = re.fullmatch(r'("(?:[^"]|"")+"|\w+)\s+(.+)', text.strip())
    if not found:
        raise ValueError(f"a struct's field is `name TYPE`, not {text.strip()!r}")
    name = found[1] if found[1].startswith('"') else f'"{found[1]}"'
    return f"{name} {_inner(found[2])}"


def _inner(text: str) -> str:
    """A type inside a list or struct: those that JSON itself can say exactly."""
    kind = canonical_type(text)
    if kind.startswith(("decimal", "date", "timestamp")):
        raise ValueError(f"{text} inside a list or struct is not exact in JSON; read it as varchar, or as a column of its own with `from`")
    return kind


def _split(text: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for at, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    return [*parts, text[start:]]


def declared_type(kind: str) -> str:
    """Return a type as people write it in a contract."""
    return "timestamp" if kind == "timestamptz" else kind


def stored_type(kind: str) -> str:
    """Return the type in which a table holds a declared one: JSON is a text there."""
    return "varchar" if kind == "json" else kind
