"""A file of one day's orders merged into a table that is partitioned by day: what it takes should not depend on the other days."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.harness import Benchmark
from benchmarks.inputs import generated, scaled
from benchmarks.merge import CSV, FIRST_DAY, MERGED, NOTE, STRIDE, delta_rs, ours, rows, stocked

DATASET: Final = "orders_by_day"
DAYS: Final = (50, 500)
A_DAY: Final = 100_000
TOGETHER: Final = 10
"""So many days were loaded at once."""

DAY: Final = 40
PRIME: Final = 2_147_483_647
"""More than there are orders: each number has a key of its own."""


def benchmarks(scale: float) -> Iterator[Benchmark]:
    """Give the one benchmark: the same day of a small table and of a large one."""
    size, merged = scaled(A_DAY, scale), scaled(MERGED, scale)
    known, new = merged * 4 // 5, merged // 5
    keys = f"select {_id(f'{DAY * size} + i')} as id from range({known}) as n(i) union all "
    keys += f"select {_id(f'{max(DAYS) * size} + i')} from range({new}) as n(i)"
    file = generated("one_day.csv", rows(keys, version=2, day=_day(DAY)), CSV)
    lakes = {days: _lake(days, size) for days in DAYS}
    literal = f"cast({_day(DAY)} as date)"
    contestants = [
        make(days)
        for days in DAYS
        for make in (
            lambda days: delta_rs(
                DATASET,
                lakes[days],
                file,
                f"t.day = {_iso(DAY)} and t.id = s.id",
                label=f"delta-rs MERGE, {days} days",
                where=f"day = {literal}",
            ),
            lambda days: ours(DATASET, lakes[days], file, label=f"Lakelet, {days} days", where=f"day = {literal}"),
        )
    ]
    by_key = delta_rs(
        DATASET,
        lakes[max(DAYS)],
        file,
        "t.day = s.day and t.id = s.id",
        label=f"delta-rs MERGE by its key, {max(DAYS)} days",
        where=f"day = {literal}",
        most=1,
    )
    yield Benchmark(
        "merge_days",
        f"{merged:,} orders of one day merged into {' and '.join(f'{size * days:,}' for days in DAYS)}, partitioned by day",
        f"{NOTE} A day has {size:,} orders. delta-rs is told which day it is, as somebody would who knows it; Lakelet finds out. By the "
        "key that the contract declares, day and id, and with its defaults, MERGE opens every day; with `streamed_exec=False` it finds the "
        "one, and is as fast as if it were told. A key says nothing of its day: every day's keys lie between the same bounds.",
        (*contestants, by_key),
        (file, *lakes.values()),
        most=3,
    )


def _lake(days: int, size: int) -> Path:
    keys = f"select cast(i // {size} as integer) as d, {_id('i')} as id from range({{}}) as n(i)"
    together = [f"{first * size}, {(first + TOGETHER) * size}" for first in range(0, days, TOGETHER)]
    return stocked(DATASET, rows(keys, version=1, day=f"{FIRST_DAY} + d"), together)


def _id(number: str) -> str:
    """Return an order's key: as an order's number or a UUID would, it says nothing of the day."""
    return f"(({number}) * {STRIDE}) % {PRIME}"


def _day(day: int) -> str:
    return f"({FIRST_DAY} + {day})"


def _iso(day: int) -> str:
    from datetime import date, timedelta

    return f"date '{date(2025, 7, 1) + timedelta(day)}'"
