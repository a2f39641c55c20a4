"""`python -m benchmarks`: measure, print, and on request keep the figures and write docs/benchmarks.md from all that are kept."""

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks import caution, commerce, merge, merge_days, old_tables, pruned, report, small_files, spill, start, warm, wide, xlsx
from benchmarks.figures import Figures, figures, save, saved, text
from benchmarks.harness import ROOT, Benchmark, Defect, forget, measure
from benchmarks.machine import machine
from benchmarks.page import page
from benchmarks.rivals import THREADS


@dataclass(frozen=True)
class Group:
    """Benchmarks that share their inputs; `long` where making or measuring them takes more than a minute or two."""

    make: Callable[[float], Iterator[Benchmark]]
    long: bool = False


BENCHMARKS: Final[dict[str, Group]] = {
    "commerce": Group(partial(commerce.benchmarks, commerce.headline())),
    "commerce_10m": Group(partial(commerce.benchmarks, commerce.large()), long=True),
    "commerce_bad": Group(commerce.bad),
    "spill": Group(spill.benchmarks, long=True),
    "wide": Group(wide.benchmarks),
    "caution": Group(caution.benchmarks),
    "xlsx": Group(xlsx.benchmarks),
    "small_files": Group(small_files.benchmarks),
    "warm": Group(warm.benchmarks),
    "start": Group(start.benchmarks),
    "merge": Group(merge.benchmarks, long=True),
    "merge_days": Group(merge_days.benchmarks, long=True),
    "old_tables": Group(old_tables.benchmarks, long=True),
    "pruned": Group(pruned.benchmarks, long=True),
}
IMAGE: Final = ROOT / "docs" / "image.md"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is asked for. Exits 1 where a contestant fails or does other work than the others: then there is no figure of them."""
    asked = _parser().parse_args(arguments)
    _stay_on(THREADS)
    kept, written = _places(asked.scale)
    found: list[Figures] = []
    defects: list[str] = []
    for name in asked.only or BENCHMARKS:
        if asked.quick and BENCHMARKS[name].long and not asked.only:
            _tell(f"{name}: left out, it takes long")
            continue
        try:
            for measured in _measured(name, asked):
                found.append(measured)
                if asked.write:
                    save(measured, kept)
        except Defect as defect:
            defects.append(f"{name}: {defect}")
            _tell(defects[-1])
    if asked.json:
        print(f"[{', '.join(map(text, found))}]")
    elif found:
        print(report.aligned([row for row in report.verdicts({one.name: one for one in found}) if row[-1]]))
    if asked.write:
        written.write_text(page(saved(kept, list(BENCHMARKS)), IMAGE.read_text("utf-8")), "utf-8")
        _tell(f"wrote {written}")
    if defects:
        sys.exit("benchmarks: no figures of " + "\n".join(defects))


def _measured(name: str, asked: argparse.Namespace) -> Iterator[Figures]:
    for benchmark in BENCHMARKS[name].make(asked.scale):
        try:
            measured = figures(benchmark, measure(benchmark, min(asked.rounds, 2) if asked.quick else asked.rounds, _tell), machine())
        finally:
            forget(benchmark)
        if not asked.json:
            print(f"\n{report.text(measured)}\n", flush=True)
        yield measured


def _places(scale: float) -> tuple[Path, Path]:
    """Return where figures are kept, and the page; those of another size are for trying, and stay apart."""
    if scale == 1:
        return ROOT / "build" / "benchmarks", ROOT / "docs" / "benchmarks.md"
    kept = ROOT / "build" / f"benchmarks-{scale:g}"
    return kept, kept / "benchmarks.md"


def _stay_on(processors: int) -> None:
    """Give all contestants the same processors, those too that ask nobody how many they may use."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:processors])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure Lakelet beside its rivals.")
    parser.add_argument("--only", action="append", choices=list(BENCHMARKS), help="one of them; may be repeated")
    parser.add_argument("--quick", action="store_true", help="two rounds at most, and leave out what takes long")
    parser.add_argument("--scale", type=_positive(float), default=1.0, help="a share of each size, to try it (0.01)")
    parser.add_argument("--rounds", type=_positive(int), default=5, help="runs of each contestant (5); of slow ones fewer")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    parser.add_argument(
        "--write", action="store_true", help="keep the figures (build/benchmarks), and write docs/benchmarks.md from all that are kept"
    )
    return parser


def _positive(kind: type[int] | type[float]) -> Callable[[str], float]:
    def number(text: str) -> float:
        if (found := kind(text)) <= 0:
            raise argparse.ArgumentTypeError("must be more than nothing")
        return found

    return number


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
