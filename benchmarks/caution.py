"""What the readers' questions cost a clean file: a wide table read with them and without."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.harness import ROOT, Benchmark, Contestant
from benchmarks.inputs import link, samples, scaled
from benchmarks.rivals import lakelet

PROJECT: Final = ROOT / "benchmarks" / "wide_project"
ROWS: Final = 300_000
FILES: Final = {"csv": "CSV without quotes", "quoted": "CSV with quotes", "jsonl": "JSON lines"}


def benchmarks(scale: float) -> Iterator[Benchmark]:
    """Give one benchmark a kind of file: some 100 MB of CSV, 180 of JSON."""
    raw = samples(PROJECT, "wide", rows := scaled(ROWS, scale))
    yield from (_benchmark(raw, kind, rows) for kind in FILES)


def _benchmark(raw: Path, kind: str, rows: int) -> Benchmark:
    (file,) = (raw / "raw" / kind).iterdir()
    table, key = f"lake/silver/{kind}", file.relative_to(raw).as_posix()
    check = (table, "--one-commit", table, "--empty", f"lake/raw/{kind}")
    return Benchmark(
        f"caution_{kind}",
        f"{FILES[kind]}, clean: {file.stat().st_size / 1e6:.0f} MB, 40 columns, {rows:,} rows",
        "Lakelet as it is, and Lakelet whose reader believes what it is given: quotes, line ends, encoding, widths, second headers, depth, "
        "repeated and unknown keys and the digits of numbers are not looked at. Both cast by the contract and write a Delta table.",
        tuple(
            Contestant(name, argv, check, environment, lambda folder: link(raw, folder / "lake", [key]))
            for name, (argv, environment) in (("without a question", lakelet(PROJECT, "trusting.py")), ("Lakelet", lakelet(PROJECT)))
        ),
        (file,),
    )
