"""Text that is hard to read: endless records, quotes, columns and nesting, odd encodings. It costs itself or its bad records only."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from tests.faults.figures import LONG
from tests.hostile.alone import Loader
from tests.hostile.figures import FIGURES
from tests.hostile.files import ARRAY, CONCATENATED, CSV, JSONL, Body, M, deliver, repeated

LARGE: Final = 1000 if LONG else 20
"""MB of an endless thing."""

HEADER: Final = b"id,amount\n"
RECORD: Final = "at most 16MiB (limits.record)"
WIDTH: Final = "at most 2,000 (limits.columns)"


@dataclass(frozen=True)
class Case:
    """A file, and what is to become of it: a reason to reject it with what was expected, or how many rows and which refusals."""

    source: Mapping[str, Any]
    body: Callable[[Path], object]
    fate: str = "loaded"
    told: str = ""
    rows: int = 0
    refused: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=lambda: {"amount": "varchar"})


def endless(source: Mapping[str, Any], begin: bytes, piece: bytes, end: bytes, **fate: Any) -> Case:
    size = LARGE if source["format"] != "json" else max(LARGE, 40)  # DuckDB takes an object that its buffer holds: two records
    return Case(source, repeated(begin, piece, size * M // len(piece), end), **fate)


def small(source: Mapping[str, Any], body: bytes, **fate: Any) -> Case:
    return Case(source, lambda path: path.write_bytes(body), **fate)


def unknown(source: Mapping[str, Any], what: str) -> Mapping[str, Any]:
    return {**source, "unknown_columns": what}


FEW: Final = {"refused": 100}
LONG_RECORD: Final = {"fate": "rejected too_large", "told": RECORD}
RECORDS: Mapping[str, Case] = {
    "a line of CSV": endless(CSV, HEADER + b"1,", b"a", b"\n2,y\n", **LONG_RECORD),
    "a last line of CSV": endless(CSV, HEADER + b"1,", b"a", b"", **LONG_RECORD),
    "a quoted field": endless(CSV, HEADER + b'1,"', b"a\n", b'"\n2,y\n', **LONG_RECORD),
    "a line of separators": endless(CSV, HEADER + b"1", b",", b"\n2,y\n", **LONG_RECORD),
    "a header": Case(CSV, repeated(b"id,amount", b"a", 10 * M, b"\n2,y\n"), "rejected too_large", "a line of at most 1 MiB"),
    "a header of separators": Case(CSV, repeated(b"id,amount", b",", 10 * M, b"\n"), "rejected too_large"),
    "a header without end": endless(CSV, b"id,amount", b"a", b"", **LONG_RECORD),
    "a quoted header": endless(CSV, b'id,"', b"a\n", b'"\n2,y\n', fate="rejected invalid_schema"),
    "a line of JSON": endless(JSONL, b'{"id":1,"amount":"', b"a", b'"}\n{"id":2}\n', **LONG_RECORD),
    "a last line of JSON": endless(JSONL, b'{"id":2}\n{"id":1,"amount":"', b"a", b'"}', **LONG_RECORD),
    "an object in an array": endless(ARRAY, b'[{"id":1,"amount":"', b"a", b'"},{"id":2}]', **LONG_RECORD),
    "an object among others": endless(CONCATENATED, b'{"id":1,"amount":"', b"a", b'"}{"id":2}', **LONG_RECORD),
    "an object that never ends": endless(CONCATENATED, b'{"id":1,"amount":[', b"[", b"", **LONG_RECORD),
    "a key": endless(JSONL, b'{"id":1,"', b"k", b'":1}\n{"id":2}\n', **LONG_RECORD),
    "blanks in JSON": endless(JSONL, b'{"id":1,', b" ", b'"amount":1}\n', **LONG_RECORD),
    "blanks between objects": endless(CONCATENATED, b'{"id":1}', b" ", b'{"id":2}', rows=2),
    "only newlines": endless(CSV, b"", b"\n", b"", fate="rejected empty"),
    "only newlines, JSON": endless(JSONL, b"", b"\n", b"", fate="rejected empty"),
    "newlines before the header": endless(CSV, b"", b"\n", HEADER + b"1,x\n", rows=1),
    "newlines between records": Case(CSV, repeated(HEADER + b"1,x\n", b"\r\n", LARGE * M // 10, b"2,y\n"), rows=2),
    "only NUL": endless(CSV, b"", b"\0", b"", fate="rejected too_large"),
    "only NUL, JSON": endless(JSONL, b"", b"\0", b"", **LONG_RECORD),
    "only NUL, an array": endless(ARRAY, b"", b"\0", b"", fate="rejected unreadable"),
    "rows, where a quote never closes": Case(
        CSV,
        repeated(HEADER + b'1,"\n', b"2," + b"z" * 20_000 + b"\n", LARGE * 20),
        rows=LARGE * 20,
        refused=("a quote stands out of place",),
    ),
    "bad records, as many as are declared": Case({**CSV, "limits": FEW}, repeated(HEADER, b"a\n", 100), refused=("too few",) * 100),
    "a bad record too many": Case({**CSV, "limits": FEW}, repeated(HEADER, b"a\n", 101), "rejected mostly_refused", "at most 100"),
    "long records that are all bad": Case(
        CSV, repeated(HEADER, b"aaaaa" * 20_000 + b"\n", 2_000 if LONG else 200), refused=("too few fields",) * (2_000 if LONG else 200)
    ),
    "lines that are all bad": Case(JSONL, repeated(b"", b"aaa\n", 1_100_000), "rejected mostly_refused"),
}
if LONG:
    RECORDS = {**RECORDS, "records that are all bad": Case(CSV, repeated(HEADER, b"aaaaa\n", 1_100_000), "rejected mostly_refused")}


@pytest.mark.parametrize("name", RECORDS)
def test_what_has_no_end_is_loaded_or_set_aside_and_stays_within_its_memory(alone: Loader, tmp_path: Path, name: str) -> None:
    check(alone, tmp_path, RECORDS[name])
    FIGURES.count("texts", "endless")


def check(alone: Loader, home: Path, case: Case) -> None:
    """Deliver a case's file and hold it against what it is to become."""
    told = deliver(alone, home, case.source, {"m": case.body}, case.columns)
    assert told.fates["m"] == case.fate
    if case.fate != "loaded":
        assert case.told in told.report("m")["expected"]
        return
    assert told.world.values("select count(*) from odd where starts_with(_source, 'raw/odd/m@')") == [case.rows]
    found = told.reasons("m")
    assert len(found) == len(case.refused), found
    for reason, wanted in zip(found, case.refused, strict=True):
        assert wanted in reason


