"""The HTTP API as API Gateway calls it. Whatever is asked, the answer is of a shape that the API's own document tells."""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import jsonschema
import pytest

from core.lake import Lake
from handlers import api
from handlers.http import MOST_BYTES
from tests.functions import Functions, functions
from tests.world import ORDERS, World

READINGS = """
dataset: readings
description: What devices measured.
source: {path: raw/readings/, format: json, options: {layout: array}}
columns:
  - {name: id, type: bigint, required: true}
  - {name: amount, type: "decimal(20,4)"}
  - {name: city, from: place.city}
  - {name: placed, type: timestamp}
checks:
  - {name: amount_not_negative, sql: amount >= 0}
  - {name: amount_is_small, sql: amount < 1000, action: warn}
target: {path: processed/readings/}
"""
JSON = {"Content-Type": "application/json"}
LINES = {"Content-Type": "application/x-ndjson"}


@dataclass(frozen=True)
class Told:
    """An answer."""

    status: int
    body: Any
    headers: Mapping[str, str]
    text: str

    @property
    def error(self) -> dict[str, str]:
        found: dict[str, str] = self.body["error"]
        return found


@dataclass
class Api:
    """The API over one world; every answer is held against its document."""

    functions: Functions
    documents: dict[str, Any] = field(default_factory=dict)

    @property
    def world(self) -> World:
        return self.functions.world

    def request(
        self,
        method: str,
        path: str,
        body: str | bytes | None = None,
        headers: Mapping[str, str] = JSON,
        query: Mapping[str, str] | None = None,
        **more: Any,
    ) -> Told:
        answer = self.functions.invoke(api, payload(method, path, body, headers, query, **more), left=29)
        assert set(answer) == {"statusCode", "headers", "cookies", "body", "isBase64Encoded"}
        text = answer["body"] or ""
        told = Told(answer["statusCode"], json.loads(text) if text else None, answer["headers"], text)
        self._hold(method, path, told)
        return told

    def post(self, body: str | bytes, headers: Mapping[str, str] = JSON, *, to: str = "readings", **query: str) -> Told:
        return self.request("POST", f"/v1/datasets/{to}/records", body, headers, query)

    def _hold(self, method: str, path: str, told: Told) -> None:
        """Hold an answer against the document: a path, a method and a status that it knows, a body of the schema that it tells."""
        assert told.status < 500 or told.status == 503
        if path == "/openapi.json":
            return
        document = self.documents or self.documents.setdefault("", json.loads(self._ask("/openapi.json")))
        document = self.documents[""]
        templates = [known for known in document["paths"] if re.fullmatch(re.sub(r"\{[a-z]+\}", "[^/]+", known), path)]
        operation = document["paths"][templates[0]].get(method.lower()) if templates else None
        if operation is None:
            assert told.status in (200, 204, 404, 405, 503)
            schema: Any = {"$ref": "#/components/schemas/Failure"} if told.status in (404, 405) and told.body else {}
        else:
            schema = operation["responses"][str(told.status)]["content"]["application/json"]["schema"]
        if told.text:
            assert told.headers["Content-Type"] == "application/json"
            jsonschema.validate(told.body, {**schema, "components": document["components"]}, jsonschema.Draft202012Validator)
        if told.body and "error" in told.body:
            assert told.error["request_id"] == "11112222-3333-4444-5555-666677778888"

    def _ask(self, path: str) -> str:
        return str(self.functions.invoke(api, payload("GET", path), left=29)["body"])


def payload(
    method: str,
    path: str,
    body: str | bytes | None = None,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    **context: Any,
) -> dict[str, Any]:
    """Return an event as API Gateway makes it: headers in lower case, a body of bytes as base64."""
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "&".join(f"{name}={value}" for name, value in (query or {}).items()),
        "headers": {name.lower(): value for name, value in (headers or {}).items()},
        "requestContext": {"http": {"method": method, "path": path}, "stage": "$default", "requestId": "x", **context},
        "isBase64Encoded": isinstance(body, bytes),
    }
    if query:
        event["queryStringParameters"] = dict(query)
    if body is not None:
        event["body"] = base64.b64encode(body).decode() if isinstance(body, bytes) else body
    return event


