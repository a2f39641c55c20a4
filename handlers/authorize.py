"""AuthorizeFunction: whether a request carries the secret key (HTTP API authorizer, payload 2.0, simple answers). In any doubt: no.

The gateway keeps each answer for as long as AuthorizerResultTtlInSeconds says. So a no is said only of a key that was compared; where
none can be had, nothing is answered: the gateway says 500 for this request, keeps nothing, and asks again with the next.

The key is what it is in Secrets Manager, and for as long as Secrets Manager keeps it the one before, so that it can be changed while
clients still send the old one. It is looked up every five minutes. Neither key is ever logged.
"""

import hmac
import os
import time
from contextlib import suppress
from functools import cache, lru_cache
from typing import Any, Final

from aws_lambda_powertools.logging import Logger

logger: Final = Logger(location=None)
SECRET: Final = "LAKELET_API_KEY_SECRET"
STAGES: Final = ("AWSCURRENT", "AWSPREVIOUS")
SECONDS: Final = 300


class Unavailable(Exception):
    """It cannot be told whether a key is good."""


@logger.inject_lambda_context(clear_state=True)
def handler(event: Any, _: Any) -> dict[str, bool]:
    """Answer whether the header x-api-key holds a key that is good now; raises Unavailable where there is none to compare with."""
    try:
        good = keys(int(time.monotonic() // SECONDS))
    except Exception as error:  # no secret, no access, no network: whatever it is, nobody comes in
        logger.error("nobody can be authorized", extra={"error": type(error).__name__, "code": _code(error)})
        raise Unavailable("the key cannot be had") from None
    authorized = is_good(key_in(event), good)
    if not authorized:
        logger.warning("not authorized")
    return {"isAuthorized": authorized}


def key_in(event: Any) -> str:
    """Return the key that a request carries, '' where there is none, or no such event."""
    headers = event.get("headers") if isinstance(event, dict) else None
    found = [value for name, value in headers.items() if str(name).lower() == "x-api-key"] if isinstance(headers, dict) else []
    return found[0] if len(found) == 1 and isinstance(found[0], str) else ""


def is_good(given: str, good: tuple[bytes, ...]) -> bool:
    """Compare in a time that tells nothing: with every key, whichever it equals."""
    same = [hmac.compare_digest(given.encode("utf-8", "surrogatepass"), key) for key in good]
    return bool(given) and any(same)


@cache
def _client() -> Any:
    import boto3
    from botocore.config import Config

    limits = Config(connect_timeout=1, read_timeout=1, retries={"total_max_attempts": 2})  # the function has 5 seconds
    return boto3.client("secretsmanager", config=limits)


@lru_cache(maxsize=1)
def keys(_: int) -> tuple[bytes, ...]:
    """Return the keys that are good in a period of five minutes; raises where the current one cannot be had."""
    client, name = _client(), os.environ[SECRET]
    found = [client.get_secret_value(SecretId=name, VersionStage=STAGES[0])["SecretString"]]
    with suppress(client.exceptions.ResourceNotFoundException):  # never changed so far
        found.append(client.get_secret_value(SecretId=name, VersionStage=STAGES[1])["SecretString"])
    return tuple(key.encode() for key in found if key)


def _code(error: Exception) -> str:
    """Return AWS' code of an error, whose text may name more than a log should."""
    return str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))
