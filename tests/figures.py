"""What tests counted, by row of a page's table, which a long run writes."""

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.page import with_part

LONG: Final = os.environ.get("LAKELET_FAULTS") == "long"
"""Whether every case is tried (`make faults`, `make hostile`); otherwise a part that takes minutes."""


@dataclass
class Figures:
    """Cases that passed, by test module, row and what they were; a case that fails is a failed test, and then none is written down."""

    rows: Mapping[str, str]
    page: Path
    cases: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    @property
    def kept(self) -> Path:
        """What long runs counted, by module, so that one module can be tried again by itself."""
        return self.page.parents[1] / "build" / f"{self.page.stem}.json"

    def count(self, row: str, what: str = "", cases: int = 1) -> None:
        """Count cases of a row that passed; `what` tells them apart (append, merge, ...)."""
        assert row in self.rows, row
        module = os.environ.get("PYTEST_CURRENT_TEST", "").partition("::")[0]
        self.cases[module, row, what] += cases

    def keep(self) -> None:
        """Put what this session counted in place of what its modules counted before, and write the page once every row was met."""
        before = [tuple(entry) for entry in json.loads(self.kept.read_text("utf-8"))] if self.kept.is_file() else []
        modules = {module for module, _, _ in self.cases}
        kept = [entry for entry in before if entry[0] not in modules] + [(*key, number) for key, number in sorted(self.cases.items())]
        self.kept.parent.mkdir(exist_ok=True)
        self.kept.write_text(json.dumps(kept, indent=0), "utf-8")
        if {row for _, row, _, _ in kept} == set(self.rows):
            self.page.write_text(with_part(self.page.read_text("utf-8"), "figures", self._table(kept)), "utf-8")

    def _table(self, cases: Iterable[tuple[str, str, str, int]]) -> list[str]:
        """Return one line a row, with its cases in all and by what they were."""
        kinds: dict[str, Counter[str]] = {row: Counter() for row in self.rows}
        for _, row, what, number in cases:
            kinds[row][what] += number
        lines = ["| what is done | cases, all passed | of which |", "|---|---:|---|"]
        for row, found in kinds.items():
            detail = ", ".join(f"{what} {number:,}" for what, number in sorted(found.items()) if what)
            lines.append(f"| {self.rows[row]} | {found.total():,} | {detail} |")
        return lines
