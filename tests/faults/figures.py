"""What the fault tests counted: by row of docs/reliability.md, which `make faults` writes."""

import json
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from tests.page import PAGE, with_part

KEPT: Final = PAGE.parents[1] / "build" / "faults.json"
"""What long runs counted, by module, so that one module can be tried again by itself."""

LONG: Final = os.environ.get("LAKELET_FAULTS") == "long"
"""Whether this is `make faults`: every case of the matrix; otherwise a part of it that takes minutes."""

ROWS: Final = {
    "deliveries": "Every event delivered 1 to 5 times, shuffled, to 4 worker processes",
    "kills": "SIGKILL before and after every storage request, then redelivery",
    "lies": "A store that lies: answer dropped, error after the effect, error before it, conflict, silence past the time limit",
    "first writes": "4 processes make the first write to one new table",
    "rivals": "Writers side by side: appends, counting merges, appends beside compaction and vacuum",
    "versions of keys": "Versions of keys in any order, doubled, with ties",
    "values": "Values that formats and engines bend",
    "redrive": "Some or all rows bad; run again after the cause was mended",
    "undo": "Objects and commits taken out again, windows run again, in any order",
    "histories": "Random histories of all of this against a model (hypothesis)",
    "deadlines": "A deadline at every stage",
    "old tables": "Tables that grew old by small commits, looked after meanwhile: every object delivered again",
    "changed objects": "Versions of one object in any order of arrival",
    "readers": "Tables read back by deltalake, by DuckDB's Delta reader and by Lakelet: the same rows",
}


@dataclass
class Figures:
    """Cases that passed, by test module, row and what they were; a case that fails is a failed test, and then none is written down."""

    cases: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def count(self, row: str, what: str = "", cases: int = 1) -> None:
        """Count cases of a row that passed; `what` tells them apart (append, merge, ...)."""
        assert row in ROWS, row
        module = os.environ.get("PYTEST_CURRENT_TEST", "").partition("::")[0]
        self.cases[module, row, what] += cases

    def keep(self) -> None:
        """Put what this session counted in place of what its modules counted before, and write the page once every row was met."""
        before = [tuple(entry) for entry in json.loads(KEPT.read_text("utf-8"))] if KEPT.is_file() else []
        modules = {module for module, _, _ in self.cases}
        kept = [entry for entry in before if entry[0] not in modules] + [(*key, number) for key, number in sorted(self.cases.items())]
        KEPT.parent.mkdir(exist_ok=True)
        KEPT.write_text(json.dumps(kept, indent=0), "utf-8")
        if {row for _, row, _, _ in kept} == set(ROWS):
            PAGE.write_text(_page(kept), "utf-8")


def _page(cases: Iterable[tuple[str, str, str, int]]) -> str:
    """Return the page: one line a row, with its cases in all and by what they were."""
    kinds: dict[str, Counter[str]] = {row: Counter() for row in ROWS}
    for _, row, what, number in cases:
        kinds[row][what] += number
    lines = []
    for row, found in kinds.items():
        detail = ", ".join(f"{what} {number:,}" for what, number in sorted(found.items()) if what)
        lines.append(f"| {ROWS[row]} | {found.total():,} | {detail} |")
    return with_part(PAGE.read_text("utf-8"), "figures", ["| what is done | cases, all passed | of which |", "|---|---:|---|", *lines])


FIGURES: Final = Figures()
