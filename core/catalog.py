"""Glue tables for Athena: definitions made from a table's schema and its declaration (pure), created or updated where they differ.

Native Delta: Athena takes rows, partitions and pruning from the log at the location. What stands in Glue is what people and Lake Formation
see, so it follows the log without a crawler. No partition keys: there are no partitions in Glue, and what believed in them found no rows.
"""

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final, Literal

import pyarrow as pa
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from core.contract import Dataset, Declaration
from core.errors import Conflict, Terminal, Transient
from core.project import Project

Outcome = Literal["known", "unchanged", "created", "updated"]

LONGEST_COMMENT: Final = 255
LONGEST_DESCRIPTION: Final = 2048
"""Bytes that Glue takes."""

PROVENANCE: Final = {
    "_source": "The object that the row comes from: its key, @ and its version.",
    "_source_time": "When that object was last modified.",
    "_row": "The row's place in that object, from 1.",
    "_rescued": "What the record held beyond the declared columns, as JSON.",
}
"""What Lakelet's own columns are, for those who meet them in Athena."""

QUARANTINE: Final = {
    "position": "Where in the object the record stands.",
    "reasons": "Why the row was set aside.",
    "raw": "The record as it came.",
    "quarantined_at": "When the row was set aside.",
}

OWNER: Final = "lakelet"
"""The table parameter that says that Lakelet made it, and of which declaration."""

DELTA: Final = {"EXTERNAL": "TRUE", "classification": "delta", "table_type": "DELTA", "spark.sql.sources.provider": "delta"}
"""By these Athena (table_type), Glue's own crawler (classification) and Spark (its provider) know a native Delta table."""

# --- definitions ---------------------------------------------------------------------------------------------------------------------


def table_name(name: str) -> str:
    """Return what Glue and Athena call a declaration's table: lower case, without dashes, which Athena wants quoted everywhere."""
    return name.lower().replace("-", "_")


def quarantine_name(name: str) -> str:
    return f"quarantine_{table_name(name)}"


def clashes(project: Project) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the Glue names that several tables of a project would have, each with those tables as declarations and SQL name them."""
    tables: dict[str, list[str]] = {}
    for name in project.declarations:
        tables.setdefault(table_name(name), []).append(name)
    for name in project.datasets:
        tables.setdefault(quarantine_name(name), []).append(f"quarantine.{name}")
    return tuple((name, tuple(claimed)) for name, claimed in tables.items() if len(claimed) > 1)


def table_input(declaration: Declaration, schema: pa.Schema, location: str) -> dict[str, Any]:
    """Return the definition of a declaration's table as Glue's CreateTable takes it. `location` is the table's s3:// address."""
    described = {column.name: column.description for column in declaration.columns} if isinstance(declaration, Dataset) else {}
    comments = {**PROVENANCE, **described}
    return _definition(table_name(declaration.name), declaration.description, schema, location, comments, declaration.name)


def quarantine_input(dataset: Dataset, schema: pa.Schema, location: str) -> dict[str, Any]:
    """Return the definition of a dataset's quarantine table."""
    name = f"quarantine.{dataset.name}"
    return _definition(quarantine_name(dataset.name), f"Rows of {dataset.name} set aside.", schema, location, PROVENANCE | QUARANTINE, name)


def _definition(
    name: str, description: str, schema: pa.Schema, location: str, comments: Mapping[str, str | None], owner: str
) -> dict[str, Any]:
    columns = [_column(field, comments.get(field.name) or "") for field in schema]
    address = f"{location.rstrip('/')}/"
    return {
        "Name": name,
        "Description": _cut(description.strip(), LONGEST_DESCRIPTION),
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {**DELTA, OWNER: owner},
        "PartitionKeys": [],
        "StorageDescriptor": {
            "Columns": columns,
            "Location": address,
            "InputFormat": "org.apache.hadoop.mapred.SequenceFileInputFormat",
            "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveSequenceFileOutputFormat",
            "SerdeInfo": {
                "SerializationLibrary": "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
                "Parameters": {"serialization.format": "1", "path": address},  # Spark and Trino look for the table at `path`
            },
        },
    }


