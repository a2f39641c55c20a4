"""A declaration's SQL is trusted with the data, not with the machine."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import duckdb_extension_httpfs
import pytest

from core.errors import Terminal
from core.query import query
from core.run import Undone
from tests.world import ORDERS, World

GOOD = "id,amount,placed\n1,1,\n"
READS = [
    "select * from read_text('/proc/self/environ')",
    "select * from read_blob('/proc/self/environ')",
    "select * from read_csv('/etc/passwd', columns = {'a': 'varchar'}, auto_detect = false)",
    "select * from '/etc/passwd'",
    "select * from glob('/etc/*')",
    "select * from read_text('SECRET')",
    "select * from read_text('LAKE/../secret/key')",
    "select * from read_text('LAKE-other/key')",
    "select * from read_parquet('https://example.com/x.parquet')",
    "select * from read_text('s3://other/key')",
    "from sniff_csv('/etc/passwd')",
    "from parquet_metadata('/secret.parquet')",
    "select getenv('HOME')",
    "select * from sqlite_scan('/secret', 'x')",
    "select * from query('select * from read_text(''/etc/passwd'')')",
]
STATEMENTS = [
    "install httpfs", "load httpfs", "load '/tmp/x.duckdb_extension'", "attach '/tmp/x.db' as x", "attach ':memory:' as y (type sqlite)",
    "set memory_limit = '1TB'", "set enable_external_access = true", "reset enable_external_access", "pragma threads = 64",
    "set lock_configuration = false", "set allowed_directories = ['/']", "set temp_directory = '/etc'", "set TimeZone = 'Asia/Tokyo'",
    "copy (select 1) to '/tmp/stolen.csv'", "copy (select 1) to 'SECRET'", "export database '/tmp/stolen'",
    "create table t as from '/etc/passwd'",
    "create secret x (type s3, key_id 'a')", "create table t as from read_text('/proc/self/environ')", "import database '/tmp'",
]  # fmt: skip


@pytest.fixture
def secret(world: World, tmp_path: Path) -> Path:
    """A file beside the lake, and one in a folder whose name begins as the lake's does."""
    for folder in (tmp_path / "secret", Path(f"{world.uri}-other")):
        folder.mkdir()
        (folder / "key").write_text("password")
    return tmp_path / "secret" / "key"


def filled(text: str, world: World, secret: Path) -> str:
    return text.replace("SECRET", str(secret)).replace("LAKE", world.uri)


@pytest.mark.parametrize("statement", [*READS, *STATEMENTS])
def test_no_statement_reaches_beyond_the_lake(world: World, secret: Path, statement: str) -> None:
    world.declare(ORDERS)
    with world.lake.workplace() as work, world.lake.session(work) as connection, pytest.raises(duckdb.Error):
        connection.execute(filled(statement, world, secret)).fetchall()
    assert not Path("/tmp/stolen.csv").exists()
    assert secret.read_text() == "password"


def test_the_variables_of_python_are_no_tables(world: World) -> None:
    import pyarrow as pa

    hidden = pa.table({"a": [1]})
    assert hidden.num_rows == 1
    with world.declare(ORDERS).lake.workplace() as work, world.lake.session(work) as connection, pytest.raises(duckdb.Error):
        connection.execute("select * from hidden")


@pytest.mark.parametrize("read", READS)
def test_no_query_reaches_beyond_the_lake(world: World, secret: Path, read: str) -> None:
    world.declare(ORDERS).put("raw/orders/a.csv", GOOD)
    world.run()
    with pytest.raises(Terminal) as caught:
        query(world.lake, filled(read, world, secret))
    assert "password" not in str(caught.value)


@pytest.mark.parametrize("read", READS)
def test_no_transform_reaches_beyond_the_lake(world: World, secret: Path, read: str) -> None:
    body = f"select id, (select count(*) from ({filled(read, world, secret)})) as n from orders"
    try:
        world.declare(ORDERS).declare("transform: t\nsql: t.sql\nwhen: any_input\ntarget: {path: gold/t/}\n", t=body)
        world.put("raw/orders/a.csv", GOOD)
    except Terminal:
        return
    assert any(isinstance(step, Undone) and step.name == "t" for step in world.run())
    table = world.lake.table(world.lake.project.named("t"))
    assert table is None or table.rows == 0


STOLEN = "(select content from read_text('SECRET')) = 'password'"


@pytest.mark.parametrize(
    "sql", [STOLEN, "id > 0 and exists (from read_text('SECRET'))", "1 = (select 1 from read_blob('/proc/self/environ'))"]
)
def test_no_check_reaches_beyond_the_lake(world: World, secret: Path, sql: str) -> None:
    declared = ORDERS.replace("target: {", f'checks: [{{name: steal, sql: "{filled(sql, world, secret)}"}}]\ntarget: {{')
    world.declare(declared).put("raw/orders/a.csv", GOOD)
    assert any(isinstance(step, Undone) for step in world.run())
    assert world.keys("raw/") == {"raw/orders/a.csv"}


def test_no_computed_column_reaches_beyond_the_lake(world: World, secret: Path) -> None:
    column = f"  - {{name: stolen, sql: \"(select content from read_text('{secret}'))\"}}\ntarget: {{"
    try:
        world.declare(ORDERS.replace("target: {", column)).put("raw/orders/a.csv", GOOD)
    except Terminal:
        return
    steps = world.run()
    assert any(isinstance(step, Undone) for step in steps) or world.values("select stolen from orders") == [None]


