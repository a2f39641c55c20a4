"""Column statistics of a Parquet file: from DuckDB's texts to Delta's JSON, exactly or not at all. Pure."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import pyarrow as pa

from core.quoting import identifier

LONGEST_STATISTIC: Final = 64
"""Bytes. A longer text is cut, a maximum made greater than all that begin like it: without bounds delta-rs' Arrow reader hides rows."""

LAST_CHARACTER: Final = "\U0010ffff"


def delta_statistics(schema: pa.Schema, rows: int, statistics: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Translate DuckDB's column statistics (texts by quoted name) into Delta's; what cannot be told exactly is left out.

    A missing statistic costs a file opened in vain, a wrong one hides rows.
    """
    least: dict[str, Any] = {}
    most: dict[str, Any] = {}
    nulls: dict[str, int] = {}
    for field in schema:
        found = statistics.get(identifier(field.name))
        if found is None:
            continue
        if "null_count" in found:
            nulls[field.name] = int(found["null_count"])
        bounds = [_statistic(field.type, _cut(found.get(bound), bound)) for bound in ("min", "max")]
        if found.get("has_nan") != "true" and None not in bounds:
            least[field.name], most[field.name] = bounds
    return {"numRecords": rows, "minValues": least, "maxValues": most, "nullCount": nulls}


def _statistic(kind: pa.DataType, text: str | None) -> Any:
    if text is None:
        return None
    if pa.types.is_integer(kind):
        return int(text)
    if pa.types.is_floating(kind):
        return value if math.isfinite(value := float(text)) else None
    if pa.types.is_decimal(kind):
        return float(text) if kind.precision <= 15 else None
    if pa.types.is_string(kind):
        return text if text.removesuffix(LAST_CHARACTER).isprintable() else None
    if pa.types.is_date(kind):
        return text if len(text) == 10 else None
    if pa.types.is_timestamp(kind):
        return _instant(text)
    return None


def _cut(text: str | None, bound: str) -> str | None:
    """Return a bound that is short enough and still encloses every value, None where there is none."""
    if text is None or len(text.encode()) <= LONGEST_STATISTIC:
        return text
    cut = text[: LONGEST_STATISTIC // 4]
    if bound == "min":
        return cut
    return cut + LAST_CHARACTER if text < cut + LAST_CHARACTER else None


def _instant(text: str) -> str | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")
    except (ValueError, OverflowError):
        return None
