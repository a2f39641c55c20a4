"""Worker processes to be killed, at no import each: forked from a process that has imported everything and opened nothing.

deltalake panics after a fork because tokio's threads are gone in the child. Here there are none yet: importing starts no runtime, only two
allocators' threads, which see to forks themselves. Measured: more than 300 forked workers loaded, transformed and maintained tables, 60 of
them in a folder and the others in S3, without a panic or a hang; imports alone take a second of the processor.
"""

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from tests.faults.proxy import Plan, Proxy, Seen

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ended:
    """How a worker ended: what it said (None where it was killed), and what the proxy saw of it."""

    said: Any
    seen: Seen
    status: int


@dataclass(frozen=True)
class Workers:
    """The way to the process that forks."""

    proxy: Proxy
    pipe: "subprocess.Popen[str]"

    def run(self, scenario: str, home: Path, uri: str, plan: Plan) -> Ended:
        """Run a scenario's work in a process of its own, under a plan, to its end."""
        assert self.pipe.stdin is not None
        assert self.pipe.stdout is not None
        job = {"scenario": scenario, "home": str(home), "uri": uri, "plan": asdict(plan), "proxy": self.proxy.endpoint}
        self.pipe.stdin.write(json.dumps(job) + "\n")
        self.pipe.stdin.flush()
        ended = json.loads(self.pipe.stdout.readline())
        return Ended(ended["said"], self.proxy.seen(), ended["status"])


@contextmanager
def workers_behind(proxy: Proxy) -> Iterator[Workers]:
    """Start the process that forks; AWS is behind the proxy for it."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "LAKELET_"))}
    env |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": proxy.endpoint}
    command = [sys.executable, "-m", "tests.faults.zygote"]
    process = subprocess.Popen(command, cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        try:
            yield Workers(proxy, process)
        finally:
            process.kill()


# --- in the process that forks ---------------------------------------------------------------------------------------------------------


def serve(jobs: IO[str], answers: IO[str]) -> None:
    """Fork a worker for each job, wait for its end, and answer."""
    import_everything()
    for line in jobs:
        job = json.loads(line)
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.close(reading)
            work(job, writing)
        os.close(writing)
        with os.fdopen(reading, encoding="utf-8") as pipe:
            said = pipe.read()
        _, status = os.waitpid(child, 0)
        answers.write(json.dumps({"said": json.loads(said) if said else None, "status": os.waitstatus_to_exitcode(status)}) + "\n")
        answers.flush()


def work(job: dict[str, Any], to: int) -> None:
    """Do a job and end: the only code here that opens anything."""
    from core import lake
    from tests.faults.scenarios import perform

    if job["plan"]["fault"] == "silence":
        lake.LIMITS = {"timeout": "2s", "connect_timeout": "5s", "read_timeout": "1s"}
    try:
        Proxy(job["proxy"]).plan(Plan(**{**job["plan"], "pid": os.getpid()}))
        said = perform(job["scenario"], Path(job["home"]), job["uri"])
    except BaseException:
        said = {"raised": traceback.format_exc()}
    os.write(to, json.dumps(said).encode())
    os._exit(0)


def import_everything() -> None:
    """Import what a worker would import by and by, so that it need not."""
    import boto3

    for name in ("deltalake.fs", "pyarrow.fs", "pyarrow.parquet", "core.storage.bucket", "core.storage.folder", "tests.faults.scenarios"):
        import_module(name)
    boto3.client("s3")  # opens nothing, and reads 0.3 s of descriptions that the next one finds


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a worker prints is no answer
    serve(sys.stdin, answers)
