"""What every reader must do, and the few functions with which the tests of the readers read."""

import gzip
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter

from core import readers
from core.contract import Dataset
from core.errors import Rejected
from core.quoting import identifier
from core.session import open_session
from core.source import FORMATS

Row = tuple[Any, ...]


def dataset(
    kind: str, columns: Sequence[str | dict[str, Any]], *, unknown: str = "reject", limits: dict[str, Any] | None = None, **options: Any
) -> Dataset:
    return Dataset.model_validate(
        {
            "dataset": "orders",
            "source": {"path": "raw/orders/", "format": kind, "options": options, "unknown_columns": unknown, "limits": limits or {}},
            "columns": [{"name": column} if isinstance(column, str) else column for column in columns],
            "target": {"path": "processed/orders/"},
        }
    )


def session() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("set TimeZone='UTC'; set preserve_insertion_order=true; set python_enable_replacements=false")
    return connection


def prepare(declared: Dataset, work: Path, *contents: bytes) -> list[readers.Prepared]:
    files = []
    for number, content in enumerate(contents):
        path = work / f"{number:06d}.raw"
        path.write_bytes(content)
        files.append(readers.prepare(declared, readers.RawFile(number, path, f"raw/orders/{number}"), work))
    return files


def rows(declared: Dataset, files: Sequence[readers.Prepared], *, careful: bool = False) -> list[Row]:
    """Return rows as (_file, _problem, [_rescued,] columns...), in the order in which a table would hold them; values as they are spelt."""
    given = {identifier(name): identifier(value) for name, value in readers.values(declared).items()}
    hidden = ", ".join(["_raw", *given.values()])
    spelt = ", ".join(f"coalesce({text}, cast({value} as varchar)) as {text}" for text, value in given.items())
    with session() as connection:
        relation = readers.relation(connection, declared, files, careful=careful)
        connection.execute(f"create temp table found as select * from ({relation})")
        for text, value in given.items():
            assert connection.execute(f"select 1 from found where {text} is not null and {value} is not null").fetchone() is None
        replaced = f"replace ({spelt})" if spelt else ""
        return list(connection.execute(f"select * exclude ({hidden}) {replaced} from found order by rowid").fetchall())


def read(declared: Dataset, work: Path, *contents: bytes, careful: bool = False) -> list[Row]:
    return rows(declared, prepare(declared, work, *contents), careful=careful)


def values(declared: Dataset, work: Path, *contents: bytes) -> list[Row]:
    """Return the columns of the rows, all of which must be good."""
    found = read(declared, work, *contents)
    assert [row[1] for row in found] == [None] * len(found)
    return [row[2:] for row in found]


def rejected(declared: Dataset, work: Path, content: bytes) -> Rejected:
    with pytest.raises(Rejected) as caught:
        prepare(declared, work, content)
    return caught.value


def workbook(rows: Sequence[Sequence[Any]], *, sheet: str = "Orders") -> bytes:
    target = BytesIO()
    with xlsxwriter.Workbook(target, {"in_memory": True}) as book:
        page = book.add_worksheet(sheet)
        for number, row in enumerate(rows):
            page.write_row(number, 0, row)
    return target.getvalue()


def parquet(table: pa.Table, **options: Any) -> bytes:
    target = BytesIO()
    pq.write_table(table, target, **options)
    return target.getvalue()


TWO_ROWS = {
    "csv": b"a,b\n1,x\n2,y\n",
    "json": b'[{"a":1,"b":"x"},{"a":2,"b":"y"}]',
    "jsonl": b'{"a":1,"b":"x"}\n{"a":2,"b":"y"}\n',
    "parquet": parquet(pa.table({"a": [1, 2], "b": ["x", "y"]})),
    "xlsx": workbook([["a", "b"], [1, "x"], [2, "y"]]),
}
STRANGE = ["plain", 'with "quotes"', "with space", "a.b", "it's", "naïve ✓", "x); drop table t; --", "select", "{}", "%s", "f0", "filename"]


