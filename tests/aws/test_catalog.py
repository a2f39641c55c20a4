"""The saved queries: SQL as Athena reads it, over tables and columns that the declarations in pipelines/ make."""

from typing import Final

import pytest
import sqlglot
from sqlglot.optimizer.qualify import qualify

from core.catalog import PROVENANCE, QUARANTINE, quarantine_name, table_name
from core.declarations import load
from core.project import Project
from tests.aws.translated import ROOT, stack

PROJECT: Final = load(ROOT / "pipelines")
QUERIES: Final = {found.properties["Name"]: found.properties["QueryString"] for found in stack().of("Athena::NamedQuery")}


def tables(project: Project) -> dict[str, object]:
    """Return the columns of every table that the project makes, by its name in Athena. Types do not matter here."""
    columns: dict[str, list[str]] = {}
    for name, dataset in project.datasets.items():
        columns[table_name(name)] = [column.name for column in dataset.columns]
        columns[quarantine_name(name)] = list(QUARANTINE)
    for name, transform in project.transforms.items():
        columns[table_name(name)] = sqlglot.parse_one(transform.query, dialect="duckdb").named_selects
    return {name: dict.fromkeys((*found, *PROVENANCE), "varchar") for name, found in columns.items()}


def test_each_pipeline_has_two_queries() -> None:
    pipelines = {declaration.pipeline for declaration in PROJECT.order}
    assert sorted(name.partition(" - ")[0] for name in QUERIES) == sorted([*pipelines, *pipelines])


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_a_query_names_only_tables_and_columns_that_there_are(name: str) -> None:
    query = sqlglot.parse_one(QUERIES[name], dialect="athena")
    schema = tables(PROJECT)
    assert {table.name for table in query.find_all(sqlglot.exp.Table)} <= schema.keys()
    qualify(query, dialect="athena", schema=schema, validate_qualify_columns=True, expand_stars=False)


def test_every_query_runs_in_the_stacks_workgroup_and_database() -> None:
    for query in stack().of("Athena::NamedQuery"):
        assert (query.properties["Database"], query.properties["WorkGroup"]) == ("lakelet", "<Workgroup>")
