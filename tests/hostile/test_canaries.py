"""Canaries: a word from a row is found in tables, quarantines, archives and exports, and nowhere else, whatever goes wrong with it."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from traceback import format_exception
from typing import Any, Final

import pytest

from core.errors import LakeError
from core.query import query
from tests.conftest import bucket
from tests.faults.figures import LONG
from tests.hostile.canaries import DATASETS, FAILING, Canary, Flock, flock, told, transform
from tests.hostile.figures import FIGURES
from tests.unit.test_events import s3, sqs
from tests.world import World

ROOT: Final = Path(__file__).parents[2]
REGION: Final = "us-east-1"
CANARIES: Final = flock()
ROW: Final = "canaries"
RUN: Final = list(FAILING) if LONG else list(FAILING)[::4]
"""What fails as a transform, too, in this size; as a query all do."""


@dataclass
class Said:
    """What came of the flight: by where it was said, and the rows' own places."""

    flock: Flock
    where: dict[str, bytes] = field(default_factory=dict)
    kept: dict[str, bytes] = field(default_factory=dict)
    answers: list[Any] = field(default_factory=list)


@dataclass
class Stage:
    """A lake in S3 with topics, a catalog and traces, and the environment by which functions find them."""

    world: World
    boto: dict[str, Any]
    queue: str
    traces: socket.socket
    environment: dict[str, str]

    def invoke(self, events: list[tuple[str, Any]]) -> tuple[list[Any], bytes]:
        answers = self.world.home / "answers"
        done = subprocess.run(
            [sys.executable, "-m", "tests.hostile.handled", str(answers)],
            input=json.dumps(events).encode(), capture_output=True, cwd=ROOT, env=self.environment, timeout=500, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()
        return [json.loads(line) for line in answers.read_bytes().splitlines()], done.stdout + b"\n" + done.stderr


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, s3_endpoint: str) -> Iterator[Stage]:
    import boto3

    with pytest.MonkeyPatch.context() as patch, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as traces:
        traces.bind(("127.0.0.1", 0))
        uri = bucket(s3_endpoint, patch).rpartition("/")[0]
        world = World(tmp_path_factory.mktemp("canaries"), uri)
        boto = {name: boto3.client(name, region_name=REGION) for name in ("s3", "sns", "sqs", "glue")}
        topic = boto["sns"].create_topic(Name="told")["TopicArn"]
        queue = boto["sqs"].create_queue(QueueName="told")["QueueUrl"]
        boto["sns"].subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:123456789012:told")
        boto["glue"].create_database(DatabaseInput={"Name": "lake"})
        settings = {
            "LAKELET_PROJECT": str(world.home / "project"), "LAKELET_LAKE": uri, "LAKELET_RAW": uri, "LAKELET_CATALOG": "lake",
            "LAKELET_SUCCESS_TOPIC": topic, "LAKELET_FAILURE_TOPIC": topic, "POWERTOOLS_SERVICE_NAME": "lakelet-test",
            "AWS_LAMBDA_FUNCTION_NAME": "lakelet-test", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769", "LAMBDA_ARN": "arn:aws:lambda:x",
            "AWS_LAMBDA_LOG_GROUP_NAME": "log", "AWS_LAMBDA_LOG_STREAM_NAME": "log", "LAMBDA_TASK_ROOT": str(ROOT),
            "AWS_XRAY_DAEMON_ADDRESS": f"127.0.0.1:{traces.getsockname()[1]}",
            "_X_AMZN_TRACE_ID": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
        }  # fmt: skip
        yield Stage(world, boto, queue, traces, {**os.environ, **settings})


def fly(stage: Stage, flock: Flock) -> Said:
    """Load, post and transform everything by the functions, and gather what was said."""
    world, said = stage.world, Said(flock)
    for text in DATASETS.values():
        world.declare(text)
    for name in RUN:
        world.declare(transform(name), **{f"t_{name}": FAILING[name]})
    for key, body in flock.objects.items():
        world.put(key, body)
    first = [("handlers.ingest.handler", sqs(*announce(world, flock)))]
    posted = [("handlers.api.handler", post(*one)) for one in flock.posts]
    asked = [("handlers.api.handler", request("GET", f"/v1/datasets/{name}")) for name in DATASETS]
    steps = [("handlers.tasks.handler", {"task": "transform", "name": f"t_{name}"}) for name in RUN[:3]]
    others = [
        ("handlers.ingest.handler", sqs(*announce(world, flock, "raw/looking/"), tries=2)),
        ("handlers.tasks.handler", {"task": "sweep"}),
        ("handlers.tasks.handler", {"task": "no such"}),
        ("handlers.tasks.handler", {"task": "check"}),
    ]
    said.answers, said.where["the log"] = stage.invoke([*first, *posted, *asked, *steps, *others])
    said.where["answers"] = json.dumps(said.answers).encode()
    _gather(stage, said)
    return said


