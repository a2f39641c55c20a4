"""What the fault tests counted: by row of docs/reliability.md, which `make faults` writes."""

import os
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from tests.page import PAGE, with_part

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
    """Cases that passed, by row and by what they were; a case that fails is a failed test, and then no page is written."""

    cases: Counter[tuple[str, str]] = field(default_factory=Counter)

    def count(self, row: str, what: str = "", cases: int = 1) -> None:
        """Count cases of a row that passed; `what` tells them apart (append, merge, ...)."""
        assert row in ROWS, row
        self.cases[row, what] += cases

    def page(self) -> str:
        """Return the page: one line a row, with its cases in all and by what they were."""
        lines = []
        for row, told in ROWS.items():
            kinds = {what: number for (name, what), number in self.cases.items() if name == row}
            detail = ", ".join(f"{what} {number:,}" for what, number in sorted(kinds.items()) if what)
            lines.append(f"| {told} | {sum(kinds.values()):,} | {detail} |")
        return with_part(PAGE.read_text("utf-8"), "figures", ["| what is done | cases, all passed | of which |", "|---|---:|---|", *lines])


FIGURES: Final = Figures()
