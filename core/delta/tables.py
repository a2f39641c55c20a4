"""A table comes to be, and follows its declaration as far as adding columns goes."""

from collections.abc import Mapping
from typing import Final

import pyarrow as pa
from deltalake import DeltaTable, Field, Schema
from deltalake.exceptions import CommitFailedError, DeltaError

from core.delta.location import address
from core.delta.protocol import refuse_unwritable
from core.delta.snapshot import Snapshot, open_table
from core.errors import Conflict, Terminal, Transient
from core.telling import first_line

CONFIGURATION: Final = {
    "delta.setTransactionRetentionDuration": "interval 30 days",
    "delta.logRetentionDuration": "interval 30 days",
    "delta.deletedFileRetentionDuration": "interval 7 days",
    "delta.checkpointInterval": "20",
}
"""What a table is made with. delta-rs writes a checkpoint after each twentieth commit by itself."""

BUSY: Final = "Invalid table version: 0"
"""What delta-rs 1.6.6 makes, when it creates a table, of S3's answer that another conditional write is under way (409)."""


def described(schema: pa.Schema, descriptions: Mapping[str, str]) -> pa.Schema:
    """Return a schema whose columns carry their descriptions, as Delta's readers (Athena among them) show them."""
    return pa.schema(
        [field.with_metadata({"comment": descriptions[field.name]}) if descriptions.get(field.name) else field for field in schema]
    )


def ensure(uri: str, schema: pa.Schema, *, partition_by: tuple[str, ...], options: Mapping[str, str], description: str = "") -> Snapshot:
    """Open the table; create it empty first where there is none, add the columns that the declaration gained.

    Never a first write: concurrent first writes with one identity double the rows. Raises Terminal where the declared columns can't be
    reached by adding nullable ones. Descriptions (the table's, and the columns' by `described`) are taken when each comes to be: to change
    one later would be a commit of its own, for which every writer at work had to start over.
    """
    found = open_table(uri, options)
    if found is None:
        _create(uri, schema, partition_by, options, description)
        found = open_table(uri, options)
        assert found is not None, "a table that was just created can be opened"
    return _evolve(found, schema, partition_by, options)


def _create(uri: str, schema: pa.Schema, partition_by: tuple[str, ...], options: Mapping[str, str], description: str) -> None:
    try:
        DeltaTable.create(
            address(uri),
            Schema.from_arrow(schema),
            mode="ignore",
            partition_by=list(partition_by),
            description=description or None,
            configuration=CONFIGURATION,
            storage_options=dict(options),
        )
    except CommitFailedError as error:
        raise Conflict(f"table {uri}", found=first_line(error)) from None
    except DeltaError as error:
        if BUSY in str(error):
            raise Conflict(f"table {uri}", found=first_line(error), remedy="Try again.") from None
        raise Terminal(f"table {uri}", expected="it to be created", found=first_line(error), remedy="Mend its declaration.") from None
    except OSError as error:
        raise Transient(f"table {uri}", found=first_line(error), remedy="Try again.") from None


def _evolve(snapshot: Snapshot, wanted: pa.Schema, partition_by: tuple[str, ...], options: Mapping[str, str]) -> Snapshot:
    refuse_unwritable(snapshot.uri, snapshot._table.protocol())
    _refuse_unsafe(snapshot, wanted, partition_by)
    new = [name for name in wanted.names if name not in snapshot.schema.names]
    if not new:
        return snapshot
    fields = Schema.from_arrow(pa.schema([wanted.field(name) for name in new])).fields
    try:
        snapshot._table.alter.add_columns([Field(f.name, f.type, nullable=True, metadata=f.metadata) for f in fields])
    except (CommitFailedError, DeltaError) as error:
        raise Conflict(f"table {snapshot.uri}", found=first_line(error)) from None
    reopened = open_table(snapshot.uri, options)
    assert reopened is not None, "a table that was just altered can be opened"
    return reopened


def _refuse_unsafe(snapshot: Snapshot, wanted: pa.Schema, partition_by: tuple[str, ...]) -> None:
    changed = [
        f"{name} is {snapshot.schema.field(name).type} and would be {wanted.field(name).type}"
        for name in wanted.names
        if name in snapshot.schema.names and not _same(snapshot.schema.field(name).type, wanted.field(name).type)
    ]
    missing = [name for name in snapshot.schema.names if name not in wanted.names]
    if partition_by != snapshot.partition_by:
        changed.append(f"it is partitioned by {list(snapshot.partition_by)} and would be by {list(partition_by)}")
    if changed or missing:
        raise Terminal(
            f"table {snapshot.uri} cannot follow its declaration",
            expected="columns added at most",
            found="; ".join([*changed, *(f"column {name} is no longer declared" for name in missing)]),
            remedy="Undo the change, or give the declaration a new target path and load the archived objects again.",
        )


def _same(left: pa.DataType, right: pa.DataType) -> bool:
    return bool(Schema.from_arrow(pa.schema([("x", left)])) == Schema.from_arrow(pa.schema([("x", right)])))