def over(world: World, monkeypatch: pytest.MonkeyPatch, captured: pytest.CaptureFixture[str]) -> Api:
    world.declare(READINGS).declare(ORDERS)
    api._document.cache_clear()
    return Api(functions(world, monkeypatch, captured))


@pytest.fixture
def here(world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Api:
    return over(world, monkeypatch, capsys)


@pytest.fixture
def there(anywhere: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Api:
    return over(anywhere, monkeypatch, capsys)


# --- records land --------------------------------------------------------------------------------------------------------------------


def test_records_become_rows(there: Api) -> None:
    one = there.post('{"id":9007199254740993,"amount":1.10,"place":{"city":"Zürich"}}')
    many = there.post('[{"id":2,"amount":5000},\n {"id":3}]')
    lines = there.post(b'{"id":4}\n\n{"id":5}\r\n', {"content-type": 'application/x-ndjson; charset="UTF-8"'})
    assert (one.status, many.status, lines.status) == (202, 202, 202)
    assert many.body == {
        "dataset": "readings",
        "key": many.body["key"],
        "records": 2,
        "accepted": 2,
        "receipts": [{"record": 0, "accepted": True, "warnings": ["amount_is_small"]}, {"record": 1, "accepted": True}],
    }
    assert there.world.keys("raw/") == {told.body["key"] for told in (one, many, lines)}

    assert set(there.world.fates().values()) == {"loaded"}
    assert there.world.rows("select id, amount, city from readings order by id")[-1] == {
        "id": 9007199254740993,
        "amount": "1.1000",
        "city": "Zürich",
    }
    assert there.world.values("select id from readings order by id")[:4] == [2, 3, 4, 5]


def test_refused_records_are_told_with_every_reason(there: Api) -> None:
    told = there.post('[{"id":1},{"amount":-1,"place":{"city":1}},{"id":"x","amount":"y","id":2},{"id":3,"new":1}]')
    assert told.status == 422
    assert told.error["code"] == "records_refused"
    assert told.error["found"] == "3 of 4 that do not"
    assert "?partial=true" in told.error["remedy"]
    assert told.body["receipts"] == [
        {"record": 1, "accepted": False, "violations": ["id: required", "check amount_not_negative"]},
        {"record": 2, "accepted": False, "violations": ["a key stands there twice"]},
        {"record": 3, "accepted": False, "violations": ["unknown key(s): new"]},
    ]
    assert there.world.keys() == set()


def test_the_good_ones_land_where_that_is_asked_for(there: Api) -> None:
    told = there.post('{"id":1}\n{"amount":1}\nnonsense\n{"id":2}', LINES, partial="true")
    assert (told.status, told.body["records"], told.body["accepted"]) == (202, 4, 2)
    assert told.body["receipts"] == [
        {"record": 0, "accepted": True},
        {"record": 1, "accepted": False, "violations": ["id: required"]},
        {"record": 2, "accepted": False, "violations": ["not valid JSON"]},
        {"record": 3, "accepted": True},
    ]
    assert there.world.fates() == {told.body["key"]: "loaded"}
    assert there.world.values("select id from readings order by id") == [1, 2]
    assert there.post('{"amount":1}', partial="true").status == 422
    assert there.post('{"id":1}', partial="false").status == 202


def test_the_same_request_again_is_answered_alike(there: Api) -> None:
    headers = {**JSON, "Idempotency-Key": "order-1"}
    first = there.post('{"id":1}', headers)
    there.world.run()
    assert there.post('{"id":1}', headers).body == first.body
    assert there.world.fates() == {}
    assert there.world.values("select id from readings") == [1]
    reused = there.post('{"id":2}', headers)
    assert (reused.status, reused.error["code"]) == (422, "idempotency_key_reused")


def test_a_request_that_is_underway_is_asked_to_wait(here: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object) -> None:
        raise RuntimeError("the function died: row value s3cr3t")

    headers = {**JSON, "Idempotency-Key": "order-1"}
    with monkeypatch.context() as patch:
        patch.setattr("core.land.landing._finish", die)
        with pytest.raises(AssertionError):
            here.post('{"id":1}', headers)
    lines = here.functions.said()
    assert [line["where"].split(":")[0] for line in lines if line.get("status") == 500] == ["test_api.py"]
    assert "s3cr3t" not in json.dumps(lines)

    told = here.post('{"id":1}', headers)
    assert (told.status, told.error["code"], told.headers["Retry-After"]) == (409, "request_underway", "1")
    later = here.world.lake.now().replace(year=here.world.lake.now().year + 1)
    monkeypatch.setattr(Lake, "now", lambda _: later)
    assert here.post('{"id":1}', headers).status == 202
    assert len(here.world.keys("raw/")) == 1


def as_caller(user: str) -> dict[str, Any]:
    return {"authorizer": {"iam": {"userId": user, "callerId": user, "accountId": "111122223333"}}}


def test_an_idempotency_key_is_its_callers_own(there: Api) -> None:
    path, headers = "/v1/datasets/readings/records", {**JSON, "Idempotency-Key": "order-1"}
    first = there.request("POST", path, '{"id":1}', headers, **as_caller("AIDAANN"))
    second = there.request("POST", path, '{"id":2}', headers, **as_caller("AIDABOB"))
    third = there.request("POST", path, '{"id":1}', headers, **as_caller("AROAJOB:monday"))
    nobody = there.request("POST", path, '{"id":1}', headers)
    assert [told.status for told in (first, second, third, nobody)] == [202] * 4
    assert len({told.body["key"] for told in (first, second, third, nobody)}) == 4

    assert there.request("POST", path, '{"id":1}', headers, **as_caller("AIDAANN")).body == first.body
    assert there.request("POST", path, '{"id":1}', headers, **as_caller("AROAJOB:tuesday")).body == third.body, "a role's new session"
    assert there.request("POST", path, '{"id":1}', headers, authorizer={"lambda": {}}).body == nobody.body, "all who share a key"
    reused = there.request("POST", path, '{"id":3}', headers, **as_caller("AIDABOB"))
    assert (reused.status, reused.error["code"]) == (422, "idempotency_key_reused")
    there.world.run()
    assert there.world.values("select id from readings order by id") == [1, 1, 1, 2]


GOOD: dict[str, Any] = payload("POST", "/v1/datasets/readings/records", '{"id":1}', JSON)


@pytest.mark.parametrize(
    "event",
    [
        None, [], "x", 5, True, {}, {"requestContext": None}, {"requestContext": []}, {"requestContext": {"http": None}},
        {"version": "1.0", "httpMethod": "GET", "path": "/health", "headers": None, "requestContext": {"httpMethod": "GET", "stage": "x"}},
        {"requestContext": {"elb": {}}, "httpMethod": "GET", "path": "/health"}, {"Records": []}, {"run": "hourly"},
        *({name: value for name, value in GOOD.items() if name != gone} for gone in ("rawPath", "requestContext")),
        *({**GOOD, "headers": wrong} for wrong in ([], "x", {"a": ["b"]}, {"a": None}, 5)),
        *({**GOOD, "queryStringParameters": wrong} for wrong in ([], "x", {"partial": ["true"]}, {"partial": True})),
        *({**GOOD, "body": wrong} for wrong in (5, {"id": 1}, [], True)),
        *({**GOOD, "isBase64Encoded": wrong} for wrong in ("true", 1, [])),
        *({**GOOD, "rawPath": wrong} for wrong in (None, 5, ["/health"])),
        *({**GOOD, "requestContext": {**GOOD["requestContext"], "http": wrong}} for wrong in ({}, {"method": None}, {"method": 5}, "GET")),
        *({**GOOD, "requestContext": {**GOOD["requestContext"], "authorizer": wrong}} for wrong in ("x", [1], {"iam": "x"}, {"iam": [1]})),
    ],
    ids=lambda event: json.dumps(event)[-60:],
)  # fmt: skip
def test_an_event_that_no_http_api_sent_is_told_so(here: Api, event: Any) -> None:
    answer = here.functions.invoke(api, event)
    assert set(answer) == {"statusCode", "headers", "cookies", "body", "isBase64Encoded"}
    error = json.loads(answer["body"])["error"]
    assert (answer["statusCode"], error["code"], error["remedy"]) == (400, "no_such_event", "Call the API by its address.")
    assert answer["headers"]["Content-Type"] == "application/json"
    assert here.world.keys() == set()
    assert [line["code"] for line in here.functions.said() if line.get("message") == "answered"] == ["no_such_event"]


@pytest.mark.parametrize("key", ["", " ", "a b", "é", "x" * 256, "a\nb", "\x00"])
def test_an_idempotency_key_is_plain_text(here: Api, key: str) -> None:
    told = here.post('{"id":1}', {**JSON, "Idempotency-Key": key})
    assert (told.status, told.error["code"]) == (400, "bad_parameter")


def test_large_requests_land_and_larger_ones_do_not(here: Api) -> None:
    rows = "\n".join(f'{{"id":{n},"amount":{n}.25}}' for n in range(10_000))
    told = here.post(rows, LINES)
    assert (told.status, told.body["accepted"], len(told.body["receipts"])) == (202, 10_000, 10_000)
    assert here.post(rows + '\n{"id":1}', LINES).error["code"] == "too_much"
    wide = '{"id":1,"place":{"city":"' + "x" * (MOST_BYTES - 28) + '"}}'
    assert len(wide) == MOST_BYTES
    assert here.post(wide).status == 202
    assert here.post(wide + " ").status == 413
    assert here.post((wide + " ").encode()).status == 413
    assert here.post("x" * 3 * MOST_BYTES).status == 413
    here.world.run()
    assert here.world.values("select count(*) from readings") == [10_001]


def test_an_answer_has_room_for_so_much(here: Api) -> None:
    columns = "".join(f'  - {{name: "column {n} é", type: bigint, required: true}}\n' for n in range(60))
    here.world.declare(READINGS.replace("columns:\n", f"columns:\n{columns}"))
    told = here.post("{}\n" * 10_000, LINES)
    assert told.status == 422
    assert len(told.text) < 4_000_000
    assert told.body["receipts"][0]["violations"][59:] == ["column 59 é: required", "id: required"]
    assert told.body["receipts"][-1] == {"record": 9_999, "accepted": False, "violations": [], "omitted": 61}


# --- what is refused -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "unsupported_media_type"),
        ({"Content-Type": ""}, "unsupported_media_type"),
        ({"Content-Type": "text/csv"}, "unsupported_media_type"),
        ({"Content-Type": "application/json,application/json"}, "unsupported_media_type"),
        ({"Content-Type": "x" * 10_000}, "unsupported_media_type"),
        ({"Content-Type": "application/json; charset=latin-1"}, "unsupported_charset"),
        ({"Content-Type": "application/json;charset=utf-16"}, "unsupported_charset"),
        ({"Content-Type": "application/json; charset="}, "unsupported_charset"),
        ({**JSON, "Content-Encoding": "gzip"}, "unsupported_encoding"),
        ({**JSON, "Content-Encoding": "br"}, "unsupported_encoding"),
    ],
)
def test_a_body_is_plain_json_in_utf_8(here: Api, headers: dict[str, str], code: str) -> None:
    told = here.post('{"id":1}', headers)
    assert (told.status, told.error["code"]) == (415, code)
    assert {"Accept-Post", "Accept-Encoding"} & told.headers.keys()
    assert here.world.keys() == set()


