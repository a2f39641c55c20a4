"""A hostile file between two good neighbours: loaded by a process that has a function's memory, and held against what has to be true.

Whatever the file is, the process ends by itself, in time and within its memory, the neighbours are loaded, and the books balance.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from tests.faults.figures import LONG
from tests.faults.oracle import assert_sound
from tests.hostile.alone import Ended, Loader
from tests.world import World

MEMORY: Final = "400MiB"
"""DuckDB's share of the memory."""

MOST: Final = 1200
"""MiB that the process may hold in all: the smallest function that loads files has 1,769."""

PATIENCE: Final = 120
"""Seconds after which a load is given up."""

M: Final = 1_000_000

Body = bytes | Callable[[Path], object]

CSV: Final = {"format": "csv"}
JSONL: Final = {"format": "jsonl"}
ARRAY: Final = {"format": "json", "options": {"layout": "array"}}
CONCATENATED: Final = {"format": "json", "options": {"layout": "concatenated"}}


@dataclass(frozen=True)
class Told:
    """What became of a batch: fates by name (a reason where a file was rejected), its rows in the order of the files, and the world."""

    world: World
    fates: Mapping[str, str]
    ended: Ended

    def rows(self, name: str) -> list[tuple[Any, ...]]:
        """Return the rows of a file in the table, without their provenance."""
        found = self.world.rows(f"select * from odd where starts_with(_source, 'raw/odd/{name}@') order by _row")
        return [tuple(value for column, value in row.items() if not column.startswith("_source") and column != "_row") for row in found]

    def reasons(self, name: str) -> list[str]:
        """Return why records of a file were set aside."""
        if self.world.lake.named_table("quarantine.odd") is None:
            return []
        found = self.world.rows(f"select reasons from quarantine.odd where starts_with(_source, 'raw/odd/{name}@') order by _row")
        return [", ".join(row["reasons"]) for row in found]

    def report(self, name: str) -> Mapping[str, Any]:
        """Return what a person is told of a file that was rejected."""
        reports = [self.world.lake.raw.get(key) or b"" for key in self.world.keys("rejected/") if key.endswith(".report.json")]
        (found,) = [report for report in map(json.loads, reports) if report["object"] == f"raw/odd/{name}"]
        return dict(found)


def contract(source: Mapping[str, Any], columns: Mapping[str, str] | None = None) -> str:
    """Return a declaration of these columns; `id` is a number that has to be there."""
    named = [{"name": name, "type": kind} for name, kind in (columns or {"amount": "varchar"}).items()]
    declared = {
        "dataset": "odd",
        "source": {"path": "raw/odd/", **source},
        "columns": [{"name": "id", "type": "bigint", "required": True}, *named],
        "target": {"path": "processed/odd/"},
    }
    return yaml.safe_dump(declared)


def good(source: Mapping[str, Any], number: int) -> bytes:
    """Return a good file of one record in the format of a source."""
    if source["format"] == "csv":
        header = "" if source.get("options", {}).get("header") is False else "id,amount\n"
        return f"{header}{number},1\n".encode(source.get("options", {}).get("encoding", "utf-8"))
    record = f'{{"id":{number}}}'
    return (f"[{record}]" if source.get("options", {}).get("layout") == "array" else record).encode()


def deliver(
    loader: Loader,
    home: Path,
    source: Mapping[str, Any],
    files: Mapping[str, Body],
    columns: Mapping[str, str] | None = None,
    *,
    patience: float = PATIENCE,
) -> Told:
    """Put files into raw between two good ones, load them all as one batch, and hold the outcome against what is true of any."""
    world = World(home, str(home / "lake")).declare(contract(source, columns))
    world.put("raw/odd/0", good(source, 901))
    for name, body in files.items():
        path = home / "lake" / "raw" / "odd" / name
        if isinstance(body, bytes):
            path.write_bytes(body)
        else:
            body(path)
    world.put("raw/odd/~", good(source, 902))
    ended = loader.load(home, world.uri, memory=MEMORY, patience=patience)
    assert ended.status == 0, f"the process ended by {ended.status} after {ended.seconds:.0f} s"
    assert not ended.undone, ended.undone
    assert ended.held < MOST, f"{ended.held} MiB"
    assert LONG or ended.peak < MOST, f"{ended.peak} MiB"
    fates = {key.removeprefix("raw/odd/"): fate for key, fate in ended.fates.items()}
    told = Told(world, fates, ended)
    assert fates.pop("0") == fates.pop("~") == "loaded"
    assert [row[0] for name in ("0", "~") for row in told.rows(name)] == [901, 902]
    for name, fate in fates.items():
        if fate.startswith("rejected"):
            assert_told(told.report(name), name)
    assert_sound(world, "odd")
    return told


def assert_told(report: Mapping[str, Any], name: str) -> None:
    """A report names the object, says what was found, and what to do, and quotes no more of the file than a line."""
    assert f"raw/odd/{name}" in report["message"]
    assert report["found"], report
    assert report["remedy"], report
    assert len(report["message"]) < 20_000, len(report["message"])


def repeated(begin: bytes, piece: bytes, times: int, end: bytes = b"") -> Callable[[Path], object]:
    """Return what writes a large file without holding it: a beginning, a piece many times, an end."""

    def write(path: Path) -> None:
        run = max(1, M // len(piece))
        with path.open("wb") as file:
            file.write(begin)
            for _ in range(times // run):
                file.write(piece * run)
            file.write(piece * (times % run) + end)

    return write