def test_every_format_of_a_contract_has_a_reader_and_an_example() -> None:
    assert set(readers.READERS) == set(FORMATS) == set(TWO_ROWS)


@pytest.mark.parametrize("kind", TWO_ROWS)
def test_every_reader_gives_text_in_order(kind: str, tmp_path: Path) -> None:
    assert values(dataset(kind, ["a", "b"]), tmp_path, TWO_ROWS[kind]) == [("1", "x"), ("2", "y")]


@pytest.mark.parametrize("kind", TWO_ROWS)
def test_every_reader_gives_the_columns_of_its_interface(kind: str, tmp_path: Path) -> None:
    declared = dataset(kind, ["a"], unknown="rescue")
    files = prepare(declared, tmp_path, TWO_ROWS[kind])
    with session() as connection:
        found = connection.execute(f"describe select * from ({readers.relation(connection, declared, files)})").fetchall()
    assert [(row[0], row[1]) for row in found] == [
        ("_file", "INTEGER"),
        *((name, "VARCHAR") for name in ("_problem", "_raw", "_rescued", "a")),
    ]


@pytest.mark.parametrize("kind", TWO_ROWS)
def test_every_reader_ignores_or_rescues_unknown_columns_as_declared(kind: str, tmp_path: Path) -> None:
    assert values(dataset(kind, ["b"], unknown="ignore"), tmp_path, TWO_ROWS[kind]) == [("x",), ("y",)]
    rescued = [row[0].replace('"', "") for row in values(dataset(kind, ["b"], unknown="rescue"), tmp_path, TWO_ROWS[kind])]
    assert rescued == ["{a:1}", "{a:2}"]


@pytest.mark.parametrize("kind", TWO_ROWS)
def test_every_reader_unpacks_gzip_and_refuses_what_is_not_whole(kind: str, tmp_path: Path) -> None:
    declared, packed = dataset(kind, ["a", "b"]), gzip.compress(TWO_ROWS[kind])
    assert values(declared, tmp_path, packed) == [("1", "x"), ("2", "y")]
    assert rejected(declared, tmp_path, packed[:-9]).reason == "unreadable"
    assert rejected(declared, tmp_path, packed + b"more").reason == "unreadable"
    assert rejected(declared, tmp_path, gzip.compress(packed)).reason == "unreadable"
    assert rejected(declared, tmp_path, gzip.compress(b"")).reason == "empty"


@pytest.mark.parametrize("kind", TWO_ROWS)
def test_every_reader_refuses_an_empty_file(kind: str, tmp_path: Path) -> None:
    error = rejected(dataset(kind, ["a"]), tmp_path, b"")
    assert error.reason == "empty"
    assert str(error) == (
        "orders: the file is empty: found 0 bytes in raw/orders/0. Mend the file or the contract; the file is in rejected/empty/."
    )


@pytest.mark.parametrize("kind", TWO_ROWS)
def test_every_reader_takes_names_that_need_quoting(kind: str, tmp_path: Path) -> None:
    import csv
    import io
    import json

    line = [str(place) for place in range(len(STRANGE))]
    text = io.StringIO()
    csv.writer(text).writerows([STRANGE, line])
    record = json.dumps(dict(zip(STRANGE, line, strict=True)))
    content = {
        "csv": text.getvalue().encode(), "json": f"[{record}]".encode(), "jsonl": record.encode(), "xlsx": workbook([STRANGE, line]),
        "parquet": parquet(pa.table({name: [text] for name, text in zip(STRANGE, line, strict=True)})),
    }[kind]  # fmt: skip
    assert values(dataset(kind, STRANGE), tmp_path, content) == [tuple(line)]


@pytest.mark.parametrize("kind", TWO_ROWS)
def test_every_reader_takes_many_files_in_one_relation(kind: str, tmp_path: Path) -> None:
    many = 1000 if kind in ("csv", "jsonl") else 20
    found = read(dataset(kind, ["a", "b"]), tmp_path, *[TWO_ROWS[kind]] * many)
    assert len(found) == 2 * many
    assert [row[0] for row in found] == [number for number in range(many) for _ in range(2)]
    assert {row[2:] for row in found[::2]} == {("1", "x")}


