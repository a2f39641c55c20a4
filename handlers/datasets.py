"""What is told of a dataset over HTTP: its contract, what one of its records looks like, how its table stands. Reads logs, never a row."""

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from core.contract import Column, Dataset
from core.lake import Lake
from core.land import unpostable
from core.query import json_value
from core.status import newest
from core.types import declared_type

INTEGERS: Final = {"tinyint": 8, "smallint": 16, "integer": 32, "bigint": 64}
MOMENT: Final = r"^[^T]+T[^.]{5}:[0-5][0-9](\.[0-9]{1,6})?(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])$"
"""What a contract takes of RFC 3339's moments: no leap second, no nanoseconds, no offset of 15 hours and more."""


def listed(lake: Lake) -> list[dict[str, Any]]:
    """Return every dataset in short, in the order of their names."""
    datasets = sorted(lake.project.datasets.values(), key=lambda dataset: dataset.name)
    with ThreadPoolExecutor(8) as pool:  # a table in S3 costs a few round trips to open
        return list(pool.map(lambda dataset: summary(lake, dataset), datasets))


def summary(lake: Lake, dataset: Dataset) -> dict[str, Any]:
    """Return what a dataset is and how its table stands; version, committed and newest are null before the first load."""
    snapshot = lake.table(dataset)
    return {
        "dataset": dataset.name,
        "description": dataset.description,
        "pipeline": dataset.pipeline,
        "format": dataset.source.format,
        "postable": unpostable(lake.project, dataset) is None,
        "version": snapshot.version if snapshot else None,
        "rows": snapshot.rows if snapshot else 0,
        "committed": json_value(snapshot.changed) if snapshot and snapshot.version else None,
        "newest": json_value(newest(snapshot)) if snapshot else None,
    }


def detail(lake: Lake, dataset: Dataset) -> dict[str, Any]:
    """Return a dataset as it is declared, with its table, its quarantine and, where records can be posted, the schema of one."""
    quarantine = lake.quarantine(dataset)
    told = summary(lake, dataset) | {"quarantined": quarantine.rows if quarantine else 0, "contract": contract(dataset)}
    return told | ({"record_schema": record_schema(dataset)} if told["postable"] else {})


def contract(dataset: Dataset) -> dict[str, Any]:
    """Return the declaration as it was written, types by their declared names."""
    told: dict[str, Any] = dataset.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude={"pipeline"})
    for column in told["columns"]:
        if "type" in column:
            column["type"] = declared_type(column["type"])
    return told


# --- what a record looks like --------------------------------------------------------------------------------------------------------


def record_schema(dataset: Dataset) -> dict[str, Any]:
    """Return a JSON Schema of records that the contract takes, its checks aside: it asks for the plainest way to say a value. Pure."""
    schema = _object(dataset, [(tuple(_way(column)), column) for column in dataset.read_columns])
    schema["additionalProperties"] = dataset.source.unknown_columns != "reject"
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": dataset.name, **schema}


def _way(column: Column) -> list[str]:
    return column.from_.split(".") if column.from_ else [column.name]


def _object(dataset: Dataset, columns: list[tuple[tuple[str, ...], Column]]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    required = []
    for key in dict.fromkeys(way[0] for way, _ in columns):
        inner = [(way[1:], column) for way, column in columns if way[0] == key and len(way) > 1]
        here = [column for way, column in columns if way == (key,)]
        properties[key] = _object(dataset, inner) if inner else _value(here[0], _is_required(dataset, here[0]))
        if any(_is_required(dataset, column) for column in [*here, *(column for _, column in inner)]):
            required.append(key)
    return {"type": "object", "properties": properties, **({"required": required} if required else {})}


def _is_required(dataset: Dataset, column: Column) -> bool:
    return column.required or column.name in dataset.key


def _value(column: Column, required: bool) -> dict[str, Any]:
    schema = {} if column.format else _typed(column.type)
    if column.format:
        schema = {"type": "string", "$comment": f"strptime {column.format}"}
    if not required and "type" in schema:
        schema["type"] = [schema["type"], "null"]
    return {**schema, "description": column.description} if column.description else schema


def _typed(kind: str) -> dict[str, Any]:
    """Return the schema of a type; {} where it is for the contract alone to say."""
    if kind in INTEGERS:
        most = 1 << INTEGERS[kind] - 1
        return {"type": "integer", "minimum": -most, "maximum": most - 1}
    if found := re.fullmatch(r"decimal\((\d+),(\d+)\)", kind):
        precision, scale = int(found[1]), int(found[2])
        whole = 10 ** (precision - scale)
        return {"type": "number", "exclusiveMinimum": -whole, "exclusiveMaximum": whole, "$comment": f"at most {scale} decimals"}
    plain = {
        "boolean": {"type": "boolean"},
        "float": {"type": "number"},
        "double": {"type": "number"},
        "varchar": {"type": "string"},
        "date": {"type": "string", "format": "date"},
        "timestamptz": {"type": "string", "format": "date-time", "pattern": MOMENT},
    }
    return plain.get(kind, {"type": "array"} if kind.endswith("[]") else {"type": "object"} if kind.startswith("struct") else {})
