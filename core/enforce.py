"""A batch's files against their contract: whoever can't be read, or breaks a `fail` check, leaves the batch, and the others go on."""

import json
from collections.abc import Callable, Container, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import duckdb

from core import quality, readers
from core.contract import Dataset
from core.errors import Rejected, Terminal
from core.lake import Lake
from core.quality import Batch
from core.readers import Prepared, RawFile, files
from core.readers.packed import GZIP
from core.session import UNBLAMED
from core.settle import ObjectOutcome
from core.source import CsvOptions
from core.storage import ObjectRef
from core.telling import told

HEAD: Final = 1 << 20
"""Bytes in which a header must end."""

ASCII_LIKE: Final = ("ascii", "utf-8", "utf-8-sig", "iso8859-1", "iso8859-15", "cp1252")
"""Encodings in which the byte of a line feed is one everywhere, so that a file can be cut there."""

STUMBLES: Final = (duckdb.Error, UnicodeDecodeError)
"""What executing a relation raises. DuckDB quotes one byte where a character has two, and Python cannot decode the message."""

MEND: Final = "Mend the file and put it into raw again, or mend the contract."


def prepare(
    lake: Lake, dataset: Dataset, waiting: Mapping[int, tuple[ObjectRef, Path]], work: Path
) -> tuple[list[Prepared], list[ObjectOutcome]]:
    """Make the files ready to be read, by their number in the batch; those whose header or encoding is wrong are rejected."""
    prepared, rejected = [], []
    memory = lake.settings.spare
    for number, (ref, path) in waiting.items():
        try:
            prepared.append(readers.prepare(dataset, RawFile(number, path, ref.key, memory), work))
        except Rejected as rejection:
            rejected.append(_rejection(dataset, ref, rejection))
    return prepared, rejected


def refuse_changed(dataset: Dataset, waiting: dict[int, tuple[ObjectRef, Path]], known: Container[str]) -> list[ObjectOutcome]:
    """Take out of a batch, where the dataset wants objects never to change, the other versions of an object that is `known` or in it."""
    first: dict[str, ObjectRef] = {}
    rejected = []
    for number, (ref, _) in sorted(waiting.items(), key=lambda entry: (entry[1][0].modified, entry[1][0].source)):
        if ref.key not in known and first.setdefault(ref.key, ref) == ref:
            continue
        rejection = Rejected(
            "changed_object",
            f"{dataset.name}: {ref.key} was changed under its name",
            expected="objects that never change (on_change: reject)",
            found=f"version {ref.version}, and an earlier one that was loaded",
            remedy="Put it into raw under another name, or declare on_change: replace.",
        )
        rejected.append(_rejection(dataset, ref, rejection))
        del waiting[number]
    return rejected


def refuse_large(dataset: Dataset, found: ObjectRef) -> ObjectOutcome:
    """Return the rejection of an object that was not even fetched, because it has more bytes than its contract allows."""
    return _rejection(dataset, found, files.size_exceeded(dataset, found.key, found.size))


def check_header(lake: Lake, dataset: Dataset, ref: ObjectRef) -> ObjectOutcome | None:
    """Look at the beginning of a large object before it is read whole; return its rejection where its CSV header is wrong already.

    None says nothing but that: the other formats keep theirs elsewhere, and reading tells. Raises ObjectGone.
    """
    found, head = lake.raw.head(ref, HEAD)
    options = dataset.source.options
    if not isinstance(options, CsvOptions) or options.encoding not in ASCII_LIKE or b"\n" not in head or head.startswith(GZIP):
        return None
    with lake.workplace() as work:
        path = work / "000000.raw"
        path.write_bytes(head[: head.rindex(b"\n") + 1])
        try:
            readers.prepare(dataset, RawFile(0, path, ref.key), work)
        except Rejected as rejection:
            return _rejection(dataset, found, rejection) if rejection.reason == "invalid_schema" else None
    return None


def _rejection(dataset: Dataset, ref: ObjectRef, rejection: Rejected) -> ObjectOutcome:
    report = {
        "object": ref.key,
        "version": ref.version,
        "size": ref.size,
        "modified": ref.modified.isoformat(),
        "dataset": dataset.name,
        "reason": rejection.reason,
        "message": str(rejection),
        "expected": rejection.expected,
        "found": rejection.found,
        "remedy": rejection.remedy,
    }
    return ObjectOutcome(ref, "rejected", reason=rejection.reason, report=json.dumps(report, indent=2, ensure_ascii=False))


