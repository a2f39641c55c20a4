"""The proof by rewriting is for speed alone: with it and without it, every record reads the same."""

import json
import tempfile
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.readers import proof
from tests.unit.test_readers_kit import dataset, read

DECLARED = dataset(
    "jsonl",
    [
        {"name": "id", "type": "bigint", "required": True},
        {"name": "note"},
        {"name": "amount", "type": "decimal(38,18)"},
        {"name": "device", "from": "data.device"},
        {"name": "heat", "type": "double", "from": "data.heat"},
        {"name": "count", "type": "integer", "from": "data.count"},
        {"name": "on", "type": "boolean"},
    ],
)

NUMBERS = st.sampled_from(
    [
        "0",
        "-0",
        "1",
        "1.5",
        "1.50",
        "1e2",
        "1E400",
        "2147483648",
        "9007199254740993",
        "18446744073709551616",
        "0.1000000000000000055",
        "NaN",
        "-INF",
    ]
) | st.decimals(allow_nan=False, allow_infinity=False, places=4).map(str)
TEXTS = st.text(max_size=12).map(json.dumps) | st.sampled_from(['"NaN"', '"a\\u0041"', '"null"', '""', '"x\\",\\"id\\":\\"y"'])
VALUES = NUMBERS | TEXTS | st.sampled_from(["null", "true", "false", "[]", "{}", "[1]"])


@st.composite
def records(draw: st.DrawFn) -> str:
    pairs = [("id", draw(NUMBERS)), ("note", draw(VALUES)), ("amount", draw(VALUES))]
    pairs.append(
        (
            "data",
            "{" + f'"device":{draw(VALUES)},"heat":{draw(VALUES)},"count":{draw(VALUES)}' + "}" if draw(st.booleans()) else draw(VALUES),
        )
    )
    pairs.append(("on", draw(VALUES)))
    if draw(st.integers(0, 5)) == 0:
        pairs.append(draw(st.sampled_from([("id", "2"), ("id", pairs[0][1]), ("unknown", "1"), ("unknown", "{}")])))
    if draw(st.integers(0, 5)) == 0:
        del pairs[draw(st.integers(0, len(pairs) - 1))]
    comma, colon = draw(st.sampled_from([(",", ":"), (", ", ": ")]))
    body = comma.join(f'"{key}"{colon}{value}' for key, value in pairs)
    if draw(st.integers(0, 9)) == 0:
        return "{" + body + f'{comma}"deep"{colon}' + "[" * 2_000 + "]" * 2_000 + "}"
    return "{" + body + draw(st.sampled_from(["", "", "", ","])) + "}"


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=st.lists(records(), min_size=1, max_size=8))
def test_a_record_reads_the_same_with_and_without_the_proof(monkeypatch: pytest.MonkeyPatch, found: list[str]) -> None:
    good = '{"id":1,"note":"a","amount":1.5,"data":{"device":"d","heat":1.5,"count":1},"on":true}'
    for first in ([good], [good.replace(",", ", ").replace(":", ": ")], []):
        body = ("\n".join([*first, *found]) + "\n").encode()
        with monkeypatch.context() as patch:
            patch.setattr(proof, "rewriting", lambda *_: "false")
            expected = _read(body)
        assert _read(body) == expected


def _read(body: bytes) -> list[tuple[Any, ...]]:
    with tempfile.TemporaryDirectory() as work:
        return read(DECLARED, Path(work), body, careful=True)


def test_a_plain_record_is_proven(tmp_path: Path) -> None:
    """Or else the proof would be a slower way of doing nothing."""
    file = tmp_path / "0.json"
    file.write_text('{"id":1,"note":"a"}\n{"id":2,"note":null}\n{"id":3,"note":"a\\u0041"}\n')
    condition = proof.rewriting([file], lambda way: proof.Text(f"json ->> '$.{way[0]}'", way == ("id",)))

    query = f"select {condition} from (select json as _raw, json from read_json_objects('{file}', format = 'newline_delimited'))"
    assert duckdb.sql(query).fetchall() == [(True,), (True,), (False,)]