@pytest.mark.parametrize("media", ["application/json", "APPLICATION/JSON ; charset=utf-8", "application/json; charset=UTF8; x=y"])
def test_a_media_type_may_be_written_in_many_ways(here: Api, media: str) -> None:
    assert here.post('{"id":1}', {"content-TYPE": media, "content-encoding": "identity"}).status == 202


DEEP = '{"id":1,"place":' + "[" * 10_000 + "]" * 10_000 + "}"


@pytest.mark.parametrize(
    "body",
    [
        "",
        " ",
        "[]",
        "null",
        "true",
        "5",
        '"x"',
        "{",
        "}",
        "[",
        "]",
        "[{]",
        '{"id":1',
        '{"id":NaN}',
        '{"id":Infinity}',
        '{"id":-Infinity}',
        '{"id":1}{"id":2}',
        '{"id":1}\n{"id":2}',
        '[{"id":1},]',
        "{'id':1}",
        '{"id":1,}',
        '{"id":01}',
        '{"id":+1}',
        '{"id":.5}',
        "[1 2]",
        '{"id":"\x00"}',
        "\x00",
        DEEP,
        "[" * 10_000,
        "[" * 1_000_000,
        '{"a":' * 1_000_000,
        "// {}",
        '{"id":1}//',
        "\ufeff",
        "\ufeff\ufeff{}",
        '{"id":1}\x00',
        '{"id":1}\u00a0',
        "%7B%7D",
        "\ud800",
        '{"id":"\udfff"}',
        "[" + "0," * 20_000,
        '"' * 1_000_001,
        "\\" * 1_000_000,
    ],
    ids=lambda body: repr(body[:20]),
)
def test_a_body_that_is_no_json_is_told_so(here: Api, body: str) -> None:
    told = here.post(body)
    assert (told.status, told.error["code"]) in ((400, "malformed_body"), (413, "too_much"))
    assert len(told.text) < 1000
    assert here.world.keys() == set()
    lines = here.post(body, LINES, partial="true")
    assert lines.status in (202, 400, 413, 422)


