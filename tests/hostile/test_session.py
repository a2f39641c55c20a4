"""SQL that attacks: it is refused, and nothing outside the lake is read, written, asked or ended by it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from core.errors import InvalidProject, LakeError, Terminal
from core.query import query
from core.run import Undone
from core.statements import DEEPEST, LONGEST
from tests.conftest import bucket
from tests.hostile.figures import FIGURES
from tests.world import ORDERS, World

ROW = "session"
GOOD = "id,amount,placed\n1,1,\n"
SECRET = "password-4711"
TABLE = "transform: t\nsql: t.sql\nwhen: any_input\ntarget: {path: gold/t/}\n"

READS = [
    "select content from read_text('/proc/self/environ')",
    "select content from read_blob('/proc/self/environ')",
    "select content from read_text('/proc/self/cmdline')",
    "select content from read_text('/proc/self/fd/3')",
    "select * from read_csv('/etc/passwd', columns = {'a': 'varchar'}, auto_detect = false)",
    "select * from read_csv('/dev/stdin')",
    "select * from read_json('/proc/self/environ')",
    "select * from read_ndjson_objects('/etc/passwd')",
    "select content from read_text('~/.aws/credentials')",
    "select * from '/etc/passwd'",
    "select * from 'file.csv'",
    'select * from "SECRET"',
    "select * from glob('/*')",
    "select * from glob('LAKE/../*')",
    "select * from glob('LAKE/link/*')",
    "select content from read_text('SECRET')",
    "select content from read_text('file://SECRET')",
    "select content from read_text('file:SECRET')",
    "select content from read_text('LAKE/link/key')",
    "select content from read_text('LAKE/../secret/key')",
    "select content from read_text('LAKE/./../secret/key')",
    "select content from read_text('LAKE//../secret/key')",
    "select content from read_text('LAKE-other/key')",
    "select content from read_text(['LAKE/raw/orders/kept.csv', 'SECRET'])",
    "select * from read_parquet('https://example.com/x.parquet')",
    "select * from read_csv('http://169.254.169.254/latest/meta-data/')",
    "select content from read_text('s3://other/key')",
    "select content from read_text('gcs://other/key')",
    "select * from read_csv('hf://datasets/x/y.csv')",
    "select * from sniff_csv('SECRET')",
    "select * from parquet_metadata('SECRET')",
    "select * from parquet_full_metadata('SECRET')",
    "select * from read_duckdb('SECRET')",
    "select * from sqlite_scan('SECRET', 'x')",
    "select * from postgres_scan('host=example.com', 'a', 'b')",
    "select * from delta_scan('SECRET')",
    "select getenv('HOME')",
    "select * from query('select content from read_text(''SECRET'')')",
    "select * from query_table(['SECRET'])",
    "select * from json_execute_serialized_sql(json_serialize_sql('select content from read_text(''SECRET'')'))",
]
"""What would read beyond the lake. The session itself refuses each, whoever asks."""

ENGINE = [
    "select * from duckdb_secrets()",
    "select * from which_secret('s3://other', 's3')",
    "select * from duckdb_settings()",
    "select * from duckdb_logs()",
    "select * from query('select 1')",
    "select * from query_table('hidden')",
    "select * from hidden",
    "select * from checkpoint()",
    "select * from enable_logging('QueryLog', storage = 'stdout')",
    "select * from enable_logging('QueryLog', storage = 'file', storage_path = 'OUTSIDE')",
    "select * from enable_profiling(format = 'json', save_location = 'OUTSIDE.json')",
    "select * from lateral enable_logging('QueryLog', storage = 'file', storage_path = 'OUTSIDE')",
    "select * from pandas_scan(null)",
    'select * from system.main."PANDAS_SCAN"(null)',
    "select * from lateral pandas_scan(null)",
    "select (select 1 from pandas_scan(null))",
    "select * from range(1), pandas_scan/**/(null)",
    "with a as materialized (select * from pandas_scan(null)) select * from a",
    "select $$ ' $$, (select 1 from pandas_scan(null)) as \"'\"",
    "select /* /* */ ' */ (select 1 from pandas_scan(null)) --'",
    "select * from (pivot pandas_scan(null) on a)",
    "select * from arrow_scan(null, null, null)",
    "select * from test_vector_types(null)",
]
"""Functions of the engine about itself: some end the process, and `query` hides SQL in a text. A session knows them, a query may not."""

STATEMENTS = [
    "install httpfs", "load httpfs", "load 'LAKE/evil.duckdb_extension'", "install spatial from community", "update extensions",
    "attach 'OUTSIDE.db' as x", "attach 'LAKE/evil.db' as y (type sqlite)",
    "attach 'ducklake:OUTSIDE' as z", "attach 's3://other/x.db' as o",
    "set memory_limit = '1TB'", "set enable_external_access = true", "reset enable_external_access", "pragma threads = 64",
    "set lock_configuration = false", "reset lock_configuration", "set session lock_configuration = false",
    "set allowed_directories = ['/']", "set allowed_paths = ['/etc/passwd']", "set temp_directory = '/etc'", "set home_directory = '/'",
    "set extension_directory = '/tmp'", "set secret_directory = '/tmp'", "set http_proxy = 'example.com:80'", "set TimeZone = 'Asia/Tokyo'",
    "set disabled_filesystems = ''", "set python_enable_replacements = true", "set autoload_known_extensions = true",
    "set allow_persistent_secrets = true", "set profiling_output = 'OUTSIDE'", "set log_query_path = 'OUTSIDE'",
    "copy (select 1) to 'OUTSIDE'", "copy (select 1) to 'SECRET'", "copy (select 1) to 'LAKE/../outside'",
    "copy (select 1) to 'LAKE/link/stolen'", "copy (select 1 as a, 2 as b) to 'LAKE/link' (format parquet, partition_by (a))",
    "copy (select 1) to '/dev/stdout' (format csv)", "copy (select 1) to 's3://other/x.csv'",
    "export database 'OUTSIDE'", "import database '/tmp'", "copy from database memory to other",
    "create table t as from '/etc/passwd'", "create view v as from read_text('SECRET')",
    "create macro m() as table from read_text('SECRET')", "prepare p as select * from read_text('SECRET')",
    "create persistent secret x (type s3, key_id 'a', secret 'b')", "create secret x (type s3, key_id 'a', secret 'b')",
    "explain analyze select * from read_text('SECRET')", "summarize 'SECRET'", "call start_ui()", "pragma import_database('/tmp')",
]  # fmt: skip
"""What is no query at all. A session refuses it, and no query or declaration gets as far."""


@pytest.fixture
def target(tmp_path: Path, world: World) -> Iterator[Callable[[str], str]]:
    """A lake with a secret beside it, and links inside it that lead there; gives what fills the attacks in."""
    for folder in (tmp_path / "secret", Path(f"{world.uri}-other")):
        folder.mkdir()
        (folder / "key").write_text(SECRET)
    world.declare(ORDERS).put("raw/orders/a.csv", GOOD)
    world.run()
    (Path(world.uri) / "link").symlink_to(tmp_path / "secret")
    before = files(tmp_path, world)

    def fill(attack: str) -> str:
        named = {"SECRET": f"{tmp_path}/secret/key", "LAKE": world.uri, "OUTSIDE": f"{tmp_path}/outside"}
        for name, path in named.items():
            attack = attack.replace(name, path)
        return attack

    yield fill
    assert files(tmp_path, world) == before
    assert (tmp_path / "secret" / "key").read_text() == SECRET


def files(home: Path, world: World) -> set[Path]:
    """Everything that lies beside the lake and the project."""
    own = (Path(world.uri), home / "project")
    return {path for path in home.rglob("*") if not any(path.is_relative_to(folder) for folder in own)}


ATTACKS = [*READS, *ENGINE, *STATEMENTS]
"""Tried one after another on one lake: to make a lake for each takes longer than all of them."""


def test_no_statement_leaves_the_lake(world: World, target: Callable[[str], str]) -> None:
    with world.lake.workplace() as work, world.lake.session(work) as connection:
        for attack in [*READS, *STATEMENTS]:
            with pytest.raises(duckdb.Error) as caught:
                pytest.fail(f"{attack} ran: {connection.execute(target(attack)).fetchall()}")
            assert SECRET not in str(caught.value), attack
    FIGURES.count(ROW, "statements in a session", len(READS) + len(STATEMENTS))


def test_no_query_leaves_the_lake(world: World, target: Callable[[str], str]) -> None:
    import pyarrow as pa

    hidden = pa.table({"a": [1]})
    assert hidden.num_rows == 1
    for attack in ATTACKS:
        with pytest.raises(Terminal) as caught:
            pytest.fail(f"{attack} ran: {query(world.lake, target(attack))}")
        assert SECRET not in str(caught.value), attack
    FIGURES.count(ROW, "`lakelet query`", len(ATTACKS))


def test_no_transform_leaves_the_lake(world: World, target: Callable[[str], str]) -> None:
    for n, attack in enumerate(ATTACKS):
        refused(world.declare(TABLE, t=target(attack)), "t", n)
    FIGURES.count(ROW, "a transform's SQL", len(ATTACKS))


@pytest.mark.parametrize("place", ["quarantine", "fail", "column"])
def test_no_expression_leaves_the_lake(world: World, target: Callable[[str], str], place: str) -> None:
    for n, attack in enumerate(ATTACKS):
        filled = target(f"(select count(*) from ({attack}\n)) > 0").replace("'", "''")
        more = f"  - {{name: stolen, type: boolean, sql: '{filled}'}}\n"
        if place != "column":
            more = f"checks: [{{name: steal, sql: '{filled}', action: {place}}}]\n"
        refused(world.declare(ORDERS.replace("target: {", f"{more}target: {{")), "orders", n)
    FIGURES.count(ROW, "a column's `sql`" if place == "column" else "a check's `sql`", len(ATTACKS))


def refused(world: World, name: str, n: int) -> None:
    """The declaration is refused, or what it asks for when it runs; and what was there is as it was."""
    try:
        world.put(f"raw/orders/b{n}.csv", GOOD)
        (undone,) = (step for step in world.run() if isinstance(step, Undone))
        assert undone.name == name
        said = undone.error
    except InvalidProject as error:
        said = str(error)
    assert SECRET not in said
    assert not (Path(world.uri) / "gold").exists()


DEEP: dict[str, Callable[[int], str]] = {
    "parentheses": lambda n: f"select {'(' * n}1{')' * n}",
    "not": lambda n: f"select {'not ' * n}true",
    "minus": lambda n: f"select {'- ' * n}1",
    "sums": lambda n: f"select 1{'+1' * n}",
    "subqueries": lambda n: f"select * from {'(select * from ' * n}range(1){')' * n}",
    "cases": lambda n: f"select {'case when true then ' * n}1{' end' * n}",
    "lists": lambda n: f"select {'[' * n}1{']' * n}",
    "casts": lambda n: f"select {'cast(' * n}1{' as int)' * n}",
    "functions": lambda n: f"select {'abs(' * n}1{')' * n}",
    "types": lambda n: f"select null::int{'[]' * n}",
    "structs": lambda n: f"select null::{'struct(a ' * n}int{')' * n}",
    "fields": lambda n: f"select a{'.a' * n} from (select 1 as a)",
    "unions": lambda n: f"select 1{' union all select 1' * n}",
    "conditions": lambda n: f"select true{' and true' * n}",
    "values in a list": lambda n: f"select 1 in ({', '.join(map(str, range(n)))})",
    "columns": lambda n: f"select {', '.join(f'{i} as c{i}' for i in range(n))}",
    "tables": lambda n: f"with {', '.join(f'a{i} as (select 1)' for i in range(n))} select 1",
}
"""SQL that is deep or long by n. Parsers recurse: DuckDB ends the process on 40,000 `fields`, ten times 10,000 take them minutes."""


@pytest.mark.usefixtures("target")
@pytest.mark.parametrize("n", [2_000, 100_000])
def test_sql_that_is_deep_or_long_is_refused(world: World, n: int) -> None:
    for kind, made in DEEP.items():
        sql = made(n)
        if kind in ("values in a list", "columns") and len(sql) <= LONGEST:
            assert query(world.lake, sql, limit=1).rows
            continue
        with pytest.raises(Terminal):
            query(world.lake, sql)
        if kind != "tables" or len(sql) > LONGEST:  # DuckDB counts those, when it binds them
            world.declare(TABLE, t=sql)
            with pytest.raises(InvalidProject, match=r"shop/t\.sql"):
                _ = world.lake
            world.declare(TABLE, t="select 1 as n")
    FIGURES.count(ROW, "deep or long SQL", len(DEEP))


@pytest.mark.usefixtures("target")
def test_the_limits_leave_room_for_what_people_write(world: World) -> None:
    assert query(world.lake, f"select 1 in ({', '.join(map(str, range(5_000)))})").rows == ((1 in range(5_000),),)
    assert query(world.lake, f"select true{' and true' * (DEEPEST - 10)}").rows == ((True,),)
    assert query(world.lake, "select count(*) from range(3), lateral (select 1), unnest([1, 2])").rows == ((6,),)
    assert query(world.lake, f"select count(*) > 0 from read_blob('{world.uri}/archived/orders/*')").rows == ((True,),)


IN_S3 = [
    "select content from read_text('BUCKET/other/key')",
    "select content from read_text('BUCKET/shop-other/key')",
    "select content from read_text('BUCKET/shop/%2e%2e/other/key')",
    "select content from read_text('BUCKET/shop/..%2Fother/key')",
    "select content from read_text('BUCKET/shop//../other/key')",
    "select content from read_text('s3://second/key')",
    "select content from read_text('ENDPOINT/second/key')",
    "select content from read_text('BUCKET/shop/key?s3_endpoint=localhost:1')",
    "select content from read_text('BUCKET/*/key')",
    "select * from glob('BUCKET/**')",
    "select content from read_text('/etc/passwd')",
    "select content from read_text('/proc/self/environ')",
]
CLIMBING = [
    "select content from read_text('BUCKET/shop/../other/key')",
    "select content from read_text(['BUCKET/shop/../../second/key'])",
    "select content from read_text($$BUCKET/shop/../other/key$$)",
    "select content from read_text(e'BUCKET/shop/\\x2e\\x2e/other/key')",
    "select content from read_text('BUCKET/shop/.' || './other/key')",
    "select content from read_text(getvariable('x'))",
    "select content from read_text((select 'BUCKET/shop/../other/key'))",
    "select content from read_text(replace('BUCKET/shop/!!/other/key', '!', '.'))",
    "select * from 'BUCKET/shop/../other/key.csv'",
    'select * from "BUCKET/shop/../other/key.csv"',
    "select * from (describe 'BUCKET/shop/../other/key.csv')",
    "select * from (summarize 'BUCKET/shop/../other/key.csv')",
    "select * from (pivot 'BUCKET/shop/../other/key.csv' on a)",
    "select * from (unpivot 'BUCKET/shop/../other/key.csv' on a)",
    "describe select * from 'BUCKET/shop/../other/key.csv'",
    "summarize 'BUCKET/shop/../other/key.csv'",
]
"""A session follows these: DuckDB 1.5.5 compares how an address begins, and curl takes the dots out. So no query may hold one."""


@pytest.fixture
def in_s3(tmp_path: Path, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> tuple[World, Callable[[str], str]]:
    """A lake in S3 with secrets in its bucket, in a prefix that begins as the lake's does, and in another bucket."""
    import boto3

    world = World(tmp_path, bucket(s3_endpoint, monkeypatch))
    s3, home = boto3.client("s3", region_name="us-east-1"), world.uri.removesuffix("/shop")
    second = f"{home}-second"
    s3.create_bucket(Bucket=second[5:])
    for place, key in ((home, "other/key"), (home, "other/key.csv"), (home, "shop-other/key"), (second, "key")):
        s3.put_object(Bucket=place[5:], Key=key, Body=f"{SECRET}\n{SECRET}\n".encode())
    world.declare(ORDERS).put("raw/orders/a.csv", GOOD)
    world.run()
    named = {"BUCKET": home, "ENDPOINT": s3_endpoint, "s3://second": second, "/second": f"/{second[5:]}"}

    def fill(attack: str) -> str:
        for name, path in named.items():
            attack = attack.replace(name, path)
        return attack

    return world, fill