def wide(number: int, rows: int = 3) -> bytes:
    """Return a CSV of so many columns that nobody declared."""
    header = ",".join(["id", "amount", *(f"c{place}" for place in range(number))])
    return "\n".join([header, *[",".join([str(row), "x", *["1"] * number]) for row in range(rows)], ""]).encode()


def keys(number: int, name: str = "k%d") -> bytes:
    """Return two records of which the first has so many keys."""
    return b'{"id":1,' + b",".join(b'"%s":1' % (name.replace("%d", str(place)).encode()) for place in range(number)) + b'}\n{"id":2}\n'


TOO_WIDE: Final = {"fate": "rejected too_large", "told": WIDTH}
MANY: Final = "more than 2,000 keys"
WIDTHS: Final[Mapping[str, Case]] = {
    "1,900 columns to ignore": small(unknown(CSV, "ignore"), wide(1_900), rows=3),
    "1,900 columns to rescue": small(unknown(CSV, "rescue"), wide(1_900), rows=3),
    **{
        f"{number:,} columns to {what}": small(unknown(CSV, what), wide(number), **TOO_WIDE)
        for number in (10_000, 100_000)
        for what in ("reject", "ignore", "rescue")
    },
    "1,000,000 separators in a line": small(CSV, HEADER + b"1,x\n2" + b"," * M + b"\n3,y\n", rows=2, refused=("too many fields",)),
    "1,000 lines of separators": small(CSV, HEADER + (b"," * 100 + b"\n") * 1_000, refused=("too many fields",) * 1_000),
    **{
        f"100,000 keys to {what}": small(unknown(JSONL, what), keys(100_000), rows=1, refused=(MANY,))
        for what in ("reject", "rescue", "ignore")
    },
    "100,000 times one key": small(unknown(JSONL, "ignore"), keys(100_000, "k"), rows=1, refused=(MANY,)),
    **({"1,000,000 keys": small(JSONL, keys(M), fate="rejected too_large", told="it to fit")} if LONG else {}),
    "1,000,000 keys to rescue": small(unknown(JSONL, "rescue"), keys(M), fate="rejected too_large", told="it to fit"),
    "100,000 keys in a json column": small(
        JSONL, b'{"id":1,"amount":' + keys(100_000).split(b"\n")[0] + b'}\n{"id":2}\n', rows=2, columns={"amount": "json"}
    ),
    "a key twice": small(JSONL, b'{"id":1,"id":2}\n{"id":3,"amount":1,"amount":1}\n{"id":4}\n', rows=1, refused=("twice", "twice")),
    "a key twice in a json column": small(JSONL, b'{"id":1,"amount":{"a":1,"a":2}}\n', rows=1, columns={"amount": "json"}),
    "a key of 10 MB": small(JSONL, b'{"id":1,"' + b"k" * 10 * M + b'":1}\n{"id":2}\n', rows=1, refused=("unknown key(s): kkk",)),
    "a key of 5 MB, rescued": small(unknown(JSONL, "rescue"), b'{"id":1,"' + b"k" * 5 * M + b'":1}\n{"id":2}\n', rows=2),
}


