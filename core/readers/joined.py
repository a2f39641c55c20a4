"""CSV files that hold more than one table: the header stands in them again. Decides where the first table ends; what follows is set aside.

Nobody can tell whether the rows below a second header are more of the same (files that were joined) or another table of the same names,
and a header in another order would bend every row below it.
"""

from dataclasses import replace
from typing import Final

from core.contract import Dataset
from core.quoting import texts
from core.readers.dialect import Dialect
from core.readers.files import Prepared, mapped

HEADER_AGAIN: Final = "the header once more"
NO_HEADER: Final = "a header, where the contract says that there is none"
SECOND_TABLE: Final = "in a second table: the header stood there once more"


def is_header(dataset: Dataset, names: tuple[str, ...]) -> str | None:
    """Return the condition that a record f0, f1 ... consists of the columns' names, in whatever order; None where a row may say just that.

    A value of a single column of text may well be the column's name.
    """
    if len(names) == 1 and dataset.read_columns[0].type == "varchar":
        return None
    known, fields = texts(names), f"[{', '.join(f'f{place}' for place in range(len(names)))}]"
    return f"list_contains({known}, f0) and list_has_all({known}, {fields}) and len(list_distinct({fields})) = {len(names)}"


def first_table(file: Prepared, dialect: Dialect) -> Prepared:
    """Copy the file's records, with a mark in the place of each from a second table's header on.

    The header once more before any row begins no second table, unless its names are in another order.
    """
    target = file.path.with_name(f"{file.path.stem}.table.csv")
    names, needle = sorted(file.header), _needle(file.header, dialect)
    rows = second = False
    with mapped(file.original or file.path) as data, target.open("wb") as sink:
        for piece in dialect.records(data, file.start, len(file.header)):
            record = bytes(data[piece.start : piece.end])
            if not (second or piece.bad) and needle in record:
                found = [dialect.text(field) for field in dialect.split(record)]
                second = sorted(found) == names and (rows or found != list(file.header))
                rows = rows or found != list(file.header)
            else:
                rows = True
            kept = dialect.second_table if second else dialect.misplaced if piece.bad else dialect.shielded(record)
            sink.write(kept + b"\n")
    return replace(file, path=target, original=file.original or file.path, skip=0)


def _needle(names: tuple[str, ...], dialect: Dialect) -> bytes:
    """Return the longest part of a name that is written the same way whether it is quoted or not."""
    pieces = [name.encode() for name in names]
    for mark in {dialect.quote, dialect.escape} - {b""}:
        pieces = [part for piece in pieces for part in piece.split(mark)]
    return max(pieces, key=len)
