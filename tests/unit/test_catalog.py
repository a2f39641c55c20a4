"""Glue tables follow the Delta tables: every type, the descriptions, made once, changed where they differ, never taken from others."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pytest
import yaml
from deltalake import DeltaTable, TableFeatures

from core import catalog, delta
from core.contract import Dataset
from core.delta import Change, described
from core.errors import Conflict, LakeError, Terminal, Transient
from core.run import Undone
from core.types import SCALARS, stored_type
from tests.conftest import bucket
from tests.faults.test_protocol import failing_once
from tests.world import ORDERS, World

DESCRIBED = ORDERS.replace("dataset: orders", "dataset: orders\ndescription: One row per order.").replace(
    "type: bigint, required: true", "type: bigint, required: true, description: The order's number."
)
LOCATION = "s3://lake/processed/orders"

# --- definitions ---------------------------------------------------------------------------------------------------------------------

ATHENA = {
    "boolean": "boolean", "tinyint": "tinyint", "smallint": "smallint", "integer": "int", "bigint": "bigint", "float": "float",
    "double": "double", "varchar": "string", "json": "string", "date": "date", "timestamptz": "timestamp",
}  # fmt: skip
NESTED = {
    "decimal(12,2)": "decimal(12,2)",
    "decimal(38,0)": "decimal(38,0)",
    "varchar[]": "array<string>",
    "double[][]": "array<array<double>>",
    "struct(a bigint, b varchar[])": "struct<a:bigint,b:array<string>>",
    'struct("A:b<d>" varchar, inner struct(x json))[]': "array<struct<a_b_d_:string,inner:struct<x:string>>>",
}


@pytest.mark.parametrize(("declared", "expected"), [*((kind, ATHENA[kind]) for kind in dict.fromkeys(SCALARS.values())), *NESTED.items()])
def test_every_type_of_a_contract_has_its_name_in_athena(world: World, declared: str, expected: str) -> None:
    kind = declared.replace('"', '\\"')
    text = f'dataset: t\nsource: {{path: raw/t/, format: jsonl}}\ncolumns: [{{name: c, type: "{kind}"}}]\ntarget: {{path: processed/t/}}\n'
    dataset = world.declare(text).lake.project.datasets["t"]
    with world.lake.workplace() as work, world.lake.session(work) as connection:
        arrow = connection.execute(f"select null::{stored_type(dataset.columns[0].type)} as c").to_arrow_table().schema
    snapshot = delta.ensure(world.lake.uri("processed/t"), arrow, partition_by=(), options={})
    assert catalog.athena_type(snapshot.schema.field("c").type) == expected


def test_a_type_that_no_table_has_is_an_error() -> None:
    with pytest.raises(Terminal, match="expected one that Athena has"):
        catalog.athena_type(pa.time32("s"))


def loaded(world: World, text: str = DESCRIBED) -> Dataset:
    """Load two rows, one of which is set aside."""
    world.declare(text).put("raw/orders/a.csv", "id,amount,placed\n1,1.5,2025-01-01\nx,,\n")
    world.run()
    return world.lake.project.datasets["orders"]


def test_a_definition_is_a_native_delta_table_with_its_descriptions(world: World) -> None:
    dataset = loaded(world)
    snapshot = world.lake.table(dataset)
    assert snapshot is not None
    definition = catalog.table_input(dataset, snapshot.schema, LOCATION)
    storage = definition["StorageDescriptor"]
    assert (definition["Name"], definition["Description"], definition["TableType"]) == ("orders", "One row per order.", "EXTERNAL_TABLE")
    assert definition["Parameters"].items() >= {"table_type": "DELTA", "spark.sql.sources.provider": "delta", "lakelet": "orders"}.items()
    assert storage["Location"] == storage["SerdeInfo"]["Parameters"]["path"] == "s3://lake/processed/orders/"
    assert [(column["Name"], column["Type"]) for column in storage["Columns"]] == [
        ("id", "bigint"), ("amount", "decimal(12,2)"), ("placed", "timestamp"),
        ("_source", "string"), ("_source_time", "timestamp"), ("_row", "bigint"),
    ]  # fmt: skip
    assert [column["Comment"] for column in storage["Columns"]][:2] == ["The order's number.", ""]
    assert "place in that object" in storage["Columns"][-1]["Comment"]


def test_partition_columns_are_columns_and_glue_knows_no_partitions(world: World) -> None:
    dataset = world.declare(ORDERS.replace("processed/orders/}", "processed/orders/, partition_by: [day]}").replace(
        "target:", "  - {name: day, type: date, sql: cast(placed as date)}\ntarget:"
    )).lake.project.datasets["orders"]  # fmt: skip
    definition = catalog.table_input(dataset, pa.schema([("id", pa.int64()), ("day", pa.date32())]), LOCATION)
    assert definition["PartitionKeys"] == []
    assert [column["Name"] for column in definition["StorageDescriptor"]["Columns"]] == ["id", "day"]


def test_a_quarantine_table_has_a_definition_of_its_own(world: World) -> None:
    dataset = loaded(world)
    snapshot = world.lake.quarantine(dataset)
    assert snapshot is not None
    definition = catalog.quarantine_input(dataset, snapshot.schema, "s3://lake/quarantine/orders")
    columns = definition["StorageDescriptor"]["Columns"]
    assert (definition["Name"], definition["Parameters"]["lakelet"]) == ("quarantine_orders", "quarantine.orders")
    assert {column["Name"]: column["Type"] for column in columns}["reasons"] == "array<string>"
    assert all(column["Comment"] for column in columns)


def test_what_is_too_long_for_glue_is_cut_between_two_characters(world: World) -> None:
    long = DESCRIBED.replace("One row per order.", "é" * 2000).replace("The order's number.", "日本 " * 200)
    dataset = world.declare(long).lake.project.datasets["orders"]
    definition = catalog.table_input(dataset, pa.schema([("id", pa.int64())]), LOCATION)
    (column,) = definition["StorageDescriptor"]["Columns"]
    assert 2040 < len(definition["Description"].encode()) <= 2048
    assert 250 < len(column["Comment"].encode()) <= 255
    assert column["Comment"].endswith("…")


NAMED = "dataset: {0}\nsource: {{path: raw/{0}/, format: csv}}\ncolumns: [{{name: id}}]\ntarget: {{path: processed/{0}/}}\n"


def test_names_that_are_one_in_glue_are_found(world: World) -> None:
    for name in ("Big-Orders", "big_orders", "quarantine-big_orders", "other"):
        world.declare(NAMED.format(name))
    assert dict(catalog.clashes(world.lake.project)) == {
        "big_orders": ("Big-Orders", "big_orders"),
        "quarantine_big_orders": ("quarantine-big_orders", "quarantine.Big-Orders", "quarantine.big_orders"),
    }


def test_names_that_differ_do_not_clash(world: World) -> None:
    world.declare(NAMED.format("a-b")).declare(NAMED.format("a-c"))
    assert catalog.clashes(world.lake.project) == ()


# --- registering ---------------------------------------------------------------------------------------------------------------------


class Glue:
    """A Glue database of its own in a real server, and what was asked of it."""

    def __init__(self, options: dict[str, str]) -> None:
        self.options, self.database = options, f"d{uuid4().hex[:8]}"
        self.calls: list[str] = []
        catalog._client.cache_clear()
        self.client = catalog._client(tuple(sorted(options.items())))
        self.client.create_database(DatabaseInput={"Name": self.database})
        self.client.meta.events.register("before-call.glue", lambda model, **_: self.calls.append(model.name))

    def register(self, **changed: Any) -> str:
        return catalog.register(self.database, definition(**changed), self.options)

    def forget(self) -> None:
        """Be another process."""
        catalog._seen.clear()

    def table(self, name: str = "orders") -> dict[str, Any]:
        found: dict[str, Any] = self.client.get_table(DatabaseName=self.database, Name=name)["Table"]
        return found


def definition(description: str = "", columns: tuple[str, ...] = ("id",), location: str = LOCATION) -> dict[str, Any]:
    text = ORDERS.replace("dataset: orders", f"dataset: orders\ndescription: '{description}'")
    dataset = Dataset.model_validate(yaml.safe_load(text))
    return catalog.table_input(dataset, pa.schema([(name, pa.int64()) for name in columns]), location)


@pytest.fixture
def glue(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Glue]:
    world = World(tmp_path, bucket(s3_endpoint, monkeypatch)).declare(ORDERS)
    catalog._seen.clear()
    yield Glue(dict(world.lake.settings.aws))
    catalog._client.cache_clear()
    catalog._seen.clear()


def test_a_table_is_created_once_and_changed_where_it_differs(glue: Glue) -> None:
    assert glue.register() == "created"
    glue.forget()
    assert glue.register() == "unchanged"
    assert glue.register(columns=("id", "more")) == "updated"
    assert [column["Name"] for column in glue.table()["StorageDescriptor"]["Columns"]] == ["id", "more"]
    assert glue.register(columns=("id", "more"), description="What it is") == "updated"
    assert glue.table()["Description"] == "What it is"
    assert glue.register(columns=("id", "more"), location=LOCATION + "-2") == "updated"
    assert glue.table()["StorageDescriptor"]["Location"] == LOCATION + "-2/"


def test_a_warm_process_asks_nothing_about_a_table_that_did_not_change(glue: Glue, monkeypatch: pytest.MonkeyPatch) -> None:
    glue.register()
    asked = list(glue.calls)
    assert asked == ["GetTable", "CreateTable"]
    assert glue.register() == "known"
    assert catalog.known(glue.database, "orders", glue.options)
    assert glue.calls == asked
    assert glue.register(description="new") == "updated"
    monkeypatch.setattr(catalog, "LOOK_AGAIN", 0)
    assert not catalog.known(glue.database, "orders", glue.options)
    glue.client.delete_table(DatabaseName=glue.database, Name="orders")
    assert glue.register(description="new") == "created"


def test_parameters_that_others_added_stay(glue: Glue) -> None:
    glue.register()
    held = definition()
    glue.client.update_table(
        DatabaseName=glue.database, TableInput={**held, "Parameters": {**held["Parameters"], "owner": "finance"}, "Owner": "x"}
    )
    glue.forget()
    assert glue.register() == "unchanged"
    assert glue.register(columns=("id", "more")) == "updated"
    assert glue.table()["Parameters"]["owner"] == "finance"


def test_a_table_of_somebody_else_is_left_alone(glue: Glue) -> None:
    foreign = {**definition(location="s3://others/orders"), "Parameters": {"table_type": "ICEBERG"}}
    glue.client.create_table(DatabaseName=glue.database, TableInput=foreign)
    with pytest.raises(Terminal, match=r"not this lake's\. Rename the declaration"):
        glue.register()
    assert glue.table()["StorageDescriptor"]["Location"] == "s3://others/orders/"


def test_another_lake_s_table_is_left_alone(glue: Glue) -> None:
    assert glue.register(location="s3://production/orders") == "created"
    with pytest.raises(Terminal, match="s3://production/orders"):
        glue.register(location="s3://staging/orders")


def test_a_crawler_s_table_of_the_same_data_is_taken_over(glue: Glue) -> None:
    crawled = {**definition(), "Parameters": {"UPDATED_BY_CRAWLER": "c", "classification": "delta"}}
    glue.client.create_table(DatabaseName=glue.database, TableInput=crawled)
    assert glue.register() == "updated"
    assert glue.table()["Parameters"].items() >= {"UPDATED_BY_CRAWLER": "c", "table_type": "DELTA"}.items()


def test_eight_processes_that_register_one_table_agree(glue: Glue) -> None:
    table = definition()
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda _: catalog._register(glue.client, glue.database, table), range(8)))
    assert set(outcomes) <= {"created", "unchanged"}
    assert "created" in outcomes


def test_a_missing_database_says_so(glue: Glue) -> None:
    with pytest.raises(Terminal, match="expected database nowhere; found none"):
        catalog.register("nowhere", definition(), glue.options)


def refused(code: str, operation: str, status: int = 400) -> Exception:
    from botocore.exceptions import ClientError

    return ClientError({"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}, operation)


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("AccessDeniedException", 400, Terminal), ("InvalidInputException", 400, Terminal),
        ("ResourceNumberLimitExceededException", 400, Terminal),
        ("ThrottlingException", 400, Transient), ("InternalServiceException", 500, Transient), ("Whatever", 503, Transient),
    ],
)  # fmt: skip
def test_a_refusal_is_final_and_a_failure_may_pass(
    glue: Glue, monkeypatch: pytest.MonkeyPatch, code: str, status: int, kind: type[LakeError]
) -> None:
    monkeypatch.setattr(
        glue.client, "create_table", failing_once(glue.client.create_table, refused(code, "CreateTable", status), at=1, after=False)
    )
    with pytest.raises(kind, match=code) as raised:
        glue.register()
    assert not isinstance(raised.value, Conflict)
    assert ("glue:UpdateTable" in str(raised.value)) == (code == "AccessDeniedException")
    assert glue.register() == "created"


def test_what_others_do_at_the_same_time_is_looked_at_again(glue: Glue, monkeypatch: pytest.MonkeyPatch) -> None:
    create, update = glue.client.create_table, glue.client.update_table
    lost = refused("OperationTimeoutException", "CreateTable")
    monkeypatch.setattr(glue.client, "create_table", failing_once(create, lost, at=1, after=True))
    with pytest.raises(Transient):  # the answer was lost, the table is there
        glue.register()
    assert glue.register() == "unchanged"
    rival = refused("ConcurrentModificationException", "UpdateTable")
    monkeypatch.setattr(glue.client, "update_table", failing_once(update, rival, at=1, after=False))
    assert glue.register(description="new") == "updated"
    monkeypatch.setattr(
        glue.client, "create_table", failing_once(create, refused("AlreadyExistsException", "CreateTable"), at=1, after=True)
    )
    glue.client.delete_table(DatabaseName=glue.database, Name="orders")
    assert glue.register(description="newer") == "unchanged"


def test_a_table_that_is_dropped_just_then_is_made_again(glue: Glue, monkeypatch: pytest.MonkeyPatch) -> None:
    glue.register()
    update, todo = glue.client.update_table, ["drop"]

    def rival(**arguments: Any) -> Any:
        if todo:
            todo.pop()
            glue.client.delete_table(DatabaseName=glue.database, Name="orders")
        return update(**arguments)

    monkeypatch.setattr(glue.client, "update_table", rival)
    assert glue.register(description="new") == "created"


def test_no_region_and_no_server_say_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    catalog._client.cache_clear()
    with pytest.raises(Terminal, match="Set AWS_REGION"):
        catalog.register("d", definition(), {})
    nobody = {"aws_region": "us-east-1", "aws_endpoint_url": "http://127.0.0.1:9", "aws_access_key_id": "a", "aws_secret_access_key": "b"}
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(Transient, match="Could not connect"):
        catalog.register("d", definition(), nobody)


# --- a table that Athena reads -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("feature", ["ColumnMapping", "DeletionVectors", "V2Checkpoint", "VariantType"])
def test_a_table_that_must_not_be_read_as_its_files_say_is_refused(world: World, feature: str) -> None:
    dataset = loaded(world)
    DeltaTable(world.lake.uri("processed/orders")).alter.add_feature(getattr(TableFeatures, feature), allow_protocol_versions_increase=True)
    with pytest.raises(Terminal, match=f"cannot be read: expected a protocol that Lakelet and Athena know; found {feature[0].lower()}"):
        world.lake.table(dataset)


@pytest.mark.parametrize("feature", ["ChangeDataFeed", "CheckConstraints", "GeneratedColumns", "DomainMetadata", "RowTracking"])
def test_a_table_that_asks_more_of_its_writers_is_read_but_not_written(world: World, feature: str) -> None:
    dataset = loaded(world)
    DeltaTable(world.lake.uri("processed/orders")).alter.add_feature(getattr(TableFeatures, feature), allow_protocol_versions_increase=True)
    snapshot = world.lake.table(dataset)
    assert snapshot is not None
    with pytest.raises(Terminal, match="cannot be written"):
        delta.commit(snapshot, Change(identities={"x": 1}), now=world.lake.now())
    with pytest.raises(Terminal, match="cannot be written"):
        delta.ensure(snapshot.uri, snapshot.schema, partition_by=(), options={})
    assert world.values("select id from orders") == [1]
    world.put("raw/orders/b.csv", "id,amount,placed\n2,,\n")
    (undone,) = [step for step in world.run() if isinstance(step, Undone)]
    assert feature[0].lower() + feature[1:] in undone.error
    assert world.keys("raw/") == {"raw/orders/b.csv"}


@pytest.mark.parametrize("feature", ["AppendOnly", "Invariants", "TimestampWithoutTimezone"])
def test_a_table_raised_to_what_athena_reads_goes_on(world: World, feature: str) -> None:
    loaded(world)
    DeltaTable(world.lake.uri("processed/orders")).alter.add_feature(getattr(TableFeatures, feature), allow_protocol_versions_increase=True)
    world.put("raw/orders/b.csv", "id,amount,placed\n2,,\n")
    world.run()
    assert world.values("select id from orders order by id") == [1, 2]


def test_descriptions_stand_in_the_table_too_and_change_nothing_else(world: World) -> None:
    uri, plain = f"{world.uri}/t", pa.schema([("id", pa.int64()), ("more", pa.string())])
    told = described(plain, {"id": "The number.", "more": ""})
    first = delta.ensure(uri, told.remove(1), partition_by=(), options={})
    assert first.schema.field("id").metadata == {b"comment": b"The number."}
    again = delta.ensure(uri, plain.remove(1), partition_by=(), options={})
    assert again.version == first.version
    grown = delta.ensure(uri, described(plain, {"id": "Another.", "more": "New."}), partition_by=(), options={})
    assert grown.schema.field("more").metadata == {b"comment": b"New."}
    delta.commit(grown, Change(identities={"x": 1}), now=world.declare(ORDERS).lake.now())
    found = delta.open_table(uri, {})
    assert found is not None
    assert found.schema.field("id").metadata == {b"comment": b"The number."}
