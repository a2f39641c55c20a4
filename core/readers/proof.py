"""A proof that a JSON record was read exactly: written again from its values, it is the text that came.

A record that equals its own rewriting has no bent number, no unknown or repeated key, nothing that only a tolerant parser takes; it
needs no further question. The others (escapes, other spacing, absent keys) are asked one by one. Only speed hangs on it.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from core.quoting import literal

HEAD = 1 << 16
Value = Callable[[tuple[str, ...]], str | None]
"""The expression of the text at a place in the record; None where no column reads it."""


def rewriting(path: Path, value: Value) -> str:
    """Return the condition that a record, written again as the file's first one is, is what came.

    '' where the first record has what no column reads, or is none.
    """
    try:
        with path.open("rb") as file:
            head = file.read(HEAD).decode("utf-8", "ignore").lstrip(" \t\r\n[")
        record, _ = json.JSONDecoder(object_pairs_hook=Pairs).raw_decode(head)
    except ValueError:
        return ""
    if not isinstance(record, Pairs):
        return ""
    comma, colon = (", ", ": ") if '": ' in head[:HEAD] else (",", ":")
    pieces = _object(record, (), value, comma, colon)
    spoken = "not contains(_raw, 'NaN') and not contains(_raw, 'Infinity')"  # both would come out as they went in
    return f"_raw = concat({', '.join(pieces)}) and {spoken}" if pieces else ""


class Pairs(list[tuple[str, Any]]):
    """An object's keys and values, in its order."""


def _object(pairs: Pairs, way: tuple[str, ...], value: Value, comma: str, colon: str) -> list[str]:
    pieces: list[str] = []
    opening = "{"
    for key, sample in pairs:
        start = literal(opening + json.dumps(key, ensure_ascii=False) + colon)
        inner = _object(sample, (*way, key), value, comma, colon) if isinstance(sample, Pairs) else _leaf(sample, (*way, key), value)
        if not inner:
            return []
        pieces += [start, *inner]
        opening = comma
    return [*pieces, literal("}")] if pairs else []


def _leaf(sample: Any, way: tuple[str, ...], value: Value) -> list[str]:
    text = value(way)
    if text is None or isinstance(sample, list):
        return []
    quoted = isinstance(sample, str)
    return [f"""coalesce('"' || {text} || '"', 'null')""" if quoted else f"coalesce({text}, 'null')"]


def first_of(paths: Sequence[Path]) -> Path:
    """Return the file by which a batch's records are rewritten: the largest says most of what is to come."""
    return max(paths, key=lambda path: path.stat().st_size)