@pytest.mark.parametrize(
    "injected", ["true) or (true", "true); drop table orders; --", "1) from range(3) where (true", "true -- a remark", "true /*"]
)
def test_a_check_that_breaks_out_of_its_parentheses_has_no_effect(world: World, injected: str) -> None:
    declared = ORDERS.replace("target: {", f'checks: [{{name: broken, sql: "{injected}"}}]\ntarget: {{')
    try:
        world.declare(declared).put("raw/orders/a.csv", GOOD)
    except Terminal:
        return
    world.run()
    table = world.lake.table(world.lake.project.named("orders"))
    assert table is None or table.rows <= 1


@pytest.mark.parametrize("sql", ["id > 1) or (true", "1) from range(3) where (true"])
def test_a_check_that_would_break_out_of_its_parentheses_is_refused(world: World, sql: str) -> None:
    world.declare(ORDERS.replace("target: {", f'checks: [{{name: broken, sql: "{sql}"}}]\ntarget: {{'))
    with pytest.raises(Terminal, match=r"checks\.0\.sql"):
        _ = world.lake


def test_a_lake_in_s3_is_the_only_bucket_that_can_be_read(anywhere: World) -> None:
    anywhere.declare(ORDERS).put("raw/orders/a.csv", GOOD)
    anywhere.run()
    for read in ("read_text('s3://other-bucket/x')", "read_text('/etc/passwd')", "read_text('/proc/self/environ')"):
        with pytest.raises(Terminal):
            query(anywhere.lake, f"select * from {read}")
    if anywhere.uri.startswith("s3://"):
        with anywhere.lake.workplace() as work, anywhere.lake.session(work) as connection:
            ((name, told),) = connection.execute("select name, secret_string from duckdb_secrets()").fetchall()
        assert name == "lake"
        assert "secret=redacted" in told


def test_a_session_loads_no_extension_but_its_own_signed_or_not(anywhere: World) -> None:
    """A real one, which DuckDB would load: it is signed, and in S3 nobody would ask for that."""
    anywhere.declare(ORDERS)
    real = next(Path(duckdb_extension_httpfs.__file__).parent.glob(f"extensions/v{duckdb.__version__}/httpfs.duckdb_extension"))
    with anywhere.lake.workplace() as work, anywhere.lake.session(work) as connection:
        shutil.copyfile(real, work / "evil.duckdb_extension")
        for place in (work / "evil.duckdb_extension", f"{anywhere.uri}/evil.duckdb_extension", "evil"):
            with pytest.raises(duckdb.PermissionException):
                connection.execute(f"load '{place}'")
        (unhashed,) = connection.execute("select current_setting('allow_unsigned_extensions')").fetchone() or ()
    assert unhashed == anywhere.uri.startswith("s3://")


def test_no_session_fetches_extensions(world: World) -> None:
    with world.declare(ORDERS).lake.workplace() as work, world.lake.session(work) as connection:
        settings = dict(connection.execute("select name, value from duckdb_settings() where name like '%known_extensions'").fetchall())
    assert settings == {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}


def test_a_session_has_the_memory_and_the_threads_that_it_was_given(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKELET_MEMORY", "300MiB")
    monkeypatch.setenv("LAKELET_THREADS", "3")
    with world.declare(ORDERS).lake.workplace() as work, world.lake.session(work) as connection:
        (found,) = connection.execute("select current_setting('memory_limit'), current_setting('threads')").fetchall()
    assert found == ("300.0 MiB", 3)


def test_a_moment_without_a_zone_is_utc_wherever_the_machine_stands(world: World) -> None:
    world.declare(ORDERS).put("raw/orders/a.csv", "id,amount,placed\n1,1,2025-01-01 12:00:00\n")
    code = "import sys; from pathlib import Path; from tests.world import World; World(Path(sys.argv[1]), sys.argv[2]).run()"
    elsewhere = {**os.environ, "TZ": "Asia/Tokyo"}
    subprocess.run([sys.executable, "-c", code, str(world.home), world.uri], check=True, env=elsewhere)
    assert world.values("select placed from orders") == ["2025-01-01T12:00:00+00:00"]


def test_the_session_counts_in_utc_and_spills_where_it_may(world: World) -> None:
    world.declare(ORDERS)
    with world.lake.workplace() as work, world.lake.session(work) as connection:
        settings = dict(connection.execute("select name, value from duckdb_settings()").fetchall())
    assert (settings["TimeZone"], settings["lock_configuration"]) == ("UTC", "true")
    assert settings["temp_directory"].startswith(str(work))


@pytest.mark.parametrize("condition", ["x in ({})", "try(x in ({}))", "x not in ({})"])
def test_a_long_list_is_no_join(world: World, condition: str) -> None:
    """A join loses the order of rows, by which they know their records."""
    listed = condition.format(", ".join(f"'{n}'" for n in range(20)))
    with world.declare(ORDERS).lake.workplace() as work, world.lake.session(work) as connection:
        ((_, plan),) = connection.execute(
            f"explain select x, {listed} as y from (select range::varchar as x from range(100000))"
        ).fetchall()
    assert "JOIN" not in plan