@pytest.mark.parametrize(
    "body",
    [
        b"\xff", b'{"id":"\xff"}', b'{"id":1}\xc3', b"\xed\xa0\x80", b'{"id":"\xed\xa0\x80"}', '{"id":1}'.encode("utf-16"),
        "{}".encode("utf-32"), b"\x1f\x8b\x08\x00", b"PK\x03\x04\xff", b"\xf8\x88\x80\x80\x80", b"\xc0\xaf",
    ],
)  # fmt: skip
def test_bytes_that_are_no_utf_8_are_told_so(here: Api, body: bytes) -> None:
    assert (here.post(body).status, here.post(body).error["code"]) == (400, "malformed_body")
    assert here.post(body, LINES).status == 400


def test_bytes_that_a_gateway_replaced_are_told_so(here: Api) -> None:
    sent = b'{"id":1,"place":{"city":"Z\xfcrich"}}'
    replaced = sent.decode("utf-8", "replace")
    told = here.post(replaced, {**JSON, "Content-Length": str(len(sent))})
    assert (told.status, told.error["code"]) == (400, "malformed_body")
    assert here.world.keys() == set()
    for length in (len(replaced.encode()), "", "x", "-1"):
        assert here.post(replaced, {**JSON, "Content-Length": str(length)}).status == 202, "a character that was sent"
    assert here.post(replaced.encode(), {**JSON, "Content-Length": str(len(replaced.encode()))}).status == 202


