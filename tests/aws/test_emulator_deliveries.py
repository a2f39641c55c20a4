"""Deliveries as they come: twice, late, in any order, in any envelope, beside a poisonous one, or not at all. The tables are the same."""

import json
import random
from typing import Any

import pytest

from tests.aws.emulated import Deployed, untagged

COLUMNS = "transaction_id,account_id,timestamp,amount,currency,type,category,status,updated_at"
TABLES = ("transactions", "trusted_transactions", "quarantine.transactions")


def transactions(first: int, updated: str, amount: str) -> str:
    lines = [f"t-{n},42,2026-11-1{n % 5}T09:00:00Z,{amount},EUR,purchase,groceries,settled,{updated}" for n in range(first, first + 5)]
    return "\n".join([COLUMNS, *lines, ""])


OBJECTS = {
    "raw/transactions/one + 1.csv": transactions(1, "2026-11-20T10:00:00Z", "10.00"),
    "raw/transactions/two.csv": transactions(4, "2026-11-20T12:00:00Z", "20.00"),
    "raw/transactions/three.csv": transactions(2, "2026-11-20T11:00:00Z", "30.00"),
    "raw/transactions/header.csv": "wrong,header\n1,2\n",
}


def eventbridge(bucket: str, key: str, version: str) -> dict[str, Any]:
    found = {"key": key, "size": 1, "version-id": version}
    return {"source": "aws.s3", "detail-type": "Object Created", "detail": {"bucket": {"name": bucket}, "object": found}}


def s3_notification(bucket: str, key: str, version: str) -> dict[str, Any]:
    encoded = key.replace("+", "%2B").replace(" ", "+")
    about = {"bucket": {"name": bucket}, "object": {"key": encoded, "size": 1, "versionId": version}}
    return {"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "eventTime": "2026-11-20T10:00:00.000Z", "s3": about}]}


def in_sns(bucket: str, key: str, version: str) -> dict[str, Any]:
    return {"Type": "Notification", "MessageId": "m", "TopicArn": "t", "Message": json.dumps(s3_notification(bucket, key, version))}


ENVELOPES = (eventbridge, s3_notification, in_sns)


def versions(deployed: Deployed) -> dict[str, int | None]:
    return {name: deployed.version(name) for name in TABLES}


def tables(deployed: Deployed) -> dict[str, list[str]]:
    return {name: deployed.rows(name) for name in TABLES}


@pytest.fixture
def deaf(deployed: Deployed) -> Deployed:
    """A stack whose rule announces nothing: a test does it by itself."""
    for rule in deployed.stack.of_type("AWS::Events::Rule").values():
        deployed.aws("events").disable_rule(Name=rule.ref)
    return deployed


def test_announced_in_any_order_and_envelope_and_several_times_it_is_loaded_once(deaf: Deployed) -> None:
    put = {key: deaf.put(key, body) for key, body in OBJECTS.items()}
    bodies = [envelope(deaf.raw, key, version) for key, version in put.items() for envelope in ENVELOPES]
    random.Random(1).shuffle(bodies)
    deaf.send(*bodies)
    deaf.settle()
    amounts = {row["transaction_id"]: str(row["amount"]) for row in map(json.loads, deaf.rows("transactions"))}
    assert amounts == {"t-1": "10.0", **{f"t-{n}": "30.0" for n in (2, 3)}, **{f"t-{n}": "20.0" for n in range(4, 9)}}
    assert untagged(deaf.keys()) == {
        *(f"archived/transactions/{name}.csv" for name in ("one + 1", "two", "three")),
        *(f"rejected/invalid_schema/transactions/header.csv{end}" for end in ("", ".report.json")),
    }

    before = versions(deaf), tables(deaf), deaf.keys()
    deaf.send(*reversed(bodies))
    deaf.settle()

    assert (versions(deaf), tables(deaf), deaf.keys()) == before
    assert deaf.messages("ingest-dlq") == []


def test_what_nobody_announced_is_found_by_the_hourly_run_and_an_announcement_that_comes_late_changes_nothing(deaf: Deployed) -> None:
    put = {key: deaf.put(key, body) for key, body in OBJECTS.items()}
    deaf.tick("hourly")
    assert len(deaf.rows("transactions")) == 8
    before = versions(deaf), tables(deaf), deaf.keys()
    deaf.send(*(eventbridge(deaf.raw, key, version) for key, version in put.items()))
    deaf.settle()
    assert (versions(deaf), tables(deaf), deaf.keys()) == before


def test_a_message_that_nobody_can_read_is_set_aside_and_holds_up_no_other(shared: Deployed) -> None:
    shared.send({"this is": "no event"})
    shared.put("raw/transactions/many.csv", transactions(900, "2026-11-20T10:00:00Z", "1.00"))
    shared.settle()
    assert shared.messages("ingest-dlq") == [{"this is": "no event"}]
    assert sum('"t-90' in row for row in shared.rows("transactions")) == 5


def test_what_we_put_under_archived_and_rejected_triggers_nothing(shared: Deployed) -> None:
    shared.put("archived/transactions/x.csv", "a")
    shared.put("rejected/invalid_schema/transactions/x.csv", "a")
    shared.put("raw/strangers/x.csv", "a")
    shared.settle()
    assert "archived/transactions/x.csv" not in shared.said("ingest")
    assert "raw/strangers/x.csv: no dataset declares it" in shared.said("ingest")
    assert shared.metric("ObjectsUnknown") == 1
    assert "raw/strangers/x.csv" in shared.keys("raw/")


def test_two_invocations_at_a_time_load_every_object_once(shared: Deployed) -> None:
    for n in range(100, 160, 5):
        shared.put(f"raw/transactions/{n}.csv", transactions(n, "2026-11-20T10:00:00Z", "1.00"))
    shared.settle()
    assert sum('"t-1' in row for row in shared.rows("transactions")) == 60
    assert len(shared.keys("archived/transactions/1")) == 12
    assert shared.messages("ingest-dlq") == []
