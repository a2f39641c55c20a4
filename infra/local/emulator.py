"""The emulator as its user holds it: started, given stacks, waited for, ticked, stopped; all over HTTP to the server's process."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from core.errors import Terminal
from infra.local import stack
from infra.local.cloud import ACCOUNT, Clients
from infra.local.processes import ROOT
from infra.local.stack import Stack
from infra.local.template import translate

IMAGE: Final = "ingestfunction:lakelet"
"""What `sam build` calls the image: the first function's name, and the tag that the template gives."""

OUTSIDE: Final = "local"


class Emulator:
    """A running emulator. `state` is the folder of its logs, its record of calls and its functions' work."""

    def __init__(self, server: "subprocess.Popen[str]", endpoint: str, region: str, state: Path, image: str) -> None:
        self.endpoint, self.region, self.state, self.image = endpoint, region, state, image
        self.client = Clients(endpoint, region, OUTSIDE)
        self._server = server

    def alive(self) -> bool:
        return self._server.poll() is None

    def deploy(self, template: Path, name: str, parameters: Mapping[str, str] | None = None) -> Stack:
        """Make a stack of a template on disk."""
        translated = translate(template, image=self.image, region=self.region, parameters=parameters)
        return stack.deploy(translated, name, self.client, account=ACCOUNT, parameters=parameters)

    def remove(self, gone: Stack) -> None:
        """End what a stack does: its rules, mappings and functions. What it keeps stays until the emulator ends."""
        for rule in gone.of_type("AWS::Events::Rule").values():
            self.client("events").disable_rule(Name=rule.ref)
        for mapping in gone.of_type("AWS::Lambda::EventSourceMapping").values():
            self.client("lambda").delete_event_source_mapping(UUID=mapping.ref)
        for delivery in gone.of_type("AWS::KinesisFirehose::DeliveryStream").values():
            self.client("firehose").delete_delivery_stream(DeliveryStreamName=delivery.ref)
        for function in gone.of_type("AWS::Lambda::Function").values():
            self.client("lambda").delete_function(FunctionName=function.ref)

    def settle(self, seconds: float = 60) -> None:
        """Wait until nothing is under way: no delivery, message, invocation, record or execution. Terminal when it takes longer."""
        until, before = time.monotonic() + seconds, -1
        while True:
            found = self._ask("GET", "activity")
            if not any(found["under_way"].values()) and found["ever"] == before:
                return
            before = found["ever"]
            if time.monotonic() > until:
                raise Terminal("the emulator", expected=f"to be done within {seconds:g} seconds", found=json.dumps(found["under_way"]))
            time.sleep(0.05)

    def schedules(self) -> list[str]:
        names: list[str] = self._ask("GET", "schedules")
        return names

    def tick(self, schedule: str, hours: float = 1) -> None:
        """Fire a schedule now, as if so many hours had passed: everything in S3 is that much older."""
        self._ask("POST", f"schedules/{quote(schedule)}?hours={hours}")

    def let_pass(self, hours: float) -> None:
        """Let everything in S3 be so many hours older."""
        self._ask("POST", f"hours?hours={hours}")

    def flush(self) -> list[str]:
        """Let Firehose write what it has gathered, and return the keys."""
        keys: list[str] = self._ask("POST", "flush")
        return keys

    def calls(self) -> list[dict[str, str]]:
        """Return every AWS call so far, with the function that made it."""
        return [json.loads(line) for line in (self.state / "calls.jsonl").read_text("utf-8").splitlines()]

    def said(self, function: str) -> list[str]:
        """Return what a function has said so far."""
        file = self.state / "logs" / f"{function}.log"
        return file.read_text("utf-8").splitlines() if file.exists() else []

    def _ask(self, method: str, what: str) -> Any:
        request = urllib.request.Request(f"{self.endpoint}/_lakelet/{what}", method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy would not find this machine
        try:
            with opener.open(request, timeout=60) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise Terminal(f"{method} /_lakelet/{what}", found=json.load(error)) from error


def built_image(template: Path) -> str:
    """Return what `sam build` called the image, by the template that it wrote; or what it would."""
    built = template.parent / ".aws-sam" / "build" / "template.yaml"
    found = re.search(r"ImageUri: *(\S+)", built.read_text("utf-8")) if built.exists() else None
    return found[1] if found else IMAGE


@contextmanager
def running(
    *, project: Path, region: str = "us-east-1", port: int = 0, containers: bool = False, image: str = IMAGE, state: Path | None = None
) -> Iterator[Emulator]:
    """Start an emulator, and stop it with all its functions; it ends with this process, however that ends.

    Functions are containers of `image`, or else processes of this checkout that read `project` for their pipelines.
    """
    with tempfile.TemporaryDirectory(prefix="lakelet-local-") as folder:
        place = state or Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        process = _start(place, project, region, port, containers)
        try:
            yield Emulator(process, _address(process, place), region, place, image)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            for pipe in (process.stdin, process.stdout):
                assert pipe
                pipe.close()


def _start(state: Path, project: Path, region: str, port: int, containers: bool) -> "subprocess.Popen[str]":
    words = ["--state", str(state), "--project", str(project.absolute()), "--region", region, "--port", str(port)]
    if containers:
        words += ["--containers", "--host", "0.0.0.0"]  # a container reaches this machine by another address than its own
    settings = {
        "S3_IGNORE_SUBDOMAIN_BUCKETNAME": "true",  # or moto takes a container's name for this machine for a bucket
        "MOTO_IAM_LOAD_MANAGED_POLICIES": "true",
        "NO_PROXY": "localhost,127.0.0.1",
        "PYTHONPATH": str(ROOT),
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with (state / "server.log").open("w", encoding="utf-8") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "infra.local.server", *words],
            cwd=ROOT,
            env=inherited | settings,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )


def _address(process: "subprocess.Popen[str]", state: Path) -> str:
    assert process.stdout
    address = process.stdout.readline().strip()
    if not address:
        said = (state / "server.log").read_text("utf-8").strip().splitlines()
        raise Terminal("the emulator's server", expected="an address", found=said[-1] if said else "nothing")
    return address
