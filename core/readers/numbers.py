"""Numbers of JSON as they are written. DuckDB prints them through a double: 22 digits are rounded, 1.50 becomes 1.5.

A record whose numbers could be bent (rare, found by one pattern) is read from a copy in which each number is a marked text.
"""

import json
import re

from core.casts import INTEGERS
from core.contract import Dataset
from core.quoting import literal

FIRST, SECOND = "\x01", "\x02"  # control characters never stand in JSON as they are
MARK = FIRST + SECOND + "#"
MARK_IN_JSON = r"\u0001\u0002#"
TOKENS = r'("(?:[^"\\]|\\.)*")|(-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)'
BEFORE = r"[:,\[]\s*"
LONG = r"-?[0-9][0-9.]{15}"
VANISHING = r"-?(?:[0-9.]+[eE]-[0-9]{3}|0\.0000)"
NEGATIVE_ZERO = r"-0\s*[,}\]]"
WRITTEN = rf"-?[0-9.]+[eE]|-?[0-9]+\.[0-9]*0\s*[,}}\]]|{NEGATIVE_ZERO}"


def guard(dataset: Dataset) -> str:
    """Return the pattern of the records that need the marked copy; '' where no column can be bent.

    Long numbers lose digits, tiny ones become 0 (1e-400) or no decimal (0.00001), and -0 loses its sign. Others only change their looks
    (1.50, 1e2), which matters where the text itself is kept: anywhere in a nested or rescued value, or right behind the key of a varchar
    column.
    """
    types = {column.type for column in dataset.read_columns}
    if dataset.source.unknown_columns == "rescue" or any(map(nested, types)):
        return f"{BEFORE}(?:{LONG}|{WRITTEN})"
    texts = {
        json.dumps(column.from_.split(".")[-1] if column.from_ else column.name, ensure_ascii=False)
        for column in dataset.read_columns
        if column.type == "varchar"
    }
    if texts:
        return rf"{BEFORE}(?:{LONG}|{VANISHING}|{NEGATIVE_ZERO})|(?:{'|'.join(map(re.escape, sorted(texts)))})\s*:\s*(?:{WRITTEN}|[\[{{])"
    if any(kind in INTEGERS or kind.startswith("decimal") for kind in types):
        return f"{BEFORE}(?:{LONG}|{VANISHING}|{NEGATIVE_ZERO})"
    if any(kind in ("float", "double") for kind in types):
        return f"{BEFORE}(?:{VANISHING}|{NEGATIVE_ZERO})"
    return ""


def marked(text: str) -> str:
    """Return the expression of a JSON text whose numbers are marked texts."""
    tokens = f"regexp_replace({text}, {literal(TOKENS)}, '\\1' || chr(1) || '\\2' || chr(2), 'g')"
    opened = f"""replace(replace({tokens}, chr(1) || chr(2), ''), chr(1), '"{MARK_IN_JSON}')"""
    return f"""replace({opened}, chr(2), '"')"""


def unmarked(text: str) -> str:
    """Return the expression of a value without marks, as it was written."""
    inside = literal(r'"\\u0001\\u0002#([^"]*)"')
    alone = f"starts_with({text}, chr(1) || chr(2) || '#')"
    return f"case when {alone} then substr({text}, {len(MARK) + 1}) else regexp_replace({text}, {inside}, '\\1', 'g') end"


def nested(kind: str) -> bool:
    """Tell whether a column of this type takes JSON rather than what it says."""
    return kind == "json" or kind.endswith("[]") or kind.startswith("struct")
