"""The two state machines in the interpreter: their way through, the branches of their choices, and their catches."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.aws.emulated import Deployed
from tests.aws.test_emulator_deliveries import OBJECTS, transactions

HEADER = "raw/transactions/header.csv"
HALF_A_GIBIBYTE = 512 << 20
UPDATED = "2026-11-20T10:00:00Z"


@pytest.fixture
def quiet(shared: Deployed) -> Deployed:
    """A stack that hears of no ordinary object: what a test puts waits in raw. Its topics are listened to from here on."""
    shared.aws("events").disable_rule(Name=f"{shared.name}-arrivals")
    shared.listen()
    return shared


@contextmanager
def spoilt(deployed: Deployed, table: str) -> Iterator[None]:
    """Leave a log entry that nobody can read in a table's place, for a while."""
    place = {"Bucket": deployed.stack.outputs["LakeBucket"], "Key": f"{table}/_delta_log/00000000000000000000.json"}
    deployed.aws("s3").put_object(Body=b"this is no log\n", **place)
    try:
        yield
    finally:
        deployed.aws("s3").delete_object(**place)


def start(deployed: Deployed, machine: str, given: Any) -> dict[str, Any]:
    """Run a state machine to its end and return the execution."""
    started = deployed.aws("stepfunctions").start_execution(stateMachineArn=deployed.stack.outputs[machine], input=json.dumps(given))
    deployed.settle()
    found: dict[str, Any] = deployed.aws("stepfunctions").describe_execution(executionArn=started["executionArn"])
    return found


def visited(deployed: Deployed, execution: dict[str, Any]) -> list[str]:
    pages = deployed.aws("stepfunctions").get_paginator("get_execution_history").paginate(executionArn=execution["executionArn"])
    events = [event for page in pages for event in page["events"]]
    return [event["stateEnteredEventDetails"]["name"] for event in events if "stateEnteredEventDetails" in event]


def ids(deployed: Deployed, table: str = "transactions") -> set[str]:
    return {json.loads(row)["transaction_id"] for row in deployed.rows(table)}


# --- refresh -------------------------------------------------------------------------------------------------------------------------


def test_refresh_sweeps_transforms_maintains_and_tells(quiet: Deployed) -> None:
    quiet.put("raw/transactions/refresh.csv", transactions(100, UPDATED, "1.00"))
    quiet.emulator.let_pass(1)
    execution = start(quiet, "RefreshStateMachine", {})
    assert execution["status"] == "SUCCEEDED", execution
    states = visited(quiet, execution)
    assert states[:4] == ["Sweep", "IsThereMore", "Plan", "TransformLevels"]
    assert {"Transform", "Maintain", "TellSuccess"} <= set(states)
    wanted = {f"t-{n}" for n in range(100, 105)}
    assert wanted <= ids(quiet)
    assert wanted <= ids(quiet, "trusted_transactions"), "its transform ran"
    (told,) = [message for message in quiet.told("success") if message["event"] == "execution succeeded"]
    assert (told["name"], told["execution"], told["detail"]["sweep"]["loaded"]) == ("refresh", execution["executionArn"], 1)


def test_a_transform_that_fails_ends_the_refresh_and_somebody_is_told(quiet: Deployed) -> None:
    quiet.put("raw/transactions/before.csv", transactions(200, UPDATED, "1.00"))
    quiet.emulator.let_pass(1)
    with spoilt(quiet, "curated/iot_monthly"):
        execution = start(quiet, "RefreshStateMachine", {})
    assert execution["status"] == "FAILED"
    assert visited(quiet, execution)[-2:] == ["TellFailure", "Failed"]
    assert execution["error"]
    (told,) = [message for message in quiet.told("failure") if message["event"] == "execution failed"]
    assert told["detail"]["Error"] == execution["error"]
    assert {"t-200", "t-204"} <= ids(quiet), "what was loaded before stays loaded"


# --- ingest-large --------------------------------------------------------------------------------------------------------------------


def announce(deployed: Deployed, key: str, version: str) -> dict[str, Any]:
    """Let S3 say that an object is larger than it is; return the execution that the rule started."""
    known = {execution["executionArn"] for execution in deployed.executions("IngestLargeStateMachine")}
    found = {"key": key, "size": HALF_A_GIBIBYTE + 1, "version-id": version}
    detail = json.dumps({"bucket": {"name": deployed.raw}, "object": found})
    deployed.aws("events").put_events(Entries=[{"Source": "aws.s3", "DetailType": "Object Created", "Detail": detail}])
    deployed.settle()
    (execution,) = [one for one in deployed.executions("IngestLargeStateMachine") if one["executionArn"] not in known]
    return execution


def test_a_large_object_is_checked_loaded_archived_registered_and_told_and_a_second_time_not(quiet: Deployed) -> None:
    key = "raw/transactions/large + 1.csv"
    version = quiet.put(key, transactions(300, UPDATED, "1.00"))
    execution = announce(quiet, key, version)
    assert execution["status"] == "SUCCEEDED", execution
    assert json.loads(execution["input"])["object"]["key"] == key
    assert visited(quiet, execution)[:3] == ["Check", "IsItToBeLoaded", "Load"]
    assert {"t-300", "t-304"} <= ids(quiet)
    assert {"t-300", "t-304"} <= ids(quiet, "trusted_transactions"), "what reads it followed"
    assert key not in quiet.keys("raw/")
    assert len(quiet.keys("archived/transactions/large + 1")) == 1
    assert [message["name"] for message in quiet.told("success") if message["event"] == "execution succeeded"] == ["ingest-large"]
    assert "REPORT" in quiet.said("large")

    before = quiet.version("transactions")
    again = start(quiet, "IngestLargeStateMachine", {"object": {"bucket": quiet.raw, "key": key, "version": version, "size": 1}})
    assert again["status"] == "SUCCEEDED"
    assert visited(quiet, again)[-1] == "NothingToLoad"
    assert quiet.version("transactions") == before


def test_a_large_object_with_a_wrong_header_is_set_aside_before_it_is_read_whole(quiet: Deployed) -> None:
    before = quiet.said("large")
    found = {"bucket": quiet.raw, "key": HEADER, "version": quiet.put(HEADER, OBJECTS[HEADER]), "size": len(OBJECTS[HEADER])}
    execution = start(quiet, "IngestLargeStateMachine", {"object": found})
    assert execution["status"] == "SUCCEEDED"
    assert visited(quiet, execution)[-1] == "NothingToLoad"
    assert quiet.said("large") == before
    assert len(quiet.keys("rejected/invalid_schema/transactions/header.")) == 2
    assert [message["event"] for message in quiet.told("failure")] == ["rejected"]


def test_a_large_object_that_cannot_be_loaded_stays_in_raw_and_somebody_is_told(quiet: Deployed) -> None:
    key = "raw/products/large.csv"
    with spoilt(quiet, "processed/products"):
        execution = announce(quiet, key, quiet.put(key, "product_id,department_id,department,product_name\n1,4,produce,Bananas\n"))
    assert execution["status"] == "FAILED"
    assert visited(quiet, execution)[-2:] == ["TellFailure", "Failed"]
    assert key in quiet.keys("raw/")
    (told,) = [message for message in quiet.told("failure") if message["event"] == "execution failed"]
    assert told["detail"]["object"]["key"] == key
