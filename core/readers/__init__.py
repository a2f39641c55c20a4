"""Local copies of raw objects -> one SQL relation of text rows, exactly. No dialect is guessed; no row becomes a Python object on the way.

`relation` gives `_file`, `_problem` (why a record is no good), `_raw` (its
text, where that is free), `_rescued` (where the contract asks for it) and a varchar for each column that is read, in the file's order;
for those of `values` a value, too, and then no text.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import duckdb

from core.contract import Dataset
from core.errors import Rejected
from core.readers import delimited, depth, parquet, paths, records, workbook
from core.readers.files import Prepared, RawFile

__all__ = ["READERS", "Prepared", "RawFile", "Reader", "position", "prepare", "raw_records", "relation", "unreadable", "values"]


class Prepare(Protocol):
    def __call__(self, dataset: Dataset, file: RawFile, work: Path, /) -> Prepared: ...


class Relation(Protocol):
    def __call__(self, connection: duckdb.DuckDBPyConnection, dataset: Dataset, files: Sequence[Prepared], /, *, careful: bool) -> str: ...


Texts = dict[int, str] | Iterable[tuple[int, str]]
"""Records' texts by their ordinals; where a file may hold more of them than memory does, one after another."""


class RawRecords(Protocol):
    def __call__(self, dataset: Dataset, file: Prepared, ordinals: Collection[int], /) -> Texts: ...


class Position(Protocol):
    def __call__(self, dataset: Dataset, file: Prepared, ordinal: int, /) -> str: ...


class Values(Protocol):
    def __call__(self, dataset: Dataset, /) -> Mapping[str, str]: ...


class Unreadable(Protocol):
    def __call__(self, dataset: Dataset, file: Prepared, error: Exception, /) -> Rejected: ...


def texts_alone(_: Dataset, /) -> Mapping[str, str]:
    """Say that a format gives texts and no values."""
    return {}


@dataclass(frozen=True)
class Reader:
    """What one format knows: six functions over files, and nothing kept between them."""

    prepare: Prepare
    relation: Relation
    raw_records: RawRecords
    position: Position
    unreadable: Unreadable
    values: Values = texts_alone


READERS: Final[dict[str, Reader]] = {
    "csv": Reader(delimited.prepare, delimited.relation, delimited.raw_records, delimited.position, delimited.unreadable),
    "json": Reader(records.prepare, records.relation, records.raw_records, records.position, records.unreadable, paths.values),
    "jsonl": Reader(records.prepare, records.relation, records.raw_records, records.position, records.unreadable, paths.values),
    "parquet": Reader(parquet.prepare, parquet.relation, parquet.raw_records, parquet.position, parquet.unreadable),
    "xlsx": Reader(workbook.prepare, workbook.relation, workbook.raw_records, workbook.position, workbook.unreadable),
}


def prepare(dataset: Dataset, file: RawFile, work: Path) -> Prepared:
    """Unpack, decode and check one file; raises Rejected (empty, unreadable, invalid_schema). Again: it replaces what it wrote."""
    return READERS[dataset.source.format].prepare(dataset, file, work)


def relation(connection: duckdb.DuckDBPyConnection, dataset: Dataset, files: Sequence[Prepared], *, careful: bool = False) -> str:
    """Return a select over all rows of the files: a file's rows are contiguous and in its order, the files are in any.

    Executing it may raise duckdb.Error for one bad file: then ask for each file alone and `careful`, which is slower and sets
    single bad records aside where that is possible; what fails again is `unreadable`.
    """
    found = READERS[dataset.source.format].relation(connection, dataset, files, careful=careful)
    return found if dataset.source.format in ("json", "jsonl") else depth.bounded(dataset, found)


def values(dataset: Dataset) -> Mapping[str, str]:
    """Return the columns of which a relation may give the value itself, exactly, and by what name; its text is NULL then."""
    return READERS[dataset.source.format].values(dataset)


def raw_records(dataset: Dataset, file: Prepared, ordinals: Collection[int]) -> Iterable[tuple[int, str]]:
    """Yield the ordinal (from 1) and the original text of records, for rows whose `_raw` is NULL."""
    found = READERS[dataset.source.format].raw_records(dataset, file, ordinals)
    return found.items() if isinstance(found, dict) else found


def position(dataset: Dataset, file: Prepared, ordinal: int) -> str:
    """Return where a person finds a record, such as `record 17` or `Orders!17`."""
    return READERS[dataset.source.format].position(dataset, file, ordinal)


def unreadable(dataset: Dataset, file: Prepared, error: Exception) -> Rejected:
    """Translate what a library raised when the relation of this one file was executed; never with a value of a row."""
    return READERS[dataset.source.format].unreadable(dataset, file, error)
