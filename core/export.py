"""Derived copies for readers that do not read Delta: one file a partition, written again when its partition changed.

A set of files is not atomic; the Delta table is the truth.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

import duckdb
from tenacity import retry, retry_if_exception_type, retry_if_not_exception_type, stop_after_attempt, wait_random_exponential

from core.contract import Dataset, Declaration, Export, Transform
from core.delta import Snapshot, changed_partitions, partitions
from core.engine import relation
from core.errors import OutOfTime, Transient
from core.lake import Lake
from core.quoting import identifiers, literal
from core.sql import PROVENANCE
from core.storage import ObjectRef

WRITERS: Final = {"csv": "format csv, header true", "parquet": "format parquet, compression zstd"}

Partition = Mapping[str, str | None]


@dataclass(frozen=True)
class Exported:
    """An export that was brought up to a table's version, and how many files that took."""

    path: str
    version: int
    files: int


def refresh(lake: Lake, declaration: Declaration) -> tuple[Exported, ...]:
    """Bring every export of a table up to its newest version. Doing it twice writes the same files."""
    return tuple(done for export in declaration.exports if (done := _refresh(lake, declaration, export)))


@retry(
    retry=retry_if_exception_type(Transient) & retry_if_not_exception_type(OutOfTime),
    stop=stop_after_attempt(3),
    wait=wait_random_exponential(0.2, 2),
    reraise=True,
)
def _refresh(lake: Lake, declaration: Declaration, export: Export) -> Exported | None:
    """Write the partitions that changed, and look again: whoever writes an older version last must notice that there is a newer one."""
    written, done = 0, None
    while (snapshot := lake.table(declaration)) is not None:
        state = f"{export.path}_{declaration.name}.{export.format}.json"
        last = _last_version(lake, state)
        if last == snapshot.version:
            break
        old = snapshot.at(last) if last is not None else None
        if old is None:
            _forget(lake, declaration, export, snapshot)
        if old is None or old.data_version != snapshot.data_version:  # or else its rows only moved between files
            written += _write(lake, declaration, export, snapshot, _changed(export, snapshot, old))
            done = Exported(export.path, snapshot.version, written)
        lake.store.put(state, json.dumps({"version": snapshot.version}).encode())
    return done


def _last_version(lake: Lake, key: str) -> int | None:
    """Return the version that was exported last; each export has a state of its own, also beside another in one folder."""
    state = lake.store.get(key)
    return int(json.loads(state)["version"]) if state else None


def _changed(export: Export, snapshot: Snapshot, old: Snapshot | None) -> Iterable[Partition]:
    if not export.partition_by:
        return [{}]
    return changed_partitions(old, snapshot) if old else partitions(snapshot)


def _forget(lake: Lake, declaration: Declaration, export: Export, snapshot: Snapshot) -> None:
    """Delete the files of partitions that are no more, where it is not known what was exported last (killed first export, short log)."""
    if not export.partition_by:
        return
    current = {_key(declaration, export, partition) for partition in partitions(snapshot)}
    stale = [ref.key for ref in lake.store.list(export.path) if ref.key.endswith(f"/{declaration.name}.{export.format}")]
    for key in stale:
        if key not in current:
            lake.store.delete(key)


def _write(lake: Lake, declaration: Declaration, export: Export, snapshot: Snapshot, partitions: Iterable[Partition]) -> int:
    written = 0
    with lake.workplace() as work, lake.session(work) as connection:
        for partition in partitions:
            files = [file for file in snapshot.files if not partition or file.partition == partition]
            key = _key(declaration, export, partition)
            if partition and not files:
                lake.store.delete(key)
                continue
            local = work / f"export.{export.format}"
            if _is_there_already(declaration, export, snapshot):
                lake.store.fetch(ObjectRef(declaration.target.path + files[0].path), local)
            else:
                _copy(connection, declaration, export, relation(snapshot, files=files), local)
            lake.store.put(key, local)
            written += 1
    return written


def _is_there_already(declaration: Declaration, export: Export, snapshot: Snapshot) -> bool:
    """Whether the table's one file is, byte by byte, what the export would be."""
    return isinstance(declaration, Transform) and export.format == "parquet" and not snapshot.partition_by and len(snapshot.files) == 1


def _copy(connection: duckdb.DuckDBPyConnection, declaration: Declaration, export: Export, rows: str, local: Path) -> None:
    hidden = (*export.partition_by, *PROVENANCE)
    names = [row[0] for row in connection.execute(f"describe {rows}").fetchall() if row[0] not in hidden]
    order = " order by _source, _row" if isinstance(declaration, Dataset) else ""
    connection.execute(f"copy (select {identifiers(names)} from ({rows}){order}) to {literal(str(local))} ({WRITERS[export.format]})")


def _key(declaration: Declaration, export: Export, partition: Partition) -> str:
    """Return the stable name of a partition's file, its folders written as Hive does."""
    folders = [f"{quote(name, safe='')}={_folder(partition[name])}/" for name in export.partition_by]
    return f"{export.path}{''.join(folders)}{declaration.name}.{export.format}"


def _folder(value: str | None) -> str:
    return "__HIVE_DEFAULT_PARTITION__" if value is None else quote(value, safe=" ")
