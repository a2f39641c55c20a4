"""XLSX: what the cells hold, as text, with the sheet's own row numbers."""

import resource
from datetime import date, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from core import readers
from core.errors import Rejected, Terminal
from tests.faults.files import number, text, xlsx_file
from tests.unit.test_readers_kit import dataset, prepare, read, rejected, rows, values, workbook


def dated(**options: Any) -> bytes:
    target = BytesIO()
    with xlsxwriter.Workbook(target, {"in_memory": True, **options}) as book:
        page = book.add_worksheet("Orders")
        day, moment = (book.add_format({"num_format": text}) for text in ("yyyy-mm-dd", "yyyy-mm-dd hh:mm:ss"))
        page.write_row(0, 0, ["day", "moment", "number"])
        page.write_datetime(1, 0, date(1999, 12, 31), day)
        page.write_datetime(1, 1, datetime(2025, 4, 1, 12, 34, 56, 789000), moment)
        page.write_number(1, 2, 45000)
    return target.getvalue()


@pytest.mark.parametrize("since_1904", [False, True])
def test_dates_are_right_in_1900_and_1904_workbooks_and_a_bare_day_number_is_none(since_1904: bool, tmp_path: Path) -> None:
    declared = dataset(
        "xlsx", [{"name": "day", "type": "date"}, {"name": "moment", "type": "timestamp"}, {"name": "number", "type": "date"}]
    )
    assert values(declared, tmp_path, dated(date_1904=since_1904)) == [("1999-12-31 00:00:00", "2025-04-01 12:34:56.789", "45000")]


def test_cells_come_out_as_they_are(tmp_path: Path) -> None:
    content = workbook([["a", "b"], [1, "007"], [True, " x "], [12345678901, "line\nbreak"], ["1.50", 2**53 - 1]])
    assert values(dataset("xlsx", ["a", "b"]), tmp_path, content) == [
        ("1", "007"),
        ("true", " x "),
        ("12345678901", "line\nbreak"),
        ("1.50", "9007199254740991"),
    ]


@pytest.mark.parametrize(
    ("kind", "number", "text"),
    [
        ("double", 1.23456789012345, "1.23456789012345"),
        ("double", 1.5e-10, "1.5e-10"),
        ("double", 1 / 3, "0.333333333333333"),
        ("varchar", 1.23456789012345, "1.23456789012345"),
        ("varchar", 123456789.123456, "123456789.123456"),
        ("decimal(18,6)", 123456789.123456, "123456789.123456"),
        ("decimal(18,12)", 0.123456789012, "0.123456789012"),
        ("decimal(18,2)", 19.99, "19.99"),
        ("decimal(18,2)", 59.97, "59.97"),
    ],
)
def test_a_number_keeps_the_digits_that_a_spreadsheet_knows(kind: str, number: float, text: str, tmp_path: Path) -> None:
    declared = dataset("xlsx", ["s", {"name": "n", "type": kind}])
    found = values(declared, tmp_path, workbook([["x", "y"][:0] or ["n", "s"], [number, "1.50"], ["1.50", 0.25], ["n/a", None]]))
    assert [row[1] for row in found][1:] == ["1.50", "n/a"]
    assert found[0][1] == text or (kind == "double" and float(found[0][1]) == pytest.approx(number, rel=1e-15))
    assert [row[0] for row in found] == ["1.50", "0.25", None]


def test_a_cell_with_an_error_makes_its_row_bad(tmp_path: Path) -> None:
    target = BytesIO()
    with xlsxwriter.Workbook(target, {"in_memory": True}) as book:
        page = book.add_worksheet()
        page.write_row(0, 0, ["a", "b"])
        page.write_formula(1, 1, "=1/0", None, "#DIV/0!")
        page.write_row(2, 0, [1, 2])
    found = read(dataset("xlsx", ["a", "b"]), tmp_path, target.getvalue())
    assert [row[1:] for row in found] == [("column 2 holds an error instead of a value", None, None), (None, "1", "2")]


def test_the_declared_sheet_is_read_or_the_first(tmp_path: Path) -> None:
    target = BytesIO()
    with xlsxwriter.Workbook(target, {"in_memory": True}) as book:
        for number, name in enumerate(["One", "Two", "Three"]):
            book.add_worksheet(name).write_column(0, 0, ["a", number])
    content = target.getvalue()
    assert values(dataset("xlsx", ["a"]), tmp_path, content) == [("0",)]
    assert values(dataset("xlsx", ["a"], sheet="Three"), tmp_path, content) == [("2",)]
    error = rejected(dataset("xlsx", ["a"], sheet="Four"), tmp_path, content)
    assert error.reason == "invalid_schema"
    assert "expected sheet Four; found sheets [One, Two, Three] in raw/orders/0" in str(error)


