"""A load in a process of its own, with the memory that a function has: what became of each file, how much it took, and how long.

The process is forked from one that has imported everything and opened nothing, as tests/faults/zygote.py says why: a start costs nothing.
"""

import json
import os
import re
import resource
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

ROOT: Final = Path(__file__).parents[2]
FUNCTION: Final = 1769
"""MiB that the function has which loads files (sam-template.yaml); DuckDB gets half of it."""


@dataclass(frozen=True)
class Ended:
    """What a load came to. `fates` are by key; `undone` is what was left in raw, and why; `peak` and `held` are in MiB.

    `peak` counts pages of files that were mapped, which the system takes back when it likes; `held` does not.
    """

    fates: Mapping[str, str]
    undone: tuple[str, ...]
    status: int
    peak: int
    held: int
    seconds: float


@dataclass(frozen=True)
class Loader:
    """The way to the process that forks."""

    pipe: "subprocess.Popen[str]"

    def load(self, home: Path, uri: str, *, memory: str, patience: float) -> Ended:
        """Run all that waits in a lake, with that much memory for DuckDB; after `patience` seconds it is killed, and its status tells."""
        assert self.pipe.stdin is not None
        assert self.pipe.stdout is not None
        job = {"home": str(home), "uri": uri, "memory": memory, "patience": patience}
        self.pipe.stdin.write(json.dumps(job) + "\n")
        self.pipe.stdin.flush()
        answer = json.loads(self.pipe.stdout.readline())
        said = answer["said"] or {"fates": {}, "undone": [], "peak": 0}
        return Ended(said["fates"], tuple(said["undone"]), answer["status"], said["peak"], answer["held"], answer["seconds"])


@contextmanager
def loader() -> Iterator[Loader]:
    """Start the process that forks."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "LAKELET_"))}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.hostile.alone"], cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Loader(process)
        finally:
            process.kill()


# --- in the process that forks ---------------------------------------------------------------------------------------------------------


def serve(jobs: IO[str], answers: IO[str]) -> None:
    """Fork a process for each job, wait for its end, and answer."""
    import_everything()
    for line in jobs:
        job = json.loads(line)
        started = time.monotonic()
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.close(reading)
            _work(job, writing)
        os.close(writing)
        said, held = _said(reading, child, started + job["patience"])
        _, status = os.waitpid(child, 0)
        answer = {"said": json.loads(said) if said else None, "status": os.waitstatus_to_exitcode(status)}
        answers.write(json.dumps({**answer, "held": held, "seconds": time.monotonic() - started}) + "\n")
        answers.flush()


def _said(reading: int, child: int, end: float) -> tuple[str, int]:
    """Return what a child says before it ends, and the most memory it was seen to hold; it is killed where that takes too long."""
    held = 0
    while not select.select([reading], [], [], 0.01)[0]:
        held = max(held, memory(child).get("RssAnon", 0))  # none once it has ended
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
            break
    with os.fdopen(reading, encoding="utf-8") as pipe:
        return pipe.read(), held


def _work(job: Mapping[str, Any], to: int) -> None:
    """Do a job and end: the only code here that opens anything."""
    from tests.world import World

    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))  # before the machine itself is out of memory
    try:
        os.environ |= {"LAKELET_MEMORY": job["memory"], "LAKELET_THREADS": "2"}
        said = _told(World(Path(job["home"]), job["uri"]))
    except BaseException:
        said = {"fates": {}, "undone": [traceback.format_exc()], "peak": memory(os.getpid())["VmHWM"]}
    os.write(to, json.dumps(said).encode())
    os._exit(0)


def _told(world: Any) -> dict[str, Any]:
    from core.loading import Ingested
    from core.run import Undone, Unknown, run

    fates, undone = {}, []
    for step in run(world.lake):
        if isinstance(step, Ingested):
            fates |= {found.object.key: f"{found.fate} {found.reason}".strip() for found in step.objects}
        if isinstance(step, Undone | Unknown):
            undone.append(step.error if isinstance(step, Undone) else step.why)
    return {"fates": fates, "undone": undone, "peak": memory(os.getpid())["VmHWM"]}


def memory(process: int) -> dict[str, int]:
    """Return what /proc tells of a process's memory, in MiB."""
    told = Path(f"/proc/{process}/status").read_text("ascii", "replace")
    return {name: int(number) >> 10 for name, number in re.findall(r"^(VmHWM|RssAnon):\s+(\d+) kB$", told, re.MULTILINE)}


def import_everything() -> None:
    """Import what a load would import by and by, so that it need not."""
    from importlib import import_module

    for name in ("deltalake.fs", "pyarrow.fs", "pyarrow.parquet", "core.storage.folder", "core.run", "tests.world"):
        import_module(name)


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a child prints is no answer
    serve(sys.stdin, answers)