def test_a_lake_in_s3_is_all_that_a_session_reads_of_s3(in_s3: tuple[World, Callable[[str], str]]) -> None:
    world, fill = in_s3
    for attack in IN_S3:
        with pytest.raises((duckdb.Error, LakeError)) as caught, world.lake.workplace() as work, world.lake.session(work) as connection:
            pytest.fail(f"{attack} ran: {connection.execute(fill(attack)).fetchall()}")
        assert "Permission Error" in str(caught.value) or "404" in str(caught.value), attack
    FIGURES.count(ROW, "statements in a session over S3", len(IN_S3))


def test_a_lake_in_s3_is_all_that_a_query_or_a_transform_reads_of_s3(in_s3: tuple[World, Callable[[str], str]]) -> None:
    world, fill = in_s3
    for attack in [*IN_S3, *CLIMBING]:
        with pytest.raises(LakeError) as caught:
            pytest.fail(f"{attack} ran: {query(world.lake, fill(attack))}")
        assert SECRET not in str(caught.value), attack
    for attack in CLIMBING:
        world.declare(TABLE, t=fill(attack))
        with pytest.raises(InvalidProject):
            _ = world.lake
    FIGURES.count(ROW, "`lakelet query` over S3", len(IN_S3) + len(CLIMBING))
    FIGURES.count(ROW, "a transform's SQL over S3", len(CLIMBING))
