"""The template deployed to the emulator, and what a test asks of it: put, settle, tick; then tables, keys, messages, metrics.

Every test runs twice: the functions as processes of this checkout, and as containers of its image where there is an engine.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest

from core.declarations import load
from core.lake import Lake, Settings
from infra.engine import ROOT
from infra.local.emulator import Emulator, running
from infra.local.stack import Stack

TEMPLATE: Final = ROOT / "sam-template.yaml"
PIPELINES: Final = ROOT / "pipelines"
REGION: Final = "eu-west-1"
PROVENANCE: Final = ("_source", "_source_time", "quarantined_at")
PARAMETERS: Final = {"WithStream": "yes"}


@pytest.fixture(scope="session")
def processes() -> Iterator[Emulator]:
    """One emulator for all tests. Each has a stack of its own in it."""
    with running(project=PIPELINES, region=REGION) as started:
        yield started


@pytest.fixture(scope="session")
def containers(image: str) -> Iterator[Emulator]:
    with running(project=PIPELINES, region=REGION, containers=True, image=image) as started:
        yield started


@pytest.fixture(scope="session", params=["processes", "containers"])
def emulator(request: pytest.FixtureRequest) -> Emulator:
    found: Emulator = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def shared(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator["Deployed"]:
    """The template as a stack that a module's tests share: each keeps to objects of its own. Cold functions are what costs time here."""
    with deployment(emulator, tmp_path_factory.mktemp("shared")) as found:
        yield found


@pytest.fixture
def deployed(emulator: Emulator, tmp_path: Path) -> Iterator["Deployed"]:
    """The template as a stack that nobody else uses."""
    with deployment(emulator, tmp_path) as found:
        yield found


@contextmanager
def deployment(emulator: Emulator, work: Path, template: Path = TEMPLATE, **given: str) -> Iterator["Deployed"]:
    """Give a stack for the time of a block; `given` are its parameters."""
    name = f"t{uuid4().hex[:8]}"
    stack = emulator.deploy(template, name, {"Database": name, **PARAMETERS, **given})
    try:
        yield Deployed(emulator, stack, work)
    finally:
        emulator.remove(stack)