def enforce(lake: Lake, connection: duckdb.DuckDBPyConnection, batch: Batch) -> tuple[Batch, list[ObjectOutcome]]:
    """Judge the batch's rows. Files that can't be read or that break a `fail` check leave it, the others go on."""
    mount = partial(lake.mount, connection)
    batch, rejected = _readable(connection, batch, mount)
    batch = replace(batch, tallies=quality.tallies(connection, batch)) if batch.files else batch
    for find in (_crowded, partial(_broken, connection)):
        if found := find(batch) if batch.files else {}:
            quality.drop_files(connection, list(found))
            rejected += [_rejection(batch.dataset, batch.objects[number], rejection) for number, rejection in found.items()]
            batch = _remaining(batch, set(found))
    return batch, rejected


def _crowded(batch: Batch) -> dict[int, Rejected]:
    """Find the files of which so many rows are refused that nobody could look at each."""
    dataset, limit = batch.dataset, batch.dataset.source.limits.refused
    most, subject = f"at most {limit:,} (limits.refused)", "too many records are refused"
    return {
        number: files.refused(dataset, ref.key, "mostly_refused", subject, expected=most, found=f"{batch.tallies[number].quarantined:,}")
        for number, ref in batch.objects.items()
        if batch.tallies[number].quarantined > limit
    }


def _broken(connection: duckdb.DuckDBPyConnection, batch: Batch) -> dict[int, Rejected]:
    """Find the files that break a `fail` check."""
    return {
        number: Rejected(
            "failed_check",
            f"{batch.dataset.name}: {batch.objects[number].key}",
            expected="every row to pass",
            found=checks,
            remedy=MEND,
        )
        for number, checks in quality.failures(connection, batch.dataset).items()
    }


def _readable(connection: duckdb.DuckDBPyConnection, batch: Batch, mount: Callable[[str], object]) -> tuple[Batch, list[ObjectOutcome]]:
    """Enforce the batch at once; where the reader stumbles do it with care, and where that fails too find the files that are to blame."""
    for careful in (False, True):
        try:
            quality.enforce(connection, batch, mount, careful=careful)
            return batch, []
        except duckdb.InterruptException:  # out of time, which no file is to blame for
            raise
        except (*STUMBLES, Rejected):
            continue
    rejected = {file.number: found for file in batch.files if (found := _unreadable(connection, batch, file))}
    remaining = _remaining(batch, set(rejected))
    if remaining.files:
        try:
            quality.enforce(connection, remaining, mount, careful=True)
        except UNBLAMED:
            raise
        except duckdb.OutOfMemoryException as error:
            raise Terminal(
                f"dataset {batch.dataset.name}",
                expected="its files to fit into memory together",
                found=told(error),
                remedy="Give it more memory, or load fewer at a time.",
            ) from None
        except duckdb.Error as error:
            raise Terminal(
                f"dataset {batch.dataset.name}",
                expected="its checks and computed columns to run",
                found=told(error, values=batch.dataset.reports.values),
                remedy="Mend the declaration.",
            ) from None
    return remaining, list(rejected.values())


def _unreadable(connection: duckdb.DuckDBPyConnection, batch: Batch, file: Prepared) -> ObjectOutcome | None:
    """Read one file alone, judging nothing; return its rejection where even that fails."""
    try:
        relation = readers.relation(connection, batch.dataset, [file], careful=True)
        connection.execute(f"create or replace temp table attempted as {relation}")
        return None
    except duckdb.OutOfMemoryException as error:
        found = files.too_large(batch.dataset, file.name, "the file needs more memory than there is", "it to fit", told(error))
        return _rejection(batch.dataset, batch.objects[file.number], found)
    except Rejected as rejection:
        return _rejection(batch.dataset, batch.objects[file.number], rejection)
    except duckdb.InterruptException:
        raise
    except STUMBLES as error:
        return _rejection(batch.dataset, batch.objects[file.number], readers.unreadable(batch.dataset, file, error))
    finally:
        connection.execute("drop table if exists attempted")


def _remaining(batch: Batch, gone: set[int]) -> Batch:
    files = tuple(file for file in batch.files if file.number not in gone)
    return replace(batch, files=files, objects={file.number: batch.objects[file.number] for file in files})
