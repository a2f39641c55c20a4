"""What the hostile tests counted: by row of docs/hostile-input.md."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

ROWS: Final = {
    "session": "SQL that attacks, by session, query, transform, check and computed column",
    "bombs": "SQL that would take all time or memory",
    "names": "Names and values that carry SQL",
    "keys": "Object keys, by each envelope and by sweep, loaded, archived, undone, rejected and replayed",
    "workbooks": "Workbooks that lie, burst, climb or crash their reader, in one batch with good ones",
    "parquet": "Parquet files that lie, burst or crash their reader, in one batch with good ones",
    "flips": "Files of every format with bits flipped, bytes taken out, put in or cut off",
}


@dataclass
class Figures:
    """Cases that passed, by row and what they were; a case that fails is a failed test."""

    cases: Counter[tuple[str, str]] = field(default_factory=Counter)

    def count(self, row: str, what: str = "", cases: int = 1) -> None:
        """Count cases of a row that passed; `what` tells them apart."""
        assert row in ROWS, row
        self.cases[row, what] += cases

    def lines(self) -> list[str]:
        """Return the table's lines: a row, its cases in all, and of which."""
        kinds: dict[str, Counter[str]] = {row: Counter() for row in ROWS}
        for (row, what), number in self.cases.items():
            kinds[row][what] += number
        return [
            f"| {ROWS[row]} | {found.total():,} | {', '.join(f'{what} {number:,}' for what, number in sorted(found.items()) if what)} |"
            for row, found in kinds.items()
        ]


FIGURES: Final = Figures()
