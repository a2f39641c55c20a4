"""A lake behind its HTTP API, and the oracle: what was accepted is in a table once, what was refused is nowhere."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import boto3

from tests.faults.oracle import assert_sound
from tests.hostile.gateway import KEY, Gateway, Told, running
from tests.world import ORDERS, World

READINGS: Final = """
dataset: readings
source: {path: raw/readings/, format: json, options: {layout: array}}
columns:
  - {name: id, type: bigint, required: true}
  - {name: amount, type: "decimal(20,4)"}
  - {name: city, from: place.city}
  - {name: placed, type: timestamp}
checks:
  - {name: amount_not_negative, sql: amount >= 0}
target: {path: processed/readings/}
"""
NOTES: Final = """
dataset: notes
source: {path: raw/notes/, format: jsonl, unknown_columns: ignore}
columns:
  - {name: id, type: bigint, required: true}
  - {name: small, type: smallint}
  - {name: text}
  - {name: right, type: boolean}
  - {name: size, type: double}
  - {name: day, type: date}
  - {name: at, type: timestamp}
target: {path: processed/notes/}
"""
DATASETS: Final = ("readings", "notes")
NEVER: Final = ("Traceback", 'File "', ".py", "site-packages", KEY, "test-secret", "s3cr3t", "duckdb", "Binder Error")
"""What no answer may hold: the inside of the code, credentials, other records' values."""


@dataclass(frozen=True)
class Served:
    """A lake behind two gateways over it: what one claims, the other sees."""

    world: World
    gateways: tuple[Gateway, Gateway]

    def post(self, body: bytes, *headers: tuple[str, str | bytes], to: str = "readings", query: str = "") -> Told:
        given = headers or (("Content-Type", "application/json"),)
        return self.ask("POST", f"/v1/datasets/{to}/records{query}", given, body)

    def ask(self, method: str, target: str | bytes, headers: tuple[tuple[str, str | bytes], ...] = (), body: bytes = b"") -> Told:
        told = self.gateways[0].ask(method, target, headers, body)
        self.assert_decent(told)
        return told

    def assert_decent(self, told: Told) -> None:
        """No answer is a failure of ours or tells what it must not, and each refusal says what would have been right."""
        assert told.status < 500, told
        assert not [word for word in (*NEVER, str(self.world.home)) if word in told.text], told.text[:1000]
        assert len(told.text) < 6_000_000, "a function's answer is 6 MB at most"
        if told.status >= 400 and told.text.startswith('{"error":'):
            error = told.body["error"]
            assert {"code", "message", "request_id"} <= error.keys()
            assert error.get("expected"), error
            assert error.get("found") or error.get("remedy"), error

    def journal(self) -> list[dict[str, Any]]:
        return [entry for gateway in self.gateways for entry in gateway.journal()]

    def accepted(self) -> dict[str, tuple[str, list[Decimal]]]:
        """Return what was promised: each raw object's dataset and the ids of its records, read off requests and answers by other code."""
        found: dict[str, tuple[str, list[Decimal]]] = {}
        for entry in self.journal():
            if entry["status"] == 202:
                told = json.loads(entry["answer"])
                sent = _records(entry["body"])
                assert len(sent) == told["records"] == len(told["receipts"])
                good = [Decimal(str(sent[receipt["record"]]["id"])) for receipt in told["receipts"] if receipt["accepted"]]
                assert len(good) == told["accepted"]
                assert found.setdefault(told["key"], (told["dataset"], good)) == (told["dataset"], good), "one object, two contents"
        return found

    def assert_exactly_what_was_accepted(self) -> int:
        """Load what landed, and hold lake and folders against every answer that was given; return how many requests there were."""
        promised = self.accepted()
        assert self.world.keys("raw/") | self.world.keys("archived/") == set(promised), "nothing but what was accepted, and all of it"
        assert set(self.world.fates().values()) <= {"loaded"}
        for name in DATASETS:
            rows = self.world.rows(f'select id, _source from "{name}"') if self.world.lake.named_table(name) else []
            of_each = Counter((re.sub(r"@.*", "", row["_source"]), Decimal(row["id"])) for row in rows)
            assert of_each == Counter((key, one) for key, (dataset, ids) in promised.items() if dataset == name for one in ids)
            quarantine = self.world.lake.named_table(f"quarantine.{name}")
            assert not quarantine or not quarantine.rows, "what was accepted keeps its contract"
        assert_sound(self.world, *DATASETS)
        self.assert_nothing_else_was_written()
        return len(self.journal())

    def assert_nothing_else_was_written(self) -> None:
        """The project is as it was, the functions' folders are empty, and there is nothing beside them and the lake."""
        home = self.world.home
        assert {path.name for path in home.iterdir()} == {
            "project",
            "lake",
            *(f"{n}{kind}" for n in "01" for kind in ("", ".log", ".journal")),
        }
        found = {path.name for path in home.rglob("*") if path.is_file() and "project" in path.parts and ".lakelet" not in path.parts}
        assert found == {"readings.yaml", "notes.yaml", "orders.yaml"}
        assert not [path for n in "01" for path in (home / n).rglob("*")]
        assert {path.name for path in (home / "lake").iterdir()} <= {
            "raw",
            "archived",
            "processed",
            "quarantine",
            "landing",
            "sessions",
            "_lakelet",
        }
        for gateway in self.gateways:
            told = gateway.work.with_suffix(".log").read_text("utf-8")
            assert "Traceback" not in told, told[-3000:]
            assert not [word for word in (KEY, "s3cr3t", "test-secret") if word in told]


def _records(body: str) -> list[Any]:
    """Return a body's records, by Python's own reader: numbers keep their digits."""
    text = body.encode("latin-1").decode("utf-8-sig")

    def read(one: str) -> Any:
        try:
            return json.loads(one, parse_float=Decimal, parse_int=Decimal)
        except ValueError:
            return None

    whole = read(text)
    if whole is None or (isinstance(whole, dict) and "\n" in text.strip()):
        lines = [line for line in (line.strip(" \t\r") for line in text.split("\n")) if line]
        return [whole] if isinstance(whole, dict) and None in map(read, lines) else [read(line) for line in lines]
    return whole if isinstance(whole, list) else [whole]


@contextmanager
def served(home: Path, endpoint: str) -> Iterator[Served]:
    """Give a lake behind two gateways for the time of a block; the key that opens them is kept where the template keeps it."""
    world = World(home, str(home / "lake")).declare(READINGS).declare(NOTES).declare(ORDERS)
    aws = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test-secret",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    secrets = boto3.client(
        "secretsmanager", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test", endpoint_url=endpoint
    )
    settings = {
        **aws,
        "LAKELET_PROJECT": str(home / "project"),
        "LAKELET_LAKE": world.uri,
        "LAKELET_RAW": world.uri,
        "LAKELET_API_KEY_SECRET": secrets.create_secret(Name=f"lakelet/{uuid4().hex}", SecretString=KEY)["ARN"],
        "POWERTOOLS_SERVICE_NAME": "lakelet-test",
        "POWERTOOLS_METRICS_NAMESPACE": "Lakelet",
    }
    with ExitStack() as stack:
        yield Served(world, (stack.enter_context(running(home / "0", settings)), stack.enter_context(running(home / "1", settings))))
