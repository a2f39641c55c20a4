"""What producers really send: each is loaded exactly, quarantined or rejected, with its reason, and the books balance."""

import gzip
import io
import json
import os
import time
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from core.errors import InvalidProject, Terminal
from core.lake import open_lake
from core.loading import Ingested
from core.run import Unknown
from tests.conftest import bucket
from tests.world import ORDERS, World

HEADER = "id,amount,placed\n"
GOOD = HEADER + "1,1.50,2025-01-01T10:00:00Z\n"
MERGED = ORDERS.replace("target: {", "key: [id]\norder_by: [placed]\ntarget: {mode: merge, ")
FORMATS = ("csv", "jsonl", "json", "xlsx")
BIG = "9007199254740993"  # 2^53 + 1


def in_format(kind: str, text: str = ORDERS) -> str:
    return text.replace("format: csv", f"format: {kind}")


def workbook(rows: Sequence[Sequence[Any]], *others: tuple[str, Sequence[Sequence[Any]]], sheet: str = "Orders") -> bytes:
    """Return a workbook whose first sheet holds the rows; texts stay texts."""
    target = io.BytesIO()
    with xlsxwriter.Workbook(target, {"in_memory": True, "strings_to_numbers": False}) as book:
        for name, cells in ((sheet, rows), *others):
            page = book.add_worksheet(name)
            for n, row in enumerate(cells):
                page.write_row(n, 0, row)
    return target.getvalue()


def written(kind: str, rows: Sequence[Sequence[Any]], names: Sequence[str] = ("id", "amount", "placed")) -> bytes:
    """Write the same records in a format; None is left out."""
    if kind == "xlsx":
        return workbook([names, *rows])
    if kind == "csv":
        return "\n".join(",".join(_cell(cell) for cell in row) for row in (names, *rows)).encode()
    records = [{name: cell for name, cell in zip(names, row, strict=True) if cell is not None} for row in rows]
    return (json.dumps(records) if kind == "json" else "\n".join(map(json.dumps, records))).encode()


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    return '"' + text.replace('"', '""') + '"' if '"' in text else text


def assert_books_balance(world: World, *steps: Ingested) -> None:
    """Each object's rows, each batch's and each commit's add up, and tables hold what the books say."""
    for step in steps:
        for rows in (step.balance, *(outcome.rows for outcome in step.objects if outcome.rows)):
            _assert_balance(rows)
        table = world.lake.table(world.lake.project.datasets[step.dataset])
        assert table is not None
        if step.version is None:
            continue
        record = next(commit for commit in table.history() if commit["version"] == step.version)["lakelet"]
        assert record["balance"] == step.balance
        loaded = {outcome.object.source: outcome.rows for outcome in step.objects if outcome.fate == "loaded"}
        assert {entry["source"]: {name: entry[name] for name in entry if name != "source"} for entry in record["objects"]} == loaded


def _assert_balance(rows: dict[str, int]) -> None:
    assert rows["read"] == rows["accepted"] + rows["quarantined"]
    assert rows["accepted"] == rows["inserted"] + rows["updated"] + rows["superseded"] + rows["duplicate"]


def quarantined(world: World, name: str = "orders") -> list[tuple[int, list[str]]]:
    return [(row["_row"], row["reasons"]) for row in world.rows(f'select _row, reasons from quarantine."{name}" order by _source, _row')]


# --- headers -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
@pytest.mark.parametrize(
    ("names", "found"),
    [
        (("id", "amount"), "missing [placed]"),
        (("id", "amount", "placed", "note"), "unexpected [note]"),
        (("id", "amuont", "placed"), "missing [amount (is it 'amuont'?)], unexpected [amuont]"),
        (("id", "amount", "placed", "amount"), "duplicate [amount]"),
        (("id", "", "amount", "placed"), "empty name at position 2"),
        (("ID", "amount", "placed"), "missing [id (is it 'ID'?)], unexpected [ID]"),
    ],
    ids=["missing", "extra", "misspelt", "duplicate", "empty", "case"],
)
def test_a_header_that_is_not_the_contract_s_is_set_aside(world: World, kind: str, names: tuple[str, ...], found: str) -> None:
    world.declare(in_format(kind)).put(f"raw/orders/a.{kind}", written(kind, [["7"] * len(names)], names))
    world.put(f"raw/orders/b.{kind}", written(kind, [[1, 2, None]]))

    steps = world.ingested()
    assert {o.object.key: (o.fate, o.reason) for step in steps for o in step.objects} == {
        f"raw/orders/a.{kind}": ("rejected", "invalid_schema"),
        f"raw/orders/b.{kind}": ("loaded", ""),
    }
    assert found in world.report("rejected/invalid_schema/orders/")["found"]
    assert world.values("select id from orders") == [1]
    assert world.keys("raw/") == set()
    assert_books_balance(world, *steps)


