"""What one small file costs in requests to S3, each of them by name: one that creeps in names itself."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from core import run
from core.delta import opened
from core.storage import ObjectRef
from tests.conftest import bucket
from tests.faults.proxy import Plan, Proxy, proxy_before
from tests.world import ORDERS, World

ROOT: Final = Path(__file__).parents[2]
KINDS: Final = (
    (r"_delta_log/_last_checkpoint$", "last checkpoint"),
    (r"_delta_log/\d{20}\.checkpoint\.parquet$", "checkpoint"),
    (r"_delta_log/\d{20}\.json$", "commit"),
    (r"list-type=2", "log"),
    (r"part-[0-9a-f-]{36}\.parquet$", "rows"),
    (r"/archived/", "archived"),
    (r"/raw/", "raw"),
)
"""What is asked for, by the end of its key."""

LOAD: Final = ("GET raw",)
WRITE: Final = ("PUT rows",)
ARCHIVE: Final = ("HEAD raw", "PUT archived", "HEAD archived", "DELETE raw")
LOOK: Final = ("GET commit", "GET commit")
"""Is the commit that the open table was read up to still there, and is there a newer one?"""

COMMIT: Final = ("LIST log", "PUT commit", "LIST log", "GET commit", "GET commit", "LIST log", "GET commit", "GET commit")
"""delta-rs looks for rivals, commits, and reads what it wrote; and once more, because it keeps nothing of that: the open table follows."""

NO_TABLE: Final = ("GET last checkpoint of the quarantine", "LIST log of the quarantine")
"""There is no quarantine."""


@pytest.fixture(scope="module")
def before(s3_endpoint: str) -> Iterator[Proxy]:
    with proxy_before(s3_endpoint) as proxy:
        yield proxy


@pytest.fixture
def requests(before: Proxy, s3_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Requests":
    world = World(tmp_path, bucket(s3_endpoint, monkeypatch))
    monkeypatch.setenv("AWS_ENDPOINT_URL", before.endpoint)
    return Requests(before, world.declare(ORDERS))


class Requests:
    """A lake whose every request is noted."""

    def __init__(self, proxy: Proxy, world: World) -> None:
        self.proxy, self.world = proxy, world

    def load(self, *names: str, bad: bool = False) -> list[str]:
        """Load some files by one commit, as an event announces them; return the requests, those for the quarantine by that name."""
        refs = [self._put(name, bad) for name in names]
        self.proxy.plan(Plan())
        steps = list(run.run_objects(self.world.lake, {"orders": refs}))
        assert not [step for step in steps if isinstance(step, run.Undone)], steps
        return [named(request) for request in self.proxy.seen().requests]

    def _put(self, name: str, bad: bool) -> ObjectRef:
        key = f"raw/orders/{name}.csv"
        self.world.put(key, f"id,amount,placed\n1,1.00,2025-01-01\n{'bad,2,2025-01-01' if bad else ''}\n")
        return next(ref for ref in self.world.lake.raw.list(key))


def named(request: str) -> str:
    """Return a request in short: its verb and what it is for."""
    verb, target, *_ = request.split(" ")
    kind = next(kind for pattern, kind in KINDS if re.search(pattern, target.split("?versionId")[0]))
    verb = "LIST" if "list-type" in target else verb
    return f"{verb} {kind}{' of the quarantine' if 'quarantine' in target else ''}"


def in_page(heading: str) -> list[str]:
    """Return the requests that docs/requests.md lists below a heading, as often as it says."""
    below = (ROOT / "docs" / "requests.md").read_text("utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    return [name for count, name in re.findall(r"^\| (\d+) \| ([^|]+?) \|", below, re.MULTILINE) for _ in range(int(count))]


def test_one_more_file_in_a_warm_process(requests: Requests) -> None:
    requests.load("first")
    for name in ("second", "third"):
        found = requests.load(name)
        assert found == [*LOOK, *LOAD, *NO_TABLE, *WRITE, *COMMIT, *ARCHIVE]
    assert sorted(found) == sorted(in_page("One small file, warm"))


def test_a_log_that_grows_costs_nothing(requests: Requests) -> None:
    counts = [len(requests.load(str(n))) for n in range(12)]
    assert set(counts[1:]) == {18}


def test_rows_are_set_aside_by_a_commit_of_their_own(requests: Requests) -> None:
    requests.load("first", bad=True)
    quarantine = [f"{request} of the quarantine" for request in (*LOOK, *WRITE, *COMMIT)]
    assert requests.load("good") == [*LOOK, *LOAD, *quarantine[: len(LOOK)], *WRITE, *COMMIT, *ARCHIVE]
    assert requests.load("bad", bad=True) == [*LOOK, *LOAD, *quarantine, *WRITE, *COMMIT, *ARCHIVE]


def test_each_file_more_of_a_batch_costs_only_its_own(requests: Requests, caplog: pytest.LogCaptureFixture) -> None:
    requests.load("first")
    found = requests.load(*map(str, range(20)))
    assert sorted(found) == sorted([*LOOK, *20 * LOAD, *NO_TABLE, *WRITE, *COMMIT, *20 * ARCHIVE])
    assert "pool is full" not in caplog.text  # or else connections are made anew all the time


def test_what_is_delivered_again_is_neither_fetched_nor_committed(requests: Requests) -> None:
    world = requests.world
    key = "raw/orders/again.csv"
    world.put(key, "id,amount,placed\n1,1.00,2025-01-01\n")
    (ref,) = world.lake.raw.list(key)
    list(run.run_objects(world.lake, {"orders": [ref]}))
    requests.proxy.plan(Plan())
    list(run.run_objects(world.lake, {"orders": [ref]}))
    assert [named(request) for request in requests.proxy.seen().requests] == [*LOOK, "HEAD raw"]  # it has gone from there


def test_one_more_file_in_a_cold_process(requests: Requests) -> None:
    for n in range(3):
        requests.load(str(n))
    opened._kept.clear()
    found = requests.load("cold")
    read = ["GET last checkpoint", "LIST log", *4 * ["GET commit"] * 2, "GET last checkpoint", *4 * ["GET commit"]]
    assert found == [*read, *LOAD, *NO_TABLE, *WRITE, *COMMIT, *ARCHIVE]
    assert sorted(found) == sorted(in_page("One small file, cold"))


def test_the_page_says_how_many(requests: Requests) -> None:
    requests.load("first")
    assert f"takes {len(requests.load('second'))} requests" in (ROOT / "docs" / "requests.md").read_text("utf-8")


def test_connections_that_were_closed_while_the_function_slept_are_made_anew(
    s3_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The open table's own among them. The server that closed them is a proxy that ends; another one takes its place."""
    world = World(tmp_path, bucket(s3_endpoint, monkeypatch)).declare(ORDERS)
    with proxy_before(s3_endpoint) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        requests = Requests(proxy, world)
        requests.load("first")
        requests.load("second")
    with proxy_before(s3_endpoint, port=int(proxy.endpoint.rpartition(":")[2])) as proxy:
        found = Requests(proxy, world).load("third")
    assert found == [*LOOK, *LOAD, *NO_TABLE, *WRITE, *COMMIT, *ARCHIVE]
