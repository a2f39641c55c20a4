"""Object keys of any kind: the right object is loaded, by whatever told of it, and can be called by its name again."""

import json
from collections.abc import Callable, Container
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest

from core import run
from core.amend import plans
from core.loading import Withdrawn
from core.storage import ObjectRef
from handlers import tasks
from handlers.events import messages
from handlers.ingest import take
from tests.conftest import bucket
from tests.figures import LONG
from tests.hostile.figures import FIGURES
from tests.world import ORDERS, World

KEYS = {
    "space": "a b.csv", "plus": "a+b.csv", "percent": "100%.csv", "%2F": "a%2Fb.csv", "%2e%2e": "%2e%2e/x.csv", "NFC": "\u00e9.csv",
    "NFD": "e\u0301.csv", "dots in the middle": "a/../b.csv", "dots upwards": "../../b.csv", "two slashes": "a//b.csv",
    "leading slash": "/a.csv", "one dot": "./a.csv", "quotes": "it's \"q\".csv", "SQL": "x'; drop table orders; --.csv",
    "newline": "a\nb.csv", "return": "a\r.csv", "tab": "a\tb.csv", "bell": "a\x07b.csv", "delete": "a\x7fb.csv", "NUL": "a\0b.csv",
    "hive": "dt=2026-11-20/a=b.csv", "backslash": "a\\b.csv", "emoji": "\U0001f600.csv", "right to left": "\u202egpj.csv",
    "trailing dot": "a.",
    "trailing space": "a ", "a report's name": "a.csv.report.json", "an archived name": "a.0123abcd.csv", "at": "a@b.csv",
    "at its end": "a.csv@",
    "a commit's name": "orders@12", "star": "a*b.csv", "question mark": "a?.csv", "brackets": "[a].csv", "negated": "[!a]*.csv",
    "no suffix": "plain", "hash": "a#b.csv", "form": "a&b=c.csv", "no-break space": "a\u00a0b.csv", "line separator": "a\u2028b.csv",
    "variable": "${HOME}.csv", "braces": "{a,b}.csv", "tilde": "~.csv", "XML": "<a>&amp;.csv", "dash": "-rf.csv",
    "suffixes": "a.b.c.csv.csv",
    "255 bytes": "f" * 251 + ".csv", "astral": "\U0010fffd.csv",
    "1,024 bytes": "/".join(["d" * 200] * 4) + "/" + "f" * (1024 - len("shop/raw/orders/") - 4 * 201),
}  # fmt: skip
"""Below raw/orders/. Each is another key's neighbour: `*`, `?` and `[` match some of the others."""

NO_FILE = ("dots in the middle", "dots upwards", "two slashes", "leading slash", "one dot", "NUL")
"""A file system has no such names: there they are another file's, or refused."""

NOT_IN_MOTO = {
    "newline": "moto answers it with 404",
    "return": "moto lists it as a newline",
    "bell": "moto cannot list it",
    "NUL": "moto cannot list it",
}
"""S3 takes them: that they are told exactly is asserted for each envelope."""

GOOD, BAD = "id,amount,placed\n{},1,\n", "id,wrong\n{},1\n"


def keys(without: Container[str]) -> list[str]:
    return [f"raw/orders/{key}" for name, key in KEYS.items() if name not in without]


def filled(world: World, names: list[str], body: str) -> World:
    world.declare(ORDERS)
    for n, key in enumerate(names):
        world.put(key, body.format(n))
    return world


def assert_loaded(world: World, names: list[str]) -> None:
    """Each row carries the key that it came under, and nothing of them is left in raw."""
    found = {row["id"]: row["_source"].rpartition("@")[0] for row in world.rows("select id, _source from orders")}
    assert found == dict(enumerate(names))
    assert not world.keys("raw/")
    assert len(world.keys("archived/orders/")) == len(names)


def asked_for(names: list[str]) -> list[str]:
    """The keys that are looked up again. Each time all that lies there is listed: the short run takes those like patterns, and some."""
    return (
        names
        if LONG
        else [key for n, key in enumerate(names) if n % 5 == 0 or any(mark in key for mark in "*?[;") or "//" in key or len(key) > 900]
    )


def assert_called_by_name(world: World, names: list[str]) -> None:
    """A key means its own object and no other, to undo it and to run it again."""
    for key in asked_for(names):
        for plan in (plans.undo, plans.replay):
            (found,) = plan(world.lake, [key])
            assert [entry.source.rpartition("@")[0] for entry in found.objects] == [key]


@pytest.mark.parametrize("name", NOT_IN_MOTO)
def test_a_key_that_only_s3_itself_takes_is_loaded(name: str) -> None:
    pytest.skip(f"{KEYS[name]!r}: {NOT_IN_MOTO[name]}")


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[World, list[str]]:
    """A lake, and the keys that can be there."""
    if request.param == "folder":
        return World(tmp_path, str(tmp_path / "lake")), keys(NO_FILE)
    return World(tmp_path, bucket(request.getfixturevalue("s3_endpoint"), monkeypatch)), keys(NOT_IN_MOTO)


def assert_nothing_outside(world: World) -> None:
    """Whatever was written lies in the lake, under a key that S3 takes."""
    if not world.uri.startswith("s3://"):
        assert {path.name for path in world.home.iterdir()} == {"lake", "project"}
        return
    import boto3

    found = boto3.client("s3", region_name="us-east-1").list_objects_v2(Bucket=world.uri.split("/")[2])["Contents"]
    ours = ("shop/archived/orders/", "shop/rejected/invalid_schema/orders/", "shop/processed/orders/")
    assert not [entry["Key"] for entry in found if not entry["Key"].startswith(ours) or len(entry["Key"].encode()) > 1024]


