"""Every envelope that an announcement can come in, decoded once, by its own rules."""

import json
from typing import Any

import pytest

from core.errors import Terminal
from core.storage import ObjectRef
from handlers.events import Announced, messages, objects


def s3(key: str, *, event: str = "ObjectCreated:Put", **more: Any) -> dict[str, Any]:
    entry = {"key": key, "size": 9, "eTag": "abc", "versionId": "v1", "sequencer": "00", **more}
    return {"Records": [{"eventSource": "aws:s3", "eventName": event, "s3": {"bucket": {"name": "raw"}, "object": entry}}]}


def eventbridge(key: str, **more: Any) -> dict[str, Any]:
    entry = {"key": key, "size": 9, "etag": "abc", "version-id": "v1", "sequencer": "00", **more}
    return {"source": "aws.s3", "detail-type": "Object Created", "detail": {"bucket": {"name": "raw"}, "object": entry}}


def sns(body: Any) -> dict[str, Any]:
    return {"Type": "Notification", "TopicArn": "arn:aws:sns:eu-west-1:111122223333:uploads", "Message": json.dumps(body)}


def sqs(*bodies: Any, tries: int = 1) -> dict[str, Any]:
    return {
        "Records": [
            {
                "eventSource": "aws:sqs",
                "messageId": f"m{n}",
                "body": body if isinstance(body, str) else json.dumps(body),
                "attributes": {"ApproximateReceiveCount": str(tries)},
            }
            for n, body in enumerate(bodies)
        ]
    }


def one(key: str = "raw/a.csv", version: str | None = "v1") -> Announced:
    return Announced("raw", ObjectRef(key, version, 9))


@pytest.mark.parametrize(
    "body",
    [
        s3("raw/a.csv"),
        eventbridge("raw/a.csv"),
        sns(s3("raw/a.csv")),
        sns(eventbridge("raw/a.csv")),
        {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": json.dumps(s3("raw/a.csv"))}}]},
    ],
    ids=["s3", "eventbridge", "s3 in sns", "eventbridge in sns", "s3 in sns, subscribed directly"],
)
def test_an_object_is_found_in_each_envelope_directly_and_in_a_queue(body: dict[str, Any]) -> None:
    assert objects(body) == (one(),)
    (message,) = messages(sqs(body))
    assert (message.id, message.tries, message.objects, message.problem) == ("m0", 1, (one(),), "")


KEYS = {
    "a b+c": ("a+b%2Bc", "a b+c"),
    "percent": ("100%2525", "100%25"),
    "NFD": ("e%CC%81.csv", "e\u0301.csv"),
    "newline": ("a%0Ab", "a\nb"),
    "quotes": ("%22%27%3B--", "\"';--"),
    "dots": ("raw/../x", "raw/../x"),
}


@pytest.mark.parametrize("name", KEYS)
def test_a_notification_encodes_keys_as_forms_do_and_eventbridge_does_not(name: str) -> None:
    encoded, key = KEYS[name]
    assert objects(s3(encoded)) == (one(key),)
    assert objects(eventbridge(key)) == (one(key),)


def test_a_plain_key_with_a_plus_or_an_escape_is_itself_in_eventbridge() -> None:
    assert objects(eventbridge("a+b%20c")) == (one("a+b%20c"),)


@pytest.mark.parametrize(("version", "found"), [("v2", "v2"), ("null", '"abc"'), (None, '"abc"'), ("", '"abc"')])
def test_without_a_version_the_etag_pins_the_object(version: str | None, found: str) -> None:
    assert objects(s3("raw/a.csv", versionId=version)) == (one(version=found),)
    assert objects(eventbridge("raw/a.csv", **{"version-id": version})) == (one(version=found),)


def test_the_version_is_looked_up_when_the_event_says_nothing_of_it() -> None:
    assert objects(s3("raw/a.csv", versionId=None, eTag=None)) == (one(version=None),)


@pytest.mark.parametrize(
    "body",
    [
        {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "raw"},
        s3("raw/a.csv", event="ObjectRemoved:Delete"),
        {**eventbridge("raw/a.csv"), "detail-type": "Object Deleted"},
        {"Records": []},
    ],
    ids=["test event", "removed", "deleted", "empty"],
)
def test_what_tells_of_no_new_object_asks_for_nothing(body: dict[str, Any]) -> None:
    assert objects(body) == ()


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "null",
        "3",
        '"x"',
        "[]",
        {},
        {"Records": [{"eventSource": "aws:dynamodb"}]},
        {"Records": 3},
        s3("%FF%FE"),
        s3("a", size="x"),
    ],
)
def test_what_is_no_event_is_a_problem_of_its_own_message_only(body: Any) -> None:
    bad, good = messages(sqs(body, s3("raw/a.csv")))
    assert bad.problem
    assert good.objects == (one(),)
    with pytest.raises(Terminal):
        objects(body)


def test_a_problem_never_quotes_the_message() -> None:
    (message,) = messages(sqs('{"secret-4711": '))
    assert message.problem
    assert "4711" not in message.problem


def test_a_message_knows_how_often_it_was_delivered() -> None:
    assert [message.tries for message in messages(sqs(s3("a"), tries=3))] == [3]


def test_several_records_in_one_message() -> None:
    both = {"Records": s3("raw/a.csv")["Records"] + s3("raw/b.csv")["Records"]}
    assert objects(both) == (one("raw/a.csv"), one("raw/b.csv"))