@pytest.mark.parametrize("kind", [*FORMATS, "parquet"])
def test_zero_bytes_are_an_empty_file_and_not_a_loaded_one(world: World, kind: str) -> None:
    world.declare(in_format(kind)).put(f"raw/orders/a.{kind}", b"")
    assert world.fates() == {f"raw/orders/a.{kind}": "rejected: empty"}
    assert world.report("rejected/empty/orders/")["size"] == 0
    assert world.run() == []


@pytest.mark.parametrize("kind", ["csv", "xlsx", "json"])
def test_a_file_without_records_is_loaded_as_none(world: World, kind: str) -> None:
    world.declare(in_format(kind)).put(f"raw/orders/a.{kind}", written(kind, []))
    (done,) = world.ingested()

    assert [(o.fate, o.rows["read"]) for o in done.objects] == [("loaded", 0)]
    assert world.values("select count(*) from orders") == [0]
    assert_books_balance(world, done)


# --- workbooks -----------------------------------------------------------------------------------------------------------------------


def test_a_truncated_workbook_is_set_aside_and_its_neighbour_loaded(world: World) -> None:
    whole = written("xlsx", [[1, 2, None]])
    world.declare(in_format("xlsx"))
    world.put("raw/orders/cut.xlsx", whole[: len(whole) // 2])
    world.put("raw/orders/whole.xlsx", whole)

    assert world.fates() == {"raw/orders/cut.xlsx": "rejected: unreadable", "raw/orders/whole.xlsx": "loaded"}
    assert "a ZIP that is truncated or damaged" in world.report("rejected/unreadable/")["found"]


def test_of_three_sheets_the_declared_one_is_read_and_otherwise_the_first(world: World) -> None:
    header, wrong = ["id", "amount", "placed"], [["something"], ["else"]]
    book = workbook(wrong, ("Orders", [header, [1, 2.5, None]]), ("Notes", wrong), sheet="Cover")
    world.declare(in_format("xlsx").replace("format: xlsx", "format: xlsx, options: {sheet: Orders}"))
    world.put("raw/orders/a.xlsx", book)
    world.put("raw/orders/b.xlsx", workbook(wrong, sheet="Cover"))

    assert world.fates() == {"raw/orders/a.xlsx": "loaded", "raw/orders/b.xlsx": "rejected: invalid_schema"}
    assert "sheets [Cover]" in world.report("rejected/invalid_schema/")["found"]
    assert world.rows("select id, amount from orders") == [{"id": 1, "amount": "2.50"}]

    first = world.declare(in_format("xlsx", ORDERS.replace("orders", "first")))
    first.put("raw/first/a.xlsx", book)
    assert first.fates() == {"raw/first/a.xlsx": "rejected: invalid_schema"}


# --- values --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FORMATS)
def test_a_value_that_is_not_of_its_type_is_quarantined_and_never_bent(world: World, kind: str) -> None:
    rows = [
        [1, None, 45678],
        [1.7, None, None],
        [BIG, None, None],
        ["x", "y", "z"],
        [2, "1.005", None],
        [3, None, "2025-02-30"],
        [4, 1, None],
    ]
    world.declare(in_format(kind)).put(f"raw/orders/a.{kind}", written(kind, rows))
    (done,) = world.ingested()

    assert quarantined(world) == [
        (1, ["placed: not timestamp"]),
        (2, ["id: not bigint"]),
        (4, ["id: not bigint", "amount: not decimal(12,2)", "placed: not timestamp"]),
        (5, ["amount: not decimal(12,2)"]),
        (6, ["placed: not timestamp"]),
    ]
    assert world.values("select id from orders order by id") == [4, int(BIG)]
    assert (done.balance["read"], done.balance["accepted"], done.balance["quarantined"]) == (7, 2, 5)
    assert_books_balance(world, done)


def test_an_integer_beyond_2_to_the_53_is_exact_as_a_number_of_json(world: World) -> None:
    world.declare(in_format("jsonl")).put("raw/orders/a.jsonl", f'{{"id": {BIG}, "amount": 1.5}}\n{{"id": 1, "amount": 9007199254.93}}\n')
    world.run()
    assert world.rows("select id, amount from orders order by id") == [
        {"id": 1, "amount": "9007199254.93"},
        {"id": int(BIG), "amount": "1.50"},
    ]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_null_key_is_quarantined_although_it_is_not_declared_required(world: World, kind: str) -> None:
    declared = in_format(kind, MERGED).replace(", required: true", "")
    world.declare(declared).put(f"raw/orders/a.{kind}", written(kind, [[None, 1, None], [1, 2, None]]))
    (done,) = world.ingested()

    assert quarantined(world) == [(1, ["id: required"])]
    assert world.values("select id from orders") == [1]
    assert_books_balance(world, done)


# --- the same key more than once -----------------------------------------------------------------------------------------------------


def test_the_same_key_twice_in_a_file_leaves_its_newest_version(world: World) -> None:
    world.declare(MERGED).put("raw/orders/a.csv", HEADER + "1,5,2025-02-01\n1,4,2025-01-01\n1,5,2025-02-01\n1,6,2025-02-01\n")
    (done,) = world.ingested()

    assert world.values("select amount from orders") == ["6.00"]  # a tie in order_by: the later row
    assert (done.balance["inserted"], done.balance["superseded"], done.balance["duplicate"]) == (1, 3, 0)
    assert_books_balance(world, done)


def test_the_same_key_in_two_files_of_one_batch_leaves_its_newest_version(world: World) -> None:
    world.declare(MERGED)
    world.put("raw/orders/a.csv", HEADER + "1,5,2025-02-01\n2,1,2025-01-01\n")
    world.put("raw/orders/b.csv", HEADER + "1,4,2025-01-01\n2,1,2025-01-01\n")
    (done,) = world.ingested()

    assert world.rows("select id, amount from orders order by id") == [{"id": 1, "amount": "5.00"}, {"id": 2, "amount": "1.00"}]
    fates = {o.object.key: o.rows for o in done.objects}
    assert fates["raw/orders/a.csv"]["duplicate"] == 1
    assert fates["raw/orders/b.csv"]["superseded"] == 1
    assert_books_balance(world, done)


def test_an_older_version_in_a_later_run_changes_nothing_and_is_counted(world: World) -> None:
    world.declare(MERGED).put("raw/orders/new.csv", HEADER + "1,5,2025-02-01\n")
    world.run()
    before = world.rows("select * from orders")
    world.put("raw/orders/old.csv", HEADER + "1,4,2025-01-01\n")
    (done,) = world.ingested()

    assert world.rows("select * from orders") == before
    assert done.balance["superseded"] == 1
    assert_books_balance(world, done)


# --- records -------------------------------------------------------------------------------------------------------------------------


def test_rows_of_a_wrong_width_or_with_a_stray_quote_are_quarantined_as_they_came(world: World) -> None:
    world.declare(ORDERS).put("raw/orders/a.csv", HEADER + '1,1,\n2,2\n3,3,,x\n4,4 "or" 5,\n5,5,\n')
    (done,) = world.ingested()

    assert world.values("select id from orders order by id") == [1, 5]
    assert world.rows("select _row, raw from quarantine.orders order by _row") == [
        {"_row": 2, "raw": "2,2"},
        {"_row": 3, "raw": "3,3,,x"},
        {"_row": 4, "raw": '4,4 "or" 5,'},
    ]
    assert_books_balance(world, done)


def test_a_line_that_is_no_json_is_quarantined_and_the_lines_around_it_are_loaded(world: World) -> None:
    world.declare(in_format("jsonl")).put("raw/orders/a.jsonl", '{"id": 1}\n{"id": 2,\nnonsense\n[3]\n"4"\nnull\n{"id": 5}\n')
    (done,) = world.ingested()

    assert world.values("select id from orders order by id") == [1, 5]
    assert world.rows("select _row, raw from quarantine.orders order by _row") == [
        {"_row": n, "raw": raw} for n, raw in enumerate(['{"id": 2,', "nonsense", "[3]", '"4"', "null"], 2)
    ]
    assert_books_balance(world, done)


def test_objects_that_firehose_puts_one_after_another_are_all_read(world: World) -> None:
    declared = in_format("json").replace("format: json", "format: json, options: {layout: concatenated}")
    world.declare(declared).put("raw/orders/no-suffix", gzip.compress(b'{"id":1}{"id":2}\n\n{"id":\n3}'))
    world.run()
    assert world.values("select id from orders order by id") == [1, 2, 3]


# --- names of objects ----------------------------------------------------------------------------------------------------------------

NFC, NFD = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
NAMES = [
    "a b.csv", "a+b.csv", "a%20b.csv", f"{NFC}.csv", f"{NFD}.csv", "日本.csv", "a..b.csv", "b...csv", "it's.csv", 'say "hi".csv',
    "a;--.csv",
    "'; drop table orders; --.csv", "day=1/a=b.csv", "[x]*?.csv", "no suffix", "a.b.c.csv", "back\\slash.csv", "a\nb.csv", "x@y#z&.csv",
    "deep/er/" + "n" * 180 + ".csv",
]  # fmt: skip


def test_any_name_is_loaded_once_under_its_own_name_and_archived(world: World) -> None:
    world.declare(ORDERS)
    for n, name in enumerate(NAMES):
        world.put(f"raw/orders/{name}", HEADER + f"{n},,\n")
    (done,) = world.ingested()

    assert done.count("loaded") == len(NAMES)
    assert sorted(world.values("select regexp_replace(_source, '@[0-9a-f]{32}$', '') as s from orders")) == sorted(
        f"raw/orders/{name}" for name in NAMES
    )
    assert world.keys("raw/") == set()
    assert len(world.keys("archived/orders/")) == len(NAMES)
    assert_books_balance(world, done)
    for n, name in enumerate(NAMES):
        world.put(f"raw/orders/{name}", HEADER + f"{n},,\n")
    assert world.ingested()[0].count("loaded") == 0


S3_NAMES = ["a b+c%20.csv", f"{NFC}.csv", f"{NFD}.csv", "it's;--.csv", "day=1/a.csv", "..a/b..csv"]


def test_any_name_is_loaded_and_archived_in_any_place(anywhere: World) -> None:
    anywhere.declare(ORDERS)
    for n, name in enumerate(S3_NAMES):
        anywhere.put(f"raw/orders/{name}", HEADER + f"{n},,\n")
    (done,) = anywhere.ingested()

    assert {o.object.key: o.fate for o in done.objects} == {f"raw/orders/{name}": "loaded" for name in S3_NAMES}
    assert anywhere.keys("raw/") == set()
    assert len(anywhere.keys("archived/")) == len(S3_NAMES)
    assert anywhere.run() == []


@pytest.mark.parametrize("key", ["raw/orders//c.csv", "raw/orders/" + "g" * 1006], ids=["//", "1024 bytes"])
def test_a_key_that_only_s3_can_hold_holds_up_nobody(s3_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    import boto3

    uri = bucket(s3_endpoint, monkeypatch)
    world = World(tmp_path, uri).declare(ORDERS)
    world.put("raw/orders/good.csv", HEADER + "2,,\n")
    boto3.client("s3", region_name="us-east-1").put_object(Bucket=uri.split("/")[2], Key=f"shop/{key}", Body=GOOD)
    world.run()
    assert 2 in world.values("select id from orders")


@pytest.mark.parametrize("length", [255, 248])
@pytest.mark.parametrize("body", [GOOD, "x,y\n"], ids=["loaded", "rejected"])
def test_a_name_as_long_as_a_file_system_allows_finds_its_place(world: World, length: int, body: str) -> None:
    world.declare(ORDERS).put(f"raw/orders/{'n' * (length - 4)}.csv", body)
    world.run()
    assert world.keys("raw/") == set()
    assert len(world.keys("archived/") | {key for key in world.keys("rejected/") if not key.endswith(".json")}) == 1


def test_a_name_that_is_not_utf_8_is_reported_and_holds_up_nobody(world: World) -> None:
    world.declare(ORDERS).put("raw/orders/good.csv", GOOD)
    stray = Path(world.uri, "raw/orders").as_posix().encode() + b"/caf\xe9.csv"
    with open(stray, "wb") as file:  # noqa: PTH123
        file.write(GOOD.encode())

    steps = world.run()
    assert [step for step in steps if isinstance(step, Unknown)]
    assert world.values("select id from orders") == [1]


def test_a_link_to_nowhere_holds_up_nobody(world: World) -> None:
    world.declare(ORDERS).put("raw/orders/good.csv", GOOD)
    Path(world.uri, "raw/orders/gone.csv").symlink_to("/nowhere")
    world.run()
    assert world.values("select id from orders") == [1]


# --- batches -------------------------------------------------------------------------------------------------------------------------


def test_bad_files_beside_good_ones_leave_one_commit_with_the_good_ones(world: World) -> None:
    world.declare(MERGED)
    bodies: dict[str, str | bytes] = {
        "a.csv": GOOD, "b.csv": "", "c.csv": "id,amount\n1,2\n", "d.csv": HEADER + "2,x,\n3,3,\n", "e.csv": b"\xff\xfe\x00",
        "f.csv": HEADER,
        "g.csv": b"\x1f\x8bnot gzip", "h.csv": gzip.compress(HEADER.encode() + b"4,4,\n"), "i.csv": "\ufeff" + HEADER + "5,5,\n",
        "j.csv": (HEADER + "6,6,\n").replace("\n", "\r\n"), "k.csv": (HEADER + "7,7,\n").replace("\n", "\r"), "l.csv": HEADER + '8,"8,\n',
    }  # fmt: skip
    for name, body in bodies.items():
        world.put(f"raw/orders/{name}", body)
    (done,) = world.ingested()

    fates = {o.object.key[-5]: (o.fate, o.reason) for o in done.objects}
    assert {name for name, (fate, _) in fates.items() if fate == "loaded"} == set("adfhijkl")
    assert (fates["b"][1], fates["c"][1], fates["e"][1], fates["g"][1]) == ("empty", "invalid_schema", "unreadable", "unreadable")
    assert world.values("select id from orders order by id") == [1, 3, 4, 5, 6, 7]
    assert world.version("orders") == done.version == 1
    assert len(world.keys("rejected/")) == 8
    assert_books_balance(world, done)


def test_a_file_that_shows_to_be_broken_only_when_it_is_read_leaves_its_batch(world: World) -> None:
    world.declare(ORDERS.replace("format: csv", "format: json"))
    world.put("raw/orders/a.json", '[{"id": 1}, {"id": 2}]')
    world.put("raw/orders/b.json", '[{"id": 3}, {"id": }]')
    assert world.fates() == {"raw/orders/a.json": "loaded", "raw/orders/b.json": "rejected: unreadable"}
    assert world.values("select id from orders order by id") == [1, 2]


def test_a_failed_check_sets_its_file_aside_and_leaves_the_others(world: World) -> None:
    check = "checks: [{name: positive, sql: amount > 0, action: fail}, {name: small, sql: amount < 100}]\ntarget: {"
    world.declare(ORDERS.replace("target: {", check))
    world.put("raw/orders/a.csv", HEADER + "1,1,\n2,-1,\n3,-2,\n")
    world.put("raw/orders/b.csv", HEADER + "4,1,\n5,100,\n")
    (done,) = world.ingested()

    assert {o.object.key: o.reason for o in done.objects} == {"raw/orders/a.csv": "failed_check", "raw/orders/b.csv": ""}
    assert "positive (2 rows)" in world.report("rejected/failed_check/")["found"]
    assert world.values("select id from orders") == [4]
    assert quarantined(world) == [(2, ["check small"])]
    assert_books_balance(world, done)


def test_a_column_that_cannot_be_computed_sets_its_row_aside(world: World) -> None:
    world.declare(
        "dataset: t\nsource: {path: raw/t/, format: csv}\ntarget: {path: processed/t/}\n"
        "columns: [{name: id, type: bigint}, {name: code}, {name: number, type: bigint, sql: cast(code as bigint)}]\n"
    ).put("raw/t/a.csv", "id,code\n1,7\n2,x\n3,\n")
    world.run()
    assert world.rows("select id, number from t order by id") == [{"id": 1, "number": 7}, {"id": 3, "number": None}]
    assert quarantined(world, "t") == [(2, ["number: cannot be computed"])]


def test_a_file_that_does_not_fit_into_memory_is_set_aside_as_too_large_and_leaves_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKELET_MEMORY", "12MB")
    world.declare(ORDERS).put("raw/orders/a.csv", HEADER + "".join(f"{n},1,2025-01-01\n" for n in range(400_000)))
    world.put("raw/orders/b.csv", HEADER + "1,1,2025-01-01\n")
    assert world.fates() == {"raw/orders/a.csv": "rejected: too_large", "raw/orders/b.csv": "loaded"}
    assert "or give it more memory; then replay it" in world.report("rejected/too_large/")["remedy"]
    monkeypatch.setenv("LAKELET_MEMORY", "300MB")
    world.declare(ORDERS)
    assert world.values("select count(*) from orders") == [1]


def test_a_check_that_cannot_be_computed_for_one_row_does_not_hold_up_the_dataset(world: World) -> None:
    declared = ORDERS.replace("target: {", 'checks: [{name: short, sql: "cast(note as integer) < 5"}]\ntarget: {')
    world.declare(declared.replace("  - {name: placed", "  - {name: note}\n  - {name: placed"))
    world.put("raw/orders/a.csv", "id,amount,note,placed\n1,1,1,\n2,1,n/a,\n")
    world.put("raw/orders/b.csv", "id,amount,note,placed\n3,1,1,\n")
    world.run()
    assert world.values("select id from orders order by id") == [1, 3]


def test_the_object_of_an_unknown_dataset_stays_in_raw_and_is_reported(world: World) -> None:
    world.declare(ORDERS).put("raw/order/a.csv", GOOD)
    world.put("raw/stray.csv", GOOD)
    world.put("raw/orders/.DS_Store", b"x")

    assert set(world.run()) == {Unknown("raw/order/a.csv"), Unknown("raw/stray.csv")}
    assert set(world.run()) == {Unknown("raw/order/a.csv"), Unknown("raw/stray.csv")}
    assert world.keys("raw/") == {"raw/order/a.csv", "raw/stray.csv", "raw/orders/.DS_Store"}


# --- sources -------------------------------------------------------------------------------------------------------------------------


def test_a_glob_takes_what_it_matches_and_reports_the_rest(world: World) -> None:
    world.declare(ORDERS.replace("path: raw/orders/,", 'path: "raw/*/orders-*.csv",'))
    for key in ("raw/shop/orders-1.csv", "raw/web/eu/orders-2.csv", "raw/shop/returns-1.csv"):
        world.put(key, GOOD)
    steps = world.run()
    assert [step.key for step in steps if isinstance(step, Unknown)] == ["raw/shop/returns-1.csv"]
    assert world.values("select count(*) from orders") == [2]
    assert world.ingested() == []


@pytest.mark.parametrize("path", ["*.csv", "*/orders/*.csv", "../*.csv", "/tmp/*.csv", "s3://other/*.csv"])
def test_a_glob_without_a_folder_of_its_own_is_refused_since_it_would_take_what_was_archived(world: World, path: str) -> None:
    with pytest.raises(InvalidProject, match=r"source\.path"):
        _ = world.declare(ORDERS.replace("path: raw/orders/,", f'path: "{path}",')).lake


@pytest.mark.parametrize("path", ["archived/orders/", "rejected/", "quarantine/x/", "processed/", "processed/orders/", "exports/orders/"])
def test_a_source_where_the_lake_itself_writes_is_refused(world: World, path: str) -> None:
    declared = ORDERS.replace("raw/orders/", path) + "exports: [{path: exports/orders/, format: csv}]\n"
    with pytest.raises(InvalidProject, match=r"source\.path"):
        _ = world.declare(declared).lake


@pytest.mark.parametrize("kind", FORMATS)
def test_unknown_columns_are_refused_ignored_or_rescued_as_declared(world: World, kind: str) -> None:
    body = written(kind, [[1, 2, None, "x"], [2, 3, None, 'it\'s "y"']], ("id", "amount", "placed", "color"))
    for policy in ("reject", "ignore", "rescue"):
        world.declare(in_format(kind, ORDERS.replace("orders", policy)).replace("}\ncolumns", f", unknown_columns: {policy}}}\ncolumns"))
        world.put(f"raw/{policy}/a.{kind}", body)
    steps = world.ingested()

    assert world.values("select id from ignore order by id") == [1, 2]
    assert world.rows("select id, _rescued from rescue order by id") == [
        {"id": 1, "_rescued": '{"color":"x"}'},
        {"id": 2, "_rescued": '{"color":"it\'s \\"y\\""}'},
    ]
    if kind in ("csv", "xlsx"):
        assert world.report("rejected/invalid_schema/reject/")
    else:
        assert quarantined(world, "reject") == [(1, ["unknown key(s): color"]), (2, ["unknown key(s): color"])]
    assert_books_balance(world, *steps)


# --- names that need quoting ---------------------------------------------------------------------------------------------------------

COLUMNS = ["a b", 'say "hi"', "x.y", "größe", "select", "x; drop table y", "it's", "percent%", "_a"[1:], "latest", "read", "Üpper/case"]
ODD = """
dataset: odd-names
source: {path: raw/odd/, format: FORMAT}
columns: COLUMNS
key: ["a b", 'say "hi"', select]
order_by: ["x; drop table y", "x.y"]
checks:
  - {name: c-1, sql: '"x; drop table y" <> ''boom'' and "it''s" is not null'}
target: {path: processed/odd/, mode: merge, partition_by: [select, "größe"]}
exports: [{path: exports/odd-names/, format: csv, partition_by: [select, "größe"]}, {path: exports/odd-parquet/, format: parquet}]
"""


def odd(kind: str) -> str:
    return ODD.replace("FORMAT", kind).replace("COLUMNS", json.dumps([{"name": name} for name in COLUMNS], ensure_ascii=False))


def odd_file(kind: str, rows: list[list[str]]) -> bytes:
    if kind != "csv":
        return written(kind, rows, COLUMNS)
    return "\n".join(",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in (COLUMNS, *rows)).encode()


@pytest.mark.parametrize("kind", ["csv", "xlsx", "jsonl"])
def test_names_that_need_quoting_work_as_key_order_partition_check_and_in_exports(world: World, kind: str) -> None:
    world.declare(odd(kind))
    world.declare(
        "transform: over-odd\nsql: over.sql\nwhen: any_input\ntarget: {path: gold/over/, partition_by: [select]}\n",
        over='select "select", "x.y" as "new name; --", count(*) as "n" from "odd-names" group by all',
    )
    row = [f"{n}" for n in range(len(COLUMNS))]
    world.put("raw/odd/1", odd_file(kind, [row, ["k", *row[1:]], [*row[:5], "boom", *row[6:]]]))
    world.run()
    world.put("raw/odd/2", odd_file(kind, [[*row[:5], "9", "changed", *row[7:]], [*row[:4], "other", *row[5:]]]))
    (done,) = world.ingested()

    assert (done.balance["updated"], done.balance["inserted"]) == (1, 1)
    assert quarantined(world, "odd-names") == [(3, ["check c-1"])]
    found = world.rows('select * from "odd-names" order by "a b", "select"')
    assert list(found[0])[: len(COLUMNS)] == COLUMNS
    assert [row["it's"] for row in found] == ["changed", "6", "6"]
    assert world.keys("exports/odd-names/") >= {
        "exports/odd-names/select=4/gr%C3%B6%C3%9Fe=3/odd-names.csv",
        "exports/odd-names/select=other/gr%C3%B6%C3%9Fe=3/odd-names.csv",
    }
    assert world.rows('select "select", "new name; --" as x, n from "over-odd" order by 1') == [
        {"select": "4", "x": "2", "n": 2},
        {"select": "other", "x": "2", "n": 1},
    ]


@pytest.mark.parametrize("name", ["a=b", "a/b", "a%20b", "a b", 'a"b', "a'b", "a.b", "größe", "日", "A", "{uuid}"])
def test_a_partition_column_may_have_any_name(world: World, name: str) -> None:
    declared = {
        "dataset": "p",
        "source": {"path": "raw/p/", "format": "jsonl"},
        "columns": [{"name": "id", "type": "bigint"}, {"name": name, "type": "varchar"}],
        "key": ["id"],
        "target": {"path": "processed/p/", "mode": "merge", "partition_by": [name]},
    }
    world.declare(json.dumps(declared)).put("raw/p/1", json.dumps({"id": 1, name: "x"}) + "\n" + json.dumps({"id": 2, name: "y z"}))
    world.run()
    world.put("raw/p/2", json.dumps({"id": 1, name: "y z"}))
    world.run()
    column = '"' + name.replace('"', '""') + '"'
    assert world.rows(f"select id, {column} as v from p order by id") == [{"id": 1, "v": "y z"}, {"id": 2, "v": "y z"}]


def test_a_path_into_nested_json_may_hold_names_that_need_quoting(world: World) -> None:
    columns = [{"name": "id", "type": "bigint"}, {"name": "x", "from": "a b.c\"d'e;--.select"}, {"name": "y", "from": "größe.~/"}]
    declared = {"dataset": "n", "source": {"path": "raw/n/", "format": "jsonl"}, "columns": columns, "target": {"path": "processed/n/"}}
    world.declare(json.dumps(declared)).put("raw/n/1", json.dumps({"id": 1, "a b": {"c\"d'e;--": {"select": "v"}}, "größe": {"~/": "w"}}))
    world.run()
    assert world.rows("select id, x, y from n") == [{"id": 1, "x": "v", "y": "w"}]


@pytest.mark.parametrize("value", ["NULL", "null", "Null"])
def test_a_partition_s_text_that_reads_like_null_stays_or_is_quarantined_but_never_becomes_null(world: World, value: str) -> None:
    world.declare(
        "dataset: p\nsource: {path: raw/p/, format: csv}\ncolumns: [{name: id, type: bigint}, {name: c}]\n"
        "target: {path: processed/p/, partition_by: [c]}\n"
    ).put("raw/p/a.csv", f"id,c\n1,{value}\n2,\n3,x\n")
    (done,) = world.ingested()

    held = {row["id"]: row["c"] for row in world.rows("select id, c from p")}
    assert held.get(1, value) == value
    assert {2: held[2], 3: held[3]} == {2: None, 3: "x"}
    assert len(held) + done.balance["quarantined"] == 3


@pytest.mark.parametrize(
    "name", ["conformed", "elsewhere", "objects", "accepted", "judged", "ranked", "latest", "quarantine", "main", "temp"]
)
def test_a_dataset_may_have_a_name_that_the_engine_uses_itself(world: World, name: str) -> None:
    world.declare(MERGED.replace("orders", name))
    world.declare(
        ORDERS.replace("orders", "items").replace("target: {", f"checks: [{{name: known, sql: id in (select id from {name})}}]\ntarget: {{")
    )
    world.put(f"raw/{name}/a.csv", HEADER + "1,1,\n")
    world.put("raw/items/a.csv", HEADER + "1,1,\n2,2,\n")
    world.run()
    assert world.values("select id from items") == [1]


@pytest.mark.parametrize("folder", ["a b", "100%", "é", "it's", "(2)", "[x]", "a;b", "a#b", "a?b", "a*b"])
def test_the_lake_s_folder_may_have_any_name(tmp_path: Path, folder: str) -> None:
    world = World(tmp_path, str(tmp_path / folder / "lake")).declare(MERGED)
    world.put("raw/orders/a.csv", GOOD)
    world.run()
    world.put("raw/orders/b.csv", HEADER + "1,9,2026-01-01\nx,,\n")
    world.run()
    assert world.values("select amount from orders") == ["9.00"]
    assert world.values("select raw from quarantine.orders") == ["x,,"]
    assert {path.name for path in tmp_path.iterdir()} == {"project", folder}


@pytest.mark.parametrize("folder", ["day=1", "a%20b"])
def test_a_lake_s_folder_that_delta_or_duckdb_would_read_otherwise_is_refused(tmp_path: Path, folder: str) -> None:
    World(tmp_path, "").declare(ORDERS)
    with pytest.raises(Terminal, match="Choose another"):
        open_lake(tmp_path / "project", str(tmp_path / folder))


def test_a_newest_object_that_fails_a_check_does_not_empty_an_overwritten_table(world: World) -> None:
    declared = ORDERS.replace("target: {", "checks: [{name: positive, sql: amount > 0, action: fail}]\ntarget: {mode: overwrite, ")
    world.declare(declared).put("raw/orders/a.csv", HEADER + "1,1,\n")
    world.run()
    world.put("raw/orders/b.csv", HEADER + "2,2,\n")
    os.utime(Path(world.uri, "raw/orders/b.csv"), (time.time() + 10,) * 2)
    world.put("raw/orders/c.csv", HEADER + "3,-3,\n")
    os.utime(Path(world.uri, "raw/orders/c.csv"), (time.time() + 20,) * 2)

    assert world.fates() == {"raw/orders/b.csv": "loaded", "raw/orders/c.csv": "rejected: failed_check"}
    assert world.values("select id from orders") == [2]


def test_a_file_whose_error_is_no_text_costs_itself_only(world: World) -> None:
    """DuckDB's message holds half of the character with which the file begins instead of an array."""
    world.declare(in_format("json")).put("raw/orders/a.json", '[{"id": 1}]')
    world.put("raw/orders/b.json", "é")
    assert world.fates() == {"raw/orders/a.json": "loaded", "raw/orders/b.json": "rejected: unreadable"}
    assert world.values("select id from orders") == [1]


def test_a_check_may_end_in_a_comment(world: World) -> None:
    world.declare(ORDERS.replace("orders", "known")).put("raw/known/a.csv", HEADER + "1,1,\n")
    checks = (
        'checks: [{name: known, sql: "id in (select id from known) -- by now"}, {name: positive, sql: "amount > 0 -- cents"}]\ntarget: {'
    )
    world.declare(ORDERS.replace("target: {", checks)).put("raw/orders/a.csv", HEADER + "1,1,\n2,1,\n1,-1,\n")
    world.run()
    assert world.values("select id from orders") == [1]
    assert quarantined(world) == [(2, ["check known"]), (3, ["check positive"])]


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_long_list_in_a_check_moves_no_row(world: World, kind: str) -> None:
    """DuckDB makes a join of `in` with five values, and a join loses the order by which rows know their records."""
    rows = 150_000
    good = ["a", "b", "c", "d", "e", "f"]
    kinds = [good[n % 6] if n % 50_000 != 40_000 else f"bad{n}" for n in range(rows)]
    lines = [f"{n},{value}" if kind == "csv" else f'{{"id":{n},"kind":"{value}"}}' for n, value in enumerate(kinds)]
    world.declare(
        f"""
dataset: long
source: {{path: raw/long/, format: {kind}}}
columns: [{{name: id, type: bigint}}, {{name: kind, type: varchar}}, {{name: early, type: boolean, sql: "kind in ('a','b','c','x','y')"}}]
checks: [{{name: kind_is_known, sql: "kind in ({", ".join(f"'{value}'" for value in good)})"}}]
target: {{path: processed/long/}}
"""
    )
    for part in range(3):
        head = ["id,kind"] if kind == "csv" else []
        world.put(f"raw/long/{part}.{kind}", "\n".join([*head, *lines[part * 50_000 : (part + 1) * 50_000], ""]))
    world.run()
    assert world.values("select count(*) from long where _row <> id % 50000 + 1") == [0]
    refused = world.rows("select _row, raw from quarantine.long order by raw")
    assert sorted((row["_row"], row["raw"]) for row in refused) == sorted((40_001, lines[n]) for n in (40_000, 90_000, 140_000))


def test_refused_records_are_written_piece_by_piece(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.quality.WRITTEN", 3_000)
    rows = [f"{n},no number {'x' * 90},2025-01-01" for n in range(200)]
    world.declare(ORDERS).put("raw/orders/a.csv", HEADER + "\n".join(rows) + "\n")
    world.run()
    held = world.lake.named_table("quarantine.orders")
    assert held is not None
    assert len(held.files) > 5
    assert [(row["_row"], row["raw"]) for row in world.rows("select _row, raw from quarantine.orders order by _row")] == list(
        enumerate(rows, 1)
    )


def test_long_rows_are_written_in_small_groups_where_memory_is_small(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKELET_MEMORY", "100MiB")
    world.declare(ORDERS.replace("timestamp", "varchar"))
    world.put("raw/orders/a.csv", HEADER + "".join(f"{n},1,{n}{'x' * 3000}\n" for n in range(25_000)))
    assert world.fates() == {"raw/orders/a.csv": "loaded"}
