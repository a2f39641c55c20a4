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
from core.quoting import identifier, identifiers, literal
from core.sql import PROVENANCE
from core.storage import ObjectRef

FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a text begins with that a spreadsheet computes: OWASP's list, with the wide forms that some take for the same."""

APOSTROPHE: Final = literal("'")

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
        last = _last_version(lake, state, export)
        if last == snapshot.version:
            break
        old = snapshot.at(last) if last is not None else None
        if old is None:
            _forget(lake, declaration, export, snapshot)
        if old is None or old.data_version != snapshot.data_version:  # or else its rows only moved between files
            written += _write(lake, declaration, export, snapshot, _changed(export, snapshot, old))
            done = Exported(export.path, snapshot.version, written)
        written_as = {"escape_formulas": True} if export.escape_formulas else {}
        lake.store.put(state, json.dumps({"version": snapshot.version, **written_as}).encode())
    return done


def _last_version(lake: Lake, key: str, export: Export) -> int | None:
    """Return the version that was exported last; each export has a state of its own, also beside another in one folder.

    None also where it was written otherwise than it is declared now: all of it is written again.
    """
    state = json.loads(lake.store.get(key) or b"{}")
    return int(state["version"]) if state and state.get("escape_formulas", False) == export.escape_formulas else None


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
    kinds = {row[0]: row[1] for row in connection.execute(f"describe {rows}").fetchall() if row[0] not in hidden}
    selected = identifiers(kinds) if export.format == "parquet" else ", ".join(_cell(name, kinds, export) for name in kinds)
    order = " order by _source, _row" if isinstance(declaration, Dataset) else ""
    connection.execute(f"copy (select {selected} from ({rows}){order}) to {literal(str(local))} ({WRITERS[export.format]})")


def _cell(name: str, kinds: Mapping[str, str], export: Export) -> str:
    """Return a column as CSV has it: lists and structs as JSON, and a NULL that is alone in its line as "", or else the line is blank."""
    cell, header, kind = identifier(name), name, kinds[name]
    if kind.endswith("]") or kind.startswith("STRUCT"):
        cell = f"cast(to_json({cell}) as varchar)"
    elif export.escape_formulas and kind == "VARCHAR":
        cell = f"if(left({cell}, 1) in ({', '.join(map(literal, FORMULAS))}), {APOSTROPHE} || {cell}, {cell})"
    if export.escape_formulas and name.startswith(FORMULAS):
        header = f"'{name}"
    if len(kinds) == 1:
        cell = f"coalesce(cast({cell} as varchar), '')"
    return f"{cell} as {identifier(header)}"


def _key(declaration: Declaration, export: Export, partition: Partition) -> str:
    """Return the stable name of a partition's file, its folders written as Hive does."""
    folders = [f"{quote(name, safe='')}={_folder(partition[name])}/" for name in export.partition_by]
    return f"{export.path}{''.join(folders)}{declaration.name}.{export.format}"


def _folder(value: str | None) -> str:
    return "__HIVE_DEFAULT_PARTITION__" if value is None else quote(value, safe=" ")