@pytest.mark.parametrize("kind", TWO_ROWS)
def test_every_reader_gives_the_text_and_the_place_of_a_record(kind: str, tmp_path: Path) -> None:
    declared = dataset(kind, ["a", "b"])
    (file,) = prepare(declared, tmp_path, TWO_ROWS[kind])
    with session() as connection:
        found = connection.execute(f"select _raw from ({readers.relation(connection, declared, [file])})").fetchall()
    text = found[1][0] or dict(readers.raw_records(declared, file, [2]))[2]
    assert text == {"csv": "2,y", "xlsx": '["2", "y"]', "parquet": '{"a": 2, "b": "y"}'}.get(kind, '{"a":2,"b":"y"}')
    assert readers.position(declared, file, 2) == ("Orders!3" if kind == "xlsx" else "record 2")


@pytest.mark.parametrize("kind", TWO_ROWS)
@pytest.mark.parametrize("careful", [False, True])
def test_every_reader_works_within_the_hardened_session(kind: str, careful: bool, tmp_path: Path) -> None:
    declared = dataset(kind, ["a", "b"])
    files = prepare(declared, tmp_path, TWO_ROWS[kind])
    with open_session([], tmp_path, memory="1GB", threads=2) as connection:
        assert len(connection.execute(f"from ({readers.relation(connection, declared, files, careful=careful)})").fetchall()) == 2


@pytest.mark.parametrize("kind", TWO_ROWS)
def test_preparing_again_replaces_what_was_written(kind: str, tmp_path: Path) -> None:
    declared = dataset(kind, ["a", "b"])
    prepare(declared, tmp_path, TWO_ROWS[kind])
    assert len(read(declared, tmp_path, TWO_ROWS[kind])) == 2


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("type_", ["json", "json[]"])
def test_a_cell_of_json_nested_too_deep_is_a_bad_record(kind: str, type_: str, tmp_path: Path) -> None:
    """Beyond some 74,500 levels DuckDB would end the process. What is no JSON at all is for the cast to refuse."""
    cells = ["[" * levels + "]" * levels for levels in (1_000, 1_001, 200_000)] + ["[" * 5_000]
    content = {"csv": "\n".join(["a,b", *(f"{n},{cell}" for n, cell in enumerate(cells))]).encode(),
               "parquet": parquet(pa.table({"a": list("0123"), "b": cells}))}[kind]  # fmt: skip
    declared = dataset(kind, ["a", {"name": "b", "type": type_}])
    bad = "b: nested deeper than 1,000 levels"
    assert read(declared, tmp_path, content) == [
        (0, None, "0", cells[0]), (0, bad, "1", None), (0, bad, "2", None), (0, None, "3", cells[3])
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["csv", "xlsx", "parquet"])
@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["a"], "missing [b]"),
        (["a", "b", "c"], "unexpected [c]"),
        (["a", "B "], "missing [b (is it 'B '?)], unexpected [B ]"),
        (["a", "b", "a"], "duplicate [a]"),
        (["a", "", "b"], "empty name at position 2"),
    ],
)
def test_a_header_that_is_not_the_contract_s_is_refused_with_all_that_is_wrong(
    kind: str, names: list[str], found: str, tmp_path: Path
) -> None:
    content = {
        "csv": (",".join(names) + "\n").encode(),
        "xlsx": workbook([names, ["1"] * len(names)]),
        "parquet": parquet(pa.Table.from_arrays([pa.array(["1"])] * len(names), names)),
    }[kind]
    error = rejected(dataset(kind, ["a", "b"]), tmp_path, content)
    assert error.reason == "invalid_schema"
    assert str(error) == (
        f"orders: header does not match its contract: found {found} in raw/orders/0. "
        "Mend the file or the contract; the file is in rejected/invalid_schema/."
    )
