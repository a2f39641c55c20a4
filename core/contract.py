"""The declarations as typed, frozen values: what a dataset promises and what becomes of it. No I/O, no SQL text."""

import re
from datetime import timedelta
from difflib import get_close_matches
from typing import Any, Final, Literal, Self

from pydantic import Field, model_validator

from core.source import Declared, Duration, Folder, Name, Size, Source, Sql, TypeName, When
from core.units import duration

RESERVED = ("_source", "_source_time", "_row", "_rescued")


class Column(Declared):
    """One column of the table: read from the record, or computed from the others (`sql`)."""

    name: str = Field(min_length=1, max_length=200)
    type: TypeName = "varchar"
    required: bool = False
    from_: str | None = Field(
        None, alias="from", description="Where it is in the record: another header name, or a path into nested JSON such as data.device_id."
    )
    sql: Sql | None = Field(None, description="Computed from the other columns instead of read.")
    format: str | None = Field(None, description="strptime format of a date or timestamp that is not ISO 8601.")
    description: str | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.name in RESERVED or self.name.startswith("_"):
            raise ValueError(f"{self.name}: names that begin with _ are Lakelet's own")
        if self.sql and (self.from_ or self.format):
            raise ValueError("a computed column (sql) has neither `from` nor `format`")
        if self.format and self.type not in ("date", "timestamptz"):
            raise ValueError("`format` is for date and timestamp columns")
        return self

    @property
    def source_name(self) -> str:
        return self.from_ or self.name


class Check(Declared):
    """A condition on every row; NULL passes, as in SQL. It may look into other tables: `id in (select id from products)`."""

    name: Name
    sql: Sql
    action: Literal["warn", "quarantine", "fail"] = Field("quarantine", description="fail sets the whole file aside.")

    @property
    def looks_elsewhere(self) -> bool:
        """Whether it reads another table: such a check runs after the rows have their order, a join would lose it."""
        return re.search(r"\bselect\b", self.sql, re.IGNORECASE) is not None


class Expect(Declared):
    """A condition on the table after a load. Exactly one of rows, nulls, unique, fresh, usual."""

    name: Name
    rows: tuple[int | None, int | None] | None = Field(None, description="[least, most] rows in the table; null for no bound.")
    nulls: dict[str, float] | None = Field(None, description="Column -> the largest share of NULL, 0 to 1.")
    unique: list[str] | None = Field(None, description="Columns that together are unique.")
    fresh: dict[str, str] | None = Field(
        None, description="Timestamp or date column -> the largest age of its newest value, such as 2 days."
    )
    usual: float | None = Field(
        None, gt=0, description="The load's accepted rows are within this factor of the median of the last ten loads."
    )
    action: Literal["warn", "alert"] = "warn"

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(value is not None for value in (self.rows, self.nulls, self.unique, self.fresh, self.usual)) != 1:
            raise ValueError("exactly one of rows, nulls, unique, fresh, usual")
        return self


class Target(Declared):
    """The Delta table that holds the result."""

    path: Folder
    mode: Literal["append", "merge", "overwrite"] = "append"
    partition_by: tuple[str, ...] = ()


class Result(Declared):
    """The Delta table that holds a transform's result."""

    path: Folder
    mode: Literal["overwrite", "partitions", "merge"] = Field(
        "overwrite",
        description="overwrite: each run replaces the table; partitions, merge: the partitions, or keys, that changed, with `incremental`.",
    )
    partition_by: tuple[str, ...] = ()
    key: tuple[str, ...] = Field((), description="Of merge: the columns by whose values rows are made anew together.")