def announce(world: World, flock: Flock, below: str = "raw/") -> list[Any]:
    events = []
    for ref in world.lake.raw.list(below):
        event = s3(ref.key, versionId=ref.version, size=ref.size)
        event["Records"][0]["s3"]["bucket"]["name"] = world.uri.removeprefix("s3://")
        events.append(event)
    assert not below.endswith("raw/") or len(events) == len(flock.objects)
    return events


def request(method: str, path: str, body: str = "", media: str = "") -> dict[str, Any]:
    http = {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "test"}
    return {
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "", "headers": {"content-type": media},
        "requestContext": {"http": http, "requestId": "r", "stage": "$default"}, "body": body, "isBase64Encoded": False,
    }  # fmt: skip


def post(dataset: str, media: str, body: str) -> dict[str, Any]:
    return request("POST", f"/v1/datasets/{dataset}/records", body, media)


def _gather(stage: Stage, said: Said) -> None:
    name = stage.world.uri.removeprefix("s3://")
    for ref in stage.world.lake.raw.list(""):
        body = stage.boto["s3"].get_object(Bucket=name, Key=ref.key)
        content = body.pop("Body").read()
        said.where[f"object {ref.key}"] = told(ref.key, content) + json.dumps(body["Metadata"]).encode()
        said.kept[ref.key] = content
    while messages := stage.boto["sqs"].receive_message(QueueUrl=stage.queue, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            said.where[f"message {message['MessageId']}"] = message["Body"].encode()
            stage.boto["sqs"].delete_message(QueueUrl=stage.queue, ReceiptHandle=message["ReceiptHandle"])
    for table in stage.boto["glue"].get_tables(DatabaseName="lake")["TableList"]:
        said.where[f"the catalog's {table['Name']}"] = json.dumps(table, default=str).encode()
    stage.traces.setblocking(False)
    number = 0
    while True:
        try:
            said.where[f"trace {number}"] = stage.traces.recv(1 << 16)
        except BlockingIOError:
            break
        number += 1
    _ask(stage, said)


def _ask(stage: Stage, said: Said) -> None:
    """Ask by the command line, too: how it stands, and a query that fails at a row; the other queries without a process for each."""
    for arguments in (["status", "--json"], ["query", FAILING["cast"], "--json"]):
        command = [sys.executable, "-c", "from handlers.cli import main; main()", *arguments]
        done = subprocess.run(command, capture_output=True, cwd=ROOT, env=stage.environment, timeout=100, check=False)
        said.where[f"command {' '.join(arguments)}"] = done.stdout + done.stderr
    local = World(stage.world.home / "beside", str(stage.world.home / "beside" / "lake")).declare(DATASETS["words"])
    for key in ("raw/words/0.csv", "raw/words/1.csv"):
        local.put(key, said.flock.objects[key])
    local.run()
    for name, sql in FAILING.items():
        with pytest.raises(LakeError) as caught:
            query(local.lake, sql)
        said.where[f"query {name}"] = "".join(format_exception(caught.value)).encode()


@pytest.fixture(scope="module")
def said(stage: Stage) -> Said:
    return fly(stage, CANARIES)


def rows_of(stage: Stage, name: str) -> list[dict[str, Any]]:
    return stage.world.rows(f"select raw from quarantine.{name}")


def test_the_flight_was_one(stage: Stage, said: Said) -> None:
    """Every place was really spoken from: or else a silence proves nothing."""
    log = [json.loads(line) for line in said.where["the log"].splitlines() if line.startswith(b"{")]
    undone = {entry["declaration"] for entry in log if entry.get("step") == "undone"}
    assert undone >= {"looking", *(f"t_{name}" for name in RUN)}
    assert any("_aws" in entry for entry in log), "metrics"
    assert {answer.get("statusCode") for answer in said.answers} >= {200, 400, 422}
    kinds = {name.partition(" ")[0] for name in said.where}
    assert kinds >= {"the", "answers", "object", "message", "trace", "command"}
    assert sum(name.startswith("the catalog's") for name in said.where) >= 5
    assert sum("errorMessage" in answer for answer in said.answers) == 5
    assert b'"Unforeseen"' in said.where["answers"]
    quarantined = b"".join(
        json.dumps(row).encode() for name in ("csv", "json", "jsonl", "stream", "xlsx", "parquet") for row in rows_of(stage, name)
    )
    missing = [one.place for one in said.flock.canaries if one.dataset in DATASETS and not one.key and not one.found_in(quarantined)]
    loaded = (*(f"{kind}: a document" for kind in ("json", "jsonl", "stream")), "CSV: an open quote")  # any text is a JSON value
    assert [place for place in missing if not place.endswith("a warning") and not place.startswith(("a ", *loaded))] == []


@pytest.mark.parametrize("canary", CANARIES.canaries, ids=lambda canary: canary.place)
def test_a_value_is_told_nowhere(said: Said, canary: Canary) -> None:
    assert [name for name, text in said.where.items() if canary.found_in(text)] == []
    if canary.key:
        assert any(re.search(rf"^rejected/.*{Path(canary.key).stem}\..*report\.json$", key) for key in said.kept), "it was not rejected"
    FIGURES.count(ROW, canary.place.partition(":")[0])
