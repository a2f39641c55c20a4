"""One hardened DuckDB connection: it reads and writes the lake and the work folder, and nothing else."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from threading import Event, Thread
from typing import Final

import duckdb

from core.errors import Terminal, Transient
from core.quoting import literal, texts
from core.telling import told

OFF: Final = ("autoinstall_known_extensions", "autoload_known_extensions", "allow_persistent_secrets")
"""What has to be off before anything is done: a secret that the user keeps in his home could win over the lake's."""

UNHASHED: Final = {"allow_unsigned_extensions": "true"}
"""httpfs lies beside DuckDB in a wheel that is pinned by its hash, as DuckDB's own is. To hash it for its signature takes 90 ms a session;
what else could be loaded is refused, signed or not, once nothing outside can be reached.
"""

UNBLAMED: Final = (duckdb.InterruptException, duckdb.IOException)
"""Out of time, or storage that failed for longer than httpfs tries: no SQL and no file is to blame."""


@contextmanager
def open_session(
    locations: list[str],
    work: Path,
    *,
    memory: str,
    threads: int,
    credentials: Mapping[str, str] | None = None,
    seconds: float | None = None,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a locked connection, closed afterwards.

    `locations` are the folders or s3:// prefixes that statements may touch; `work` takes what spills; after `seconds` every statement is
    interrupted (DuckDB knows no time limit of its own). After this nothing can be installed,
    loaded, attached or set, and no file outside can be read: a declaration's SQL is trusted with the data, not with the machine.
    Storage that fails is Transient, what else DuckDB raises and nobody caught is Terminal, without the values that DuckDB quotes.
    """
    in_s3 = any(location.startswith("s3://") for location in locations)
    connection = duckdb.connect(config={**dict.fromkeys(OFF, "false"), **(UNHASHED if in_s3 else {})})
    allowed = [f"{location.rstrip('/')}/" for location in (*locations, str(work))]
    if in_s3:
        _connect_s3(connection, credentials or {})
    settings = (
        "TimeZone = 'UTC'",
        "preserve_insertion_order = true",
        "disabled_optimizers = 'in_clause'",  # it makes joins of long lists, and a join loses the order of rows (1.5.5)
        "python_enable_replacements = false",
        "enable_progress_bar = false",
        f"memory_limit = {literal(memory)}",
        f"threads = {threads}",
        f"temp_directory = {literal(str(work / 'spill'))}",
        f"allowed_directories = {texts(allowed)}",
        "enable_external_access = false",
        "lock_configuration = true",
    )
    connection.execute("".join(f"set {setting};\n" for setting in settings) + "create schema quarantine")
    try:
        with _watched(connection, seconds):
            yield connection
    except duckdb.IOException as error:
        raise Transient("reading or writing files", found=told(error), remedy="Try again.") from None
    except duckdb.InterruptException:
        raise
    except duckdb.Error as error:  # which nobody translated nearer to its cause: its words may hold a row's values
        remedy = "Give it more memory." if isinstance(error, duckdb.OutOfMemoryException) else "Please report it."
        raise Terminal("a statement of Lakelet's own", expected="it to run", found=told(error), remedy=remedy) from None
    finally:
        connection.interrupt()  # or else closing waits for an interrupted stream for ever
        connection.close()


@contextmanager
def _watched(connection: duckdb.DuckDBPyConnection, seconds: float | None) -> Iterator[None]:
    """Interrupt whatever runs when the time is over, and again, because what was between two statements then was not interrupted."""
    over = Event()

    def watch() -> None:
        pause = max(seconds or 0, 0)
        while not over.wait(pause):
            connection.interrupt()
            pause = 0.05

    watcher = Thread(target=watch, name="deadline", daemon=True) if seconds is not None else None
    if watcher:
        watcher.start()
    try:
        yield
    finally:
        over.set()
        if watcher:
            watcher.join()


def _connect_s3(connection: duckdb.DuckDBPyConnection, credentials: Mapping[str, str]) -> None:
    """Load httpfs from its wheel, pinned beside duckdb, and make the secret that the lake's prefix needs."""
    spec = find_spec("duckdb_extension_httpfs")
    if spec is None or spec.origin is None:
        raise ImportError("duckdb-extension-httpfs is not installed")
    extension = next(Path(spec.origin).parent.glob(f"extensions/v{duckdb.__version__}/httpfs.duckdb_extension"))
    connection.execute(f"load {literal(str(extension))}")
    connection.execute("set s3_url_compatibility_mode = true")  # or else `?s3_endpoint=` in a path sends the request, signed, to any host
    endpoint = credentials.get("aws_endpoint_url", "")
    options = {
        "key_id": credentials.get("aws_access_key_id", ""),
        "secret": credentials.get("aws_secret_access_key", ""),
        "session_token": credentials.get("aws_session_token", ""),
        "region": credentials.get("aws_region", ""),
        "endpoint": endpoint.split("://")[-1],
        "url_style": "path" if endpoint else "",
        "use_ssl": "false" if endpoint.startswith("http://") else "true",
    }
    given = ", ".join(f"{name} {literal(value)}" for name, value in options.items() if value)
    connection.execute(f"create secret lake (type s3, {given})")
    if limit := credentials.get("timeout"):
        connection.execute(f"set http_timeout = {limit.removesuffix('s')}")
