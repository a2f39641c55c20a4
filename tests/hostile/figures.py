"""What the hostile tests counted: by row of docs/hostile-input.md, which `make hostile` writes."""

from typing import Final

from tests.figures import Figures
from tests.page import HOSTILE

ROWS: Final = {
    "session": "SQL that attacks, by session, query, transform, check and computed column",
    "bombs": "SQL that would take all time or memory",
    "names": "Names and values that carry SQL",
    "packed": "Packed files: bombs, damaged, of another packer, each between two good neighbours",
    "texts": "Texts: endless lines, quotes, columns, nesting, numbers, encodings, each between two good neighbours",
    "no files": "Pipes, sockets, devices, links, folders and files that change while they are read",
    "keys": "Object keys, by each envelope and by sweep, loaded, archived, undone, rejected and replayed",
    "workbooks": "Workbooks that lie, burst, climb or crash their reader, in one batch with good ones",
    "parquet": "Parquet files that lie, burst or crash their reader, in one batch with good ones",
    "flips": "Files of every format with bits flipped, bytes taken out, put in or cut off",
    "canaries": "Values and credentials, looked for in logs, errors, reports, messages, metrics, traces, commits, catalog and answers",
    "formulas": "Cells and headers of exports that a spreadsheet would compute",
    "http": "Requests to the HTTP API: drawn from its own document by schemathesis, and bent by hand",
}

FIGURES: Final = Figures(ROWS, HOSTILE)
