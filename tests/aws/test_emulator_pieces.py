"""The emulator's decisions, each by itself: CloudFormation's functions, names of objects, what is delivered again, which route is taken."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from core.errors import Terminal
from infra.local.bridge import filled
from infra.local.functions import Answer
from infra.local.gateway import match
from infra.local.heard import metrics
from infra.local.intrinsics import Made, Scope, references, resolve
from infra.local.mappings import failures
from infra.local.streams import object_key

SCOPE = Scope(
    parameters={"Name": "shop", "Names": ["a", "b"], "Count": "0", "AWS::Region": "eu-west-1"},
    mappings={"Sizes": {"eu-west-1": {"small": "1"}}},
    conditions={
        "Named": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Name"}, ""]}]},
        "Counted": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Count"}, 0]}]},
    },
    made={"Queue": Made("http://queue", {"Arn": "arn:queue", "Outputs.X": "x"})},
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"Ref": "Queue"}, "http://queue"),
        ({"Fn::GetAtt": ["Queue", "Arn"]}, "arn:queue"),
        ({"Fn::GetAtt": "Queue.Outputs.X"}, "x"),
        ({"Fn::Sub": "${Name}-${Queue.Arn}-${!Literal}-${AWS::Region}"}, "shop-arn:queue-${Literal}-eu-west-1"),
        ({"Fn::Sub": ["${Mine}${Name}", {"Mine": {"Ref": "Count"}}]}, "0shop"),
        ({"Fn::Join": ["-", {"Ref": "Names"}]}, "a-b"),
        ({"Fn::If": ["Named", "yes", {"Ref": "Nobody"}]}, "yes"),
        ({"a": {"Fn::If": ["Counted", 1, {"Ref": "AWS::NoValue"}]}, "b": [{"Ref": "AWS::NoValue"}, 2]}, {"b": [2]}),
        ({"Fn::And": [{"Condition": "Named"}, {"Condition": "Counted"}]}, False),
        ({"Fn::Or": [{"Condition": "Named"}, {"Condition": "Counted"}]}, True),
        ({"Fn::Select": ["1", {"Fn::Split": [",", "x,y"]}]}, "y"),
        ({"Fn::FindInMap": ["Sizes", {"Ref": "AWS::Region"}, "small"]}, "1"),
        ({"Fn::Base64": "a"}, "YQ=="),
        ({"Fn::Length": {"Ref": "Names"}}, 2),
        ({"Fn::ToJsonString": {"a": {"Ref": "Name"}}}, '{"a":"shop"}'),
        ({"Statement": [{"Condition": {"Bool": {"aws:SecureTransport": "false"}}}]},) * 2,
    ],
)
def test_a_function_of_cloudformation_gives_what_it_gives_there(value: Any, expected: Any) -> None:
    assert resolve(value, SCOPE) == expected


@pytest.mark.parametrize("value", [{"Fn::ImportValue": "x"}, {"Ref": "Nobody"}, {"Fn::GetAtt": ["Queue", "Url"]}, {"Condition": "Nobody"}])
def test_what_is_not_known_is_told_by_its_name(value: Any) -> None:
    with pytest.raises(Terminal, match=r"Nobody|Queue\.Url|Fn::ImportValue"):
        resolve(value, SCOPE)


def test_a_resource_comes_after_all_that_it_speaks_of() -> None:
    value = {"a": [{"Fn::Sub": ["${B.Arn}${X}", {"X": {"Ref": "C"}}]}, {"Fn::GetAtt": "D.Arn"}], "b": {"Fn::If": ["K", {"Ref": "E"}, 1]}}
    assert {"B", "C", "D", "E"} <= set(references(value))


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("raw/events/!{timestamp:yyyy/MM/dd/HH}/", "raw/events/2026/11/20/09/s-1-2026-11-20-09-05-06-"),
        ("raw/!{timestamp:yyyy}/m=!{timestamp:MM}/", "raw/2026/m=11/s-1-2026-11-20-09-05-06-"),
        ("raw/", "raw/2026/11/20/09/s-1-2026-11-20-09-05-06-"),
    ],
)
def test_firehose_names_objects_by_the_hour_of_their_delivery(prefix: str, expected: str) -> None:
    assert object_key(prefix, "s-1", datetime(2026, 11, 20, 9, 5, 6, tzinfo=UTC)).startswith(expected)


@pytest.mark.parametrize(
    ("answer", "again"),
    [
        ({"batchItemFailures": []}, set()),
        (None, set()),
        ({}, set()),
        ({"batchItemFailures": [{"itemIdentifier": "a"}]}, {"a"}),
        ({"batchItemFailures": [{"itemIdentifier": "nobody"}]}, {"a", "b"}),
        ({"batchItemFailures": [{"itemIdentifier": ""}]}, {"a", "b"}),
        ({"batchItemFailures": [{"wrong": "a"}]}, {"a", "b"}),
        ({"something": "else"}, set()),
        ({"batchItemFailures": None}, set()),
        ("text", {"a", "b"}),
    ],
)
def test_an_answer_says_which_messages_come_again(answer: Any, again: set[str]) -> None:
    said = Answer(json.dumps(answer).encode(), False)
    assert failures(said, ["a", "b"], ["ReportBatchItemFailures"]) == again
    assert failures(said, ["a", "b"], []) == set(), "nobody reads a report that the mapping does not ask for"
    assert failures(Answer(b"{}", True), ["a", "b"], ["ReportBatchItemFailures"]) == {"a", "b"}


def test_placeholders_become_json_outside_of_texts_and_text_within() -> None:
    values = {"key": 'a "b"', "size": 3, "gone": None, "all": {"x": 1}}
    made = filled('{"key": <key>, "size": <size>, "gone": <gone>, "all": <all>, "text": "<key> of <size>", "other": "<unknown>"}', values)
    expected = {"key": 'a "b"', "size": 3, "gone": None, "all": {"x": 1}, "text": 'a "b" of 3', "other": "<unknown>"}
    assert json.loads(made) == expected


def test_the_nearest_route_is_taken() -> None:
    keys = ["$default", "ANY /v1/{proxy+}", "GET /v1/{name}", "GET /v1/fixed", "POST /v1/{name}/records"]
    api = SimpleNamespace(routes={key: SimpleNamespace(route_key=key) for key in keys})

    def taken(method: str, path: str) -> tuple[str, Any]:
        found = match(api, method, path)
        assert found
        return found.route.route_key, found.variables

    assert taken("GET", "/v1/fixed") == ("GET /v1/fixed", {})
    assert taken("GET", "/v1/x") == ("GET /v1/{name}", {"name": "x"})
    assert taken("POST", "/v1/x/records") == ("POST /v1/{name}/records", {"name": "x"})
    assert taken("DELETE", "/v1/x/y") == ("ANY /v1/{proxy+}", {"proxy": "x/y"})
    assert taken("GET", "/") == ("$default", {})


def test_a_metric_is_read_for_each_dimension_set() -> None:
    directive = {"Namespace": "N", "Dimensions": [[], ["service"]], "Metrics": [{"Name": "Rows", "Unit": "Count"}, {"Name": "Bare"}]}
    document = {"_aws": {"Timestamp": 1000, "CloudWatchMetrics": [directive]}, "service": "s", "Rows": [1, 2], "Bare": 3}
    found = [(data["MetricName"], data["Values"], data["Unit"], len(data["Dimensions"])) for _, data in metrics(document)]
    assert found == [("Rows", [1, 2], "Count", 0), ("Bare", [3], "None", 0), ("Rows", [1, 2], "Count", 1), ("Bare", [3], "None", 1)]
