"""A lake to test with: real tables, in a temporary folder or in a real S3 server in a process of its own."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.world import World

PLACES = ("folder", "s3")


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """A moto server in its own process: in ours it would hang, delta-rs holds the GIL during S3 calls."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, str(Path(__file__).with_name("s3.py")), str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    endpoint = f"http://127.0.0.1:{port}"
    try:
        _wait_for(endpoint)
        yield endpoint
    finally:
        server.terminate()
        server.wait()


def _wait_for(endpoint: str) -> None:
    for _ in range(200):
        try:
            with urllib.request.urlopen(f"{endpoint}/moto-api/data.json", timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the S3 server did not start")


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A lake in a folder."""
    return World(tmp_path, str(tmp_path / "lake"))


@pytest.fixture(params=PLACES)
def anywhere(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """The same lake in each place that Lakelet supports."""
    if request.param == "folder":
        return World(tmp_path, str(tmp_path / "lake"))
    return World(tmp_path, bucket(request.getfixturevalue("s3_endpoint"), monkeypatch))


def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make a versioned bucket of its own, reachable through the environment, and return a lake's address in it."""
    import boto3

    reach(endpoint, monkeypatch)
    name = f"lake-{uuid4().hex[:12]}"
    s3 = boto3.client("s3", region_name="us-east-1")
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return f"s3://{name}/shop"


def reach(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the environment name this S3 server and nothing else of AWS."""
    settings = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": endpoint}
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
