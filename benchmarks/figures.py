"""What was measured, as values that are kept: one JSON file a benchmark, so that a page can be written from several runs."""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness import Benchmark, Measured


@dataclass(frozen=True)
class Row:
    """A contestant's rounds: seconds, processor seconds and peak bytes of each, and what else it told; or why there are none."""

    name: str
    missing: str
    seconds: tuple[float, ...]
    cpu: tuple[float, ...]
    peak: tuple[int, ...]
    told: Mapping[str, tuple[float, ...]]
    rows: int | None

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def median_cpu(self) -> float:
        return statistics.median(self.cpu)

    @property
    def median_peak(self) -> float:
        return statistics.median(self.peak)

    def median_told(self, what: str) -> float | None:
        return statistics.median(self.told[what]) if what in self.told else None


@dataclass(frozen=True)
class Figures:
    """One benchmark as it was run: when, where and at what load; `bytes` are those of its inputs."""

    name: str
    title: str
    note: str
    machine: Mapping[str, str]
    bytes: int
    rows: tuple[Row, ...]

    def row(self, name: str | int) -> Row | None:
        """Return a contestant by its name or place, None where it has no figures."""
        found = self.rows[name] if isinstance(name, int) else next((row for row in self.rows if row.name == name), None)
        return found if found and found.seconds else None


def figures(benchmark: Benchmark, measured: Sequence[Measured], machine: Mapping[str, str]) -> Figures:
    """Return a benchmark's figures; `machine` as it is right after the last run."""
    rows = tuple(_row(one) for one in measured)
    return Figures(benchmark.name, benchmark.title, benchmark.note, machine, sum(map(_bytes, benchmark.inputs)), rows)


def _row(one: Measured) -> Row:
    results = one.results
    told = {name: tuple(result.told[name] for result in results) for name in (results[0].told if results else ())}
    return Row(
        one.contestant.name,
        one.contestant.missing,
        tuple(round(result.seconds, 4) for result in results),
        tuple(round(result.cpu, 4) for result in results),
        tuple(result.peak for result in results),
        told,
        results[0].answer[0] if results and results[0].answer else None,
    )


def _bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) if path.is_dir() else path.stat().st_size


def text(found: Figures) -> str:
    """Return figures as JSON."""
    return json.dumps(asdict(found), indent=2) + "\n"


def parse(text: str) -> Figures:
    """Return figures from JSON."""
    data = json.loads(text)
    return Figures(**{**data, "rows": tuple(_of_json(row) for row in data["rows"])})


def _of_json(row: dict[str, Any]) -> Row:
    rounds = {name: tuple(row[name]) for name in ("seconds", "cpu", "peak")}
    return Row(**{**row, **rounds, "told": {what: tuple(values) for what, values in row["told"].items()}})


def save(found: Figures, folder: Path) -> None:
    """Keep figures, in place of older ones of the same benchmark."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{found.name}.json").write_text(text(found), "utf-8")


def saved(folder: Path, groups: Sequence[str]) -> dict[str, Figures]:
    """Return the figures that are kept, in the order of the groups that their names begin with."""

    def place(path: Path) -> tuple[int, int, str]:
        return max((n for n, group in enumerate(groups) if path.stem.startswith(group)), default=len(groups)), len(path.stem), path.stem

    return {path.stem: parse(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"), key=place)}
