"""Workbooks that lie, burst or climb: each is loaded right, or rejected for its reason; what came with it is loaded, in time and memory."""

import os
import tempfile
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from tests.faults.figures import LONG
from tests.faults.oracle import assert_sound
from tests.hostile import sheets
from tests.hostile.alone import FUNCTION, Ended, Loader
from tests.hostile.figures import FIGURES
from tests.hostile.sheets import HEAD, ONE, TWO, book, inline, packed, parts, record, replaced, row, shared, sheet, strings, with_strings
from tests.world import World

DECLARED: Final = """
dataset: orders
source: {path: raw/orders/, format: xlsx}
columns: [{name: id, type: bigint, required: true}, {name: v}]
target: {path: processed/orders/}
"""
SECRET: Final = "canary-that-no-file-may-fetch"
MILLION: Final = 1_000_000
BIG: Final = 1_000 if LONG else 100
MEMORY: Final = f"{FUNCTION // 2}MiB" if LONG else "300MiB"
"""What DuckDB has, and the reader of workbooks."""
CANARY: Final = Path(tempfile.gettempdir()) / f"lakelet-{os.getpid()}"

Expected = str | list[tuple[int, str | None]]
X: Final[Expected] = [(1, "x")]
XY: Final[Expected] = [(1, "x"), (2, "y")]
REF: Final = row(1, shared("A1", 0), shared("B1", 1))


def _laughs() -> str:
    names = "abcdefghij"
    entities = "".join(f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in pairwise(names))
    return f'<!DOCTYPE w [<!ENTITY a "lol">{entities}]>'


