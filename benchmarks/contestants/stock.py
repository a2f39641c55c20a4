"""Fills a dataset's table with the rows of a query, as if so many objects had been loaded. Arguments: the project, the lake, the dataset,
and a JSON list: the query, which gives the contract's columns, and what stands for its `{}`, a commit each.
"""

import json
import sys

from core import delta
from core.delta import Change
from core.engine import fragments
from core.lake import open_lake
from core.loading import ensure_target
from core.quality import table_columns
from core.quoting import identifiers, literal


def main(project: str, folder: str, name: str, asked: str) -> None:
    """Fill the table; its rows say which object they come from."""
    lake = open_lake(project, folder)
    dataset = lake.project.datasets[name]
    query, *parts = json.loads(asked)
    with lake.workplace() as work, lake.session(work) as connection:
        for number, part in enumerate(parts):
            target, now = ensure_target(lake, dataset, connection), lake.now()
            source = f"{dataset.source.prefix}{number:05}.made@{number:032x}"
            provenance = f"{literal(source)} as _source, timestamptz {literal(now.isoformat())} as _source_time"
            rows = f"select *, {provenance}, row_number() over () as _row from ({query.replace('{}', part)})"
            added = fragments(connection, f"select {identifiers(table_columns(dataset))} from ({rows})", target)
            record = {"kind": "ingest", "dataset": name, "balance": {"read": sum(file.rows for file in added)}, "objects": []}
            delta.commit(target, Change(added, identities={source: int(now.timestamp() * 1000)}, record=record), now=now)


if __name__ == "__main__":
    main(*sys.argv[1:])