def _column(field: pa.Field, comment: str) -> dict[str, str]:
    return {"Name": field.name.lower(), "Type": athena_type(field.type), "Comment": _cut(" ".join(comment.split()), LONGEST_COMMENT)}


def _cut(text: str, most: int) -> str:
    """Cut a text to so many bytes, not inside a character."""
    return text if len(text.encode()) <= most else text.encode()[: most - 3].decode("utf-8", "ignore") + "…"


TYPES: Final = (
    (pa.types.is_boolean, "boolean"),
    (pa.types.is_int8, "tinyint"),
    (pa.types.is_int16, "smallint"),
    (pa.types.is_int32, "int"),
    (pa.types.is_int64, "bigint"),
    (pa.types.is_float32, "float"),
    (pa.types.is_float64, "double"),
    (pa.types.is_date32, "date"),
    (pa.types.is_timestamp, "timestamp"),
    (lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind), "string"),
    (lambda kind: pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind), "binary"),
)


def athena_type(kind: pa.DataType) -> str:
    """Return the type of a table's column as Athena's DDL, and so Glue, writes it; Terminal for one that no Delta table has."""
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_list_view(kind):
        return f"array<{athena_type(kind.value_type)}>"
    if pa.types.is_struct(kind):
        return "struct<" + ",".join(f"{_field_name(field.name)}:{athena_type(field.type)}" for field in kind) + ">"
    if pa.types.is_map(kind):
        return f"map<{athena_type(kind.key_type)},{athena_type(kind.item_type)}>"
    for test, name in TYPES:
        if test(kind):
            return name
    raise Terminal(f"type {kind}", expected="one that Athena has", found="none", remedy="Cast it, for example to varchar.")


def _field_name(name: str) -> str:
    """Return a struct's field name without what would end it: Glue's types know no quoting, and Athena reads the true name in the log."""
    return "".join("_" if char in ":,<>`" else char for char in name.lower())


# --- registering ---------------------------------------------------------------------------------------------------------------------

LOOK_AGAIN: Final = 900
"""Seconds after which a warm process asks Glue again about a table that did not change: somebody may have dropped it there."""

_seen: Final[dict[tuple[Any, ...], tuple[str, float]]] = {}
"""What this process has registered: its fingerprint, and when (seconds of a clock of its own)."""


def known(database: str, name: str, options: Mapping[str, str]) -> bool:
    """Whether this process registered a table lately, so that it need not even be opened to find out."""
    fingerprint, since = _seen.get(_key(database, name, options), ("", 0.0))
    return bool(fingerprint) and time.monotonic() - since < LOOK_AGAIN


def register(database: str, table: Mapping[str, Any], options: Mapping[str, str]) -> Outcome:
    """Bring a Glue table to its definition; create it where there is none. Can be repeated, also by several processes at once.

    Parameters that others added stay. Raises Terminal for a database that is missing, for refused access, and for a table of that name
    which somebody else keeps elsewhere; Transient for what may pass.
    """
    key = _key(database, table["Name"], options)
    fingerprint = hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()
    if known(database, table["Name"], options) and _seen[key][0] == fingerprint:
        return "known"
    outcome = _register(_client(tuple(sorted(options.items()))), database, table)
    _seen[key] = (fingerprint, time.monotonic())
    return outcome


def _key(database: str, name: str, options: Mapping[str, str]) -> tuple[Any, ...]:
    return (options.get("aws_endpoint_url"), options.get("aws_region"), database, name)


@retry(retry=retry_if_exception_type(Conflict), stop=stop_after_attempt(5), wait=wait_random_exponential(0.05, 1), reraise=True)
def _register(client: Any, database: str, table: Mapping[str, Any]) -> Outcome:
    """Look, then create or update; again from the look where somebody did the same in between."""
    with _translated(database, table["Name"]):
        found = _found(client, database, table["Name"])
        if found is None:
            client.create_table(DatabaseName=database, TableInput=dict(table))
            return "created"
        if _says(found, table):
            return "unchanged"
        _refuse_foreign(database, found, table)
        parameters = {**found.get("Parameters", {}), **table["Parameters"]}
        client.update_table(DatabaseName=database, TableInput={**table, "Parameters": parameters})
        return "updated"


