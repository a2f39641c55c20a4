"""The page docs/benchmarks.md, from figures that are kept: the goals, a section a benchmark, the machine."""

from collections.abc import Mapping, Sequence

from benchmarks.figures import Figures
from benchmarks.goals import Goal, Known, first_answer
from benchmarks.machine import MOMENT
from benchmarks.plots import PLOTS
from benchmarks.report import table, verdicts

INTRODUCTION = """# Benchmarks

Written by `python -m benchmarks --write`. Seconds are those of the whole process, from its start to its end, imports included; CPU
seconds are those of its process tree on all cores, which say more than the clock where a machine is shared; MB are the peak of that tree.
Where only one step of a process is measured, its paragraph says so.
Contestants take turns, each in a new process and an empty folder, on the same two cores; ratios are of medians, to the first row.
After each run the result is read back: the contestants of a table gave the same rows, or there would be no table (one that only reads
leaves nothing to compare). The inputs were read once before, so all of them read from memory rather than from disk.

```
make bench                                          # all of it, an hour or more; writes this page
.venv/bin/python -m benchmarks --quick              # some minutes: the long ones are left out
.venv/bin/python -m benchmarks --only xlsx --write  # one section again; the others stay as they were
.venv/bin/python -m benchmarks --scale 0.01         # all of it in miniature: does it run?
LAKELET_SPARK_PYTHON=/path/to/python make bench     # an interpreter that has pyspark, with Java beside it
LAKELET_SAIL_PYTHON=/path/to/python make bench      # ... pysail and Spark's client
LAKELET_RIVALS_PYTHON=/path/to/python make bench    # ... pandas (with pyarrow) and polars
```
"""
MISSED = """Where the time of those that were missed goes, and what was tried:
[what exactness costs](decisions/2026-11-21-what-exactness-costs.md).
"""
AGE = "date"


def page(known: Known, image: str) -> str:
    """Return docs/benchmarks.md; `image` is the text of docs/image.md, whose first answer is one of the goals."""
    newest = max((found.machine for found in known.values()), key=lambda machine: machine[AGE], default={})
    answer = Goal("image", "the image's first answer at 1,769 MB ([image.md](image.md))", "<= 0.6 s", lambda _: None)
    goals = verdicts(known, [(answer, first_answer(image, "1,769", 0.6))])
    parts = [INTRODUCTION, "## Goals\n", markdown(goals, "---|---|---|---"), "", MISSED]
    parts += [section(known, name, newest) for name in known]
    parts += ["## The machine\n", *(f"- {name}: {value}" for name, value in newest.items() if name not in MOMENT)]
    return "\n".join(parts) + "\n"


def section(known: Known, name: str, newest: Mapping[str, str]) -> str:
    """Return a benchmark's section; what its machine had that the newest has not is said."""
    found = known[name]
    rows = table(found)
    parts = [f"## {found.title}\n", f"{found.note}\n", markdown(rows, "---|" + "|".join(["--:"] * (len(rows[0]) - 1))), ""]
    if name in PLOTS:
        parts += [PLOTS[name](known, name), ""]
    other = [f"{what} {value}" for what, value in found.machine.items() if what not in MOMENT and newest.get(what) != value]
    beside = f" With {', '.join(other)}." if other else ""
    return "\n".join([*parts, f"{_rounds(found)} Measured {found.machine[AGE]}, load {found.machine['load']}.{beside}\n"])


def markdown(rows: Sequence[Sequence[str]], rule: str) -> str:
    """Return a table; the first row is its header."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], f"|{rule}|", *lines[1:]])


def _rounds(found: Figures) -> str:
    count = max(len(row.seconds) for row in found.rows)
    fewer = [f"{len(row.seconds)} of {row.name}" for row in found.rows if 0 < len(row.seconds) < count]
    return f"{count} round{'s'[: count != 1]} in turns{'; ' * bool(fewer)}{', '.join(fewer)}."
