"""The only way by which a name or a value reaches SQL. Pure."""

from collections.abc import Iterable


def identifier(name: str) -> str:
    """Quote a name; the only way by which a name reaches SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a text; the only way by which a value reaches SQL."""
    return "'" + text.replace("'", "''") + "'"


def identifiers(names: Iterable[str], prefix: str = "") -> str:
    return ", ".join(prefix + identifier(name) for name in names)


def texts(values: Iterable[str]) -> str:
    """Return a list literal of texts."""
    return "[" + ", ".join(literal(value) for value in values) + "]"