ROWS: Final[Mapping[str, tuple[Callable[[], bytes], Expected]]] = {
    "a dimension of the whole sheet": (lambda: book(before='<dimension ref="A1:XFD1048576"/>'), XY),
    "a dimension that is too small": (lambda: book(before='<dimension ref="A1:B2"/>'), XY),
    "a dimension of one cell": (lambda: book(before='<dimension ref="A1"/>'), XY),
    "a dimension somewhere else": (lambda: book(before='<dimension ref="D10:F20"/>'), XY),
    "a dimension that is none": (lambda: book(before='<dimension ref="!"/>'), "unreadable"),
    "a cell in the last row": (lambda: book(HEAD + ONE + record(1 << 20, 2, "y")), XY),
    "a cell in the last place": (lambda: book(HEAD + ONE + row(1 << 20, inline(f"XFD{1 << 20}", "z"))), "too_large"),
    "a cell in the last column": (lambda: book(HEAD + row(2, '<c r="A2"><v>1</v></c>', inline("XFD2", "z"))), "invalid_schema"),
    "a cell beyond the last column": (lambda: book(HEAD + row(2, inline("ZZZZ2", "z"))), "unreadable"),
    "a cell just beyond the last column": (lambda: book(HEAD + row(2, inline("XFE2", "z"))), "unreadable"),
    "a row beyond the last": (lambda: book(HEAD + ONE + record((1 << 20) + 1, 2, "y")), "unreadable"),
    "a row far beyond the last": (lambda: book(HEAD + ONE + record(4_000_000_000, 2, "y")), "unreadable"),
    "a row 0": (lambda: book(HEAD + ONE + record(0, 2, "y")), "unreadable"),
    "rows out of order": (lambda: book(HEAD + record(3, 2, "y") + ONE), "unreadable"),
    "a row twice": (lambda: book(HEAD + ONE + record(2, 2, "y")), "unreadable"),
    "cells out of order": (lambda: book(HEAD + row(2, inline("B2", "x"), '<c r="A2"><v>1</v></c>')), X),
    "a cell twice": (lambda: book(HEAD + row(2, '<c r="A2"><v>1</v></c>', '<c r="A2"><v>9</v></c>', inline("B2", "x"))), "unreadable"),
    "a cell of another row": (lambda: book(HEAD + ONE + row(3, '<c r="A2"><v>9</v></c>')), "unreadable"),
    "rows and cells without numbers": (
        lambda: book(HEAD + "<row><c><v>1</v></c><c t='inlineStr'><is><t>x</t></is></c></row>"), X),
    "two tables of cells": (lambda: book(f"{HEAD}{ONE}</sheetData><sheetData>{record(3, 2, 'y')}"), "unreadable"),
    "a shared string beyond the last": (lambda: with_strings(strings("id", "v"), REF + row(2, shared("B2", 7))), "unreadable"),
    "a shared string of negative number": (lambda: with_strings(strings("id", "v"), REF + row(2, shared("B2", -1))), "unreadable"),
    "shared strings of which there are none": (lambda: book(REF), "unreadable"),
    "four billion shared strings, it says": (
        lambda: with_strings(strings("id", "v"), REF + ONE, told=' count="4000000000" uniqueCount="4000000000"'), X),
    "a million shared strings that nobody uses": (
        lambda: with_strings(strings("id", "v") + "<si><t>u</t></si>" * MILLION, REF + ONE), X),
    "one long shared string, 40,000 times": (
        lambda: with_strings(strings("id", "v", "x" * 32_000), REF + "".join(row(n, shared(f"B{n}", 2)) for n in range(2, 40_000))),
        "too_large"),
    "one long shared string among short ones": (
        lambda: with_strings(strings("id", "v", "x" * MILLION, "y"), REF + "".join(
            row(n, f'<c r="A{n}"><v>{n}</v></c>', shared(f"B{n}", 3)) for n in range(2, 500))),
        [(n, "y") for n in range(2, 500)]),
    "merged cells to the end of the sheet": (lambda: book(after='<mergeCells count="1"><mergeCell ref="A2:XFD1048576"/></mergeCells>'), XY),
    "a text of 32,768 characters": (lambda: book(HEAD + record(2, 1, "x" * 32_768)), [(1, "x" * 32_768)]),
    "a text of many megabytes": (lambda: book(HEAD + record(2, 1, "x" * (MILLION * BIG // 10))), [(1, "x" * (MILLION * BIG // 10))]),
    "10,000 columns": (
        lambda: book("".join(row(n, *(inline(f"{sheets.column(c)}{n}", f"c{c}") for c in range(1, 10_001))) for n in (1, 2))),
        "invalid_schema"),
    "errors in cells": (lambda: book(HEAD + row(2, '<c r="A2" t="e"><v>#DIV/0!</v></c>') + record(3, 2, "y")), [(2, "y")]),
    "an error that is unknown": (lambda: book(HEAD + row(2, '<c r="A2" t="e"><v>#WAT!</v></c>') + TWO), "unreadable"),
    "a type that is unknown": (lambda: book(HEAD + row(2, '<c r="A2" t="zz"><v>1</v></c>')), "unreadable"),
    "numbers that are none": (lambda: book(HEAD + row(2, '<c r="A2"><v>1.2.3</v></c>') + record(3, 2, "y")), [(2, "y")]),
    "a date that is none": (lambda: book(HEAD + row(2, '<c r="A2" s="1"><v>1e300</v></c>') + record(3, 2, "y")), [(2, "y")]),
    "a style that is not there": (lambda: book(HEAD + row(2, '<c r="A2" s="99999"><v>1</v></c>', inline("B2", "x"))), X),
    "no styles": (lambda: sheets.without(sheets.STYLES), XY),
    "formulas with and without their values": (
        lambda: book(HEAD + row(2, '<c r="A2"><f>1</f><v>1</v></c>', '<c r="B2" t="str"><f>"x"</f><v>x</v></c>')
                     + row(3, '<c r="A3"><f>1+1</f></c>', inline("B3", "y")) + row(4, '<c r="A4"><f>1+1</f><v></v></c>')), X),
    "a document type in the sheet": (lambda: book(doctype=_laughs()), "unreadable"),
    "billion laughs in the sheet": (lambda: book(HEAD + record(2, 1, "&j;"), doctype=_laughs()), "unreadable"),
    "billion laughs in the strings": (
        lambda: with_strings("<si><t>id</t></si><si><t>v</t></si><si><t>&j;</t></si>", REF + row(2, shared("B2", 2)), doctype=_laughs()),
        "unreadable"),
    "billion laughs in the book": (lambda: replaced(sheets.BOOK, "<workbook", f"{_laughs()}<workbook"), "unreadable"),
    "an entity of another file": (
        lambda: book(HEAD + record(2, 1, "&e;"), doctype=f'<!DOCTYPE w [<!ENTITY e SYSTEM "file://{CANARY}">]>'), "unreadable"),
    "strings from another file": (
        lambda: with_strings("<si><t>&e;</t></si><si><t>v</t></si>", REF, doctype=f'<!DOCTYPE w [<!ENTITY e SYSTEM "file://{CANARY}">]>'),
        "unreadable"),
    "an entity that is unknown": (lambda: book(HEAD + record(2, 1, "a&nosuch;b")), "unreadable"),
    "a sheet outside of the book": (lambda: replaced(sheets.LINKS, "worksheets/sheet1.xml", f"../../../../../..{CANARY}"), "unreadable"),
    "a sheet at an address": (lambda: replaced(sheets.LINKS, "worksheets/sheet1.xml", f"file://{CANARY}"), "unreadable"),
    "a link to another book": (lambda: packed({**parts(), "xl/externalLinks/link.xml": f"<a href='file://{CANARY}'/>".encode()}), XY),
    "no part for its sheet": (lambda: sheets.without(sheets.SHEET), "unreadable"),
    "no links": (lambda: sheets.without(sheets.LINKS), "unreadable"),
    "no sheet": (lambda: replaced(sheets.BOOK, '<sheet name="Sheet1" sheetId="1" r:id="a"/>', ""), "unreadable"),
    "a hidden sheet": (lambda: replaced(sheets.BOOK, "<sheet name", '<sheet state="veryHidden" name'), XY),
    "XML that is cut": (lambda: packed({**parts(), sheets.SHEET: sheet(HEAD + TWO).partition(b'<row r="3">')[0]}), "unreadable"),
    "XML that is cut behind its rows": (
        lambda: packed({**parts(), sheets.SHEET: sheet(HEAD + TWO).partition(b"</sheetData>")[0]}), "unreadable"),
    "XML that is none": (lambda: packed({**parts(), sheets.SHEET: b"\0\1\2"}), "unreadable"),
    "XML of 200,000 levels": (lambda: book(HEAD + row(2, "<c>" * 200_000 + "</c>" * 200_000)), "unreadable"),
    "bytes that are no UTF-8": (lambda: packed({**parts(), sheets.SHEET: sheet(HEAD + TWO).replace(b">x<", b">\xff\xfe<")}), "unreadable"),
    "a cell that was changed": (sheets.with_damage, "unreadable"),
    "a part twice": (lambda: packed([*parts().items(), (sheets.SHEET, sheet(HEAD + ONE))]), "unreadable"),
    "a part twice but for case": (lambda: packed([("XL/Worksheets/Sheet1.xml", sheet(HEAD + ONE)), *parts().items()]), "unreadable"),
    "names that climb": (lambda: packed({"../../../escaped": b"x", "/tmp/escaped": b"x", **parts()}), XY),
    "an archive in the archive": (lambda: packed({**parts(), "a.zip": packed({"b.zip": packed({"c": b"0" * MILLION})})}), XY),
    "macros": (lambda: packed({**parts(), "xl/vbaProject.bin": b"\xd0\xcf\x11\xe0" * 100}), XY),
    "entries that share their bytes": (sheets.overlapping, XY),
    "a password": (sheets.with_password, "unreadable"),
    "an .xls file": (lambda: bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 4096, "unreadable"),
    "no ZIP": (lambda: b"id,v\n1,x\n", "unreadable"),
    "a directory that is cut": (lambda: book()[:-60], "unreadable"),
    "the first half": (lambda: book()[: len(book()) // 2], "unreadable"),
    "something before it": (lambda: b"junk" * 100 + book(), XY),
    "a size that is too small": (lambda: sheets.with_size(10), "unreadable"),
    "a bomb of blanks": (lambda: sheets.stuffed(BIG * MILLION, b" "), "too_large"),
    "a bomb of rows": (lambda: sheets.stuffed(BIG * MILLION, b"<row><c><v>1</v></c></row>"), "too_large"),
    "a bomb in the styles": (lambda: packed({**parts(), sheets.STYLES: b" " * (BIG * MILLION)}), "too_large"),
}  # fmt: skip
"""What is odd -> the file, and its rows that are loaded, or the reason why it is rejected."""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory, alone: Loader) -> tuple[World, Ended]:
    """A lake that all of them were put into at once, between good ones."""
    home = tmp_path_factory.mktemp("workbooks")
    CANARY.write_text(SECRET)
    world = World(home, str(home / "lake")).declare(DECLARED)
    for number, (make, _) in enumerate(ROWS.values()):
        world.put(_key(number), make())
        if number % 10 == 0:
            world.put(f"raw/orders/{number:03d}-good.xlsx", book(HEAD + record(2, 1000 + number, "good")))
    done = alone.load(world.home, world.uri, memory=MEMORY, patience=120)
    CANARY.unlink()
    return world, done


def _key(number: int) -> str:
    return f"raw/orders/{number:03d}.xlsx"


def test_each_is_loaded_right_or_rejected_for_its_reason(loaded: tuple[World, Ended]) -> None:
    world, done = loaded
    assert (done.status, done.undone) == (0, ())
    rows = world.rows("select id, v, _source as source from orders order by id")
    for number, (what, (_, expected)) in enumerate(ROWS.items()):
        found = [(row["id"], row["v"]) for row in rows if _key(number) in row["source"]]
        fate = done.fates[_key(number)]
        if isinstance(expected, str):
            assert (fate, found) == (f"rejected {expected}", []), what
        else:
            assert (fate, found) == ("loaded", expected), what
        FIGURES.count("workbooks", "rejected" if isinstance(expected, str) else "loaded")


def test_each_rejection_names_its_file_what_was_found_and_what_to_do(loaded: tuple[World, Ended]) -> None:
    world, done = loaded
    reports = {key for key in world.keys("rejected/") if key.endswith(".report.json")}
    assert len(reports) == sum(fate.startswith("rejected") for fate in done.fates.values())
    for key in reports:
        report = (world.lake.raw.get(key) or b"").decode()
        assert all(f'"{part}": "' in report for part in ("object", "found", "remedy")), report
        assert '"found": ""' not in report
        assert SECRET not in report


def test_the_good_ones_among_them_are_loaded(loaded: tuple[World, Ended]) -> None:
    world, _ = loaded
    assert world.values("select id from orders where v = 'good' order by id") == [1000 + n for n in range(0, len(ROWS), 10)]


def test_no_file_that_they_name_is_read_or_written(loaded: tuple[World, Ended]) -> None:
    world, _ = loaded
    assert world.values(f"select count(*) from orders where v like '%{SECRET}%'") == [0]
    assert not list(world.home.rglob("escaped"))
    assert not Path("/tmp/escaped").exists()


def test_rows_that_are_set_aside_say_why(loaded: tuple[World, Ended]) -> None:
    world, _ = loaded
    told = {text for row in world.rows("select reasons from quarantine.orders") for text in row["reasons"]}
    assert any("a formula without its value: open the workbook in a spreadsheet" in text for text in told), told
    assert any("holds an error instead of a value" in text for text in told)


def test_memory_and_time_are_bounded_and_the_books_balance(loaded: tuple[World, Ended]) -> None:
    world, done = loaded
    assert done.peak < (FUNCTION if LONG else 800), "MiB"
    assert done.seconds < (120 if LONG else 60)
    assert_sound(world, "orders")