@dataclass
class Deployed:
    """A stack in an emulator."""

    emulator: Emulator
    stack: Stack
    work: Path

    @property
    def name(self) -> str:
        return self.stack.name

    @property
    def raw(self) -> str:
        return self.stack.outputs["RawBucket"]

    def aws(self, service: str) -> Any:
        return self.emulator.client(service)

    @cached_property
    def lake(self) -> Lake:
        """The stack's lake as the core sees it, for reading what became of it."""
        options = {
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
            "aws_region": self.emulator.region,
            "aws_endpoint_url": self.emulator.endpoint,
            "aws_allow_http": "true",
        }
        settings = Settings.read(PIPELINES, str(self.work / "unused"))
        return Lake(
            load(PIPELINES), replace(settings, raw=f"s3://{self.raw}", lake=f"s3://{self.stack.outputs['LakeBucket']}", aws=options)
        )

    # --- to do

    def put(self, key: str, body: bytes | str | Path) -> str:
        """Put a raw object and return its version."""
        content = body.read_bytes() if isinstance(body, Path) else body.encode() if isinstance(body, str) else body
        version: str = self.aws("s3").put_object(Bucket=self.raw, Key=key, Body=content)["VersionId"]
        return version

    def settle(self) -> None:
        self.emulator.settle(120)

    def tick(self, schedule: str) -> None:
        """Let an hour pass, fire a schedule, and wait until all is done."""
        self.emulator.tick(f"{self.name}-{schedule}")
        self.settle()

    def invoke(self, function: str, event: Any) -> Any:
        """Invoke a function and return its answer; an error's answer is an error here."""
        said = self.aws("lambda").invoke(FunctionName=f"{self.name}-{function}", Payload=json.dumps(event).encode())
        answer = json.load(said["Payload"])
        assert "FunctionError" not in said, answer
        return answer

    def send(self, *bodies: Any) -> None:
        """Put messages into the ingest queue, as they are."""
        for body in bodies:
            self.aws("sqs").send_message(QueueUrl=self.stack.outputs["IngestQueue"], MessageBody=json.dumps(body))

    # --- to see

    def keys(self, prefix: str = "", bucket: str = "RawBucket") -> set[str]:
        pages = self.aws("s3").get_paginator("list_objects_v2").paginate(Bucket=self.stack.outputs[bucket], Prefix=prefix)
        return {found["Key"] for page in pages for found in page.get("Contents", ())}

    def rows(self, name: str) -> list[str]:
        return rows(self.lake, name)[name]

    def version(self, name: str) -> int | None:
        snapshot = self.lake.named_table(name)
        return snapshot.version if snapshot else None

    def executions(self, machine: str) -> list[dict[str, Any]]:
        """Return a state machine's executions, the newest first, with their output, error and cause."""
        states = self.aws("stepfunctions")
        found = states.list_executions(stateMachineArn=self.stack.outputs[machine])["executions"]
        return [states.describe_execution(executionArn=execution["executionArn"]) for execution in found]

    def messages(self, queue: str) -> list[Any]:
        """Take everything out of a queue, by its name after the stack's."""
        sqs = self.aws("sqs")
        url, found = sqs.get_queue_url(QueueName=f"{self.name}-{queue}")["QueueUrl"], []
        while received := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", ()):
            for message in received:
                found.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found

    def listen(self) -> None:
        """Subscribe a queue to each topic; `told` reads what comes from now on."""
        sqs, sns = self.aws("sqs"), self.aws("sns")
        for topic in ("success", "failure"):
            sqs.create_queue(QueueName=f"{self.name}-{topic}")
            arn = f"arn:aws:sqs:{self.emulator.region}:123456789012:{self.name}-{topic}"
            sns.subscribe(TopicArn=self.stack.outputs[f"{topic.title()}Topic"], Protocol="sqs", Endpoint=arn)  # twice is once
            self.told(topic)

    def told(self, topic: str) -> list[Any]:
        """Return what a topic was told since `listen`, or the last time."""
        return [json.loads(envelope["Message"]) for envelope in self.messages(topic)]

    def metric(self, name: str, **dimensions: str) -> float:
        """Return the sum of one of the stack's metrics."""
        now = datetime.now(UTC)
        named = {"service": self.name, **dimensions}
        points = self.aws("cloudwatch").get_metric_statistics(
            Namespace="Lakelet",
            MetricName=name,
            Dimensions=[{"Name": key, "Value": value} for key, value in named.items()],
            StartTime=now - timedelta(hours=1),
            EndTime=now + timedelta(hours=1),
            Period=3600,
            Statistics=["Sum"],
        )["Datapoints"]
        return float(sum(point["Sum"] for point in points))

    def said(self, function: str) -> str:
        return "\n".join(self.emulator.said(f"{self.name}-{function}"))


def rows(lake: Lake, *names: str) -> dict[str, list[str]]:
    """Return each table's rows as sorted JSON, without what tells the version of an object; none where there is no table."""
    found = dict[str, list[str]]()
    with lake.workplace() as work, lake.session(work) as connection:
        for name in names:
            if lake.mount(connection, name) is None:
                found[name] = []
                continue
            columns = [column for column, *_ in connection.execute(f"describe select * from {name}").fetchall() if column not in PROVENANCE]
            chosen = ", ".join(f'"{column}"' for column in columns)
            query = f"select to_json(r)::varchar from (select {chosen} from {name}) r"
            found[name] = sorted(text for (text,) in connection.execute(query).fetchall())
    return found


def untagged(keys: set[str]) -> set[str]:
    """Return keys of archived and rejected objects without the tag of their version."""
    return {re.sub(r"\.[0-9a-f]{8}(?=\.|$)", "", key) for key in keys}
