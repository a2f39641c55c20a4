"""Where scenarios are played: a bucket, proxies before it, processes that fork workers; and what must hold when the curtain falls."""

import csv
import io
import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import Any, Final

import boto3
import pytest

from core.ingest import load
from tests.conftest import bucket
from tests.faults.oracle import PLACES, assert_sound
from tests.faults.proxy import Plan, Seen, proxy_before
from tests.faults.scenarios import SCENARIOS, TOTALS, Scenario, announced, load_each, remember_nothing_of_the_log
from tests.faults.zygote import Ended, Workers, workers_behind
from tests.world import World

LANES: Final = 2
"""Cases that are played side by side, each by workers and through a proxy of its own."""

LOOKING: Final = Lock()
"""The oracle's DuckDB is one for all."""

TABLES: Final = ("orders", "totals")
NOTHING: Final = Plan()


@dataclass
class Case:
    """One lake, and what was done in it."""

    scenario: Scenario
    name: str
    world: World
    workers: Workers
    s3: Any
    hit: str | None = None

    def play(self, plan: Plan = NOTHING) -> Ended:
        """Have a worker do the work under a plan."""
        ended = self.workers.run(self.name, self.world.home, self.world.uri, plan)
        self.hit = self.hit or ended.seen.hit
        return ended

    def assert_no_failure(self, said: Any) -> None:
        """Nothing is told as failed."""
        assert isinstance(said, list), said
        assert not [step for step in said if step["step"] in ("Undone", "Left")], said

    def assert_true(self, said: Any) -> None:
        """The report is one of success: nothing that was done is told as failed, or as done by somebody else."""
        self.assert_no_failure(said)
        fates = {fate for step in said if step["step"] == "Ingested" for fate in step["fates"].values()}
        assert fates <= {self.scenario.fate}, said

    def assert_done(self) -> None:
        """Everything is as after an undisturbed run, whatever happened. Looks at a copy in a folder, which is read ten times as fast."""
        folder = self.world.home / "copy"
        download(self.s3, self.world.uri, folder)
        with LOOKING:
            self._assert_done(World(self.world.home, str(folder)))
        shutil.rmtree(folder)

    def _assert_done(self, world: World) -> None:
        scenario = self.scenario
        names = [name for name in TABLES if name in world.lake.project.declarations]
        assert_sound(world, *names, objects=[*scenario.past, *scenario.put.values()] or None)
        for query, rows in scenario.rows.items():
            assert world.rows(query) == list(rows), query
        lying = tuple(len([key for key in world.keys(place) if not key.endswith(".report.json")]) for place in PLACES)
        assert lying == (scenario.places or (0, len(scenario.past) + len(scenario.put), 0)), world.keys()
        assert exports(world) == scenario.exports


@dataclass
class Stage:
    """A scenario's past, made once; each case is played in a lake of its own."""

    name: str
    home: Path
    uri: str
    lanes: "SimpleQueue[Workers]"
    s3: Any
    numbers: Iterator[int] = field(default_factory=count)

    @property
    def scenario(self) -> Scenario:
        return SCENARIOS[self.name]

    def prepare(self) -> None:
        """Make the past."""
        world = World(self.home, f"{self.uri}/past").declare(self.scenario.declared)
        if self.scenario.queries:
            world.declare(TOTALS, **self.scenario.queries)
        load_each(world, self.scenario.past)
        if self.scenario.aged:
            remember_nothing_of_the_log(world)

    @contextmanager
    def case(self) -> Iterator[Case]:
        """Give a lake with the same past, what is to be done in it, and who does it."""
        number = next(self.numbers)
        world = World(self.home / str(number), f"{self.uri}/{number}")
        world.home.mkdir()
        (world.home / "project").symlink_to(self.home / "project")
        copy_tree(self.s3, f"{self.uri}/past", world.uri)
        for name, body in self.scenario.put.items():
            world.put(f"raw/orders/{name}.csv", body)
        found = [(ref.key, ref.version, ref.size) for ref in world.lake.raw.list("raw/")]
        (world.home / "announced.json").write_text(json.dumps(found))
        if self.scenario.loaded:
            load(world.lake, world.lake.project.datasets["orders"], announced(world)["orders"])
        workers = self.lanes.get()
        try:
            yield Case(self.scenario, self.name, world, workers, self.s3)
        finally:
            self.lanes.put(workers)

    def undisturbed(self) -> Seen:
        """Return the requests of the work as it goes when nobody disturbs it."""
        with self.case() as case:
            return case.play().seen

    def assert_each(self, plans: Iterable[Plan], play: Callable[[Case, Plan], None]) -> int:
        """Play a case under each plan, and return how many came to the request that was planned; raises all failures together."""
        wrong: list[str] = []

        def one(plan: Plan) -> bool:
            with self.case() as case:
                try:
                    play(case, plan)
                except AssertionError as error:
                    wrong.append(f"{plan}: {case.hit}\n{str(error)[:2000]}")
                return case.hit is not None

        with ThreadPoolExecutor(LANES) as pool:
            cases = sum(pool.map(one, plans))
        assert not wrong, "\n\n".join(wrong)
        return cases