def test_a_path_ends_where_it_ends(here: Api) -> None:
    for path in ("/health", "/v1/datasets", "/v1/datasets/readings"):
        for wrong in (f"{path}\n", f"{path}\n\n", f"{path}\r", f"{path} ", f"{path}\x00", f"\n{path}"):
            assert here.request("GET", wrong).status == 404


def test_base64_that_is_none_is_told_so(here: Api) -> None:
    for text in ("not base64!", "e30", "é", "e30=\n", "\ud800"):
        event = payload("POST", "/v1/datasets/readings/records", text, JSON) | {"isBase64Encoded": True}
        answer = here.functions.invoke(api, event)
        assert (answer["statusCode"], json.loads(answer["body"])["error"]["code"]) == (400, "malformed_body"), text


@pytest.mark.parametrize(
    "body",
    [
        "{}",
        "[[]]",
        "[1]",
        "[null]",
        '["x"]',
        '{"id":null}',
        '{"id":1e400}',
        '{"id":' + "9" * 10_000 + "}",
        '{"id":1,"id":2}',
        '{"id":1.5}',
        '{"id":"\\ud800"}',
        '{"id":1,"place":{"city":"\\udc00"}}',
        '{"id":1,"\\ud800":1}',
        '{"id":1,"\\u0000":1}',
        '{"id":1,"":1}',
        '{"id":[1]}',
        '{"id":{"a":1}}',
        '{"id":true}',
        '{"id":1,"place":1}',
        '{"id":1,"amount":1.00001}',
        '{"id":1,"amount":"NaN"}',
        '{"id":1,"place":{"x":{}},"y":1}',
        '{"id":1,"' + "k" * 100_000 + '":1}',
        '{"ID":1}',
        "{" + ",".join(f'"k{n}":1' for n in range(5_000)) + "}",
        '{"id":1,"placed":"yesterday"}',
        '{"id":1,"amount":-1}',
        "[" + "[]," * 9_999 + "[]]",
        '{"id":"1\'; drop table readings; --"}',
    ],
    ids=lambda body: repr(body[:20]),
)
def test_json_that_breaks_the_contract_is_refused_with_reasons(here: Api, body: str) -> None:
    told = here.post(body)
    assert (told.status, told.error["code"]) == (422, "records_refused")
    assert all(receipt["violations"] or receipt["omitted"] for receipt in told.body["receipts"])
    assert here.world.keys() == set()


