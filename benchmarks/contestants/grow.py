"""Lets a table live through many small appends, a file each quarter of an hour until now, upkeep once a day. Arguments: the project, the
lake, how many, `maintained` or `neglected`.

It commits what `ingest` would have committed for each file, and does not read it: that is nine tenths of an append and leaves no trace in a
table. Time is played: by the clock that the core reads, and by the age of the files, which tells what of a log has to be kept.
"""

import hashlib
import os
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import duckdb

from benchmarks.contestants.append import BAD, ROWS, append, body, key_of
from core import delta, versions
from core.contract import Dataset
from core.delta import Change, Snapshot
from core.engine import fragments
from core.lake import Lake, open_lake
from core.maintenance import maintain
from core.quoting import literal
from core.settle import place
from core.storage import ObjectRef

EVERY: Final = timedelta(minutes=15)
A_DAY: Final = timedelta(days=1) // EVERY
REASON: Final = '{"rule": "temperature"}'


def main(project: str, folder: str, commits: str, upkeep: str) -> None:
    """Grow a table to so many commits."""
    lake, started = open_lake(project, folder), time.time()
    birth = datetime.now(UTC) - EVERY * int(commits)
    (dataset,) = lake.project.datasets.values()
    append(lake, dataset, 0)  # makes both tables
    Snapshot.created = property(lambda _: birth)  # type: ignore[assignment, method-assign]
    with lake.workplace() as work, lake.session(work) as connection:
        for number in range(1, int(commits)):
            now = birth + EVERY * number
            Lake.now = lambda _, now=now: now  # type: ignore[method-assign, misc]
            commit(lake, connection, dataset, number)
            if number % A_DAY == 0:
                let_rest(Path(folder), started, now)
                if upkeep == "maintained" and (done := maintain(lake, dataset)).left:
                    sys.exit(f"{number}: {done}")
    let_rest(Path(folder), started, datetime.now(UTC))


def let_rest(folder: Path, started: float, since: datetime) -> None:
    """Let all that was written since the last time have been written then."""
    for path in folder.rglob("*"):
        if path.is_file() and path.stat().st_mtime >= started:
            os.utime(path, (since.timestamp(),) * 2)


def commit(lake: Lake, connection: duckdb.DuckDBPyConnection, dataset: Dataset, number: int) -> None:
    """Commit one file (the row that is refused, the others, the file's identities) and archive it."""
    now, content = lake.now(), body(number)
    ref = ObjectRef(key_of(dataset, number), hashlib.sha256(content).hexdigest()[:32], len(content), now)
    moment = int(now.timestamp() * 1000)
    bad = int(number % BAD == 0)
    if bad:
        quarantine = made(lake.quarantine(dataset))
        record = {"kind": "quarantine", "dataset": dataset.name, "quarantined": 1}
        added = fragments(connection, refused_row(ref, content), quarantine)
        delta.commit(quarantine, Change(added, identities={ref.source: moment}, record=record), now=now)
    rows = {"read": ROWS, "accepted": ROWS - bad, "quarantined": bad, "inserted": ROWS - bad, "updated": 0, "superseded": 0, "duplicate": 0}
    record = {"kind": "ingest", "dataset": dataset.name, "mode": "append", "balance": rows, "objects": [{"source": ref.source, **rows}]}
    identities = {versions.identity(ref.key): moment, ref.source: moment}
    target = made(lake.table(dataset))
    added = fragments(connection, accepted_rows(ref, number, ROWS - bad), target)
    delta.commit(target, Change(added, identities=identities, record=record), now=now)
    lake.raw.put(f"archived/{place(dataset, ref)}", content)


def made(table: Snapshot | None) -> Snapshot:
    if table is None:
        sys.exit("there are no tables")
    return table


def accepted_rows(ref: ObjectRef, number: int, rows: int) -> str:
    return (
        f"select {number * ROWS} + n as reading_id, 'device-' || n as device, 20.5::double + n as temperature, "
        f"timestamptz '2026-11-20 10:00:00+00' + to_seconds(n) as measured_at, {provenance(ref)}, n + 1 as _row from range({rows}) as t(n)"
    )


def refused_row(ref: ObjectRef, content: bytes) -> str:
    return (
        f"select {provenance(ref)}, {ROWS}::bigint as _row, 'record {ROWS}' as position, [{literal(REASON)}] as reasons, "
        f"{literal(content.decode().splitlines()[-1])} as raw, timestamptz {literal(ref.modified.isoformat())} as quarantined_at"
    )


def provenance(ref: ObjectRef) -> str:
    return f"{literal(ref.source)} as _source, timestamptz {literal(ref.modified.isoformat())} as _source_time"


if __name__ == "__main__":
    main(*sys.argv[1:])