@pytest.mark.parametrize("name", WIDTHS)
def test_what_is_wide_is_loaded_or_set_aside_and_stays_within_its_memory(alone: Loader, tmp_path: Path, name: str) -> None:
    check(alone, tmp_path, WIDTHS[name])
    FIGURES.count("texts", "wide")


def nested(kind: str, levels: int) -> bytes:
    return b"[" * levels + b"]" * levels if kind == "arrays" else b'{"a":' * levels + b"1" + b"}" * levels


COLUMNS: Final = {"text": "varchar", "json": "json", "struct": "struct(a varchar, b bigint)", "list": "varchar[]"}


LAYOUTS: Final = ((JSONL, b"%s\n%s\n"), (ARRAY, b"[%s,%s]"), (CONCATENATED, b"%s%s"))
"""Formats, and how two records stand in a file."""


@pytest.mark.parametrize("levels", [10_000, M] if LONG else [M])
@pytest.mark.parametrize("column", COLUMNS)
def test_a_record_that_is_nested_deep_costs_itself(alone: Loader, tmp_path: Path, column: str, levels: int) -> None:
    for place, (source, layout) in enumerate(LAYOUTS) if LONG else [(0, LAYOUTS[list(COLUMNS).index(column) % len(LAYOUTS)])]:
        files: dict[str, Body] = {
            kind: layout % (b'{"id":1,"amount":' + nested(kind, levels) + b"}", b'{"id":2}') for kind in ("arrays", "objects")
        }
        told = deliver(alone, tmp_path / str(place), source, files, {"amount": COLUMNS[column]})
        for kind in files:
            assert [row[0] for row in told.rows(kind)] == [2], kind
            assert told.reasons(kind) == ["nested deeper than 1,000 levels"], kind
        FIGURES.count("texts", "nested", len(files))


def test_nesting_that_never_ends_costs_its_file_and_in_a_line_its_line(alone: Loader, tmp_path: Path) -> None:
    for place, (source, end) in enumerate([(ARRAY, b"]"), (CONCATENATED, b"")]):
        body = (b"[" if end else b"") + b'{"id":1,"amount":' + b"[" * M + end
        told = deliver(alone, tmp_path / str(place), source, {"m": body})
        assert told.fates["m"] == "rejected unreadable"
    told = deliver(alone, tmp_path / "lines", JSONL, {"m": b'{"id":1,"amount":' + b"[" * M + b'\n{"id":2}\n'})
    assert ([row[0] for row in told.rows("m")], told.reasons("m")) == ([2], ["not valid JSON"])
    told = deliver(alone, tmp_path / "csv", CSV, {"m": HEADER + b"1," + b"[" * M + b"]" * M + b"\n2,[]\n"}, {"amount": "json"})
    assert ([row[0] for row in told.rows("m")], told.reasons("m")) == ([2], ["amount: nested deeper than 1,000 levels"])
    FIGURES.count("texts", "nested", 4)


HUGE: Final = ("1e999999", "-1e999999", "1" * M, "0." + "1" * M, "1e-999999", "1e99999999999999999999", "1." + "0" * M + "1")
SIZES: Final = {
    "decimal(12,2)": "amount: not decimal(12,2)",
    "bigint": "amount: not bigint",
    "decimal(38,10)": "amount: not decimal(38,10)",
}


