"""What the emulator's server has beside moto: the functions, the courier of what is delivered later, and clients to itself."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from infra.local.functions import Functions
from infra.local.pace import RETRY

ACCOUNT: Final = "123456789012"
"""The account that everything here is in: moto's."""


class Courier:
    """Carries things after the request that caused them has been answered, each in a thread of its own: at least once, in any order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.pending = 0
        self.carried = 0

    def carry(self, attempt: Callable[[], None], *, attempts: int = 3, failed: Callable[[Exception], None] | None = None) -> None:
        """Do it, again after a pause when it raises, and hand over to `failed` when nothing helps."""
        with self._lock:
            self.pending += 1
            self.carried += 1
        threading.Thread(target=self._carry, args=(attempt, attempts, failed), daemon=True).start()

    def _carry(self, attempt: Callable[[], None], attempts: int, failed: Callable[[Exception], None] | None) -> None:
        try:
            error = _tried(attempt, attempts)
            if error and failed:
                failed(error)
        finally:
            with self._lock:
                self.pending -= 1


def _tried(attempt: Callable[[], None], attempts: int) -> Exception | None:
    error: Exception | None = None
    for number in range(attempts):
        if number:
            time.sleep(RETRY)
        try:
            attempt()
            return None
        except Exception as found:
            error = found
    return error


class Clients:
    """How the emulator calls a cloud, its own too: through boto3, as anybody else. One client a service, made when it is needed."""

    def __init__(self, endpoint: str, region: str, caller: str) -> None:
        self.endpoint, self.region, self._caller = endpoint, region, caller
        self._made: dict[str, Any] = {}
        self._lock = threading.Lock()

    def __call__(self, service: str) -> Any:
        import boto3
        from botocore.config import Config

        with self._lock:
            if service not in self._made:
                self._made[service] = boto3.client(
                    service,
                    region_name=self.region,
                    endpoint_url=self.endpoint,
                    aws_access_key_id=self._caller,
                    aws_secret_access_key=self._caller,
                    config=Config(proxies={}),
                )
            return self._made[service]


@dataclass(frozen=True)
class Cloud:
    """The server's own parts. `complain` tells whoever looks on what went wrong where nobody waits for an answer."""

    functions: Functions
    client: Clients
    account: str
    complain: Callable[[str], None]
    courier: Courier = field(default_factory=Courier)

    @property
    def region(self) -> str:
        return self.client.region

    @property
    def endpoint(self) -> str:
        return self.client.endpoint
