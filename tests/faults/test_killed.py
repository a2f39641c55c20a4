"""A real process killed by SIGKILL at one moment after another, then run again: the tables are those of an undisturbed run."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.declarations import load
from core.lake import Lake, Settings
from core.sample import sample
from tests.world import World

ROOT = Path(__file__).parents[2]
PIPELINE = "transactions"
QUERIES = {
    "transactions": "select * exclude (_source_time) from transactions order by all",
    "quarantine": "select _source, _row, reasons, raw from quarantine.transactions order by all",
    "trusted": "select * from trusted_transactions order by all",
}
MOMENTS = (0.45, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.4)
"""Seconds after the start; together they reach from the first import to after the last export on fast and slow machines."""


def lake_at(path: Path) -> Lake:
    lake = Lake(load(ROOT / "pipelines"), Settings.read(ROOT / "pipelines", str(path)))
    with lake.workplace() as work:
        sample(ROOT / "pipelines" / PIPELINE, rows=2000, owner=lake.project.match, put=lake.raw.put, work=work)
    return lake


def start(lake: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", "from handlers.cli import main; main()", "run", "--lake", str(lake), "--json"]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def contents(lake: Path) -> dict[str, object]:
    world = World(lake.parent, str(lake))
    world.__dict__["lake"] = Lake(load(ROOT / "pipelines"), Settings.read(ROOT / "pipelines", str(lake)))
    found: dict[str, object] = {name: world.rows(query) for name, query in QUERIES.items()}
    exports = lake / "exports" / PIPELINE
    found["exports"] = {path.relative_to(exports).as_posix(): path.read_bytes() for path in exports.rglob("*.csv")}
    found["objects"] = sorted(key for prefix in ("raw/", "archived/", "rejected/") for key in world.keys(prefix))
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    lake = tmp_path_factory.mktemp("undisturbed") / "lake"
    lake_at(lake)
    assert start(lake).wait() == 0
    return contents(lake)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_that_is_killed_is_finished_by_the_next_one(tmp_path: Path, undisturbed: dict[str, object], moment: float) -> None:
    lake = tmp_path / "lake"
    lake_at(lake)
    process = start(lake)
    time.sleep(moment)
    process.send_signal(signal.SIGKILL)
    process.wait()

    assert start(lake).wait() == 0
    assert contents(lake) == undisturbed
