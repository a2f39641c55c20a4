"""What the fault tests counted: by row of docs/reliability.md, which `make faults` writes."""

from typing import Final

from tests.figures import LONG, Figures
from tests.page import PAGE

__all__ = ["FIGURES", "LONG"]

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

FIGURES: Final = Figures(ROWS, PAGE)
