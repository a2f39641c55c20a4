"""What the tests of the image stand on: a container engine, the image, SAM, and a server that speaks AWS. Without an engine they skip."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import pytest

from infra.engine import ROOT, Engine, aws_server, find_engine

TAG: Final = "lakelet:test"
REGION: Final = "eu-west-1"
RAW: Final = "lakelet-raw"
LAKE: Final = "lakelet-lake"
EVENTS: Final = ROOT / "infra" / "events"


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    found = find_engine()
    if found is None:
        pytest.skip("no container engine answers: start Docker or Podman, or set DOCKER_HOST")
    yield found
    found.client.close()


@pytest.fixture(scope="session")
def image(engine: Engine) -> str:
    """The image, built from this checkout."""
    engine.build(TAG)
    return TAG


@pytest.fixture(scope="session")
def sam() -> str:
    found = shutil.which("sam") or shutil.which("sam", path=ROOT / ".venv-aws" / "bin")
    if found is None:
        pytest.skip("no `sam` on the PATH or in .venv-aws: pip install aws-sam-cli")
    return found


@dataclass(frozen=True)
class Cloud:
    """An AWS with what a stack of Lakelet's finds there; `host` is its name for containers."""

    port: int
    host: str

    def client(self, service: str) -> Any:
        import boto3

        credentials = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client(service, endpoint_url=f"http://127.0.0.1:{self.port}", region_name=REGION, **credentials)

    @cached_property
    def s3(self) -> Any:
        return self.client("s3")

    @cached_property
    def variables(self) -> Mapping[str, str]:
        """What the template tells its functions."""
        secret = self.client("secretsmanager").create_secret(Name="lakelet-api-key", SecretString="lakelet-example-key")
        self.client("glue").create_database(DatabaseInput={"Name": "lakelet"})
        topics = {name: self.client("sns").create_topic(Name=f"lakelet-{name}")["TopicArn"] for name in ("success", "failure")}
        for bucket in (RAW, LAKE):
            self.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
            self.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        return {
            "LAKELET_LAKE": f"s3://{LAKE}",
            "LAKELET_RAW": f"s3://{RAW}",
            "LAKELET_CATALOG": "lakelet",
            "LAKELET_SUCCESS_TOPIC": topics["success"],
            "LAKELET_FAILURE_TOPIC": topics["failure"],
            "LAKELET_REFRESH": f"arn:aws:states:{REGION}:111122223333:stateMachine:lakelet-refresh",
            "LAKELET_API_KEY_SECRET": secret["ARN"],
            "POWERTOOLS_SERVICE_NAME": "lakelet",
            "POWERTOOLS_METRICS_NAMESPACE": "Lakelet",
            "AWS_ENDPOINT_URL": f"http://{self.host}:{self.port}",
        }

    @property
    def credentials(self) -> Mapping[str, str]:
        """What Lambda itself tells its functions."""
        return {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}

    def keys(self, bucket: str, prefix: str) -> list[str]:
        return [found["Key"] for found in self.s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", ())]


@pytest.fixture(scope="session")
def cloud(engine: Engine) -> Iterator[Cloud]:
    with aws_server() as port:
        yield Cloud(port, engine.host)


# --- the events of infra/events, and the objects that they tell of ---------------------------------------------------------------------

TRANSACTIONS: Final = """transaction_id,account_id,timestamp,amount,currency,type,category,status,updated_at
t-1001,42,2026-11-20T09:00:00Z,12.50,EUR,purchase,groceries,settled,2026-11-20T09:05:00Z
t-1002,42,2026-11-20T09:30:00Z,99.99,EUR,refund,electronics,pending,2026-11-20T09:31:00Z
"""
PRODUCTS: Final = "product_id,department_id,department,product_name\n1,4,produce,Bananas\n2,16,dairy eggs,Whole milk\n"
READINGS: Final = json.dumps(
    {
        "source": "iot_sensors",
        "data": {"device_id": "sensor-0042", "timestamp": "2026-11-20T10:14:58Z", "temperature": 21.5, "humidity": 48.0},
        "metadata": {"location": "hall-3", "firmware_version": "2.1.0"},
    }
)
OBJECTS: Final = {
    "4HL4kqtJlcpXroDTDmJ.rmSpXd3dIbrH": ("raw/transactions/transactions 2026-11-20 A+B.csv", TRANSACTIONS),
    "IYV3p45BT0ac8hjHg1houSdS1a.Mro8e": ("raw/products/products-2026-11-20.csv", PRODUCTS),
    "096fKKXTRTtl3on89fVO.nfljtsv6qko": ("raw/iot/source=iot_sensors/year=2026/month=11/day=20/101500.json", READINGS),
    "3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY": ("raw/transactions/transactions-2026-10.csv", TRANSACTIONS),
}
"""By the version that an event names: the key, as the bucket has it, and a body."""

LARGE: Final = "734003200"
"""The size of an object that is too large for the ordinary function. Nobody puts that much to see a step work."""


def event(name: str) -> str:
    return (EVENTS / f"{name}.json").read_text("utf-8")


def arrive(cloud: Cloud, name: str) -> tuple[str, list[str]]:
    """Put the objects that an event tells of; return the event with the versions that they got, and their keys."""
    assert cloud.variables
    text, keys = event(name), []
    for version, (key, body) in OBJECTS.items():
        if version in text:
            put = cloud.s3.put_object(Bucket=RAW, Key=key, Body=body.encode())
            text = text.replace(version, put["VersionId"]).replace(LARGE, str(len(body)))
            keys.append(key)
    return text, keys


def engine_environment(engine: Engine) -> dict[str, str]:
    """Return the environment in which `sam` finds the engine and tells nobody."""
    said = {"DOCKER_HOST": engine.address, "SAM_CLI_TELEMETRY": "0", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    said["SAM_CLI_CONTAINER_CONNECTION_TIMEOUT"] = "60"  # of SAM's own 20 s one was once too late
    return {**os.environ, **said, "AWS_DEFAULT_REGION": REGION, "AWS_REGION": REGION, "AWS_MAX_ATTEMPTS": "1"}


def handlers() -> list[Path]:
    """Return the modules that functions begin with."""
    return [ROOT / "handlers" / f"{name}.py" for name in ("ingest", "api", "schedule", "tasks", "authorize")]