def test_a_sweep_loads_each_object_under_its_own_key_and_finds_it_by_that_again(place: tuple[World, list[str]]) -> None:
    world, names = place
    filled(world, names, GOOD).run()
    assert_loaded(world, names)
    assert_nothing_outside(world)
    assert_called_by_name(world, names)
    FIGURES.count("keys", f"by sweep, {'S3' if world.uri.startswith('s3://') else 'folder'}", len(names))


def test_a_rejected_object_tells_its_key_in_its_report_and_is_found_by_it(place: tuple[World, list[str]]) -> None:
    world, names = place
    filled(world, names, BAD).run()
    reports = [json.loads(world.lake.raw.get(key) or b"") for key in world.keys("rejected/") if key.endswith(".report.json")]
    assert sorted(report["object"] for report in reports) == sorted(names)
    assert not world.keys("raw/")
    assert_nothing_outside(world)
    for key in asked_for(names):
        (found,) = plans.replay(world.lake, [key])
        assert [entry.source.rpartition("@")[0] for entry in found.objects] == [key]
    FIGURES.count("keys", "rejected", len(names))


@pytest.mark.parametrize("name", ["star", "question mark", "brackets", "negated"])
def test_an_object_that_is_called_like_a_pattern_is_undone_alone(world: World, name: str) -> None:
    names = keys(NO_FILE)
    filled(world, names, GOOD).run()
    (plan,) = plans.undo(world.lake, [f"raw/orders/{KEYS[name]}"])
    (done,) = (step for step in run.perform(world.lake, plan) if isinstance(step, Withdrawn))
    assert done.rows == 1
    assert len(world.values("select id from orders")) == len(names) - 1
    FIGURES.count("keys", "undone")


# --- envelopes ---------------------------------------------------------------------------------------------------------------------------


def s3(place: str, ref: ObjectRef) -> dict[str, Any]:
    entry = {"key": quote_plus(f"shop/{ref.key}", safe="/"), "size": ref.size, "versionId": ref.version}
    return {"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": place}, "object": entry}}]}


def eventbridge(place: str, ref: ObjectRef) -> dict[str, Any]:
    entry = {"key": f"shop/{ref.key}", "size": ref.size, "version-id": ref.version}
    return {"source": "aws.s3", "detail-type": "Object Created", "detail": {"bucket": {"name": place}, "object": entry}}


def sns(body: Any) -> dict[str, Any]:
    return {"Type": "Notification", "Message": json.dumps(body)}


def sqs(body: Any) -> dict[str, Any]:
    return {"Records": [{"eventSource": "aws:sqs", "messageId": "m", "body": json.dumps(body), "attributes": {}}]}


ENVELOPES: dict[str, Callable[[str, ObjectRef], dict[str, Any]]] = {
    "S3's notification": s3,
    "EventBridge": eventbridge,
    "S3 in SQS": lambda place, ref: sqs(s3(place, ref)),
    "EventBridge in SQS": lambda place, ref: sqs(eventbridge(place, ref)),
    "S3 in SNS in SQS": lambda place, ref: sqs(sns(s3(place, ref))),
    "EventBridge in SNS in SQS": lambda place, ref: sqs(sns(eventbridge(place, ref))),
    "S3 in SNS": lambda place, ref: {"Records": [{"EventSource": "aws:sns", "Sns": sns(s3(place, ref))}]},
}


@pytest.mark.parametrize("envelope", ENVELOPES)
def test_an_envelope_tells_each_key_exactly(envelope: str) -> None:
    for key in keys(()):
        (message,) = messages(ENVELOPES[envelope]("lake", ObjectRef(key, "v1", 9)))
        assert message.objects[0].ref == ObjectRef(f"shop/{key}", "v1", 9)
    FIGURES.count("keys", f"told by {envelope}", len(KEYS))


@pytest.mark.parametrize("envelope", ENVELOPES)
def test_an_announced_object_is_loaded_under_its_own_key(
    envelope: str, tmp_path: Path, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, names = World(tmp_path, bucket(s3_endpoint, monkeypatch)), keys(NOT_IN_MOTO)
    lake = filled(world, names, GOOD).lake
    events = [ENVELOPES[envelope](world.uri.split("/")[2], ref) for ref in lake.raw.list("raw/")]
    assert take(lake, [message for event in events for message in messages(event)]) == {}
    assert_loaded(world, names)
    assert_nothing_outside(world)
    FIGURES.count("keys", f"loaded by {envelope}", len(names))


def test_a_state_machine_names_each_key_exactly(tmp_path: Path, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    world, names = World(tmp_path, bucket(s3_endpoint, monkeypatch)), keys(NOT_IN_MOTO)
    lake = filled(world, names, GOOD).lake
    place = world.uri.split("/")[2]
    for ref in lake.raw.list("raw/"):
        told = {"bucket": place, "key": f"shop/{ref.key}", "version": ref.version, "size": ref.size}
        (found,) = tasks._assigned(lake, json.loads(json.dumps(told))).refs
        assert (found[0], found[1].key) == ("orders", ref.key)
        assert tasks._check(lake, {"object": told})["verdict"] == "load"
    FIGURES.count("keys", "told by a state machine", len(names))
