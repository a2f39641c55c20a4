"""The container engine of this machine, and functions in containers of it with Lambda's share of memory and processor."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
FULL_CPU: Final = 1769
"""Megabytes of memory at which a function has one whole processor."""

INVOCATIONS: Final = "/2015-03-31/functions/function/invocations"
PODMAN: Final = ("/run/podman/podman.sock", f"/run/user/{os.getuid()}/podman/podman.sock")


@dataclass(frozen=True)
class Function:
    """A running container behind the Runtime Interface Emulator that the base image brings."""

    container: Any
    url: str

    def invoke(self, event: Any) -> Any:
        """Give an event, return the answer; an error that the handler raised is an answer with `errorType`."""
        request = urllib.request.Request(self.url + INVOCATIONS, json.dumps(event).encode(), {"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=300) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise RuntimeError(f"the function did not start: {self.logs()[-2000:]}") from error

    def logs(self) -> str:
        return str(self.container.logs().decode("utf-8", "replace"))

    def processor_seconds(self) -> float:
        return float(self.container.stats(stream=False)["cpu_stats"]["cpu_usage"]["total_usage"]) / 1e9


@dataclass(frozen=True)
class Engine:
    """A Docker or Podman that answers. `address` is its socket; `host` is this machine's name inside a container."""

    client: Any
    address: str
    host: str

    def build(self, tag: str, **arguments: str) -> Any:
        """Build the image, from what the engine has kept of earlier builds; return it."""
        return self.client.images.build(path=str(ROOT), tag=tag, rm=True, buildargs=arguments)[0]

    def read(self, image: str, *command: str, **options: Any) -> str:
        """Run a command of the image in place of its functions and return all that it said.

        What it said is asked for when it is done: Podman 4.3 loses the end of what it is asked to follow.
        """
        entry, *rest = command
        container = self.client.containers.create(image, rest, entrypoint=entry, **options)
        try:
            container.start()
            code = container.wait()["StatusCode"]
            said = str(container.logs().decode("utf-8", "replace"))
        finally:
            container.remove(force=True)
        if code:
            raise RuntimeError(f"{entry} ended with {code}: {said[-4000:]}")
        return said

    @contextmanager
    def function(
        self, image: str, handler: str, *, memory: int = FULL_CPU, variables: Mapping[str, str] | None = None, **options: Any
    ) -> Iterator[Function]:
        """Run a function until the caller is done with it."""
        container = self.client.containers.create(
            image,
            handler,
            environment={"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory), **(variables or {})},
            mem_limit=f"{memory}m",
            nano_cpus=int(memory / FULL_CPU * 1e9),
            ports={"8080/tcp": ("127.0.0.1", None)},
            extra_hosts={self.host: "host-gateway"} if self.host == "host.docker.internal" else {},
            **options,
        )
        try:
            container.start()
            container.reload()
            port = container.attrs["NetworkSettings"]["Ports"]["8080/tcp"][0]["HostPort"]
            function = Function(container, f"http://127.0.0.1:{port}")
            _wait_for(function.url)
            yield function
        finally:
            container.remove(force=True)


def find_engine() -> Engine | None:
    """Return the engine of DOCKER_HOST, or Docker's or Podman's usual socket; None where none answers."""
    import docker

    addresses = [os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock", *(f"unix://{path}" for path in PODMAN)]
    for address in filter(_listens, addresses):
        try:
            client = docker.from_env(timeout=600, environment={**os.environ, "DOCKER_HOST": address})
            components = client.version().get("Components") or ()
        except (docker.errors.DockerException, OSError):
            continue
        # Podman knows this machine by a name of its own, and (4.3) nothing of Docker's word host-gateway.
        podman = any("podman" in str(component.get("Name")).lower() for component in components)
        return Engine(client, address, "host.containers.internal" if podman else "host.docker.internal")
    return None


def _listens(address: str) -> bool:
    """Look whether anybody holds a socket's other end: docker's own client forgets to close the ones that nobody does."""
    scheme, _, path = address.partition("://")
    if scheme != "unix":
        return True
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0


@contextmanager
def aws_server() -> Iterator[int]:
    """Run moto in a process of its own, where containers reach it; give its port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "moto.server", "-H", "0.0.0.0", "-p", str(port)]
    # Without this it takes the host's name for a bucket's.
    environment = {**os.environ, "S3_IGNORE_SUBDOMAIN_BUCKETNAME": "true"}
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(f"http://127.0.0.1:{port}/moto-api/")
        yield port
    finally:
        server.terminate()
        server.wait()


def _wait_for(url: str, seconds: float = 60) -> None:
    """Wait until a server answers anything at all."""
    until = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return