def test_what_is_odd_but_right_is_taken(here: Api) -> None:
    odd = [
        '{"id":1,"place":null}', '{"id":"2","place":{}}', '{"id":3.0,"place":{"city":"\\u0000"}}',
        '{"id":4,"place":{"city":" \u2028\x7f😀"}}', '{"id":5,"place":{"city":{"a":[1.50]}}}', '{"id":-0}',
        "\ufeff" + '{"id":7}', '\t{"id" :\n8}\r\n',
    ]  # fmt: skip
    assert [here.post(body).status for body in odd] == [202] * len(odd)
    assert set(here.world.fates().values()) == {"loaded"}
    assert here.world.values("select id from readings order by id") == [0, 1, 2, 3, 4, 5, 7, 8]
    assert here.world.values("select city from readings where id = 5") == ['{"a":[1.50]}']


@pytest.mark.parametrize(
    "name",
    [
        "reading", "READINGS", "readings ", "..", ".", "%2e%2e", "a%2Fb", "readings%00", "x" * 10_000, "日本", "é", "'; drop table x; --",
        "<b>", "{}", "*", "readings.json", "-", "\ud800", "a\nb", "__class__", "a\\b", 'a"b', "total",
    ],
)  # fmt: skip
def test_a_dataset_that_is_not_declared_is_not_found(here: Api, name: str) -> None:
    for told in (here.post('{"id":1}', to=name), here.request("GET", f"/v1/datasets/{name}")):
        assert told.status == 404
        assert told.error["code"] in ("no_such_dataset", "no_such_path")
        assert len(told.text) < 1000
    assert here.world.keys() == set()


def test_a_dataset_that_is_like_it_is_named(here: Api) -> None:
    assert here.post('{"id":1}', to="reedings").error["remedy"] == "Did you mean readings?"


@pytest.mark.parametrize(
    "path", ["/", "", "/v1", "/v1/", "/v1/datasets/", "/v1/datasets//records", "/v2/datasets", "//", "/health/", "/x" * 5_000, "/../", "/é"]
)
def test_a_path_that_is_none_is_not_found(here: Api, path: str) -> None:
    for method in ("GET", "POST", "PATCH", "OPTIONS"):
        told = here.request(method, path, "{}")
        assert (told.status, told.error["code"]) == (404, "no_such_path")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("/v1/datasets/readings/records", "OPTIONS, POST"), ("/v1/datasets", "GET, HEAD, OPTIONS"), ("/health", "GET, HEAD, OPTIONS")],
)
def test_other_methods_are_told_which_there_are(here: Api, path: str, allowed: str) -> None:
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "get "} - set(allowed.split(", ")):
        told = here.request(method, path, "{}")
        assert (told.status, told.error["code"], told.headers["Allow"]) == (405, "method_not_allowed", allowed)
    told = here.request("OPTIONS", path)
    assert (told.status, told.text, told.headers["Allow"]) == (204, "", allowed)


def test_head_is_get_without_a_body(here: Api) -> None:
    told = here.request("HEAD", "/v1/datasets/readings")
    assert (told.status, told.text) == (200, "")
    assert here.request("HEAD", "/v1/datasets/nothing").status == 404
    assert here.request("HEAD", "/v1/datasets/readings/records").status == 405


