"""Load a lake in a process of its own, within a limit of memory, and tell what became of each object: what kills it kills no test."""

import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from core.loading import Ingested
from core.run import Undone
from tests.world import World

FUNCTION: Final = 1769
"""MiB that the function has which loads files (sam-template.yaml); DuckDB gets half of it."""


@dataclass(frozen=True)
class Loaded:
    """What a process did: its objects' fates by key, its time, the most memory that it had in MiB; and how it ended, if not by itself."""

    fates: dict[str, str]
    seconds: float = 0
    peak: int = 0
    died: str = ""


def load(world: World, *, memory: str, seconds: float = 120) -> Loaded:
    """Run a lake in a child, which may crash; fails where it is not done in time."""
    command = [sys.executable, "-m", __name__, str(world.home), world.uri]
    environment = {**os.environ, "LAKELET_MEMORY": memory, "LAKELET_THREADS": "2"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=seconds, check=False)
    return Loaded({}, died=f"{done.returncode}: {done.stderr[-2000:]}") if done.returncode else Loaded(**json.loads(done.stdout))


def main(home: str, uri: str) -> None:
    """Be that child."""
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))  # before the machine itself is out of memory
    started = time.perf_counter()
    fates: dict[str, str] = {}
    for step in World(Path(home), uri).run():
        assert not isinstance(step, Undone), step.error
        if isinstance(step, Ingested):
            fates |= {o.object.key: o.fate if o.fate != "rejected" else f"rejected: {o.reason}" for o in step.objects}
    told: dict[str, Any] = {"fates": fates, "seconds": time.perf_counter() - started, "peak": _peak()}
    print(json.dumps(told))


def _peak() -> int:
    status = Path("/proc/self/status").read_text("ascii")
    return next(int(line.split()[1]) >> 10 for line in status.splitlines() if line.startswith("VmHWM"))


if __name__ == "__main__":
    main(*sys.argv[1:])