def _found(client: Any, database: str, name: str) -> Mapping[str, Any] | None:
    try:
        found: Mapping[str, Any] = client.get_table(DatabaseName=database, Name=name)["Table"]
    except client.exceptions.EntityNotFoundException:  # the table, or the database: creating will tell
        return None
    return found


def _says(found: Any, wanted: Any) -> bool:
    """Whether what Glue holds says all that is wanted; what it holds besides does not matter."""
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(_says(found.get(name), value) for name, value in wanted.items())
    if isinstance(wanted, list):
        return len(wanted) == len(found or []) and all(map(_says, found or [], wanted))
    return bool((found or "") == (wanted or ""))


def _refuse_foreign(database: str, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Refuse to take a name from a table that somebody else, another lake perhaps, made of other data."""
    held, ours = (str(table.get("StorageDescriptor", {}).get("Location", "")).rstrip("/") for table in (found, wanted))
    moved = OWNER in found.get("Parameters", {}) and _bucket(held) == _bucket(ours)
    if held != ours and not moved:
        raise Terminal(
            f"Glue table {database}.{wanted['Name']}",
            expected=f"one of {ours}, or none",
            found=f"a table of {held or 'no location'}, which is not this lake's",
            remedy="Rename the declaration, drop that table, or give the lake a database of its own.",
        )


def _bucket(location: str) -> str:
    return location.partition("://")[2].partition("/")[0]


@lru_cache(maxsize=4)
def _client(options: tuple[tuple[str, str], ...]) -> Any:
    import boto3  # 0.2 to 0.4 s: only where a table is registered

    given = dict(options)
    names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    with _translated("", ""):
        return boto3.client(
            "glue",
            endpoint_url=given.get("aws_endpoint_url"),
            region_name=given.get("aws_region"),
            **{name: given.get(name) for name in names},
        )


CONFLICTS: Final = ("AlreadyExistsException", "ConcurrentModificationException", "VersionMismatchException")
DENIED: Final = (
    "AccessDeniedException", "UnrecognizedClientException", "InvalidClientTokenId", "InvalidSignatureException", "ExpiredTokenException",
)  # fmt: skip
PASSING: Final = (
    "InternalServiceException", "OperationTimeoutException", "ResourceNotReadyException", "ThrottlingException", "Throttling",
    "RequestLimitExceeded", "ServiceUnavailable", "InternalFailure",
)  # fmt: skip


@contextmanager
def _translated(database: str, name: str) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

    subject = f"Glue table {database}.{name}" if name else "Glue"
    try:
        yield
    except (NoRegionError, NoCredentialsError) as error:
        raise Terminal(subject, found=str(error), remedy="Set AWS_REGION and credentials, or AWS_PROFILE.") from None
    except BotoCoreError as error:
        raise Transient(subject, found=str(error), remedy="Try again.") from None
    except ClientError as error:
        raise _told(error, subject, database) from None


def _told(error: Any, subject: str, database: str) -> Exception:
    code, message = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
    found = f"{code}: {message}" if message else code
    if code in CONFLICTS:
        return Conflict(subject, found=found, remedy="Try again.")
    if code == "EntityNotFoundException" and error.operation_name == "UpdateTable":
        return Conflict(subject, found=found, remedy="Try again.")
    if code == "EntityNotFoundException":
        return Terminal(subject, expected=f"database {database}", found="none", remedy="Create it, or set another catalog.")
    if code in DENIED:
        actions = "glue:GetTable, glue:CreateTable and glue:UpdateTable"
        return Terminal(subject, expected=f"permission for {actions}", found=found, remedy="Check the role, and Lake Formation's grants.")
    if code in PASSING or error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500:
        return Transient(subject, found=found, remedy="Try again.")
    return Terminal(subject, found=found, remedy="Mend the declaration, or the catalog.")
