"""JSON: every value as it is written, every record that is no good in its place with its reason."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import pytest

from core import readers
from core.quoting import identifier
from core.readers import records
from tests.unit.test_readers_kit import dataset, prepare, read, rejected, rows, values
from tests.world import ORDERS, World

LINES = dataset("jsonl", ["a", "b"])
INVALID = "not valid JSON"
TOLERATED = "not valid JSON: a trailing comma, NaN or Infinity"
TOO_DEEP = "nested deeper than 1,000 levels"


def problems(work: Path, *records: str, **declared: Any) -> list[str | None]:
    return [
        row[1] for row in read(dataset("jsonl", **({"columns": ["a", "b"]} | declared)), work, "\n".join(records).encode(), careful=True)
    ]


@pytest.mark.parametrize(
    "number",
    [
        "1", "-1", "1.7", "1.50", "0.0", "-0", "1e2", "1E-7", "9007199254740993", "9223372036854775808", "18446744073709551616",
        "1234567890123456789012", "1234567890.123456789012345678", "0.1234567890123456789", "1.7976931348623157e308", "1e400",
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["varchar", "json"])
def test_a_number_comes_out_as_it_is_written(number: str, kind: str, tmp_path: Path) -> None:
    declared = dataset("jsonl", [{"name": "a", "type": kind}, "b"])
    content = f'{{"a":{number},"b":"[1.50, {number}]"}}\n{{"a": {number} }}\n{{"a":1.5}}'.encode()
    assert values(declared, tmp_path, content) == [(number, f"[1.50, {number}]"), (number, None), ("1.5", None)]


@pytest.mark.parametrize("number", ["9007199254740993", "18446744073709551616", "1234567890123456789012", "1234567890.123456789012345678"])
@pytest.mark.parametrize("kind", ["bigint", "decimal(38,18)"])
def test_no_digit_of_a_long_number_is_lost(number: str, kind: str, tmp_path: Path) -> None:
    declared = dataset("jsonl", [{"name": "a", "type": kind}, {"name": "b", "from": "n.b", "type": kind}])
    assert values(declared, tmp_path, f'{{"a":{number},"n":{{"b":-{number}}}}}'.encode()) == [(number, f"-{number}")]


def test_nested_values_keep_their_text(tmp_path: Path) -> None:
    declared = dataset("jsonl", [{"name": "a", "type": "json"}, "b", {"name": "c", "type": "double[]"}])
    content = b'{"a":{"x":[1.50,1e5,"1.50",12345678901234567890.5]},"b":{"y":1.50},"c":[1.0,null]}\n{"a":"text","b":"text","c":null}'
    assert values(declared, tmp_path, content) == [
        ('{"x":[1.50,1e5,"1.50",12345678901234567890.5]}', '{"y":1.50}', "[1.0,null]"),
        ('"text"', "text", None),
    ]


def test_null_and_absent_are_null_and_texts_are_unescaped(tmp_path: Path) -> None:
    content = '{"a":null}\n{"b":"null","a":""}\n{"a":"\\u00e9\\n\\"\\/","b":"é"}\n{"b":true,"a":false}'.encode()
    assert values(LINES, tmp_path, content) == [(None, None), ("", "null"), ('é\n"/', "é"), ("false", "true")]


def test_blank_lines_and_carriage_returns_are_no_records(tmp_path: Path) -> None:
    assert values(LINES, tmp_path, b'\n{"a":1}\r\n\r\n  \n{"a":2}\n\n') == [("1", None), ("2", None)]
    assert rejected(LINES, tmp_path, b" \r\n\t\n").reason == "empty"


def test_a_bad_line_costs_one_record_when_it_is_read_carefully(tmp_path: Path) -> None:
    content = b'\n{"a":1}\n{"a":\n\n{"a":2}\r\n{"a":"\xc3\xa9 \x01"}\n{"a":3}{"a":4}\n{"a":5}'
    files = prepare(LINES, tmp_path, content)
    with pytest.raises(duckdb.Error) as caught:
        rows(LINES, files)
    found = rows(LINES, files, careful=True)
    assert [row[1] for row in found] == [None, INVALID, None, INVALID, INVALID, None]
    assert [row[2] for row in found] == ["1", None, "2", None, None, "5"]
    error = readers.unreadable(LINES, files[0], caught.value)
    assert error.reason == "unreadable"
    assert "expected one JSON object a line; found unexpected end of data at byte 6 of line 3 in raw/orders/0" in str(error)


@pytest.mark.parametrize(
    "record",
    ["{'a':1}", "{a:1}", '{"a":01}', '{"a":+1}', '{"a":.5}', '{"a":1.}', '{"a":1}x', '{"a":1 /*c*/}', '{"a":"\\ud800"}', '{"a":"\t"}'],
)
def test_what_is_not_json_is_no_record(record: str, tmp_path: Path) -> None:
    assert problems(tmp_path, record, '{"a":1}') == [INVALID, None]


@pytest.mark.parametrize("record", ['{"a":NaN}', '{"a":-Infinity}', '{"a":inf}', '{"a":1,}', '{"a":[1, ]}', '{"a":"\\"","b":nan}'])
@pytest.mark.parametrize("kind", ["varchar", "double"])
def test_what_only_a_tolerant_parser_takes_is_no_record(record: str, kind: str, tmp_path: Path) -> None:
    columns = [{"name": "a", "type": kind}, {"name": "b", "type": kind}]
    assert problems(tmp_path, record, columns=columns) == [TOLERATED]


@pytest.mark.parametrize("text", ["NaN", ",}", ", ]", 'a\\",}', "Infinity and nan"])
def test_a_text_may_look_like_a_tolerated_mistake(text: str, tmp_path: Path) -> None:
    assert problems(tmp_path, f'{{"a":"{text}"}}') == [None]


@pytest.mark.parametrize("record", ["[1]", '[{"a":1}]', '"text"', "1", "null", "true", "[]"])
def test_a_record_that_is_no_object_is_bad(record: str, tmp_path: Path) -> None:
    assert problems(tmp_path, record, '{"a":1}') == ["not a JSON object", None]


@pytest.mark.parametrize("record", ["5", "-", "x", "{", "[", ",", "\x00", "null", '"x"', "[1]", "true", "[]", "[{}]", "5 6"])
@pytest.mark.parametrize("ending", ["", "\n", "\r\n", " "])
@pytest.mark.parametrize("around", ["{}", '{}\n{{"a":1}}', '{{"a":1}}\n{}', '{{"a":1}}\n{}\n{{"a":1}}', "{0}\n{0}"])
def test_no_line_is_lost_whatever_it_holds(record: str, ending: str, around: str, tmp_path: Path) -> None:
    """DuckDB finds no line in a file of one byte."""
    content = around.format(record) + ending
    files = prepare(LINES, tmp_path, content.encode())
    good = [line.startswith('{"a"') for line in content.split("\n") if line]
    assert [row[1] is None for row in rows(LINES, files, careful=True)] == good
    with suppress(duckdb.Error):  # then it is read with care
        assert [row[1] is None for row in rows(LINES, files)] == good


@pytest.mark.parametrize("careful", [False, True])
def test_blank_space_around_a_record_is_the_same_however_it_is_read(careful: bool, tmp_path: Path) -> None:
    content = b'\v{"a":1} \n\f\n\t{"a" : 2}\f\r\n\v5'
    assert [row[1:3] for row in read(LINES, tmp_path, content, careful=careful)] == [(None, "1"), (None, "2"), ("not a JSON object", None)]


def test_an_empty_object_is_a_row(tmp_path: Path) -> None:
    assert [values(LINES, tmp_path, content) for content in (b"{}", b"{}\n", b"{} ")] == [[(None, None)]] * 3


@pytest.mark.parametrize("content", [b" ", b"\n", b"\v", b"\f\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\r\n"])
@pytest.mark.parametrize("layout", ["lines", "array", "concatenated"])
def test_a_file_without_any_record_is_empty(layout: str, content: bytes, tmp_path: Path) -> None:
    assert rejected(dataset("json", ["a"], layout=layout), tmp_path, content).reason == "empty"


def test_the_raw_file_is_not_touched_when_its_last_line_is_ended(tmp_path: Path) -> None:
    (file,) = prepare(LINES, tmp_path, b'{"a":1}')
    assert ((tmp_path / "000000.raw").read_bytes(), file.path.read_bytes()) == (b'{"a":1}', b'{"a":1}\n')


@pytest.mark.parametrize("size", [16 << 20, 32 << 20])
def test_the_last_line_of_a_large_file_needs_no_newline(size: int, tmp_path: Path) -> None:
    """DuckDB misreads it at these sizes, with more than one thread."""
    lines = [b'{"a":"%s"}' % (b"y" * 9999)] * (size // 10_008 - 3)
    rest = size - sum(map(len, lines)) - len(lines) - len(b'{"a":12345}') - 1
    content = b"\n".join([*lines, b'{"a":"%s"}' % (b"z" * (rest - 8)), b'{"a":12345}'])
    assert len(content) == size
    assert [row[0] for row in values(dataset("jsonl", ["a"]), tmp_path, content)][-2:] == ["z" * (rest - 8), "12345"]


@pytest.mark.parametrize("record", ['{"a":1,"a":1}', '{"a": 1, "a": 1}', '{"a":"x","b":"y","a":"x"}'])
def test_a_key_that_stands_there_twice_is_bad_in_the_first_record_too(record: str, tmp_path: Path) -> None:
    bad = "a key stands there twice"
    assert problems(tmp_path, record, record) == [bad, bad]
    assert problems(tmp_path, '{"a":1}', record) == [None, bad]
    nested = [{"name": "a", "from": "n.a"}]
    assert problems(tmp_path, f'{{"n":{record}}}', columns=nested, unknown="ignore") == [f"n: {bad}"]


@pytest.mark.parametrize("record", ['{"a":1,"z":{}}', '{"a":1,"z":{"y":{}}}'])
def test_an_empty_object_under_an_unknown_key_is_unknown_in_the_first_record_too(record: str, tmp_path: Path) -> None:
    assert problems(tmp_path, record, columns=["a"]) == ["unknown key(s): z"]
    rescued = record.replace('"a":1,', "")
    assert values(dataset("jsonl", ["a"], unknown="rescue"), tmp_path, record.encode()) == [(rescued, "1")]


LAYOUTS = {"lines": "{}\n{}\n{}", "array": "[{},{},{}]", "concatenated": "{}{}{}"}
DEEP = {"arrays": ("[", "1", "]"), "objects": ('{"k":', "1", "}"), "a comb": ('["]",[0],{},', "1", ',"\\"[["]')}


def deep(kind: str, levels: int) -> str:
    """Return a record of so many levels, with brackets in its texts that are none."""
    opening, core, closing = DEEP[kind]
    levels -= 2 if kind == "a comb" else 1
    return f'{{"a":1,"z":{opening * levels}{core}{closing * levels}}}'


@pytest.mark.parametrize("kind", DEEP)
@pytest.mark.parametrize("unknown", ["ignore", "rescue"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("place", [0, 2])
def test_a_record_nested_too_deep_is_bad_wherever_it_stands(layout: str, unknown: str, kind: str, place: int, tmp_path: Path) -> None:
    """Beyond some 74,500 levels DuckDB would end the process: no such record may get there, least of all the first."""
    declared = dataset("json", ["a"], unknown=unknown, layout=layout)
    for levels, reason in ((1_000, None), (1_001, TOO_DEEP), (140_000 if kind != "a comb" else 2_000, TOO_DEEP)):
        records = ['{"a":1}', '{"a":2}']
        records.insert(place, deep(kind, levels))
        content = LAYOUTS[layout].format(*records).encode()
        for careful in (False, True):
            found = [row[1] for row in read(declared, tmp_path, content, careful=careful)]
            assert found == [reason if at == place else None for at in range(3)]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_deep_record_and_a_bare_number_cost_their_batch_nothing(layout: str, world: World) -> None:
    """The largest file of a batch begins with the record by which all are proven."""
    world.declare(ORDERS.replace("format: csv", f"format: json, options: {{layout: {layout}}}, unknown_columns: rescue"))
    world.put("raw/orders/deep", LAYOUTS[layout].format(deep("arrays", 140_000).replace('"a"', '"id"'), '{"id":1}', '{"id":2}'))
    world.put("raw/orders/good", LAYOUTS[layout].format('{"id":3}', '{"id":4}', '{"id":5}'))
    world.put("raw/orders/bare", {"array": "[6]"}.get(layout, "6"))
    (done,) = world.ingested()

    assert {outcome.object.key: outcome.fate for outcome in done.objects} == {
        f"raw/orders/{name}": "loaded" for name in ("bare", "deep", "good")
    }
    assert (done.balance["read"], done.balance["accepted"], done.balance["quarantined"]) == (7, 5, 2)
    assert world.rows("select reasons from quarantine.orders order by _source") == [
        {"reasons": ["not a JSON object"]},
        {"reasons": [TOO_DEEP]},
    ]
    assert world.values("select id from orders order by id") == [1, 2, 3, 4, 5]


def test_many_brackets_are_not_many_levels(tmp_path: Path) -> None:
    wide = f'{{"a":[{",".join(["[[1]]"] * 5000)}],"b":"{"[" * 5000}"}}'
    assert problems(tmp_path, wide) == [None]


@pytest.mark.parametrize("kind", ["json", "json[]", "struct(k json)"])
def test_a_column_of_json_is_bounded_as_its_record_is(kind: str, tmp_path: Path) -> None:
    opening, core, closing = DEEP["objects" if kind.startswith("struct") else "arrays"]
    records = [f'{{"a":{opening * levels}{core}{closing * levels}}}' for levels in (900, 1000, 200_000)]
    assert problems(tmp_path, *records, columns=[{"name": "a", "type": kind}]) == [None, TOO_DEEP, TOO_DEEP]


def test_a_key_that_stands_there_twice_is_bad(tmp_path: Path) -> None:
    nested = ["a", {"name": "b", "from": "n.b"}]
    assert problems(tmp_path, '{"a":1,"a":2}', '{"n":{"b":1,"b":1}}', '{"a":1}', columns=nested) == [
        "a key stands there twice",
        "n: a key stands there twice",
        None,
    ]


def test_unknown_keys_follow_the_declared_policy(tmp_path: Path) -> None:
    content = b'{"a":1,"z":1.50,"y":{"k":null}}\n{"a":2,"n":null}\n{"a":3}'
    assert [row[1] for row in read(dataset("jsonl", ["a"]), tmp_path, content)] == ["unknown key(s): z, y", "unknown key(s): n", None]
    assert values(dataset("jsonl", ["a"], unknown="ignore"), tmp_path, content) == [("1",), ("2",), ("3",)]
    rescued = values(dataset("jsonl", ["a"], unknown="rescue"), tmp_path, content)
    assert rescued == [('{"z":1.50,"y":{"k":null}}', "1"), ('{"n":null}', "2"), (None, "3")]


def test_a_path_leads_into_nested_objects(tmp_path: Path) -> None:
    columns = [
        {"name": "id", "from": "data.device.id"},
        {"name": "v", "from": "data.v"},
        {"name": "all", "from": "data", "type": "json"},
        "data.v",
    ]
    content = b'{"data":{"device":{"id":"d","x":1},"v":2.50},"data.v":7}\n{"data":{"device":null}}\n{}\n{"data":null}'
    assert values(dataset("jsonl", columns), tmp_path, content) == [
        ("d", "2.50", '{"device":{"id":"d","x":1},"v":2.50}', "7"),
        (None, None, '{"device":null}', None),
        (None, None, None, None),
        (None, None, None, None),
    ]
    assert problems(tmp_path, '{"data":5}', '{"data":{"device":[1]}}', columns=columns) == [
        "data: not an object",
        "data.device: not an object",
    ]


def test_keys_that_differ_in_case_are_different_keys(tmp_path: Path) -> None:
    assert values(dataset("jsonl", ["a", {"name": "b", "from": "A"}]), tmp_path, b'{"A":2,"a":1}\n{"A":3}') == [("1", "2"), (None, "3")]


def test_one_key_may_feed_two_columns_of_different_kinds(tmp_path: Path) -> None:
    columns = ["a", {"name": "b", "from": "a"}, {"name": "c", "from": "a", "type": "json"}]
    assert values(dataset("jsonl", columns), tmp_path, b'{"a":"null"}\n{"a":1.50}\n{"a":null}') == [
        ("null", "null", '"null"'),
        ("1.50", "1.50", "1.50"),
        (None, None, None),
    ]


def test_an_array_is_read_record_by_record(tmp_path: Path) -> None:
    declared = dataset("json", ["a"])
    assert values(declared, tmp_path, b'[ {"a":1} ,\n {"a":\n2}]\n') == [("1",), ("2",)]
    assert read(declared, tmp_path, b"[]") == []
    assert [row[1] for row in read(declared, tmp_path, b'[{"a":1}, 7, {"a":2,}]')] == [None, "not a JSON object", TOLERATED]


@pytest.mark.parametrize("content", [b'{"a":1}', b'[{"a":1},]', b"hello", b'[{"a":1}][{"a":2}]', b'[{"a":[1]', b"[[1],[2]"])
@pytest.mark.parametrize("careful", [False, True])
def test_a_file_that_is_not_one_array_is_unreadable(content: bytes, careful: bool, tmp_path: Path) -> None:
    declared = dataset("json", ["a"])
    files = prepare(declared, tmp_path, content)
    with pytest.raises(duckdb.Error) as caught:
        rows(declared, files, careful=careful)
    error = readers.unreadable(declared, files[0], caught.value)
    assert error.reason == "unreadable"
    assert "expected one JSON array of objects" in str(error)
    assert str(tmp_path) not in str(error)


@pytest.mark.parametrize("content", [b"[", b'[{"a":1}', b'[{"a":1},', b' [{"a":[1]},\n', b'[{"a":1}] x', b'[{"a":1},]\0'])
def test_an_array_that_was_cut_is_unreadable(content: bytes, tmp_path: Path) -> None:
    error = rejected(dataset("json", ["a"]), tmp_path, content)
    assert (error.reason, error.expected) == ("unreadable", "one JSON array of objects")
    assert error.found == "no bracket at its end in raw/orders/0"


def test_concatenated_records_need_no_newline(tmp_path: Path) -> None:
    declared = dataset("json", ["a"], layout="concatenated")
    assert values(declared, tmp_path, b'{"a":1}{"a":2}\n{"a":"}{"} \n\n{"a":4}') == [("1",), ("2",), ("}{",), ("4",)]


def test_lines_are_a_layout_of_json_too(tmp_path: Path) -> None:
    assert [row[1] for row in read(dataset("json", ["a"], layout="lines"), tmp_path, b'{"a":1}\n{\n', careful=True)] == [None, INVALID]


def test_a_bom_and_another_encoding_are_decoded(tmp_path: Path) -> None:
    assert values(LINES, tmp_path, b'\xef\xbb\xbf{"a":1}') == [("1", None)]
    assert values(dataset("jsonl", ["a"], encoding="utf-16"), tmp_path, '{"a":"é"}'.encode("utf-16")) == [("é",)]
    assert rejected(LINES, tmp_path, b'{"a":"\xff"}').reason == "unreadable"


def test_a_text_that_looks_like_the_reader_s_own_mark_is_refused_rather_than_bent(tmp_path: Path) -> None:
    assert problems(tmp_path, '{"a":"\\u0001\\u0002#1","b":1.50}')[0] is not None
    assert problems(tmp_path, '{"a":"\\u0001\\u0002#1","b":"x"}') == [None]


@pytest.mark.parametrize("careful", [False, True])
def test_records_are_as_large_as_is_declared(careful: bool, tmp_path: Path) -> None:
    content = b'{"a":"' + b"x" * (20 << 20) + b'"}\n{"a":1}'
    declared = dataset("jsonl", ["a"], limits={"record": "32MiB"})
    assert [len(row[2]) for row in read(declared, tmp_path, content, careful=careful)] == [20 << 20, 1]
    assert rejected(LINES, tmp_path, content).reason == "too_large"


@pytest.mark.parametrize(("token", "kind"), [("1e-400", "double"), ("-0", "double"), ("1e-400", "bigint"), ("1e-400", "decimal(12,2)")])
def test_a_number_does_not_vanish_or_lose_its_sign(token: str, kind: str, tmp_path: Path) -> None:
    declared = dataset("jsonl", [{"name": "a", "type": kind}])
    assert values(declared, tmp_path, f'{{"a": 1}}\n{{"a": {token}}}'.encode()) == [("1",), (token,)]


def test_nan_is_no_json_however_it_is_written(tmp_path: Path) -> None:
    declared = dataset("jsonl", [{"name": "a", "type": "double"}])
    spelt = ["nan", "NaN", "NAN", "-nan", "-NaN", "inf", "INF", "iNf", "Infinity", "-inf", "-INF", "-Infinity"]
    found = read(declared, tmp_path, "\n".join(['{"a":1.5}', *(f'{{"a":{number}}}' for number in spelt), '{"a":-1.5}']).encode())
    assert [row[1] is None for row in found] == [True, *[False] * len(spelt), True]


VALUED = [
    {"name": "a", "type": "bigint"},
    {"name": "b", "type": "tinyint", "from": "n.b"},
    {"name": "c", "type": "boolean", "required": True},
    "d",
]


@pytest.mark.parametrize(
    ("record", "came"),
    [
        ('{"a":9007199254740993,"n":{"b":-128},"c":true,"d":"x"}', (9007199254740993, -128, True)),
        ('{"a":-9223372036854775808,"n":{"b":null},"c":false,"d":null}', (-9223372036854775808, None, False)),
    ],
)
def test_whole_numbers_and_booleans_of_a_proven_record_come_as_values(record: str, came: tuple[Any, ...], tmp_path: Path) -> None:
    texts, found = _as_they_come(tmp_path, '{"a":1,"n":{"b":2},"c":true,"d":"x"}', record)
    assert (texts, found) == ((None, None, None), came)


@pytest.mark.parametrize(
    ("record", "came"),
    [
        ('{"a":1.5,"n":{"b":2},"c":true,"d":"x"}', ("1.5", "2", "true")),
        ('{"a":1e2,"n":{"b":2},"c":true,"d":"x"}', ("100.0", "2", "true")),
        ('{"a":-0,"n":{"b":2},"c":true,"d":"x"}', ("-0", "2", "true")),
        ('{"a":9223372036854775808,"n":{"b":300},"c":1,"d":"x"}', ("9223372036854775808", "300", "1")),
        ('{"a":"1","n":{"b":2},"c":"true","d":"x"}', ("1", "2", "true")),
        ('{"a":true,"n":{"b":2},"c":true,"d":"x"}', ("true", "2", "true")),
        ('{"a":1, "n":{"b":2},"c":true,"d":"x"}', ("1", "2", "true")),
        ('{"a":1,"n":{"b":2},"c":true,"d":"x","a":1}', ("1", "2", "true")),
    ],
)
def test_what_is_written_otherwise_comes_as_text_and_no_value(record: str, came: tuple[Any, ...], tmp_path: Path) -> None:
    """The parser would make 2 of 1.5, and 1 of true."""
    texts, found = _as_they_come(tmp_path, '{"a":1,"n":{"b":2},"c":true,"d":"x"}', record)
    assert (texts, found) == (came, (None, None, None))


def test_a_text_that_is_a_boolean_in_json_is_proven(tmp_path: Path) -> None:
    files = prepare(dataset("jsonl", ["a"]), tmp_path, b'{"a":true}\n{"a":false}\n{"a":7}\n{"a":NaN}')
    found = records.relation(duckdb.connect(), dataset("jsonl", ["a"]), files)
    assert duckdb.sql(f"select proven {found[found.index(chr(10) + 'from (') :]}").fetchall() == [(True,), (True,), (True,), (False,)]


def test_columns_that_share_a_place_come_as_text() -> None:
    inner = {"name": "b", "type": "bigint", "from": "n.b"}
    assert set(readers.values(dataset("jsonl", [{"name": "a", "type": "bigint"}, {"name": "same", "from": "a"}, inner]))) == {"b"}
    assert set(readers.values(dataset("jsonl", [{"name": "n", "type": "bigint"}, inner]))) == {"b"}


def _as_they_come(work: Path, *records: str) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Return texts and values of the last record, which is read beside others."""
    declared = dataset("jsonl", VALUED)
    given = readers.values(declared)
    files = prepare(declared, work, "\n".join(records).encode())
    with duckdb.connect() as connection:
        connection.execute(f"create table found as {readers.relation(connection, declared, files)}")
        names = ", ".join(identifier(name) for name in (*given, *given.values()))
        *_, last = connection.execute(f"select {names} from found order by rowid").fetchall()
    return last[: len(given)], last[len(given) :]