@pytest.mark.parametrize("source", [CSV, JSONL, ARRAY], ids=["csv", "jsonl", "array"])
@pytest.mark.parametrize("kind", SIZES)
def test_a_number_that_no_column_holds_is_set_aside_as_it_is_written(
    alone: Loader, tmp_path: Path, kind: str, source: Mapping[str, Any]
) -> None:
    if source["format"] == "csv":
        body = HEADER + "".join(f"{place},{number}\n" for place, number in enumerate(HUGE)).encode()
    else:
        records = [f'{{"id":{place},"amount":{number}}}' for place, number in enumerate(HUGE)]
        body = ("\n".join(records) if source is JSONL else f"[{','.join(records)}]").encode()
    told = deliver(alone, tmp_path, source, {"m": body}, {"amount": kind})
    assert (told.rows("m"), told.reasons("m")) == ([], [SIZES[kind]] * len(HUGE))
    raw = told.world.values("select raw from quarantine.odd order by _row")
    assert all(number in text for number, text in zip(HUGE, raw, strict=True))
    FIGURES.count("texts", "huge numbers", len(HUGE))


def test_a_number_of_a_million_digits_is_text_where_text_is_declared(alone: Loader, tmp_path: Path) -> None:
    body = "\n".join(f'{{"id":{place},"amount":{number}}}' for place, number in enumerate(HUGE)).encode()
    assert [row[1] for row in deliver(alone, tmp_path, JSONL, {"m": body}).rows("m")] == list(HUGE)
    FIGURES.count("texts", "huge numbers", len(HUGE))


# --- bytes and characters ------------------------------------------------------------------------------------------------------------

BOM: Final = b"\xef\xbb\xbf"
UNDECODABLE: Final[Mapping[str, bytes]] = {
    "UTF-16 with its mark": "id,amount\n1,x\n".encode("utf-16"),
    "UTF-16, little": b"\xff\xfe" + "id,amount\n1,x\n".encode("utf-16-le"),
    "UTF-16, big": b"\xfe\xff" + "id,amount\n1,x\n".encode("utf-16-be"),
    "UTF-32": "id,amount\n1,x\n".encode("utf-32"),
    "UTF-7's mark is text, a letter of latin-1 is not": b"id,amount\n1,\xe9\n",
    "overlong, two bytes": HEADER + b"1,\xc0\xaf\n",
    "overlong, three bytes": HEADER + b"1,\xe0\x80\xaf\n",
    "overlong, four bytes": HEADER + b"1,\xf0\x80\x80\xaf\n",
    "overlong NUL": HEADER + b"1,\xc0\x80\n",
    "half a surrogate pair": HEADER + b"1,\xed\xa0\x80\n",
    "a surrogate pair": HEADER + b"1,\xed\xa0\xbd\xed\xb8\x80\n",
    "beyond Unicode": HEADER + b"1,\xf4\x90\x80\x80\n",
    "five bytes": HEADER + b"1,\xf8\x88\x80\x80\x80\n",
    "cut within a character": HEADER + b"1,x\n2,\xe2\x82",
    "a lone continuation": HEADER + b"1,\x80\n",
    "a bad byte at the end of a MB": HEADER + b"1," + b"x" * (M + 48_576 - 12) + b"\xff\n",
}
OTHERWISE: Final[Mapping[str, bytes]] = {
    "UTF-16 without a mark": "id,amount\n1,x\n".encode("utf-16-le"),
    "UTF-16 without a mark, big": "id,amount\n1,x\n".encode("utf-16-be"),
    "UTF-7": "+AGkAZA-,amount\n1,x\n".encode("ascii"),
    "a mark in the middle of the header": b"id," + BOM + b"amount\n1,x\n",
    "two marks": BOM + BOM + HEADER + b"1,x\n",
    "NUL in the header": b"id,amount\0\n1,x\n",
}
CHARACTERS: Final[Mapping[str, tuple[bytes, list[tuple[int, str | None]]]]] = {
    "a mark": (BOM + HEADER + b"1,x\n", [(1, "x")]),
    "a mark in a value": (HEADER + b"1," + BOM + b"x\n", [(1, "\ufeffx")]),
    "NUL in a value": (HEADER + b"1,a\0b\n2,\0\n", [(1, "a\0b"), (2, "\0")]),
    "line separators of Unicode": (HEADER + "1,a\u2028b\u2029c\x85d\n".encode(), [(1, "a\u2028b\u2029c\x85d")]),
    "separators of ASCII": (HEADER + b"1,a\x1cb\x1dc\x1ed\x1fe\n", [(1, "a\x1cb\x1dc\x1ed\x1fe")]),
    "form feeds": (HEADER + b"1,\x0ba\x0c\n", [(1, "\x0ba\x0c")]),
    "an end of file of DOS": (HEADER + b"1,x\x1a\n2,y\n", [(1, "x\x1a"), (2, "y")]),
    "returns only": (b"id,amount\r1,x\r2,y\r", [(1, "x"), (2, "y")]),
    "returns and line feeds": (b"id,amount\r\n1,x\n2,y\r3,z\r\n", [(1, "x"), (2, "y"), (3, "z")]),
    "returns twice": (b"id,amount\r\r\n1,x\r\r\n2,y\r\r\n", [(1, "x"), (2, "y")]),
    "the last characters of all": (HEADER + "1,\U0010ffff\ufffe\uffff\n".encode(), [(1, "\U0010ffff\ufffe\uffff")]),
    "right to left": (HEADER + "1,\u202eabc\u2066\n".encode(), [(1, "\u202eabc\u2066")]),
    "1,000 accents": (HEADER + ("1,a" + "\u0301" * 1000 + "\n").encode(), [(1, "a" + "\u0301" * 1000)]),
    "an escape for terminals": (HEADER + b"1,\x1b[2J\x07\n", [(1, "\x1b[2J\x07")]),
}