class Export(Declared):
    """A derived copy for readers that do not read Delta: one file a partition."""

    path: Folder
    format: Literal["csv", "parquet"]
    partition_by: tuple[str, ...] = Field((), description="The table's partition columns, or none for a single file.")
    escape_formulas: bool = Field(
        False,
        description="CSV: a text or header that a spreadsheet would compute (it begins with = + - @, a tab or a line's end) is written "
        "behind an apostrophe. Numbers stay numbers, and the table what it is.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.escape_formulas and self.format != "csv":
            raise ValueError("escape_formulas is for csv: nothing computes what stands in Parquet")
        return self


class Reports(Declared):
    """What is told of rows outside the table, its quarantine, its archive and its exports."""

    values: bool = Field(
        False,
        description="Whether errors, the reports beside rejected files and the quarantine's reasons may quote values, shortened. "
        "By default they name columns, types, rules and places only.",
    )


SHORTEST_RETENTION: Final = timedelta(days=1)
"""Longer than any query, run or function lasts: until then a reader may still open a file, and a writer may still commit one."""


class Maintenance(Declared):
    """How a table, and a dataset's quarantine, are kept small and quick to open. The defaults suit most."""

    compact_below: Size = Field("64MB", description="Files smaller than this become fewer and larger ones, such as 64MB; 0MB for never.")
    vacuum_after: Duration = Field("7 days", description="How long a file that was replaced, or never committed, is kept: a day at least.")
    keep_log: Duration = Field("30 days", description="How far back the table's history reaches.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if duration(self.vacuum_after) < SHORTEST_RETENTION:
            raise ValueError("vacuum_after: at least 1 day; readers, and writers that have not committed yet, need the files so long")
        if duration(self.keep_log) < duration(self.vacuum_after):
            raise ValueError("keep_log: at least as long as vacuum_after; without its log nobody can read an older version")
        return self


class Dataset(Declared):
    """Files of one kind, their contract, and the table they become."""

    dataset: Name
    description: str = ""
    source: Source
    columns: tuple[Column, ...] = Field(min_length=1)
    key: tuple[str, ...] = ()
    order_by: tuple[str, ...] = Field(
        (), description="The newest version of a key wins: the greatest of these, whatever the order of arrival."
    )
    checks: tuple[Check, ...] = ()
    expect: tuple[Expect, ...] = ()
    target: Target
    exports: tuple[Export, ...] = ()
    maintenance: Maintenance = Maintenance()
    reports: Reports = Reports()
    after: Literal["archive", "keep"] = "archive"
    on_change: Literal["replace", "add", "reject"] = Field(
        "replace",
        description="What an object that was changed under its old name does in an append dataset: its rows replace the older version's, "
        "are added to them, or it is rejected. Merge and overwrite go by order_by and by the object's time.",
    )
    fresh_within: Duration | None = Field(None, description="Longer than this without new data raises an alarm, such as 36 hours.")
    pipeline: str = Field(
        "", exclude=True, repr=False, description="Set by the project: the folder that declares it.", json_schema_extra={"readOnly": True}
    )

    @property
    def name(self) -> str:
        return self.dataset

    @property
    def read_columns(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.sql is None)

    @property
    def computed_columns(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.sql is not None)

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [column.name for column in self.columns]
        _distinct("columns", [name.lower() for name in names])
        _distinct("checks", [check.name for check in self.checks])
        for where, wanted in (("key", self.key), ("order_by", self.order_by), ("target.partition_by", self.target.partition_by)):
            _known(where, wanted, names)
        for expect in self.expect:
            _known(f"expect {expect.name}", [*(expect.nulls or ()), *(expect.unique or ()), *(expect.fresh or ())], names)
        if not self.read_columns:
            raise ValueError("columns: at least one is read from the source; all of these are computed")
        if self.target.mode == "merge" and not self.key:
            raise ValueError("target.mode is merge, which needs a key")
        if len(self.target.partition_by) >= len(names):
            raise ValueError("target.partition_by: at least one column must remain outside the partitioning")
        _exports(self.exports, self.target)
        return self


class Transform(Declared):
    """A table made by a query over datasets and other transforms."""

    transform: Name
    description: str = ""
    sql: str = Field(pattern=r"^[\w][\w.-]*\.sql$", description="The SQL file beside this one.")
    when: When = "all_inputs"
    target: Result
    incremental: bool = Field(
        False, description="Run only over what changed in the inputs since the last run; target.mode is partitions or merge then."
    )
    expect: tuple[Expect, ...] = ()
    exports: tuple[Export, ...] = ()
    maintenance: Maintenance = Maintenance()
    reports: Reports = Reports()
    pipeline: str = Field("", exclude=True, repr=False)
    query: str = Field("", exclude=True, repr=False)
    inputs: tuple[str, ...] = Field((), exclude=True, repr=False)

    @property
    def name(self) -> str:
        return self.transform

    @property
    def slice_by(self) -> tuple[str, ...]:
        """The columns by which an incremental transform's inputs and result are cut into what is run, or left alone, together."""
        return {"partitions": self.target.partition_by, "merge": self.target.key}.get(self.target.mode, ())

    @model_validator(mode="after")
    def _check(self) -> Self:
        mode = self.target.mode
        if self.incremental and not self.slice_by:
            raise ValueError(
                "incremental: it needs target.mode partitions and target.partition_by, such as [date], or target.mode merge "
                "and target.key; overwrite replaces it all"
            )
        if mode != "overwrite" and not self.incremental:
            raise ValueError(f"target.mode {mode} needs `incremental: true`; to replace the whole table in each run, declare overwrite")
        if self.target.key and mode != "merge":
            raise ValueError(f"target.key is for merge; target.mode is {mode}")
        _exports(self.exports, self.target)
        return self


Declaration = Dataset | Transform


def _exports(exports: tuple[Export, ...], target: Target | Result) -> None:
    for export in exports:
        if export.partition_by not in ((), target.partition_by):
            raise ValueError(f"exports {export.path}: partition_by is the table's own ({list(target.partition_by)}) or none")
    _distinct("exports", [f"{export.path} as {export.format}" for export in exports])


def _distinct(where: str, names: list[str]) -> None:
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{where}: {', '.join(twice)} stands there twice")


def _known(where: str, wanted: Any, names: list[str]) -> None:
    for name in wanted:
        if name not in names:
            near = get_close_matches(name, names, 1)
            raise ValueError(f"{where}: no column {name}" + (f"; did you mean {near[0]}?" if near else f"; columns are {', '.join(names)}"))
