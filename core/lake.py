"""Settings and the composition root: the only place that reads the environment and the clock."""

import os
import re
import resource
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import duckdb

from core import delta, engine
from core.contract import Dataset, Declaration
from core.declarations import load
from core.delta import DataFile, Snapshot
from core.errors import OutOfTime, Terminal
from core.project import Project
from core.pruning import Condition
from core.quoting import identifier
from core.receipt import Receipt, receipt
from core.session import open_session
from core.storage import Store, open_store
from core.telling import keep_secret

DEFAULT_PROJECT = "pipelines"
ESCAPE = re.compile("%[0-9A-Fa-f]{2}")
DEFAULT_LAKE = "./lake"
AWS_SETTINGS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_ENDPOINT_URL", "AWS_ALLOW_HTTP")

SECRETS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "LAKELET_API_KEY")

LIMITS = {"timeout": "30s", "connect_timeout": "5s", "read_timeout": "10s"}
"""How long a request to S3 may take in all, to connect, and without a word. DuckDB knows the first, boto3 the others, delta-rs no third."""


@dataclass(frozen=True)
class Settings:
    """How Lakelet runs here. `memory` and `threads` bound DuckDB; `work` is where files are copied and sorts spill.

    Empty where there is none: `catalog` (a Glue database that tables are registered in), `success_topic` and `failure_topic` (SNS),
    `refresh` (the state machine that takes over what a scheduled run has no time for), all but the first by ARN.
    """

    project: Path
    lake: str
    raw: str
    memory: str
    threads: int
    work: Path
    aws: Mapping[str, str] = field(repr=False)
    catalog: str = ""
    success_topic: str = ""
    failure_topic: str = ""
    refresh: str = ""
    granted: int = 1769
    """MiB of memory that the function has; elsewhere what the template gives it."""

    @classmethod
    def read(cls, project: str | Path | None = None, lake: str | None = None) -> "Settings":
        """Read LAKELET_* (README.md lists them) and AWS_* from the environment; arguments win."""
        env = os.environ
        keep_secret(*(env.get(name, "") for name in SECRETS))
        location = lake or env.get("LAKELET_LAKE") or DEFAULT_LAKE
        return cls(
            project=Path(project or env.get("LAKELET_PROJECT") or DEFAULT_PROJECT),
            lake=_absolute(location),
            raw=_absolute(env.get("LAKELET_RAW") or location),
            memory=env.get("LAKELET_MEMORY") or _half_of_memory(env),
            threads=int(env.get("LAKELET_THREADS") or os.cpu_count() or 2),
            work=Path(env.get("LAKELET_WORK") or tempfile.gettempdir()),
            aws=_aws_options(env) if "s3://" in f"{location} {env.get('LAKELET_RAW', '')}" else {},
            catalog=env.get("LAKELET_CATALOG", ""),
            success_topic=env.get("LAKELET_SUCCESS_TOPIC", ""),
            failure_topic=env.get("LAKELET_FAILURE_TOPIC", ""),
            refresh=env.get("LAKELET_REFRESH", ""),
            granted=int(env.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE") or cls.granted),
        )

    @property
    def spare(self) -> int:
        """Bytes of memory that are left beside DuckDB's: as many."""
        size = re.fullmatch(r"([0-9.]+) *([KMGT]?)(i?)B?", self.memory.strip(), re.IGNORECASE)
        return int(float(size[1]) * (1024 if size[3] else 1000) ** " KMGT".index(size[2].upper() or " ")) if size else 1 << 30


def _absolute(location: str) -> str:
    return location.rstrip("/") if location.startswith("s3://") else str(Path(location).absolute())


def _half_of_memory(env: Mapping[str, str]) -> str:
    """Half of the function's memory on Lambda, half of the machine's elsewhere: the rest is Arrow's, delta-rs' and the files' cache."""
    granted = env.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
    total = int(granted) << 20 if granted else os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{max(total // 2 >> 20, 256)}MiB"


def _aws_options(env: Mapping[str, str]) -> dict[str, str]:
    """Return the S3 options that obstore, delta-rs and DuckDB all take, from the environment or else the user's AWS profile."""
    found = {name.lower(): env[name] for name in AWS_SETTINGS if env.get(name)}
    if "aws_region" not in found and env.get("AWS_DEFAULT_REGION"):
        found["aws_region"] = env["AWS_DEFAULT_REGION"]
    if "aws_access_key_id" not in found:
        found |= _profile()
    if found.get("aws_endpoint_url", "").startswith("http://"):
        found["aws_allow_http"] = "true"
    return {**found, **LIMITS}


def _profile() -> dict[str, str]:
    import botocore.session

    session = botocore.session.get_session()
    credentials = session.get_credentials()
    if credentials is None:
        raise Terminal(
            "the lake is in S3",
            expected="AWS credentials",
            found="none",
            remedy="Set AWS_PROFILE or AWS_ACCESS_KEY_ID, or run `aws configure`.",
        )
    frozen = credentials.get_frozen_credentials()
    keep_secret(frozen.access_key or "", frozen.secret_key or "", frozen.token or "")
    options = {"aws_access_key_id": frozen.access_key, "aws_secret_access_key": frozen.secret_key, "aws_session_token": frozen.token}
    region = session.get_config_variable("region")
    return {name: value for name, value in {**options, "aws_region": region}.items() if value}


@dataclass(frozen=True)
class Lake:
    """A project over a place: what every operation is handed. `deadline` is when work has to be left for another time."""

    project: Project
    settings: Settings
    deadline: datetime | None = None

    @cached_property
    def store(self) -> Store:
        """Where exports, archived and rejected objects go."""
        return open_store(self.settings.lake, self.settings.aws)

    @cached_property
    def raw(self) -> Store:
        """Where raw objects arrive; the lake itself unless LAKELET_RAW names another place."""
        return self.store if self.settings.raw == self.settings.lake else open_store(self.settings.raw, self.settings.aws)

    def now(self) -> datetime:
        return datetime.now(UTC)

    def until(self, deadline: datetime) -> "Lake":
        """Return this lake with a deadline; connections are shared."""
        limited = replace(self, deadline=deadline)
        vars(limited).update(store=self.store, raw=self.raw)
        return limited

    @property
    def seconds_left(self) -> float | None:
        return None if self.deadline is None else (self.deadline - self.now()).total_seconds()

    def in_time(self, work: str) -> None:
        """Raise OutOfTime once the deadline has passed. Asked before each stage; never between a commit and what settles it."""
        if self.seconds_left is not None and self.seconds_left <= 0:
            raise OutOfTime(work, expected="to be done before the deadline", found="no time left", remedy="What is left stays in raw.")

    def receipt(self, begun: float, *, rows: int, bytes: int) -> Receipt:
        """Say what a piece of work took that began at a `time.perf_counter()`."""
        settings = self.settings
        took = time.perf_counter() - begun
        return receipt(self.project.prices, rows=rows, bytes=bytes, seconds=took, peak=_peak(), memory=settings.granted)

    def uri(self, path: str) -> str:
        return f"{self.settings.lake}/{path.rstrip('/')}"

    def table(self, declaration: Declaration) -> Snapshot | None:
        """Open a declaration's table at its newest version; None before the first load."""
        return delta.open_table(self.uri(declaration.target.path), self.settings.aws)

    def quarantine(self, dataset: Dataset) -> Snapshot | None:
        return delta.open_table(self.quarantine_uri(dataset), self.settings.aws)

    def named_table(self, name: str) -> Snapshot | None:
        """Open a table as SQL names it (`orders`, `quarantine.orders`); None before its first load, Terminal for a name not declared."""
        if not name.startswith("quarantine."):
            return self.table(self.project.named(name))
        declaration = self.project.named(name.removeprefix("quarantine."))
        return self.quarantine(declaration) if isinstance(declaration, Dataset) else None

    def quarantine_uri(self, dataset: Dataset) -> str:
        return self.uri(f"quarantine/{dataset.name}")

    @contextmanager
    def workplace(self) -> Iterator[Path]:
        """Give a private folder on the local disk, gone afterwards."""
        self.settings.work.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="lakelet-", dir=self.settings.work) as folder:
            yield Path(folder)

    @contextmanager
    def session(self, work: Path, threads: int | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """Give a connection whose statements end at the deadline, as OutOfTime; with all threads, unless it is told how many."""
        settings = self.settings
        with open_session(
            [settings.lake],
            work,
            memory=settings.memory,
            threads=threads or settings.threads,
            credentials=settings.aws,
            seconds=self.seconds_left,
        ) as connection:
            try:
                yield connection
            except duckdb.InterruptException:
                self.in_time("a statement")
                raise

    def mount(self, connection: duckdb.DuckDBPyConnection, name: str, wanted: tuple[Condition, ...] = ()) -> Snapshot | None:
        """Make a table visible to SQL by its name (`orders`, `quarantine.orders`), as of now; None before its first load.

        Of its files only those that may hold rows of which all `wanted` conditions hold: only for the query that was asked for them.
        """
        snapshot = self.named_table(name)
        if snapshot is not None:
            self.show(connection, name, snapshot, engine.wanted_files(connection, snapshot, wanted))
        return snapshot

    def show(self, connection: duckdb.DuckDBPyConnection, name: str, snapshot: Snapshot, files: Iterable[DataFile]) -> None:
        """Make some files of a table visible to SQL by its name."""
        schema, _, table = name.rpartition(".")
        view = f"{schema}.{identifier(table)}" if schema else identifier(table)
        connection.execute(f"create or replace view {view} as {engine.relation(snapshot, files=files)}")


def _peak() -> int:
    """Return the most memory that this process has held so far, in bytes."""
    try:
        status = Path("/proc/self/status").read_text("ascii", "replace")
        return int(next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1]) << 10
    except (OSError, StopIteration):  # no Linux
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def open_lake(project: str | Path | None = None, lake: str | None = None) -> Lake:
    """Open a lake by its settings; raises InvalidProject with every problem of the declarations."""
    settings = Settings.read(project, lake)
    if "=" in settings.lake:
        raise Terminal(
            f"lake {settings.lake}", expected="a path without '='", found="one that reads like a partition folder", remedy="Choose another."
        )
    if not settings.lake.startswith("s3://") and ESCAPE.search(settings.lake):
        raise Terminal(
            f"lake {settings.lake}", expected="a path that holds nothing like %20", found="an escape", remedy="Choose another."
        )  # delta-rs 1.6 creates a table there and then looks for it elsewhere
    return Lake(load(settings.project), settings)
