"""Canaries in the place of credentials: whatever AWS answers, and it answers with what was signed, nothing tells them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from core.errors import LakeError, Problem, Terminal
from core.lake import Settings
from core.telling import keep_secret, safe
from tests.faults.figures import LONG
from tests.hostile.canaries import Canary
from tests.hostile.figures import FIGURES
from tests.unit.test_api import payload
from tests.unit.test_events import s3, sqs
from tests.world import ORDERS, World

ROOT: Final = Path(__file__).parents[2]
ROW: Final = "canaries"
WHAT: Final = "a credential"
ENVIRONMENT: Final = {
    "AWS_ACCESS_KEY_ID": "AKIAKANARY2345BCDFGH",
    "AWS_SECRET_ACCESS_KEY": "kanary/secret+bcdfghjklmnpqrstvwxz23456",
    "AWS_SESSION_TOKEN": "kanarytoken/bcdfgh+jklmnpqrstvwxz==",
    "LAKELET_API_KEY": "kanary-api-key-bcdfgh",
}
SENT: Final = {
    "Authorization": "Bearer kanaryauthorizationbcdfgh",
    "X-Api-Key": "kanaryheaderbcdfghjkl",
    "Cookie": "session=kanarycookiebcdfghjkl",
}
SIGNATURE, PASSWORD, DECLARED = "kanarysignaturebcdfgh", "kanarypasswordbcdfgh", "kanarydeclaredbcdfgh"
PLACES: Final = {
    **ENVIRONMENT,
    **{f"the header {name}": value.rpartition(" ")[2].rpartition("=")[2] for name, value in SENT.items()},
    "a signature in a query": SIGNATURE,
    "a password in the endpoint": PASSWORD,
    "a password in a declaration": DECLARED,
}
STATUSES: Final = (301, 400, 401, 403, 404, 409, *((500, 503) if LONG else ()))
VARIANTS: Final = (*(f"S3 says {status}" for status in STATUSES), "an endpoint with a password", "AWS beside a folder", "no such endpoint")
IN_THIS_SIZE: Final = VARIANTS if LONG else ("S3 says 403", "an endpoint with a password", "AWS beside a folder")


@pytest.fixture(scope="module")
def echo() -> Iterator[int]:
    """A server that sends back whatever it was sent, as an error."""
    with subprocess.Popen([sys.executable, "-m", "tests.hostile.echo"], stdout=subprocess.PIPE, cwd=ROOT) as server:
        assert server.stdout is not None
        yield int(server.stdout.readline())
        server.terminate()


def asked(folder: bool, bucket: str) -> list[tuple[str, Any]]:
    """Return what is done to the lake: by every function, and by the commands that reach AWS."""
    record = json.dumps({"id": 1, "amount": "x"})
    headers = {"content-type": "application/x-ndjson", **SENT}
    query = {"X-Amz-Signature": SIGNATURE}
    post = payload("POST", "/v1/datasets/orders/records", record, headers, query)
    once = payload("POST", "/v1/datasets/orders/records", '{"id": 1}', {**headers, "idempotency-key": "k1"}, query)
    announced = s3("shop/raw/orders/1.csv")
    announced["Records"][0]["s3"]["bucket"]["name"] = bucket
    functions = [
        ("handlers.api.handler", post),
        ("handlers.api.handler", once),
        ("handlers.api.handler", payload("GET", "/health", headers=headers, query=query)),
        ("handlers.api.handler", payload("GET", "/v1/datasets/orders", headers=headers, query={"partial": SIGNATURE})),
        ("handlers.ingest.handler", sqs(announced)),
        ("handlers.schedule.handler", {"run": "hourly"}),
        ("handlers.tasks.handler", {"task": "sweep"}),
        ("handlers.tasks.handler", {"task": "notify", "outcome": "failed", "machine": "refresh"}),
        ("handlers.authorize.handler", {"headers": {"x-api-key": SENT["X-Api-Key"]}}),
    ]
    produce = ["produce", "shop", "--rate", "10", "--seconds", "0.2"]
    commands = [["run"], ["status", "--json"], ["query", "from orders"], ["doctor"], [*produce, "--to", "api", "--url", "ECHO"], ["check"]]
    commands += [["query", "select * from duckdb_secrets()"], ["undo", "raw/orders/1.csv", "--yes"]] if folder or LONG else []
    return [*functions, *(("lakelet", arguments) for arguments in commands)]


def start(variant: str, folder: Path, port: int) -> "subprocess.Popen[bytes]":
    world = World(folder, str(folder / "lake")).declare(ORDERS.replace("csv", "jsonl"))
    sample = folder / "project" / "shop" / "samples" / "raw" / "orders" / "1.jsonl.sql"
    sample.parent.mkdir(parents=True)
    sample.write_text("select 1 as id, 2 as amount, timestamp '2026-01-01' as placed")
    if variant == "AWS beside a folder":
        world.put("raw/orders/1.csv", '{"id": 1}\n')
    bad = f"https://user:{DECLARED}@example.com/x/?X-Amz-Signature={DECLARED}"
    broken = folder / "broken" / "shop" / "bad.yaml"
    broken.parent.mkdir(parents=True)
    text = f"dataset: bad\nsource: {{path: '{bad}', format: '{bad}'}}\ncolumns: [{{name: a, typ: '{bad}', type: '{bad}'}}]\n"
    broken.write_text(f"{text}target: {{path: '{bad}'}}\n")
    place = f"user:{PASSWORD}@127.0.0.1:{port}" if "password" in variant else f"127.0.0.1:{1 if 'no such' in variant else port}"
    status = variant.rpartition(" ")[2] if variant.startswith("S3") else "403"
    lake = world.uri if "folder" in variant else f"s3://status-{status}/shop"
    settings = {
        **ENVIRONMENT, "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{place}", "LAKELET_PROJECT": str(folder / "project"),
        "LAKELET_LAKE": lake, "LAKELET_RAW": lake, "LAKELET_CATALOG": "lake", "LAKELET_API_KEY_SECRET": "key",
        "LAKELET_SUCCESS_TOPIC": "arn:aws:sns:us-east-1:123456789012:t", "LAKELET_FAILURE_TOPIC": "arn:aws:sns:us-east-1:123456789012:t",
        "AWS_LAMBDA_FUNCTION_NAME": "lakelet-test", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769", "LAMBDA_ARN": "arn:aws:lambda:x",
        "AWS_LAMBDA_LOG_GROUP_NAME": "log", "AWS_LAMBDA_LOG_STREAM_NAME": "log", "AWS_MAX_ATTEMPTS": "1",
    }  # fmt: skip
    events = [
        (name, [part.replace("ECHO", f"http://127.0.0.1:{port}/401") for part in event] if name == "lakelet" else event)
        for name, event in asked("folder" in variant, f"status-{status}")
    ]
    events.append(("lakelet", ["check", "--project", str(folder / "broken")]))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    (folder / "events").write_text(json.dumps(events))
    with (folder / "events").open("rb") as given, (folder / "said").open("wb") as said:
        command = [sys.executable, "-m", "tests.hostile.handled", str(folder / "answers")]
        return subprocess.Popen(command, stdin=given, stdout=said, stderr=said, cwd=ROOT, env={**environment, **settings})


@pytest.fixture(scope="module")
def said(echo: int, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What came out, by variant; they run side by side, since mostly they wait."""
    folders = {variant: tmp_path_factory.mktemp("credentials") for variant in IN_THIS_SIZE}
    running = {variant: start(variant, folder, echo) for variant, folder in folders.items()}
    for variant, process in running.items():
        assert process.wait(900) == 0, (folders[variant] / "said").read_text()[-2000:]
    return {variant: (folder / "said").read_bytes() + (folder / "answers").read_bytes() for variant, folder in folders.items()}


