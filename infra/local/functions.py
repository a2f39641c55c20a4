"""Functions and their environments: a real container of the image, or a process of its own where there is no container engine.

An environment answers one invocation at a time; a function that is asked for more at once gets another, up to a few. Knows no moto.
"""

import http.client
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from infra.local.pace import ENVIRONMENTS
from infra.local.runtime import PATH
from infra.local.said import Said

SYNCHRONOUS: Final = 6 * 1024 * 1024
ERROR_WORDS: Final = {"errorMessage", "errorType", "requestId", "stackTrace", "cause"}


@dataclass(frozen=True)
class Spec:
    """What a function is, as it was created."""

    name: str
    arn: str
    image: str
    command: tuple[str, ...]
    variables: Mapping[str, str]
    timeout: int
    memory: int


@dataclass(frozen=True)
class Answer:
    """What an invocation gave: its payload, and whether that is an error's."""

    payload: bytes
    failed: bool

    @property
    def value(self) -> Any:
        return json.loads(self.payload or b"null")


class Environment(Protocol):
    """A place where a function runs: its address, what it says, and whether it lives."""

    url: str
    said: Said

    def alive(self) -> bool: ...

    def stop(self) -> None: ...


Starter = Callable[[Spec, Said], Environment]
Listener = Callable[[str, str], None]


@dataclass
class _Pool:
    spec: Spec
    idle: list[Environment] = field(default_factory=list)
    busy: int = 0


class Functions:
    """Every function's environments. `start` makes one, `listen(function, line)` hears what they say."""

    def __init__(self, start: Starter, listen: Listener, *, environments: int = ENVIRONMENTS) -> None:
        self._start, self._listen, self._most = start, listen, environments
        self._pools: dict[str, _Pool] = {}
        self._changed = threading.Condition()
        self.invocations = 0

    @property
    def running(self) -> int:
        return sum(pool.busy for pool in self._pools.values())

    def invoke(self, spec: Spec, payload: bytes) -> Answer:
        """Run a function and return its answer; waits for an environment while all are busy. Never raises for what the function does."""
        if len(payload) > SYNCHRONOUS:
            return _error("RequestTooLargeException", f"{len(payload)} byte payload is too large for the function's {SYNCHRONOUS}")
        pool, environment = self._take(spec)
        try:
            environment = environment or self._started(spec)
            return _ask(environment, spec, payload) if environment else _error("Runtime.InitError", f"{spec.name} did not start")
        finally:
            self._give_back(pool, spec, environment)

    def _take(self, spec: Spec) -> tuple[_Pool, Environment | None]:
        """Wait for a place, and take an environment that is warm, if there is one."""
        with self._changed:
            self._changed.wait_for(lambda: self._pool(spec).busy < self._most)
            pool = self._pool(spec)
            pool.busy += 1
            self.invocations += 1
            while pool.idle:
                environment = pool.idle.pop()
                if environment.alive():
                    return pool, environment
                environment.stop()
        return pool, None

    def _started(self, spec: Spec) -> Environment | None:
        try:
            return self._start(spec, Said(spec.name, self._listen))
        except Exception as error:
            self._listen(spec.name, f"{spec.name} did not start: {error}")
            return None

    def _pool(self, spec: Spec) -> _Pool:
        """Return the function's pool; environments of what it was before an update are ended."""
        pool = self._pools.setdefault(spec.name, _Pool(spec))
        if pool.spec != spec:
            for environment in pool.idle:
                environment.stop()
            pool.spec, pool.idle = spec, []
        return pool

    def _give_back(self, pool: _Pool, spec: Spec, environment: Environment | None) -> None:
        with self._changed:
            pool.busy -= 1
            if environment and self._pools.get(spec.name) is pool and pool.spec == spec and environment.alive():
                pool.idle.append(environment)
            elif environment:
                environment.stop()
            self._changed.notify_all()

    def forget(self, name: str) -> None:
        """End a function's idle environments; the busy ones end when they have answered."""
        with self._changed:
            pool = self._pools.pop(name, None)
        for environment in pool.idle if pool else ():
            environment.stop()

    def stop(self) -> None:
        for name in list(self._pools):
            self.forget(name)


def _ask(environment: Environment, spec: Spec, payload: bytes) -> Answer:
    """Send one invocation. An environment that is too slow or that dies is ended, as on Lambda."""
    address, heard = urlsplit(environment.url), environment.said.ended
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=spec.timeout + 1)
    try:
        connection.request("POST", PATH, payload, {"Content-Type": "application/json"})
        body = connection.getresponse().read()
    except TimeoutError:
        environment.stop()
        return _timed_out(spec)
    except (OSError, http.client.HTTPException):
        environment.stop()
        return _error("Runtime.ExitError", "Runtime exited without providing a reason")
    finally:
        connection.close()
    environment.said.wait_for_end(heard + 1)
    if body.startswith(b"Task timed out"):  # what the Runtime Interface Emulator says
        return _timed_out(spec)
    if len(body) > SYNCHRONOUS:
        return _error(
            "Function.ResponseSizeTooLarge", f"Response payload size exceeded maximum allowed payload size ({SYNCHRONOUS} bytes)."
        )
    return Answer(body, _is_error(body))


def _is_error(body: bytes) -> bool:
    """Tell an error's answer by its shape: the Runtime Interface Emulator marks it in no other way."""
    if b'"errorMessage"' not in body:
        return False
    try:
        value = json.loads(body)
    except ValueError:
        return False
    return isinstance(value, dict) and "errorMessage" in value and value.keys() <= ERROR_WORDS


def _timed_out(spec: Spec) -> Answer:
    return _error("Sandbox.Timedout", f"Task timed out after {spec.timeout:.2f} seconds")


def _error(kind: str, message: str) -> Answer:
    return Answer(json.dumps({"errorType": kind, "errorMessage": message}).encode(), True)
