"""`python -m benchmarks`: measure, print, and on request write docs/benchmarks.md."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from typing import Final

from benchmarks import caution, commerce, old_tables, report, small_files, wide
from benchmarks.harness import ROOT, Benchmark, Defect, measure

BENCHMARKS: Final[dict[str, Callable[[argparse.Namespace], tuple[Benchmark, ...]]]] = {
    "commerce": lambda asked: commerce.benchmarks(asked.rows),
    "small_files": lambda _: small_files.benchmarks(),
    "wide": lambda _: wide.benchmarks(),
    "caution": lambda _: caution.benchmarks(),
    "old_tables": lambda asked: old_tables.benchmarks(asked.commits),
}
PAGE: Final = ROOT / "docs" / "benchmarks.md"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is asked for. Exits 1 where a contestant fails or does other work than the others: then there is no figure."""
    asked = _parser().parse_args(arguments)
    rounds: list[report.Round] = []
    try:
        for name in asked.only or BENCHMARKS:
            for benchmark in BENCHMARKS[name](asked):
                measured = measure(benchmark, asked.rounds, _tell)
                rounds.append((benchmark, measured))
                if not asked.json:
                    print(f"\n{report.text(benchmark, measured)}\n", flush=True)
    except Defect as defect:
        sys.exit(f"benchmarks: {defect}")
    if asked.json:
        print(json.dumps(report.document(rounds), indent=2))
    if asked.write:
        PAGE.write_text(report.page(rounds), "utf-8")
        _tell(f"wrote {PAGE}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure Lakelet beside its rivals.")
    parser.add_argument("--only", action="append", choices=list(BENCHMARKS), help="one of them; may be repeated")
    parser.add_argument("--rows", type=_positive, default=1_000_000, help="records of each commerce dataset (1,000,000)")
    parser.add_argument("--commits", type=_positive, default=10_000, help="how old the oldest table is (10,000 commits)")
    parser.add_argument("--rounds", type=_positive, default=5, help="runs of each contestant (5); of slow ones at most 2")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
