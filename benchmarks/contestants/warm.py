"""Small files, one at a time, in a process that is warm: what each takes. Arguments: who does it, and where (`folder` or `s3`).

Lakelet is called as Lambda calls it: with an event that announces an object in S3; in a folder, by what the handler itself calls. `commit`
tells the time until the commit has landed, `answer` until the handler is done, archive included. A bare append has its rows in memory. What
was appended is left in appended.parquet.
"""

import json
import os
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final

from benchmarks.contestants.append import BAD, body

BEFORE: Final = 5
FILES: Final = 20
TABLE: Final = "silver/readings"
PROJECT: Final = Path(__file__).parents[1] / "old_tables_project"
BUCKET: Final = "lake"


def main(who: str, where: str) -> None:
    """Append, and tell the medians of all but the first few."""
    with s3() if where == "s3" else nullcontext():
        lake = f"s3://{BUCKET}/shop" if where == "s3" else str(Path("lake").absolute())
        os.environ |= {"LAKELET_LAKE": lake, "LAKELET_PROJECT": str(PROJECT), "POWERTOOLS_LOG_LEVEL": "CRITICAL"}
        one, keep = WHO[who](lake)
        took = [one(number) for number in NUMBERS][BEFORE:]
        keep()
    seconds, cpu = (statistics.median(figures) for figures in zip(*took, strict=True))
    print(json.dumps({"seconds": seconds, "cpu": cpu}))


NUMBERS: Final = [number for number in range(1, 100) if number % BAD][: BEFORE + FILES]
"""Those of the files; none has a bad row."""

Append = Callable[[int], tuple[float, float]]


def lakelet(until: str, lake: str) -> tuple[Append, Callable[[], None]]:
    """Return what loads one file, and what leaves the rows for the check."""
    from core import loading
    from core.storage import ObjectRef
    from handlers import ingest
    from handlers.observe import logger
    from handlers.work import opened

    logger.setLevel("CRITICAL")
    commit, committed = loading.delta.commit, [(0.0, 0.0)]

    def noted(*arguments: Any, **named: Any) -> int:
        version = commit(*arguments, **named)
        committed[0] = time.perf_counter(), time.process_time()
        return version

    loading.delta.commit = noted  # type: ignore[assignment]

    def one(number: int) -> tuple[float, float]:
        key = f"raw/readings/{number:07}.csv"
        opened().raw.put(key, content := body(number))
        event = announcing(f"shop/{key}") if lake.startswith("s3://") else None
        started, cpu = time.perf_counter(), time.process_time()
        if event:
            ingest.handler(event, Context())
        else:
            ingest.watch(opened(), ingest.run.run_objects(opened(), {"readings": [ObjectRef(key, size=len(content))]}))
        done = committed[0] if until == "commit" else (time.perf_counter(), time.process_time())
        return done[0] - started, done[1] - cpu

    return one, lambda: keep(lake)


def bare(lake: str) -> tuple[Append, Callable[[], None]]:
    """Return what appends rows by deltalake alone, and what leaves them for the check."""
    import pyarrow as pa
    import pyarrow.csv
    from deltalake import write_deltalake

    options = {"aws_allow_http": "true"} if lake.startswith("s3://") else None
    columns = {"reading_id": pa.int64(), "device": pa.string(), "temperature": pa.float64(), "measured_at": pa.timestamp("us", tz="UTC")}
    typed = pa.csv.ConvertOptions(column_types=columns)

    def one(number: int) -> tuple[float, float]:
        rows = pa.csv.read_csv(pa.BufferReader(body(number)), convert_options=typed)
        started, cpu = time.perf_counter(), time.process_time()
        write_deltalake(f"{lake}/{TABLE}", rows, mode="append", storage_options=options)
        return time.perf_counter() - started, time.process_time() - cpu

    return one, lambda: keep(lake)


def keep(lake: str) -> None:
    """Leave the rows that the table has."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from deltalake import DeltaTable, QueryBuilder

    options = {"aws_allow_http": "true"} if lake.startswith("s3://") else None
    rows = QueryBuilder().register("t", DeltaTable(f"{lake}/{TABLE}", storage_options=options)).execute("select * from t").read_all()
    table = pa.table(rows)
    pq.write_table(table.select([name for name in table.column_names if name[0] != "_"]), "appended.parquet")


WHO: Final[dict[str, Callable[[str], tuple[Append, Callable[[], None]]]]] = {
    "bare": bare,
    "commit": lambda lake: lakelet("commit", lake),
    "answer": lambda lake: lakelet("answer", lake),
}


class Context:
    """What Lambda tells an invocation."""

    function_name, memory_limit_in_mb, aws_request_id = "ingest", 1769, "bench"
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:ingest"

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


def announcing(key: str) -> dict[str, Any]:
    """Return what a queue delivers of one object."""
    told = {"source": "aws.s3", "detail-type": "Object Created", "detail": {"bucket": {"name": BUCKET}, "object": {"key": key}}}
    record = {"messageId": key, "eventSource": "aws:sqs", "attributes": {"ApproximateReceiveCount": "1"}, "body": json.dumps(told)}
    return {"Records": [record]}


@contextmanager
def s3() -> Iterator[None]:
    """Run a server of S3 in a process that is not counted, with an empty bucket, and let the environment name it."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "benchmarks.contestants.s3", str(port)]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    endpoint = f"http://127.0.0.1:{port}"
    try:
        _wait(endpoint)
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            del os.environ[name]
        named = {"ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test", "REGION": "us-east-1", "ENDPOINT_URL": endpoint}
        os.environ |= {f"AWS_{name}": value for name, value in named.items()}
        make_bucket()
        yield
    finally:
        server.terminate()
        server.wait()


def _wait(endpoint: str) -> None:
    for _ in range(200):
        try:
            with urllib.request.urlopen(f"{endpoint}/moto-api/data.json", timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    sys.exit("the S3 server did not start")


def make_bucket() -> None:
    import boto3

    client = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET)
    client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})


if __name__ == "__main__":
    main(*sys.argv[1:])