@pytest.mark.parametrize("variant", IN_THIS_SIZE)
@pytest.mark.parametrize("place", PLACES)
def test_a_credential_is_told_nowhere(said: dict[str, bytes], variant: str, place: str) -> None:
    canary = Canary(place, PLACES[place])
    lines = [line.decode()[:2000] for line in said[variant].splitlines() if canary.found_in(line)]
    assert lines == []
    assert b"Credential=***" in said[variant] or "no such" in variant, "AWS sent it back, and it was hidden"
    FIGURES.count(ROW, WHAT)


LOOKS: Final = {
    "a signed address": "https://b.s3.amazonaws.com/k?X-Amz-Credential={0}%2F20261120&X-Amz-Signature={0}&X-Amz-Security-Token={0}",
    "an address of old": "https://b.s3.amazonaws.com/k?AWSAccessKeyId={0}&Signature={0}&Expires=1",
    "a password in an address": "could not connect to postgres://user:{0}@db.example.com:5432/x",
    "S3's error": "<AWSAccessKeyId>{0}</AWSAccessKeyId><StringToSign>AWS4\n{0}</StringToSign><SignatureProvided>{0}</SignatureProvided>",
    "S3's error, cut off": "403: <Error><CanonicalRequest>GET\n/\nx-amz-security-token:{0}\nhost",
    "an expired token": "<Code>ExpiredToken</Code><Token-0>{0}</Token-0>",
    "headers": "{{'authorization': 'AWS4-HMAC-SHA256 Credential={0}/x, Signature={0}', 'x-amz-security-token': '{0}'}}",
    "a header": "X-Api-Key: {0}",
    "a bearer": "sent Bearer {0} to example.com",
    "options": "storage options {{'aws_secret_access_key': '{0}', 'aws_session_token': '{0}'}}",
    "SQL": "LINE 1: create secret lake (type s3, key_id '', secret '{0}', session_token '{0}')",
    "a setting": "password={0} host=x",
}


@pytest.mark.parametrize("look", LOOKS)
def test_what_looks_like_a_credential_is_hidden_in_every_part_of_an_error(look: str) -> None:
    canary = Canary(look, "kanarybcdfghjklmnp")
    text = LOOKS[look].format(canary.word)
    assert canary.found_in(text.encode())
    error = Terminal(text, expected=text, found=text, remedy=text)
    told = [str(error), repr(error), error.subject, error.expected, error.found, error.remedy, str(Problem("f", 1, "p", text)), safe(text)]
    assert [one for one in told if canary.found_in(one.encode())] == []
    FIGURES.count(ROW, WHAT)


@pytest.mark.parametrize(
    "text", ["raw/orders/a@b.csv", "orders@12", "s3://lake/shop/x", "password is required", "the token of page 7", "a=b&c=d"]
)
def test_what_is_none_is_told(text: str) -> None:
    assert safe(text) == text


def test_the_credentials_in_use_are_hidden_however_they_are_quoted_and_settings_do_not_show_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    settings = Settings.read("project", "s3://lake")
    keep_secret("short")
    assert safe("short") == "short"
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID"):
        canary = Canary(name, ENVIRONMENT[name])
        assert not canary.found_in(repr(settings).encode())
        assert not canary.found_in(str(LakeError(f"oddly quoted >{canary.word}<")).encode())
        FIGURES.count(ROW, WHAT)
