"""The SQL that a contract becomes, as people read it in a log. LAKELET_GOLDEN=write writes the files again."""

import os
from pathlib import Path

import duckdb
import pytest

from core.contract import Dataset
from core.sql import conform, stored_verdicts

HERE = Path(__file__).parent
ID = {"name": "id", "type": "bigint", "required": True}
DATASETS = {
    "csv_merge_with_checks": {
        "dataset": "orders",
        "source": {"path": "raw/orders/", "format": "csv"},
        "columns": [
            ID,
            {"name": "total amount", "type": "decimal(12,2)"},
            {"name": "placed", "type": "timestamp", "format": "%d.%m.%Y %H:%M"},
            {"name": "country", "type": "varchar"},
            {"name": "day", "type": "date", "sql": "cast(placed as date)"},
        ],
        "key": ["id", "country"],
        "order_by": ["placed"],
        "checks": [
            {"name": "amount_not_negative", "sql": '"total amount" >= 0'},
            {"name": "clock_was_set", "sql": "placed > timestamptz '2000-01-01 00:00:00+00'", "action": "fail"},
            {"name": "amount_is_usual", "sql": '"total amount" < 10000', "action": "warn"},
            {"name": "country_is_known", "sql": "country in (select code from countries)"},
        ],
        "target": {"path": "processed/orders/", "mode": "merge", "partition_by": ["country"]},
    },
    "json_nested": {
        "dataset": "readings",
        "source": {"path": "raw/iot/", "format": "json", "options": {"layout": "concatenated"}},
        "columns": [
            {"name": "device", "from": "data.device id", "required": True},
            {"name": "at", "type": "timestamp", "from": "data.timestamp"},
            {"name": "temperature", "type": "double", "from": "data.temperature"},
            {"name": "tags", "type": "varchar[]"},
            {"name": "position", "type": "struct(lat double, lon double)"},
            {"name": "rest", "type": "json"},
        ],
        "target": {"path": "processed/iot/"},
    },
    "rescue": {
        "dataset": "events",
        "source": {"path": "raw/events/", "format": "jsonl", "unknown_columns": "rescue"},
        "columns": [ID, {"name": 'say "hi"; --', "type": "boolean"}],
        "target": {"path": "processed/events/"},
    },
}


@pytest.mark.parametrize("name", DATASETS)
def test_a_contract_becomes_this_sql(name: str) -> None:
    dataset = Dataset.model_validate(DATASETS[name])
    found = conform(dataset, f"select *\nfrom {dataset.name}_as_read") + "\n"
    golden = HERE / f"{name}.sql"
    if os.environ.get("LAKELET_GOLDEN") == "write":
        golden.write_text(found, "utf-8")
    assert found == golden.read_text("utf-8")


@pytest.mark.parametrize("name", DATASETS)
def test_that_sql_binds_and_gives_the_contract_s_columns(name: str) -> None:
    dataset = Dataset.model_validate(DATASETS[name])
    columns = ["null::integer as _file", "null::varchar as _problem", "null::varchar as _raw"]
    columns += [f"null::varchar as {_quoted(column.name)}" for column in dataset.read_columns]
    columns += ["null::varchar as _rescued"] * (dataset.source.unknown_columns == "rescue")
    with duckdb.connect() as connection:
        relation = connection.sql(conform(dataset, f"select {', '.join(columns)} limit 0"))
        assert [name for name in relation.columns if not name.startswith("_")] == [column.name for column in dataset.columns]
        assert {"_reasons", *stored_verdicts(dataset), "_raw"} <= set(relation.columns)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
