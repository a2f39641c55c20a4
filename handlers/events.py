"""What an AWS event says, as values: which objects were announced, by which message. Pure; each envelope is decoded here and only here."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from core.errors import Terminal
from core.storage import ObjectRef


@dataclass(frozen=True)
class Announced:
    """An object that an event tells of; what the event does not say of its version is looked up when it is read."""

    bucket: str
    ref: ObjectRef


@dataclass(frozen=True)
class Message:
    """One delivery. `id` is what a queue takes it back by, `tries` counts its deliveries, `problem` says why it cannot be understood."""

    id: str
    tries: int
    objects: tuple[Announced, ...] = ()
    problem: str = ""


def messages(event: Mapping[str, Any]) -> tuple[Message, ...]:
    """Return the messages of an SQS event; any other event is one message without an id."""
    records = event.get("Records")
    if isinstance(records, list) and records and all(_is_from(record, "aws:sqs") for record in records):
        return tuple(_message(record["messageId"], _tries(record), record.get("body")) for record in records)
    return (_message("", 1, event),)


def objects(body: Any) -> tuple[Announced, ...]:
    """Return the objects that a body announces: S3's notification, EventBridge's event, or either inside SNS.

    None for S3's test event and for what tells of no new object. Raises Terminal for anything else.
    """
    try:
        return tuple(_objects(body))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Terminal(
            "a message that is no event of S3", expected="S3's notification or EventBridge's `Object Created`", found=_told(error)
        ) from error


def _message(name: str, tries: int, body: Any) -> Message:
    try:
        return Message(name, tries, objects(body))
    except Terminal as error:
        return Message(name, tries, problem=str(error))


def _tries(record: Mapping[str, Any]) -> int:
    try:
        return int(record["attributes"]["ApproximateReceiveCount"])
    except (KeyError, TypeError, ValueError):
        return 1


def _objects(body: Any) -> Iterator[Announced]:
    if isinstance(body, (str, bytes)):
        body = json.loads(body)
    if body.get("Event") == "s3:TestEvent":
        return
    if body.get("Type") == "Notification":  # SNS, in a queue
        yield from _objects(body["Message"])
    elif body.get("source") == "aws.s3":
        yield from _of_eventbridge(body)
    else:
        yield from _of_records(body["Records"])


def _of_records(records: Iterable[Mapping[str, Any]]) -> Iterator[Announced]:
    for record in records:
        if _is_from(record, "aws:sns"):  # SNS, subscribed by the function itself
            yield from _objects(record["Sns"]["Message"])
        elif not _is_from(record, "aws:s3"):
            raise ValueError("a record of another service")
        elif str(record.get("eventName", "")).startswith("ObjectCreated:"):
            found = record["s3"]["object"]
            version = _version(found.get("versionId"), found.get("eTag"))
            # S3 encodes keys as HTML forms do: `+` is a space.
            key = unquote_plus(found["key"], errors="strict")
            yield Announced(str(record["s3"]["bucket"]["name"]), ObjectRef(key, version, int(found.get("size") or 0)))


def _of_eventbridge(event: Mapping[str, Any]) -> Iterator[Announced]:
    if event["detail-type"] == "Object Created":
        found = event["detail"]["object"]
        version = _version(found.get("version-id"), found.get("etag"))
        # EventBridge's keys are plain: a `+` or a `%20` in one is itself.
        yield Announced(str(event["detail"]["bucket"]["name"]), ObjectRef(str(found["key"]), version, int(found.get("size") or 0)))


def _version(version: str | None, etag: str | None) -> str | None:
    """Return an object's version as a store knows it: S3's id, or the quoted ETag where the bucket keeps no versions."""
    if version and version != "null":
        return version
    return f'"{etag.strip(chr(34))}"' if etag else None


def _is_from(record: Any, service: str) -> bool:
    """SNS spells it EventSource, the others eventSource."""
    return isinstance(record, Mapping) and service in (record.get("eventSource"), record.get("EventSource"))


def _told(error: Exception) -> str:
    """Say what is wrong without quoting the message: it may hold anything."""
    return f"no {error}" if isinstance(error, KeyError) else f"something else ({type(error).__name__})"