def test_positions_are_the_sheet_s_own_rows_wherever_the_cells_begin(tmp_path: Path) -> None:
    target = BytesIO()
    with xlsxwriter.Workbook(target, {"in_memory": True}) as book:
        page = book.add_worksheet("S")
        page.write_row(4, 3, ["a", "n"])
        for row in (6, 7, 11):
            page.write_row(row, 3, [f"row {row + 1}", row / 7])
    declared = dataset("xlsx", ["a", {"name": "n", "type": "double"}], first_row=5)
    (file,) = prepare(declared, tmp_path, target.getvalue())
    found = rows(declared, [file])
    assert [row[2] for row in found] == ["row 7", "row 8", "row 12"]
    assert [float(row[3]) for row in found] == pytest.approx([6 / 7, 1, 11 / 7], rel=1e-15)
    assert [readers.position(declared, file, ordinal) for ordinal in (1, 2, 3)] == ["S!7", "S!8", "S!12"]
    assert dict(readers.raw_records(declared, file, [3, 9]))[3].startswith('["row 12", "1.57')


def test_a_sheet_that_begins_with_empty_rows_has_no_header_in_row_1(tmp_path: Path) -> None:
    content = workbook([[], [], ["a"], [1]])
    assert rejected(dataset("xlsx", ["a"]), tmp_path, content).reason == "invalid_schema"
    assert values(dataset("xlsx", ["a"], first_row=3), tmp_path, content) == [("1",)]


def test_a_header_alone_is_a_file_without_rows_and_an_empty_sheet_has_no_header(tmp_path: Path) -> None:
    declared = dataset("xlsx", ["a", "b"])
    assert read(declared, tmp_path, workbook([["a", "b"]])) == []
    assert rejected(declared, tmp_path, workbook([])).reason == "invalid_schema"
    assert rejected(dataset("xlsx", ["a"], first_row=9), tmp_path, workbook([["a"], [1]])).reason == "invalid_schema"


def test_columns_without_any_cell_are_none_and_cells_without_a_header_are_refused(tmp_path: Path) -> None:
    declared = dataset("xlsx", ["a", "b"])
    assert values(declared, tmp_path, workbook([["b", None, "a", ""], [1, None, 2, ""]])) == [("2", "1")]
    assert "empty name at position 3" in str(rejected(declared, tmp_path, workbook([["a", "b"], [1, 2, 3]])))


def test_a_sheet_without_header_has_the_contract_s_columns(tmp_path: Path) -> None:
    declared = dataset("xlsx", ["a", "b", "c"], header=False)
    assert values(declared, tmp_path, workbook([[1, 2], [None, 3]])) == [("1", "2", None), (None, "3", None)]
    assert rejected(declared, tmp_path, workbook([[1, 2, 3, 4]])).reason == "invalid_schema"


def test_null_is_the_declared_text(tmp_path: Path) -> None:
    assert values(dataset("xlsx", ["a", "b"], null="-"), tmp_path, workbook([["a", "b"], ["-", 1]])) == [(None, "1")]


def test_sheets_of_one_batch_may_order_their_columns_each_their_own_way(tmp_path: Path) -> None:
    found = read(dataset("xlsx", ["a", "b"]), tmp_path, workbook([["a", "b"], [1, 2]]), workbook([["b", "a"], [2, 1]]))
    assert sorted(found) == [(0, None, "1", "2"), (1, None, "1", "2")]


def test_a_truncated_workbook_is_unreadable(tmp_path: Path) -> None:
    error = rejected(dataset("xlsx", ["a"]), tmp_path, workbook([["a"], [1]])[:-200])
    assert error.reason == "unreadable"
    assert "a ZIP that is truncated or damaged" in str(error)
    assert rejected(dataset("xlsx", ["a"]), tmp_path, b"a,b\n1,2\n").reason == "unreadable"


def cells(*found: str, since_1904: bool = False) -> bytes:
    return xlsx_file(found, since_1904=since_1904)


def test_a_number_beyond_what_a_spreadsheet_keeps_makes_its_row_bad_and_a_text_does_not(tmp_path: Path) -> None:
    declared = dataset("xlsx", ["id", {"name": "v", "type": "bigint"}])
    found = read(declared, tmp_path, cells(number("9007199254740993"), text("9007199254740993"), number("9007199254740991")))
    assert [row[1] is None for row in found] == [False, True, True]


@pytest.mark.parametrize(("since_1904", "bad"), [(False, [True, True, True, False, False]), (True, [False, True, False, False, False])])
def test_a_time_of_day_and_the_day_that_1900_never_had_are_no_dates(since_1904: bool, bad: list[bool], tmp_path: Path) -> None:
    """Counted from 1904 a day 0 and a day 60 are dates like others."""
    declared = dataset("xlsx", ["id", {"name": "v", "type": "timestamp"}])
    days = [number("0", "day"), number("0.5", "time"), number("60", "day"), number("59", "day"), number("61", "day")]
    assert [row[1] is not None for row in read(declared, tmp_path, cells(*days, since_1904=since_1904))] == bad


def test_a_disk_that_takes_no_more_blames_no_workbook(tmp_path: Path) -> None:
    content = workbook([["a", "b"], *[["x" * 100, str(number)] for number in range(20_000)]])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    (tmp_path / "000000.raw").write_bytes(content)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(content) + 50_000, before[1]))
    try:
        with pytest.raises(Terminal, match="room on the local disk") as caught:
            readers.prepare(dataset("xlsx", ["a", "b"]), readers.RawFile(0, tmp_path / "000000.raw", "raw/orders/0"), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not isinstance(caught.value, Rejected)
