"""Sizes and durations as declarations write them: `64MB`, `36 hours`. Pure."""

import re
from datetime import timedelta
from functools import lru_cache
from typing import Final

BYTES: Final = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}


@lru_cache
def size(text: str) -> int:
    """Return the bytes of a size such as 64MB; raises ValueError."""
    found = re.fullmatch(r"(\d+) ?(\w+)", text.strip())
    if not found or found[2] not in BYTES:
        raise ValueError(f"{text} is no size such as 64MB; units are {', '.join(BYTES)}")
    return int(found[1]) * BYTES[found[2]]


def spoken(number: int) -> str:
    """Return bytes as a person reads them, such as 1.5 GiB."""
    name = next((name for name in ("TiB", "GiB", "MiB", "KiB") if number >= BYTES[name]), "B")
    return f"{number / BYTES[name]:.1f}".removesuffix(".0") + f" {name}"


def duration(text: str) -> timedelta:
    """Return the time of a duration such as 7 days; raises ValueError."""
    found = re.fullmatch(r"(\d{1,5}) (minute|hour|day|week)s?", text.strip())
    if not found:
        raise ValueError(f"{text} is no duration such as 36 hours or 7 days; units are minutes, hours, days and weeks")
    return timedelta(**{f"{found[2]}s": int(found[1])})
