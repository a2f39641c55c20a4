"""The pipelines' own fixtures: what is `given` as raw objects must become exactly what is `expected`.

    tests/<case>/given/<key>              a raw object; <key>.xlsx.json becomes the workbook <key>.xlsx: {"Sheet": [[cell, ...], ...]},
                                          cells are text, number, true/false, null, {"date": iso} or {"datetime": iso}
    expected/<table>.jsonl                the table's columns without the provenance, in any order; tables without a file are not compared
    expected/quarantine.<dataset>.jsonl   {"_source": key, "_row": ordinal from 1, "reasons": [...]}; no file: it must be empty
    expected/rejected.txt                 "<key> <reason>" a line; no file: nothing was rejected
    expected/exports/<path>               the export's exact bytes

Objects are as old as their keys' order says: the last one is the newest.
"""

import json
import os
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
import xlsxwriter

from core import run
from core.contract import Dataset
from core.engine import relation
from core.loading import Ingested
from core.lake import Lake, Settings
from core.declarations import load
from core.run import Undone
from core.quoting import identifiers, literal

PIPELINES = Path(__file__).parents[2] / "pipelines"
CASES = sorted(path.parent for path in PIPELINES.glob("*/tests/*/given"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parents[1].name}-{case.name}")
def test_what_is_given_becomes_what_is_expected(case: Path, tmp_path: Path) -> None:
    lake = Lake(load(PIPELINES), Settings.read(PIPELINES, str(tmp_path / "lake")))
    _give(case / "given", tmp_path / "lake")

    steps = list(run.run(lake))

    assert not [step for step in steps if isinstance(step, Undone)]
    objects = [outcome for step in steps if isinstance(step, Ingested) for outcome in step.objects]
    assert {f"{o.object.key} {o.reason}" for o in objects if o.fate == "rejected"} == _lines(case / "expected" / "rejected.txt")
    for step in steps:
        if isinstance(step, Ingested):
            _assert_balanced(step.balance)
    for file in sorted((case / "expected").glob("*.jsonl")):
        if not file.name.startswith("quarantine."):
            _assert_rows(lake, file)
    for name in {step.dataset for step in steps if isinstance(step, Ingested)}:
        _assert_quarantined(lake, name, case / "expected" / f"quarantine.{name}.jsonl")
    for file in sorted(path for path in (case / "expected" / "exports").rglob("*") if path.is_file()):
        key = file.relative_to(case / "expected").as_posix()
        assert lake.store.get(key) == file.read_bytes(), key


def test_every_pipeline_has_a_case() -> None:
    assert {case.parents[1].name for case in CASES} == {path.name for path in PIPELINES.iterdir() if path.is_dir() and not path.name.startswith(".")}


def _give(given: Path, lake: Path) -> None:
    for age, file in enumerate(sorted(path for path in given.rglob("*") if path.is_file())):
        key = file.relative_to(given).as_posix()
        target = lake / key.removesuffix(".json") if key.endswith(".xlsx.json") else lake / key
        target.parent.mkdir(parents=True, exist_ok=True)
        if key.endswith(".xlsx.json"):
            _workbook(json.loads(file.read_text()), target)
        else:
            target.write_bytes(file.read_bytes())
        moment = datetime.now().timestamp() - 1000 + age
        os.utime(target, (moment, moment))


def _workbook(sheets: dict[str, list[list[Any]]], target: Path) -> None:
    with xlsxwriter.Workbook(str(target)) as book:
        day, moment = book.add_format({"num_format": "yyyy-mm-dd"}), book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for r, row in enumerate(rows):
                for c, cell in enumerate(row):
                    if isinstance(cell, dict) and "date" in cell:
                        sheet.write_datetime(r, c, date.fromisoformat(cell["date"]), day)
                    elif isinstance(cell, dict):
                        sheet.write_datetime(r, c, datetime.fromisoformat(cell["datetime"]), moment)
                    elif cell is not None:
                        sheet.write(r, c, cell)


def _lines(file: Path) -> set[str]:
    return set(file.read_text().splitlines()) if file.exists() else set()


def _assert_balanced(balance: dict[str, int]) -> None:
    assert balance["read"] == balance["accepted"] + balance["quarantined"]
    assert balance["accepted"] == balance["inserted"] + balance["updated"] + balance["superseded"] + balance["duplicate"]


def _assert_rows(lake: Lake, file: Path) -> None:
    snapshot = lake.table(lake.project.named(file.stem))
    assert snapshot is not None, f"{file.stem} has no table"
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        found = relation(snapshot)
        columns = {name: kind for name, kind, *_ in connection.execute(f"describe {found}").fetchall() if not name.startswith("_")}
        types = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in columns.items())
        expected = f"select * from read_json({literal(str(file))}, format = 'newline_delimited', columns = {{{types}}})"
        found = f"select {identifiers(columns)} from ({found})"
        for what, query in (("missing", f"{expected} except all {found}"), ("unexpected", f"{found} except all {expected}")):
            rows = connection.execute(f"select to_json(r)::varchar from ({query}) r").fetchall()
            assert not rows, f"{what} in {file.stem}: {rows}"


def _assert_quarantined(lake: Lake, name: str, file: Path) -> None:
    dataset = lake.project.named(name)
    assert isinstance(dataset, Dataset)
    expected = [json.loads(line) for line in file.read_text().splitlines() if line] if file.exists() else []
    snapshot = lake.quarantine(dataset)
    found: list[dict[str, Any]] = []
    if snapshot is not None:
        with duckdb.connect() as connection:
            query = f"select regexp_replace(_source, '@[0-9a-f]+$', '') as _source, _row, reasons from ({relation(snapshot)})"
            found = connection.execute(query).to_arrow_table().to_pylist()
    assert sorted(found, key=str) == sorted(({n: row[n] for n in ("_source", "_row", "reasons")} for row in expected), key=str)
