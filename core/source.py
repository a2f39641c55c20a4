"""Where a dataset's objects come from and how they are to be read, as typed, frozen values; and the small types that declarations share."""

import codecs
import re
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Literal, Self

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from core.types import canonical_type
from core.units import duration, size

GLOB = "*?["
CRON = re.compile(r"cron\((.+)\)")


def _folder(path: str) -> str:
    if path.startswith("/") or "://" in path or ".." in path.split("/") or "//" in path:
        raise ValueError("a path inside the lake, such as raw/orders/; no scheme, no leading slash, no '..'")
    return path if path.endswith("/") else path + "/"


def _pattern(path: str) -> str:
    if not any(mark in path for mark in GLOB):
        return _folder(path)
    folder = re.split(r"[*?\[]", path, maxsplit=1)[0].rpartition("/")[0]
    if not folder or ".." in path.split("/"):
        raise ValueError("a pattern in a folder of its own, such as raw/orders/*.csv: it must not match what was archived")
    _folder(folder)
    return path


def _schedule(*named: str) -> Callable[[str], str]:
    def check(schedule: str) -> str:
        found = CRON.fullmatch(schedule)
        if schedule not in named and not (found and _is_cron(found[1])):
            raise ValueError(f"{schedule} is not one of {', '.join(named)} or cron(minute hour day month weekday), in UTC")
        return schedule

    return check


def _is_cron(expression: str) -> bool:
    try:
        next(CronSim(expression, datetime(2000, 1, 1)))
    except (CronSimError, StopIteration):
        return False
    return len(expression.split()) == 5


def _measure(parse: Callable[[str], object]) -> Callable[[str], str]:
    def check(text: str) -> str:
        parse(text)
        return text

    return check


def _encoding(name: str) -> str:
    try:
        return codecs.lookup(name).name
    except LookupError:
        raise ValueError(f"unknown encoding {name}") from None


def _mark(mark: str) -> str:
    if mark and not (len(mark) == 1 and mark.isascii() and mark.isprintable()):
        raise ValueError("one printable ASCII character, or none")
    return mark


Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,99}$", description="Starts with a letter; letters, digits, _ and -.")]
Folder = Annotated[str, AfterValidator(_folder)]
SourcePath = Annotated[str, AfterValidator(_pattern)]
TypeName = Annotated[str, AfterValidator(canonical_type)]
Trigger = Annotated[str, AfterValidator(_schedule("arrival", "hourly", "daily"))]
When = Annotated[str, AfterValidator(_schedule("all_inputs", "any_input", "hourly", "daily"))]
Duration = Annotated[str, AfterValidator(_measure(duration))]
Size = Annotated[str, AfterValidator(_measure(size))]
Encoding = Annotated[str, AfterValidator(_encoding)]
Mark = Annotated[str, AfterValidator(_mark)]
Sql = Annotated[str, Field(min_length=1)]


class Declared(BaseModel):
    """Strict and frozen: an unknown word is an error, a value never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class CsvOptions(Declared):
    """The dialect that the producer promises; nothing is guessed."""

    delimiter: str = Field(",", min_length=1, max_length=4)
    quote: Mark = Field('"', description="Empty: no quoting at all.")
    escape: Mark = Field('"', description="What escapes a quote inside quotes; the quote itself by default.")
    header: bool = True
    first_row: int = Field(1, ge=1, description="The line that holds the header, or the first record where there is none.")
    encoding: Encoding = "utf-8"
    null: str = Field("", description="The text, quoted or not, that stands for NULL.")

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if self.quote and self.quote in self.delimiter:
            raise ValueError("quote and delimiter are the same character")
        if any(char in self.delimiter for char in "\r\n\0"):
            raise ValueError("delimiter: a line break or NUL cannot separate fields")
        return self


class JsonOptions(Declared):
    """How records lie in a file: `lines` (one a line), one `array`, `concatenated` (one after another, with or without newlines)."""

    layout: Literal["lines", "array", "concatenated"] = "array"
    encoding: Encoding = "utf-8"


class JsonlOptions(Declared):
    """One JSON object a line."""

    encoding: Encoding = "utf-8"


class XlsxOptions(Declared):
    """Which sheet (the first by default) and the row that holds the header (1 by default)."""

    sheet: str | None = None
    first_row: int = Field(1, ge=1)
    header: bool = True
    null: str = ""


class ParquetOptions(Declared):
    """Parquet needs none."""


Options = CsvOptions | JsonOptions | JsonlOptions | XlsxOptions | ParquetOptions


class Limits(Declared):
    """The most that a file may be. What is more is set aside before it takes its neighbours' memory, disk and time."""

    size: Size = Field("64GiB", description="Of a file, unpacked.")
    ratio: int = Field(200, ge=1, description="How many times its packed size a file may unpack to, beyond the first 64 MiB.")
    record: Size = Field("16MiB", description="Of one record: a line of CSV with its quoted breaks, a JSON object.")
    columns: int = Field(2_000, ge=1, description="Columns of a header, keys of a record; those that are declared are always allowed.")
    refused: int = Field(1_000_000, ge=1, description="Records of a file that are quarantined one by one.")


class FileSource(Declared):
    """Where raw objects arrive, whatever their format."""

    path: SourcePath = Field(description="Every object below this folder, or that matches this glob, belongs to the dataset.")
    trigger: Trigger = "arrival"
    unknown_columns: Literal["reject", "ignore", "rescue"] = Field(
        "reject",
        description="A column or key that is not declared: reject (the file; for JSON the record), ignore, or rescue (_rescued, JSON).",
    )
    limits: Limits = Limits()

    @property
    def prefix(self) -> str:
        """The folder to list: the path up to its first wildcard."""
        literal = re.split(r"[*?\[]", self.path, maxsplit=1)[0]
        return literal[: literal.rfind("/") + 1]


class CsvSource(FileSource):
    format: Literal["csv"]
    options: CsvOptions = CsvOptions()


class JsonSource(FileSource):
    format: Literal["json"]
    options: JsonOptions = JsonOptions()


class JsonlSource(FileSource):
    format: Literal["jsonl"]
    options: JsonlOptions = JsonlOptions()


class XlsxSource(FileSource):
    format: Literal["xlsx"]
    options: XlsxOptions = XlsxOptions()


class ParquetSource(FileSource):
    format: Literal["parquet"]
    options: ParquetOptions = ParquetOptions()


Source = Annotated[CsvSource | JsonSource | JsonlSource | XlsxSource | ParquetSource, Field(discriminator="format")]
"""A dataset's source; its format decides which options there are."""

FORMATS = ("csv", "json", "jsonl", "parquet", "xlsx")
