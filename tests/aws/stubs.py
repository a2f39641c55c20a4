"""Handlers for the tests of the emulator itself: they do what a message tells them."""

import json
import os
import time
from typing import Any


class Broken(Exception):
    """What a handler raises when it is told to."""


def on_queue(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Report the messages that say `fail`; raise when one says `raise`. What it was given it says."""
    bodies = {record["messageId"]: record["body"] for record in event["Records"]}
    tries = [record["attributes"]["ApproximateReceiveCount"] for record in event["Records"]]
    print(json.dumps({"batch": sorted(bodies.values()), "tries": tries}))
    if "raise" in bodies.values():
        raise Broken("as it was told")
    return {"batchItemFailures": [{"itemIdentifier": name} for name, body in bodies.items() if body == "fail"]}


def obedient(event: dict[str, Any], context: Any) -> Any:
    """Do what the event says: raise, exit, sleep; else tell what it knows of itself."""
    match event.get("do"):
        case "raise":
            print("about to raise")
            raise Broken("as it was told")
        case "exit":
            os._exit(3)
        case "sleep":
            time.sleep(60)
    return {
        "event": event,
        "name": context.function_name,
        "memory": context.memory_limit_in_mb,
        "left": context.get_remaining_time_in_millis(),
        "who": os.environ["AWS_ACCESS_KEY_ID"],
        "told": os.environ.get("TOLD"),
    }


def measured(_event: Any, _context: Any) -> None:
    """Say a metric as Powertools does."""
    directive = {"Namespace": "Tests", "Dimensions": [["service"], ["service", "dataset"]], "Metrics": [{"Name": "Rows", "Unit": "Count"}]}
    about = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}
    print(json.dumps({"_aws": about, "service": "stub", "dataset": "orders", "Rows": [2.0, 3.0]}))


def page(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Answer a request with the event that it became."""
    return {"statusCode": 201, "headers": {"x-was": "here"}, "body": json.dumps(event)}


def door(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Let in who knows the word."""
    return {"isAuthorized": event["headers"]["x-api-key"] == "sesame", "context": {"name": "ali"}}
