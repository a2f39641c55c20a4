"""An incremental merge: the keys that changed in a transform's inputs, what the inputs and the target hold of them, and the rest."""

from collections.abc import Mapping
from typing import Final

import duckdb
import pyarrow as pa

from core.change import files_of_keys
from core.delta import DataFile, Since, Snapshot
from core.engine import relation
from core.quoting import identifier, identifiers

TOUCHED: Final = "_touched"
"""The table of the keys that changed; no declaration can be called so."""


def touch(
    connection: duckdb.DuckDBPyConnection, key: tuple[str, ...], target: Snapshot, changes: Mapping[str, tuple[Snapshot, Since]]
) -> int:
    """Write down the keys of the rows that are in only one of two versions of an input; return how many there are.

    A row that was rewritten as it was, beside one that changed, does not count. Raises duckdb.IOException where a file is gone.
    """
    columns = identifiers(key)
    parts = [f"select {columns} from ({relation(target, files=())})"]
    for snapshot, since in changes.values():
        added, removed = (relation(snapshot, files=files) for files in (since.added, since.removed))
        parts.append(f"select {columns} from (({added}) except all ({removed}))")
        parts.append(f"select {columns} from (({removed}) except all ({added}))")
    query = "\nunion all ".join(parts)
    connection.execute(f"create or replace temp table {TOUCHED} as select distinct {columns} from (\n{query})")
    (count,) = connection.execute(f"select count(*) from {TOUCHED}").fetchone() or (0,)
    return int(count)


def files(connection: duckdb.DuckDBPyConnection, key: tuple[str, ...], snapshot: Snapshot) -> tuple[DataFile, ...]:
    """Return the files that may hold a touched key; of NULL and NaN, for which there are no bounds, all."""
    (null,) = connection.execute(
        f"select count(*) from {TOUCHED} where {' or '.join(f'{identifier(k)} is null' for k in key)}"
    ).fetchone() or (0,)
    if null or any(pa.types.is_floating(snapshot.schema.field(name).type) for name in key):
        return snapshot.files
    return files_of_keys(connection, key, snapshot, TOUCHED)


def rows(key: tuple[str, ...], held: str, *, without: bool = False) -> str:
    """Return the query of the rows of another one that have a touched key, or that have none."""
    same = " and ".join(f"held.{identifier(name)} is not distinct from {TOUCHED}.{identifier(name)}" for name in key)
    return f"select held.* from ({held}) as held {'anti' if without else 'semi'} join {TOUCHED} on {same}"


def kept(connection: duckdb.DuckDBPyConnection, key: tuple[str, ...], target: Snapshot) -> tuple[str, tuple[DataFile, ...]]:
    """Return the query of the rows that remain, and the files to remove, when those of touched keys are taken out of a table."""
    held = relation(target, files=files(connection, key, target), file_column="_path")
    paths = {path for (path,) in connection.execute(f"select distinct _path from ({rows(key, held)})").fetchall()}
    removed = tuple(file for file in target.files if file.path in paths)
    return rows(key, relation(target, files=removed), without=True), removed


def strangers(connection: duckdb.DuckDBPyConnection, key: tuple[str, ...], target: Snapshot, added: tuple[DataFile, ...]) -> int:
    """Count the rows of new files whose keys were not touched."""
    (count,) = connection.execute(f"select count(*) from ({rows(key, relation(target, files=added), without=True)})").fetchone() or (0,)
    return int(count)
