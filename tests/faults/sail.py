"""A fourth reader, which shares no code with the other three: Sail, an engine that speaks Spark's protocol. In a process of its own.

Only where it is installed, and only in the long run: it is larger than all that Lakelet needs.
"""

import atexit
import os
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pyarrow as pa

from tests.faults.figures import FIGURES, LONG
from tests.faults.oracle import options, rows_of
from tests.world import World

AVAILABLE: Final = LONG and all(find_spec(name) for name in ("pysail", "pyspark"))

SERVER: Final = Path(__file__).parents[1] / "sail.py"


def assert_agrees(world: World, name: str) -> None:
    """Sail reads a dataset's table and its quarantine as we do, where there is a Sail."""
    for table in (name, f"quarantine.{name}"):
        if AVAILABLE and (snapshot := world.lake.named_table(table)):
            assert sorted(map(repr, read(snapshot.uri).to_pylist())) == sorted(map(repr, rows_of(snapshot))), table
            FIGURES.count("readers", "by Sail as well")


def read(uri: str) -> pa.Table:
    """Return a table as Sail reads it."""
    process = _started(os.environ.get("AWS_ENDPOINT_URL"))
    assert process.stdin is not None
    assert process.stdout is not None
    with TemporaryDirectory() as folder:
        path = Path(folder, "table.arrow")
        process.stdin.write(f"{uri}\t{path}\n")
        process.stdin.flush()
        assert process.stdout.readline() == "read\n", f"Sail cannot read {uri}"
        with pa.OSFile(str(path)) as file:
            return pa.ipc.open_file(file).read_all()


@cache
def _started(_: str | None) -> "subprocess.Popen[str]":
    """Start Sail once for folders, and once for an S3 server; it ends when its input does."""
    environment = {**os.environ, **{name.upper(): value for name, value in options().items()}}
    command = [sys.executable, "-W", "ignore", str(SERVER)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, env=environment, text=True, **pipes)
    atexit.register(process.communicate)  # which closes its input
    return process