def test_what_is_not_in_its_encoding_or_not_under_its_header_is_set_aside(alone: Loader, tmp_path: Path) -> None:
    told = deliver(alone, tmp_path, CSV, {**UNDECODABLE, **OTHERWISE})
    assert told.fates == {**dict.fromkeys(UNDECODABLE, "rejected unreadable"), **dict.fromkeys(OTHERWISE, "rejected invalid_schema")}
    assert all("an undecodable byte at offset" in told.report(name)["found"] for name in UNDECODABLE)
    assert "offset 1048576" in told.report("a bad byte at the end of a MB")["found"]
    FIGURES.count("texts", "encodings", len(UNDECODABLE) + len(OTHERWISE))


def test_any_character_is_itself(alone: Loader, tmp_path: Path) -> None:
    files: dict[str, Body] = {name: body for name, (body, _) in CHARACTERS.items()}
    told = deliver(alone, tmp_path, CSV, files)
    assert {name: told.rows(name) for name in CHARACTERS} == {name: rows for name, (_, rows) in CHARACTERS.items()}
    FIGURES.count("texts", "encodings", len(CHARACTERS))


RECORDS_OF_JSON: Final[Mapping[str, tuple[bytes, list[str | None], int]]] = {
    "half a pair, escaped": (b'{"id":1,"amount":"\\ud800"}\n{"id":2,"amount":"x"}\n', ["x"], 1),
    "the other half, escaped": (b'{"id":1,"amount":"\\udc00x"}\n{"id":2,"amount":"x"}\n', ["x"], 1),
    "a pair, escaped": (b'{"id":1,"amount":"\\ud83d\\ude00"}\n', ["\U0001f600"], 0),
    "NUL, escaped": (b'{"id":1,"amount":"a\\u0000b"}\n', ["a\0b"], 0),
    "NUL as it is": (b'{"id":1,"amount":"a\0b"}\n{"id":2,"amount":"x"}\n', ["x"], 1),
    "NUL between records": (b'{"id":1,"amount":"x"}\n\0\n{"id":2,"amount":"y"}\n', ["x", "y"], 1),
    "line separators": ('{"id":1,"amount":"a\u2028b\u2029\x85"}\n'.encode(), ["a\u2028b\u2029\x85"], 0),
    "returns only": (b'{"id":1,"amount":"x"}\r{"id":2,"amount":"y"}\r', ["x", "y"], 0),
    "a mark": (BOM + b'{"id":1,"amount":"x"}\n', ["x"], 0),
    "a mark before each": (BOM + b'{"id":1,"amount":"x"}\n' + BOM + b'{"id":2,"amount":"x"}\n', ["x"], 1),
}


def test_any_character_of_json_is_itself_or_costs_its_record(alone: Loader, tmp_path: Path) -> None:
    files: dict[str, Body] = {name: body for name, (body, _, _) in RECORDS_OF_JSON.items()}
    told = deliver(alone, tmp_path, JSONL, files)
    found = {name: ([row[1] for row in told.rows(name)], len(told.reasons(name))) for name in files}
    assert found == {name: (values, refused) for name, (_, values, refused) in RECORDS_OF_JSON.items()}
    FIGURES.count("texts", "encodings", len(files))
