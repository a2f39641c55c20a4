"""Who sends the secret key comes in; in any doubt, nobody does."""

import logging
import sys
from collections.abc import Iterator
from typing import Any, TextIO, cast
from uuid import uuid4

import boto3
import pytest

from handlers import authorize
from tests.conftest import bucket
from tests.functions import Context


@pytest.fixture
def secret(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A secret in a stand-in for Secrets Manager; gives what puts another value into it."""
    bucket(s3_endpoint, monkeypatch)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    client = boto3.client("secretsmanager", region_name="us-east-1")
    name = client.create_secret(Name=f"lakelet/{uuid4().hex}", SecretString="first-key")["ARN"]
    monkeypatch.setenv(authorize.SECRET, name)
    forget()
    yield lambda value: client.put_secret_value(SecretId=name, SecretString=value)
    forget()


def forget() -> None:
    authorize.keys.cache_clear()
    authorize._client.cache_clear()


def asked(headers: Any) -> bool:
    answer = authorize.handler({"version": "2.0", "type": "REQUEST", "headers": headers}, Context())
    assert set(answer) == {"isAuthorized"}
    assert isinstance(answer["isAuthorized"], bool)
    return bool(answer["isAuthorized"])


@pytest.mark.usefixtures("secret")
def test_the_key_comes_in_and_nothing_else_does() -> None:
    assert asked({"x-api-key": "first-key"})
    assert asked({"X-Api-Key": "first-key"})
    for wrong in ("", "First-key", "first-key ", "first-ke", "first-key,first-key", "*", "None", "é", "\ud800", "\x00", "x" * 100_000):
        assert not asked({"x-api-key": wrong}), wrong
    for headers in ({}, None, {"x-api-key": None}, {"authorization": "first-key"}, {"x-api-keys": "first-key"}):
        assert not asked(headers)


def test_the_key_before_is_good_until_the_next_change(secret: Any) -> None:
    secret("second-key")
    assert [asked({"x-api-key": key}) for key in ("first-key", "second-key")] == [True, True]
    secret("third-key")
    authorize.keys.cache_clear()
    assert [asked({"x-api-key": key}) for key in ("first-key", "second-key", "third-key")] == [False, True, True]


def test_a_key_is_looked_up_every_five_minutes(secret: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    moment = 1_000_000.0
    monkeypatch.setattr("handlers.authorize.time.monotonic", lambda: moment)
    assert asked({"x-api-key": "first-key"})
    secret("second-key")
    assert not asked({"x-api-key": "second-key"})
    moment += authorize.SECONDS
    assert asked({"x-api-key": "second-key"})


def test_an_empty_secret_lets_nobody_in() -> None:
    for keys in ((), (b"",), (b"", b"x")):
        assert not authorize.is_good("", keys)
    assert authorize.is_good("x", (b"", b"x"))


@pytest.mark.usefixtures("secret")
@pytest.mark.parametrize(
    "event",
    [
        {}, None, [], "x", 5, {"headers": []}, {"headers": "x"}, {"headers": {"x-api-key": ["first-key"]}}, {"headers": {5: "first-key"}},
        {"headers": {"x-api-key": "first-key", "X-API-KEY": "first-key"}}, {"headers": {"x-api-key": {"first-key": 1}}},
        {"authorizationToken": "first-key", "type": "TOKEN"}, {"identitySource": ["first-key"]}, {"body": "first-key"},
    ],
    ids=str,
)  # fmt: skip
def test_an_event_that_is_none_lets_nobody_in(event: Any) -> None:
    assert authorize.handler(event, Context()) == {"isAuthorized": False}


@pytest.mark.usefixtures("secret")
def test_a_secret_that_cannot_be_had_lets_nobody_in_and_is_no_answer_that_a_gateway_would_keep(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cast("logging.StreamHandler[TextIO]", authorize.logger.registered_handler).stream = sys.stdout  # pytest's, of this moment
    for name, value in ((authorize.SECRET, "nothing"), ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"), (authorize.SECRET, None)):
        with monkeypatch.context() as patch:
            patch.setenv(name, value) if value else patch.delenv(name)
            forget()
            for key in ("first-key", "wrong", ""):
                with pytest.raises(authorize.Unavailable) as refused:
                    asked({"x-api-key": key})
            assert refused.value.__suppress_context__, "what a log shows of it names no secret"
        authorize._client.cache_clear()
        assert asked({"x-api-key": "first-key"}), "it is asked again with the next request"
    told = capsys.readouterr().out
    assert "nobody can be authorized" in told
    assert "first-key" not in told


def test_nothing_but_boto3_is_loaded_to_compare_two_texts() -> None:
    import subprocess
    import sys

    code = "import sys, handlers.authorize; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"duckdb", "deltalake", "pyarrow", "pydantic", "core", "boto3"} & set(loaded)
