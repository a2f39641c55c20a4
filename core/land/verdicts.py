"""Records against their contract, by the readers and checks that will load them: what lands was judged as it lies there, byte for byte."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import duckdb

from core import quality, readers
from core.contract import Dataset
from core.errors import Rejected, Terminal
from core.lake import Lake
from core.land.bodies import TooMuch
from core.land.names import laid_out
from core.project import tables_in
from core.quality import Batch
from core.readers import RawFile
from core.session import UNBLAMED, open_session
from core.source import JsonlSource
from core.sql import expression
from core.storage import ObjectRef
from core.telling import VALUE_MARK, told

DECLARED_WRONG: Final = (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException, duckdb.NotImplementedException)
OUT_OF: Final = (*UNBLAMED, duckdb.OutOfMemoryException)
"""Out of time or memory, or storage failed: no record is to blame."""


@dataclass(frozen=True)
class Verdict:
    """What speaks against a record, named as the quarantine names it; `warnings` are checks that it breaks and is loaded all the same."""

    violations: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bench:
    """Where records are judged: the contract without the checks that cannot be asked, a session that sees the others' tables, a folder."""

    dataset: Dataset
    connection: duckdb.DuckDBPyConnection
    work: Path


def judge(lake: Lake, dataset: Dataset, texts: Sequence[str]) -> tuple[list[Verdict], tuple[str, ...]]:
    """Return each record's verdict, and the checks that could not be asked because a table that they look into was never loaded.

    What a check finds in another table is as of now; ingest asks again. Raises Terminal where the declaration is at fault.
    """
    with lake.workplace() as work, _session(lake, dataset, work) as connection:
        try:
            bench = Bench(_askable(lake, dataset, connection), connection, work)
            verdicts = _as_it_will_lie(bench, texts) or _line_by_line(bench, texts)
        except duckdb.InterruptException:
            lake.in_time(f"judging records of {dataset.name}")
            raise
        except duckdb.OutOfMemoryException:
            remedy = "Send fewer or smaller records."
            raise TooMuch("the body", expected="records that can be judged at once", found="more", remedy=remedy) from None
    asked = {check.name for check in bench.dataset.checks}
    return verdicts, tuple(check.name for check in dataset.checks if check.name not in asked)


def _session(lake: Lake, dataset: Dataset, work: Path) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
    """Open a session that sees the lake only where a check asks for it: the way into S3 takes 50 ms to open."""
    if any(check.looks_elsewhere for check in dataset.checks):
        return lake.session(work)
    return open_session([], work, memory=lake.settings.memory, threads=lake.settings.threads, seconds=lake.seconds_left)


def _askable(lake: Lake, dataset: Dataset, connection: duckdb.DuckDBPyConnection) -> Dataset:
    """Mount the tables that checks look into, and leave those checks out that look into one that is not there yet."""
    there: dict[str, bool] = {}
    checks = []
    for check in dataset.checks:
        tables = tables_in(f"select {expression(check.sql)}") if check.looks_elsewhere else ()
        for table in tables:
            if table not in there:
                there[table] = lake.mount(connection, table) is not None
        if all(there[table] for table in tables):
            checks.append(check)
    return dataset if len(checks) == len(dataset.checks) else dataset.model_copy(update={"checks": tuple(checks)})


def _as_it_will_lie(bench: Bench, texts: Sequence[str]) -> list[Verdict] | None:
    """Judge the very object that would land; None where a record stops its reader, or runs into another."""
    try:
        verdicts = list(_verdicts(bench, texts, careful=False))
    except OUT_OF:
        raise
    except (duckdb.Error, Rejected):
        return None
    return verdicts if len(verdicts) == len(texts) else None


def _line_by_line(bench: Bench, texts: Sequence[str]) -> list[Verdict]:
    """Judge each record on a line of its own, where one that is no JSON to the reader harms no other. Some record is to blame, or all."""
    source = bench.dataset.source
    lines = JsonlSource(path=source.path, format="jsonl", trigger=source.trigger, unknown_columns=source.unknown_columns)
    try:
        found = list(_verdicts(replace(bench, dataset=bench.dataset.model_copy(update={"source": lines})), texts, careful=True))
    except DECLARED_WRONG as error:
        raise Terminal(
            f"dataset {bench.dataset.name}",
            expected="its checks and computed columns to run",
            found=told(error, values=bench.dataset.reports.values),
            remedy="Mend the declaration.",
        ) from None
    except OUT_OF:
        raise
    except duckdb.Error:
        found = []
    together = Verdict(("cannot be read together with the other records",))
    return found if any(verdict.violations for verdict in found) else [together] * len(texts)


def _verdicts(bench: Bench, texts: Sequence[str], *, careful: bool) -> Iterator[Verdict]:
    path = bench.work / "000000.raw"
    path.unlink(missing_ok=True)  # what was prepared of it may be the same file
    path.write_bytes(laid_out(bench.dataset, texts))
    ref = ObjectRef("posted", "now", path.stat().st_size)
    prepared = readers.prepare(bench.dataset, RawFile(0, path, ref.key), bench.work)
    quality.enforce(bench.connection, Batch(bench.dataset, (prepared,), {0: ref}, {0: path}), _is_mounted, careful=careful)
    found = bench.connection.execute("select _reasons, _failed, _warned from judged order by _row").fetchall()
    for reasons, failed, warned in found:
        yield Verdict(
            (*(reason.replace(VALUE_MARK, ": ") for reason in reasons or ()), *(f"check {name}" for name in failed or ())),
            tuple(warned or ()),
        )


def _is_mounted(_: str) -> bool:
    """Every table that a check which is asked looks into is there."""
    return True