@contextmanager
def staged(home: Path, endpoint: str) -> Iterator[dict[str, Stage]]:
    """Make a stage for each scenario, with a past that is older than anything put later, also by S3's clock of seconds."""
    with ExitStack() as stack:
        lanes: SimpleQueue[Workers] = SimpleQueue()
        for _ in range(LANES):
            lanes.put(stack.enter_context(workers_behind(stack.enter_context(proxy_before(endpoint)))))
        with pytest.MonkeyPatch.context() as patch:
            uri, s3 = bucket(endpoint, patch), boto3.client("s3")
            stages = {name: Stage(name, home / str(n), f"{uri}/{n}", lanes, s3) for n, name in enumerate(SCENARIOS)}
            for stage in stages.values():
                stage.home.mkdir()
            with ThreadPoolExecutor(LANES) as pool:
                list(pool.map(Stage.prepare, stages.values()))
        time.sleep(1.1)
        yield stages


def exports(world: World) -> set[str]:
    """Return the exports that hold what their table holds."""
    keys = {key for key in world.keys("exports/") if not key.endswith(".json")}
    for key in keys:
        table = key.rsplit("/", 1)[-1].partition(".")[0]
        assert exported(world, key) == in_table(world, table, key), key
    return {key.removeprefix("exports/") for key in keys}


def exported(world: World, key: str) -> list[Mapping[str, Any]]:
    """Return an export's numbers, as texts."""
    body = world.lake.store.get(key) or b""
    if key.endswith(".parquet"):
        import pyarrow.parquet

        rows = pyarrow.parquet.read_table(io.BytesIO(body)).to_pylist()
    else:
        rows = list(csv.DictReader(io.StringIO(body.decode())))
    return sorted(({name: str(row[name]) for name in row if name in ("id", "amount", "orders")} for row in rows), key=str)


def in_table(world: World, table: str, key: str) -> list[Mapping[str, Any]]:
    """Return the same numbers of a table's partition."""
    day = next((part.removeprefix("day=") for part in key.split("/") if part.startswith("day=")), None)
    where = f" where day = '{day}'" if day else ""
    columns = "id, amount" if table == "orders" else "orders, amount"
    rows = world.rows(f"select {columns} from {table}{where}")
    return sorted(({name: str(value) for name, value in row.items()} for row in rows), key=str)


def download(s3: Any, source: str, folder: Path) -> None:
    """Copy all objects below an address into a folder."""
    bucket, prefix = split(source)
    for key in keys_below(s3, source):
        file = folder / key.removeprefix(prefix + "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())


def copy_tree(s3: Any, source: str, target: str) -> None:
    """Copy all objects below one address to another in the same bucket."""
    (bucket, prefix), (_, to) = split(source), split(target)
    for key in keys_below(s3, source):
        s3.copy_object(Bucket=bucket, Key=to + key.removeprefix(prefix), CopySource={"Bucket": bucket, "Key": key})


def keys_below(s3: Any, uri: str) -> list[str]:
    bucket, prefix = split(uri)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/")
    return [found["Key"] for page in pages for found in page.get("Contents", ())]


def split(uri: str) -> tuple[str, str]:
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    return bucket, prefix
