"""What the hostile tests counted: by row of docs/hostile-input.md, which `make hostile` writes."""

from typing import Final

from tests.figures import Figures
from tests.page import HOSTILE

ROWS: Final = {
    "session": "SQL that attacks, by session, query, transform, check and computed column",
    "bombs": "SQL that would take all time or memory",
    "names": "Names and values that carry SQL",
    "keys": "Object keys, by each envelope and by sweep, loaded, archived, undone, rejected and replayed",
    "http": "Requests to the HTTP API: drawn from its own document by schemathesis, and bent by hand",
}

FIGURES: Final = Figures(ROWS, HOSTILE)
