"""A small world to test in: declarations, raw objects, and what became of them. Drives the real core only."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from core import run
from core.declarations import load
from core.lake import Lake, Settings
from core.loading import Ingested
from core.run import Step

ORDERS = """
dataset: orders
source: {path: raw/orders/, format: csv}
columns:
  - {name: id, type: bigint, required: true}
  - {name: amount, type: "decimal(12,2)"}
  - {name: placed, type: timestamp}
target: {path: processed/orders/}
"""


@dataclass
class World:
    """A project and a lake below a temporary folder (the lake may be in S3)."""

    home: Path
    uri: str
    declared: dict[str, str] = field(default_factory=dict)

    def declare(self, text: str, **queries: str) -> "World":
        """Add (or replace) a declaration, with the SQL files that it names."""
        data = yaml.safe_load(text)
        name = data.get("dataset") or data["transform"]
        folder = self.home / "project" / "shop"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.yaml").write_text(text)
        for file, query in queries.items():
            (folder / f"{file}.sql").write_text(query)
        self.__dict__.pop("lake", None)
        return self

    @cached_property
    def lake(self) -> Lake:
        return Lake(load(self.home / "project"), Settings.read(self.home / "project", self.uri))

    def put(self, key: str, body: str | bytes) -> None:
        self.lake.raw.put(key, body.encode() if isinstance(body, str) else body)

    def run(self, **options: Any) -> list[Step]:
        return list(run.run(self.lake, **options))

    def ingested(self, **options: Any) -> list[Ingested]:
        return [step for step in self.run(**options) if isinstance(step, Ingested)]

    def fates(self) -> dict[str, str]:
        """Run, and say what became of each object."""
        return {o.object.key: o.fate if o.fate != "rejected" else f"rejected: {o.reason}" for step in self.ingested() for o in step.objects}

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Answer a query over tables by name; timestamps and decimals as texts."""
        from core.project import tables_in

        with self.lake.workplace() as work, self.lake.session(work) as connection:
            for name in tables_in(query):
                assert self.lake.mount(connection, name) is not None, f"{name} has no table"
            rows: list[dict[str, Any]] = connection.execute(query).to_arrow_table().to_pylist()
        return [{name: _plain(value) for name, value in row.items()} for row in rows]

    def values(self, query: str) -> list[Any]:
        return [next(iter(row.values())) for row in self.rows(query)]

    def keys(self, prefix: str = "") -> set[str]:
        return {ref.key for ref in self.lake.raw.list(prefix)}

    def report(self, prefix: str) -> Mapping[str, Any]:
        """Return the one rejection report below a prefix."""
        (key,) = [key for key in self.keys(prefix) if key.endswith(".report.json")]
        found: Mapping[str, Any] = json.loads(self.lake.raw.get(key) or b"")
        return found

    def version(self, name: str) -> int:
        snapshot = self.lake.table(self.lake.project.named(name))
        assert snapshot is not None, f"{name} has no table"
        return snapshot.version


def _plain(value: Any) -> Any:
    from decimal import Decimal

    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return value
