"""One suite for every place a lake can be in: a folder and S3 behave the same."""

import pytest

from tests.world import ORDERS, World

HEADER = "id,amount,placed\n"


def test_a_file_becomes_rows_and_is_archived(anywhere: World) -> None:
    anywhere.declare(ORDERS).put("raw/orders/april 2025+eu.csv", HEADER + "1,10.50,2025-04-01T10:00:00Z\n2,,\n")

    assert anywhere.fates() == {"raw/orders/april 2025+eu.csv": "loaded"}

    assert anywhere.rows("select id, amount, placed from orders order by id") == [
        {"id": 1, "amount": "10.50", "placed": "2025-04-01T10:00:00+00:00"},
        {"id": 2, "amount": None, "placed": None},
    ]
    assert anywhere.keys("raw/") == set()
    assert [key.split("/")[1] for key in anywhere.keys("archived/")] == ["orders"]


def test_running_again_changes_no_table(anywhere: World) -> None:
    anywhere.declare(ORDERS).put("raw/orders/a.csv", HEADER + "1,1,\n")
    anywhere.run()
    before = anywhere.version("orders")

    assert anywhere.run() == []
    assert anywhere.version("orders") == before


def test_a_merge_is_the_same_in_any_order_of_arrival(anywhere: World) -> None:
    anywhere.declare(ORDERS.replace("target: {", "key: [id]\norder_by: [placed]\ntarget: {mode: merge, partition_by: [], "))
    anywhere.put("raw/orders/new.csv", HEADER + "1,2,2025-02-01\n2,5,2025-02-01\n")
    anywhere.run()
    anywhere.put("raw/orders/old.csv", HEADER + "1,1,2025-01-01\n3,9,2025-01-01\n")
    (late,) = anywhere.ingested()

    assert late.balance["superseded"] == 1
    assert late.balance["inserted"] == 1
    assert anywhere.rows("select id, amount from orders order by id") == [
        {"id": 1, "amount": "2.00"},
        {"id": 2, "amount": "5.00"},
        {"id": 3, "amount": "9.00"},
    ]


def test_odd_partition_values_come_back_as_they_were(anywhere: World) -> None:
    odd = ["plain", "a b", "a+b", "a/b", "a=b", "100%", "é", "日本", "it's", "a?b#c", "..", "a%20b", "a*b", "[x]"]
    anywhere.declare(
        "dataset: places\nsource: {path: raw/places/, format: csv}\n"
        "columns: [{name: id, type: bigint}, {name: place}]\ntarget: {path: processed/places/, partition_by: [place]}\n"
    )
    anywhere.put("raw/places/p.csv", "id,place\n" + "".join(f"{n},{value}\n" for n, value in enumerate(odd)) + "99,\n")
    anywhere.run()

    assert anywhere.values("select place from places order by id") == [*odd, None]
    assert anywhere.values("select id from places where place = 'a b'") == [1]


def test_a_wrong_header_is_set_aside_with_a_report(anywhere: World) -> None:
    anywhere.declare(ORDERS).put("raw/orders/apr.csv", "id,amuont,placed\n1,2,\n")

    assert anywhere.fates() == {"raw/orders/apr.csv": "rejected: invalid_schema"}

    report = anywhere.report("rejected/invalid_schema/")
    assert "missing [amount" in report["found"]
    assert "unexpected [amuont]" in report["found"]
    assert anywhere.keys("raw/") == set()


def test_quarantined_rows_can_be_asked_for(anywhere: World) -> None:
    anywhere.declare(ORDERS).put("raw/orders/a.csv", HEADER + "1,1,\nx,2,\n,3,\n4,1.005,\n")
    (done,) = anywhere.ingested()

    assert (done.balance["read"], done.balance["accepted"], done.balance["quarantined"]) == (4, 1, 3)
    assert anywhere.rows("select _row, reasons, raw from quarantine.orders order by _row") == [
        {"_row": 2, "reasons": ["id: not bigint"], "raw": "x,2,"},
        {"_row": 3, "reasons": ["id: required"], "raw": ",3,"},
        {"_row": 4, "reasons": ["amount: not decimal(12,2)"], "raw": "4,1.005,"},
    ]


def test_an_export_follows_its_table(anywhere: World) -> None:
    anywhere.declare(
        "dataset: sales\nsource: {path: raw/sales/, format: csv}\ncolumns: [{name: id, type: bigint}, {name: day, type: date}]\n"
        "target: {path: processed/sales/, partition_by: [day]}\nexports: [{path: exports/sales/, format: csv, partition_by: [day]}]\n"
    )
    anywhere.put("raw/sales/1.csv", "id,day\n1,2026-11-19\n2,2026-11-20\n")
    anywhere.run()
    anywhere.put("raw/sales/2.csv", "id,day\n3,2026-11-20\n")
    anywhere.run()

    assert anywhere.lake.store.get("exports/sales/day=2026-11-19/sales.csv") == b"id\n1\n"
    assert anywhere.lake.store.get("exports/sales/day=2026-11-20/sales.csv") == b"id\n2\n3\n"


def test_a_transform_runs_when_all_its_inputs_arrived(anywhere: World) -> None:
    anywhere.declare(ORDERS)
    anywhere.declare(ORDERS.replace("orders", "returns"))
    anywhere.declare(
        "transform: balance\nsql: balance.sql\nwhen: all_inputs\ntarget: {path: gold/balance/}\n",
        balance="select o.id, o.amount - r.amount as left_over from orders o join returns r using (id)",
    )
    anywhere.put("raw/orders/a.csv", HEADER + "1,10,\n")
    anywhere.run()
    assert anywhere.lake.table(anywhere.lake.project.named("balance")) is None
    anywhere.put("raw/returns/a.csv", HEADER + "1,4,\n")
    anywhere.run()

    assert anywhere.rows("select * from balance") == [{"id": 1, "left_over": "6.00"}]


def test_raw_objects_may_lie_apart_from_the_lake(anywhere: World, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = f"{anywhere.uri}-raw"
    monkeypatch.setenv("LAKELET_RAW", raw)
    anywhere.declare(ORDERS).put("raw/orders/a.csv", HEADER + "1,1,\n")
    anywhere.put("raw/orders/b.csv", "wrong\n")
    anywhere.run()

    assert anywhere.lake.raw.uri == raw != anywhere.lake.store.uri
    assert anywhere.values("select id from orders") == [1]
    assert {ref.key.split("/")[0] for ref in anywhere.lake.raw.list("")} == {"archived", "rejected"}
    assert not [ref.key for ref in anywhere.lake.store.list("archived/")]
