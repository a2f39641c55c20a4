"""Each pipeline through the whole stack, S3 -> EventBridge -> SQS -> function: what `lakelet run` gives on a folder, and nothing else."""

import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import duckdb
import pytest

from core import run
from core.contract import Dataset
from core.declarations import load
from core.lake import Lake, Settings
from core.loading import Ingested
from core.sample import sample
from tests.aws.emulated import PIPELINES, Deployed, rows, untagged

NAMES = sorted(path.name for path in PIPELINES.iterdir() if path.is_dir() and not path.name.startswith("."))
ROWS = 200
EVENTS = ("all_inputs", "any_input")


@dataclass(frozen=True)
class Local:
    """What the local run made of a pipeline's samples: its lake, the objects in the order in which they arrived, and what was counted."""

    lake: Lake
    objects: Mapping[str, bytes]
    balances: Mapping[str, Mapping[str, int]]


@cache
def local(pipeline: str, folder: Path) -> Local:
    """Run a pipeline's samples on a folder, each object newer than the one before."""
    lake = Lake(load(PIPELINES), Settings.read(PIPELINES, str(folder / pipeline / "lake")))
    objects: dict[str, bytes] = {}

    def put(key: str, file: Path) -> None:
        objects[key] = file.read_bytes()
        lake.raw.put(key, objects[key])
        moment = time.time() - 1000 + len(objects)
        os.utime(folder / pipeline / "lake" / key, (moment, moment))

    sample(PIPELINES / pipeline, rows=ROWS, owner=lake.project.match, put=put, work=folder / pipeline / "work")
    balances: dict[str, Mapping[str, int]] = {}
    for step in run.run(lake):
        assert not isinstance(step, run.Undone), step
        if isinstance(step, Ingested):
            balances[step.dataset] = step.balance
    return Local(lake, objects, balances)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("local")


@pytest.mark.parametrize("pipeline", NAMES)
def test_what_arrives_becomes_what_the_local_run_gives(shared: Deployed, pipeline: str, folder: Path) -> None:
    expected = local(pipeline, folder)
    shared.listen()

    deliver(shared, expected, pipeline)

    assert_same_tables(shared, expected.lake, pipeline)
    assert_same_places(shared, expected.lake, pipeline)
    assert_told(shared, expected)
    assert_counted(shared, expected)
    assert_registered(shared, expected.lake, pipeline)


def deliver(deployed: Deployed, expected: Local, pipeline: str) -> None:
    """Put a pipeline's objects, those of a dataset together and before those that look into it; then what waits for the clock."""
    declared = expected.lake.project.pipeline(pipeline)
    for dataset in (found for found in declared if isinstance(found, Dataset)):
        for key, body in expected.objects.items():
            if expected.lake.project.match(key) == dataset:
                deployed.put(key, body)
        deployed.settle()
    if any(found.source.trigger != "arrival" if isinstance(found, Dataset) else found.when not in EVENTS for found in declared):
        deployed.tick("hourly")


def assert_same_tables(deployed: Deployed, lake: Lake, pipeline: str) -> None:
    names = [found.name for found in lake.project.pipeline(pipeline)]
    names += [f"quarantine.{found.name}" for found in lake.project.pipeline(pipeline) if isinstance(found, Dataset)]
    theirs, ours = rows(deployed.lake, *names), rows(lake, *names)
    for name in names:
        assert theirs[name] == ours[name], name
        assert theirs[name] or name.startswith("quarantine."), f"{name} is empty: this would prove nothing"


def assert_same_places(deployed: Deployed, lake: Lake, pipeline: str) -> None:
    """What is archived, set aside, left and exported is the same."""
    for dataset in (found for found in lake.project.pipeline(pipeline) if isinstance(found, Dataset)):
        for place in (f"archived/{dataset.name}/", f"rejected/[^/]+/{dataset.name}/", dataset.source.prefix):
            theirs, ours = deployed.keys(), {ref.key for ref in lake.store.list("")}
            assert _below(place, theirs) == _below(place, ours), place
    for path in {export.path for found in lake.project.pipeline(pipeline) for export in found.exports}:
        keys = {ref.key for ref in lake.store.list(path)}
        assert deployed.keys(path, "LakeBucket") == keys
        for key in keys:
            assert _content(deployed.lake, key, deployed.work) == _content(lake, key, deployed.work), key


def _below(place: str, keys: set[str]) -> set[str]:
    return untagged({key for key in keys if re.match(place, key)})


def _content(lake: Lake, key: str, work: Path) -> object:
    """Return an export's bytes, or of Parquet, whose bytes tell when it was written, its rows."""
    content = lake.store.get(key)
    assert content is not None
    return _parquet(content, work) if key.endswith(".parquet") else content


def _parquet(content: bytes, work: Path) -> list[str]:
    file = work / "export.parquet"
    file.write_bytes(content)
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        return sorted(row for (row,) in connection.execute(f"select to_json(r)::varchar from '{file}' r").fetchall())


def assert_told(deployed: Deployed, expected: Local) -> None:
    """Each commit was told on one topic, each rejected object on the other."""
    success, failure = deployed.told("success"), deployed.told("failure")
    ours = {ref.key for ref in expected.lake.store.list("")}
    archived = _below("archived/", ours)
    set_aside = {key for key in _below("rejected/", ours) if not key.endswith(".report.json")}
    assert sum(message["objects"] for message in success if message["event"] == "loaded") == len(archived)
    rejected = {found["object"] for message in failure if message["event"] == "rejected" for found in message["objects"]}
    assert len(rejected) == len(set_aside)
    assert rejected <= expected.objects.keys()


def assert_counted(deployed: Deployed, expected: Local) -> None:
    for name, balance in expected.balances.items():
        for metric, count in (("RowsRead", "read"), ("RowsAccepted", "accepted"), ("RowsQuarantined", "quarantined")):
            assert deployed.metric(metric, dataset=name) == balance[count], (name, metric)


def assert_registered(deployed: Deployed, lake: Lake, pipeline: str) -> None:
    """The catalog has every table of the pipeline, as native Delta, where it lies."""
    tables = deployed.aws("glue").get_tables(DatabaseName=deployed.name)["TableList"]
    places = {found["Name"]: found["StorageDescriptor"]["Location"].rstrip("/") for found in tables}
    for found in lake.project.pipeline(pipeline):
        assert places[found.name] == deployed.lake.uri(found.target.path), found.name
    assert {found["Parameters"]["table_type"].lower() for found in tables} == {"delta"}