@pytest.mark.parametrize("value", ["", "1", "yes", "TRUE", "true,false", "\x00"])
def test_partial_is_true_or_false(here: Api, value: str) -> None:
    assert here.post('{"id":1}', partial=value).error["code"] == "bad_parameter"


def test_only_json_datasets_take_records(here: Api) -> None:
    told = here.post('{"id":1}', to="orders")
    assert (told.status, told.error["code"], told.error["found"]) == (415, "unpostable_dataset", "format csv")


def test_hostile_headers_harm_nothing(here: Api) -> None:
    for headers in (
        {"Cookie": 'a="; b=\x00; =; $Version=1'}, {"X": "\x00" * 1000}, {"Accept": "text/html"}, {"": "x"}, {"Content-Length": "-1"},
        {"Accept-Encoding": "gzip"}, {"X-Forwarded-For": "'; --"}, {"Transfer-Encoding": "chunked"}, {"Origin": "null"}, {"__proto__": "x"},
    ):  # fmt: skip
        assert here.post('{"id":1}', {**JSON, **headers}).status == 202
        assert here.request("GET", "/v1/datasets", None, headers).status == 200


# --- what is told --------------------------------------------------------------------------------------------------------------------


def test_datasets_are_listed_as_they_stand(there: Api) -> None:
    before = there.request("GET", "/v1/datasets").body["datasets"]
    assert [(one["dataset"], one["postable"], one["version"], one["rows"], one["newest"]) for one in before] == [
        ("orders", False, None, 0, None),
        ("readings", True, None, 0, None),
    ]
    there.post('{"id":1}')
    there.world.run()
    told = there.request("GET", "/v1/datasets").body["datasets"][1]
    assert told == {
        "dataset": "readings",
        "description": "What devices measured.",
        "pipeline": "shop",
        "format": "json",
        "postable": True,
        "version": 1,
        "rows": 1,
        "committed": told["committed"],
        "newest": told["newest"],
    }
    assert all(datetime.fromisoformat(told[name]).utcoffset() == timedelta(0) for name in ("committed", "newest"))


def test_a_dataset_tells_its_contract(there: Api) -> None:
    there.world.put("raw/readings/a.json", '[{"id":1},{"id":"x"}]')
    there.world.run()
    told = there.request("GET", "/v1/datasets/readings").body
    assert (told["rows"], told["quarantined"]) == (1, 1)
    assert told["contract"]["columns"][3] == {"name": "placed", "type": "timestamp"}
    assert told["contract"]["columns"][2] == {"name": "city", "from": "place.city"}
    assert told["contract"]["source"] == {"path": "raw/readings/", "format": "json", "options": {"layout": "array"}}
    assert "record_schema" not in there.request("GET", "/v1/datasets/orders").body


