"""A function's environment as a container of the built image behind the Runtime Interface Emulator, with Lambda's memory and CPU share."""

import contextlib
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from core.errors import Terminal
from infra.engine import FULL_CPU, Engine, find_engine
from infra.local.functions import Spec
from infra.local.processes import lambda_variables
from infra.local.said import Said

LABEL: Final = "lakelet.local"
PORT: Final = "8080/tcp"
LONGEST_START: Final = 60.0


@dataclass
class ContainerEnvironment:
    """A running container."""

    url: str
    said: Said
    container: Any

    def alive(self) -> bool:
        import docker.errors

        try:
            self.container.reload()
        except docker.errors.NotFound:
            return False
        return bool(self.container.status == "running")

    def stop(self) -> None:
        import docker.errors

        with contextlib.suppress(docker.errors.APIError):  # already gone, or going
            self.container.remove(force=True)


def starter(engine: Engine, variables: dict[str, str], owner: str) -> Callable[[Spec, Said], ContainerEnvironment]:
    """Return what starts a container: `variables` is what every function here is told, `owner` marks the containers of one emulator."""

    def start(spec: Spec, said: Said) -> ContainerEnvironment:
        container = engine.client.containers.run(
            spec.image,
            list(spec.command),
            environment={**spec.variables, **variables, **lambda_variables(spec)},
            mem_limit=f"{spec.memory}m",
            nano_cpus=int(min(spec.memory / FULL_CPU, 6) * 1_000_000_000),
            extra_hosts={engine.host: "host-gateway"} if engine.host == "host.docker.internal" else {},
            ports={PORT: ("127.0.0.1", None)},
            labels={LABEL: owner},
            detach=True,
        )
        said.read(_chunks(container))
        environment = ContainerEnvironment(_address(container), said, container)
        try:
            _wait_for(environment)
        except OSError:
            environment.stop()
            raise
        return environment

    return start


def _chunks(container: Any) -> Iterator[bytes]:
    with contextlib.suppress(OSError):  # the container went, and its log with it
        yield from container.logs(stream=True, follow=True)


def _address(container: Any) -> str:
    container.reload()
    found = container.attrs["NetworkSettings"]["Ports"][PORT][0]
    return f"http://127.0.0.1:{found['HostPort']}"


def _wait_for(environment: ContainerEnvironment) -> None:
    """Wait until the emulator in the container answers at all; to a path that it does not know it says 404."""
    until = time.monotonic() + LONGEST_START
    while True:
        try:
            urllib.request.urlopen(environment.url, timeout=1)
        except urllib.error.HTTPError:
            return
        except OSError:
            if time.monotonic() > until or not environment.alive():
                raise
            time.sleep(0.02)


def remove_all(engine: Engine, owner: str) -> None:
    """Remove every container of one emulator."""
    for container in engine.client.containers.list(all=True, filters={"label": f"{LABEL}={owner}"}):
        container.remove(force=True)


def engine_or_none(image: str) -> tuple[Engine | None, str]:
    """Return the engine that has this image; or none, and what stands against containers here."""
    import docker.errors

    engine = find_engine()
    if engine is None:
        return None, "no container engine answers"
    try:
        engine.client.images.get(image)
    except docker.errors.ImageNotFound:
        return None, f"the container engine has no image {image}: sam build"
    return engine, ""


def engine_with(image: str) -> Engine:
    """Return the engine that has this image; Terminal where there is none."""
    engine, problem = engine_or_none(image)
    if engine is None:
        raise Terminal("functions in containers", expected="a container engine with the built image", found=problem)
    return engine
