"""A file of 100,000 orders merged into a table of millions, their keys anywhere among them."""

import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from benchmarks.harness import CACHE, ROOT, Benchmark, Contestant, python, workspace
from benchmarks.inputs import generated, link_all, scaled
from benchmarks.rivals import BIGINT, MOMENT, MONEY, SCRIPTS, TEXT, THREADS

PROJECT: Final = ROOT / "benchmarks" / "merge_project"
COLUMNS: Final = {"id": BIGINT, "day": "date", "customer": TEXT, "amount": MONEY, "status": TEXT, "updated_at": MOMENT}
MERGED: Final = 100_000
SLICE: Final = 1_000_000
STRIDE: Final = 48_271
"""A prime: so many times a number, modulo the size of the table, is each number once, and neighbours lie far apart."""

FIRST_DAY: Final = "date '2025-07-01'"
VALUES: Final = (
    "format('customer_{{:05d}}', hash(id, {version}) % 100000) as customer, "
    "cast(hash(id, 1, {version}) % 100000 / 4 as decimal(12,2)) as amount, "
    "['open', 'paid', 'sent', 'back'][1 + cast(hash(id, 2, {version}) % 4 as bigint)] as status, "
    "timestamptz '2026-11-0{version} 00:00:00+00' + to_seconds(hash(id, 3) % 86400) as updated_at"
)
NOTE: Final = (
    "Four fifths of the file's rows replace one that is there by a newer version, a fifth is new. Seconds are of one step in a process "
    "that has imported what it needs, from the file to the commit. delta-rs' MERGE gets rows that DuckDB has read with their types, and "
    "knows of no versions: what comes wins. Lakelet reads text, checks it, compares versions, counts what becomes of every row, and "
    "archives the file."
)


def benchmarks(scale: float) -> Iterator[Benchmark]:
    """Give one benchmark a size of table."""
    for name, size in (("merge_5m", 5_000_000), ("merge_20m", 20_000_000)):
        yield _benchmark(name, scaled(size, scale), scaled(MERGED, scale))


def _benchmark(name: str, size: int, merged: int) -> Benchmark:
    known, new = merged * 4 // 5, merged // 5
    keys = f"select i * {size // known} as id from range({known}) as n(i) union all from range({size}, {size + new})"
    file = generated(f"{name}.csv", rows(keys, version=2), CSV)
    step = scaled(SLICE, size / 5_000_000) if size < 5_000_000 else SLICE
    template = rows(f"select (i * {STRIDE}) % {size} as id from range({{}}) as n(i)", version=1)
    lake = stocked("orders", template, [f"{first}, {min(first + step, size)}" for first in range(0, size, step)])
    return Benchmark(
        name,
        f"{merged:,} orders merged into {size:,}",
        f"{NOTE} Every file of the table holds some of the keys.",
        (delta_rs("orders", lake, file, "t.id = s.id"), ours("orders", lake, file)),
        (file, lake),
        most=3,
    )


def rows(keys: str, *, version: int, day: str = f"{FIRST_DAY} + cast(hash(id, 4) % 500 as integer)") -> str:
    """Return the orders of some keys as they were at a version; the same everywhere."""
    return f"select id, {day} as day, {VALUES.format(version=version)} from ({keys})"


CSV: Final = "format csv, header true, timestampformat '%Y-%m-%dT%H:%M:%SZ'"


def stocked(dataset: str, query: str, parts: Sequence[str], project: Path = PROJECT) -> Path:
    """Return a lake whose table holds the rows of a query with each part in its place, a commit each; makes it the first time."""
    work = json.dumps([query, *parts])
    sources = [SCRIPTS / "stock.py", *project.rglob("*.yaml")]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources) + work.encode()).hexdigest()[:8]
    folder = CACHE / f"{dataset}-{digest}"
    if not folder.is_dir():
        with workspace() as making:
            python("benchmarks.contestants.stock", str(project), str(making / "lake"), dataset, work)
            (making / "lake").rename(folder)
    return folder


def delta_rs(
    dataset: str, lake: Path, file: Path, condition: str, *, label: str = "delta-rs MERGE", where: str = "true", most: int = 99
) -> Contestant:
    """Return delta-rs' MERGE over a lake's table."""
    columns = "{" + ", ".join(f"{name}: '{kind}'" for name, kind in COLUMNS.items()) + "}"
    argv = (sys.executable, str(SCRIPTS / "delta_merge.py"), f"lake/silver/{dataset}", str(file), columns, condition)
    check = (f"lake/silver/{dataset}", "--where", where)
    return Contestant(label, argv, check, setup=lambda folder: link_all(lake, folder / "lake"), most=most, tells=True)


def ours(dataset: str, lake: Path, file: Path, *, label: str = "Lakelet", where: str = "true") -> Contestant:
    """Return Lakelet over a copy of a lake in which the file waits."""
    key = f"raw/{dataset}/{file.name}"

    def setup(folder: Path) -> None:
        link_all(lake, folder / "lake")
        (folder / "lake" / key).parent.mkdir(parents=True)
        (folder / "lake" / key).hardlink_to(file)

    argv = (sys.executable, str(SCRIPTS / "ingest_one.py"), str(PROJECT), "lake", dataset, key)
    check = (f"lake/silver/{dataset}", "--where", where, "--empty", f"lake/raw/{dataset}")
    return Contestant(label, argv, check, {"LAKELET_THREADS": str(THREADS)}, setup, tells=True)