def test_what_the_record_schema_takes_is_taken(here: Api) -> None:
    schema = here.request("GET", "/v1/datasets/readings").body["record_schema"]
    jsonschema.Draft202012Validator.check_schema(schema)
    good = [
        {"id": 1},
        {"id": 2, "amount": 1.5, "place": {"city": "x"}, "placed": "2026-11-20T10:00:00Z"},
        {"id": 3, "amount": None, "place": {"city": None}, "placed": None},
    ]
    for record in good:
        jsonschema.validate(record, schema)
        assert here.post(json.dumps(record)).status == 202
    moments = {
        "2026-11-20T10:00:00.123456+14:59": True,
        "0622-07-16T00:00:00-14:00": True,
        "2026-11-20T10:00:00-15:00": False,
        "2026-11-20T10:00:60Z": False,
        "2026-11-20T10:00:00.1234567Z": False,
    }
    for moment, right in moments.items():
        record = {"id": 4, "placed": moment}
        assert jsonschema.Draft202012Validator(schema).is_valid(record) == right
        assert here.post(json.dumps(record)).status == (202 if right else 422)
    for record in ({}, {"id": "x"}, {"id": 2**63}, {"id": 1, "place": 5}, {"id": 1, "new": 1}, {"id": 1, "amount": 1e17}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(record, schema)
        assert here.post(json.dumps(record)).status == 422


def test_the_document_tells_all(here: Api) -> None:
    told = here.request("GET", "/openapi.json")
    assert told.body["openapi"].startswith("3.1")
    post = told.body["paths"]["/v1/datasets/{dataset}/records"]["post"]
    assert set(post["responses"]) == {"202", "400", "401", "403", "404", "409", "413", "415", "422", "429", "500", "503"}
    assert [parameter["name"] for parameter in post["parameters"]] == ["dataset", "partial", "Idempotency-Key"]
    assert post["parameters"][0]["schema"]["enum"] == ["readings"]
    assert set(post["requestBody"]["content"]) == {"application/json", "application/x-ndjson", "application/ndjson", "application/jsonl"}
    assert "security" not in told.body
    for given, scheme in (({"iam": {"userArn": "x"}}, "iam"), ({"lambda": None}, "key")):
        guarded = here.request("GET", "/openapi.json", authorizer=given).body
        assert guarded["security"] == [{scheme: []}]
        assert scheme in guarded["components"]["securitySchemes"]


def test_health_is_of_the_lake_and_the_project(there: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    told = there.request("GET", "/health")
    assert (told.status, told.body["status"], told.body["datasets"]) == (200, "ok", 2)

    if there.world.uri.startswith("s3://"):
        monkeypatch.setenv("LAKELET_LAKE", "s3://no-such-bucket/shop")
    else:
        (there.world.home / "project/shop/readings.yaml").write_text("dataset: [")
    there.functions.said()
    api.opened.cache_clear()
    ill = there.request("GET", "/health")
    assert (ill.status, ill.error["code"], ill.headers["Retry-After"]) == (503, "unavailable", "5")
    (line,) = [line for line in there.functions.said() if line.get("status") == 503]
    assert line["said"]
    assert "no-such-bucket" not in ill.text
    assert "readings.yaml" not in ill.text
    api.opened.cache_clear()


def test_a_lake_that_does_not_answer_is_a_reason_to_come_again(there: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    if not there.world.uri.startswith("s3://"):
        pytest.skip("a folder answers")
    there.request("GET", "/health")
    monkeypatch.setenv("LAKELET_RAW", "s3://no-such-bucket/shop")
    api.opened.cache_clear()
    told = there.post('{"id":1}')
    assert (told.status, told.error["code"]) == (503, "unavailable")
    api.opened.cache_clear()


def test_a_declaration_at_fault_is_not_the_clients_business(here: Api) -> None:
    here.world.declare(READINGS.replace("sql: amount >= 0", "sql: nowhere >= 0"))
    api.opened.cache_clear()
    answer = here.functions.invoke(api, payload("POST", "/v1/datasets/readings/records", '{"id":1}', JSON))
    assert answer["statusCode"] == 500
    error = json.loads(answer["body"])["error"]
    assert error == {
        "code": "internal_error",
        "message": "the request could not be done",
        "remedy": "Tell the operator the request_id: the log knows more.",
        "request_id": "11112222-3333-4444-5555-666677778888",
    }
    (line,) = [line for line in here.functions.said() if line.get("status") == 500]
    assert "nowhere" in line["said"]


def test_one_line_a_request_and_never_a_value(here: Api) -> None:
    here.request("GET", "/v1/datasets")  # which asks for the document, too
    here.functions.said()
    here.post('[{"id":1,"place":{"city":"s3cr3t"}}]', {**JSON, "Idempotency-Key": "s3cr3t-key"})
    here.post('[{"id":"s3cr3t"}]')
    here.post('{"id":s3cr3t}')
    here.post('{"id":1}', to="nothing")
    here.request("GET", "/v1/datasets")
    lines = [line for line in here.functions.said() if line.get("message") == "answered"]
    assert [(line["status"], line.get("code"), line.get("accepted")) for line in lines] == [
        (202, None, 1),
        (422, "records_refused", 0),
        (400, "malformed_body", None),
        (404, "no_such_dataset", None),
        (200, None, None),
    ]
    assert lines[0]["dataset"] == "readings"
    assert {lines[0]["key"]} == here.world.keys("raw/")
    assert "s3cr3t" not in json.dumps(lines)
