"""The events of infra/events: of every kind, as AWS sends them, about nobody's account."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from handlers.events import messages
from handlers.tasks import TASKS
from tests.aws.engine import EVENTS, OBJECTS, event

NAMES = sorted(path.stem for path in EVENTS.glob("*.json"))
ARRIVALS = ("sqs-s3-notification", "sqs-eventbridge", "sqs-sns-s3", "s3-notification", "eventbridge-object-created")


def test_there_is_an_event_of_every_kind() -> None:
    kinds = {*ARRIVALS, "s3-test-event", "schedule-hourly", "schedule-daily", "authorize-key"}
    kinds |= {"api-post-records", "api-get-health", "api-get-datasets"}
    assert set(NAMES) == kinds | {f"task-{task}" for task in TASKS}


@pytest.mark.parametrize("name", ARRIVALS)
def test_an_arrival_announces_its_objects_by_their_plain_keys(name: str) -> None:
    announced = {one.ref.version: (one.bucket, one.ref.key) for message in messages(json.loads(event(name))) for one in message.objects}
    assert announced == {version: ("lakelet-raw", OBJECTS[version][0]) for version in announced}
    assert announced


def test_s3s_own_test_announces_nothing_and_is_no_problem() -> None:
    (message,) = messages(json.loads(event("s3-test-event")))
    assert message.id
    assert not message.objects
    assert not message.problem


@pytest.mark.parametrize("name", NAMES)
def test_an_event_names_no_real_account_or_address(name: str) -> None:
    text = event(name)
    assert set(re.findall(r"(?<![\d.])\d{12}(?!\d)", text)) <= {"111122223333"}
    assert all(address.startswith("192.0.2.") for address in re.findall(r"\b\d+\.\d+\.\d+\.\d+\b", text))
    assert set(re.findall(r"AKIA[A-Z0-9]+", text)) <= {"AKIAIOSFODNN7EXAMPLE"}


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("sqs-") or name == "s3-test-event"])
def test_a_queues_message_is_whole(name: str) -> None:
    for record in json.loads(event(name))["Records"]:
        assert record["md5OfBody"] == hashlib.md5(record["body"].encode(), usedforsecurity=False).hexdigest()
        assert record["eventSource"] == "aws:sqs"


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("api-")])
def test_a_request_tells_its_method_and_path_twice_and_alike(name: str) -> None:
    found: dict[str, Any] = json.loads(event(name))
    assert found["version"] == "2.0"
    assert found["rawPath"] == found["requestContext"]["http"]["path"]
    assert int(found["headers"]["content-length"]) == len(found.get("body", "").encode())


@pytest.mark.parametrize("path", sorted(EVENTS.glob("*.json")), ids=lambda path: path.stem)
def test_an_event_is_written_as_the_others_are(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text == json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n"
