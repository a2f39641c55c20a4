"""What is told of a row: column, type, rule and place; its values only where the declaration says `reports: {values: true}`."""

import json
from pathlib import Path
from traceback import format_exception

import duckdb
import pytest

from core.declarations import json_schema
from core.errors import LakeError, Terminal, Transient
from core.query import query
from core.telling import LONGEST_VALUE, told
from core.transform import run
from handlers import api, tasks
from handlers.observe import Unforeseen, observed
from tests.functions import Context, functions
from tests.hostile.canaries import DATASETS, FAILING, transform
from tests.hostile.figures import FIGURES
from tests.unit.test_api import payload
from tests.world import ORDERS, World

ROW, WHAT = "canaries", "an error told, or quoted where it may be"
WORD = "kanarybcdfghjklmnp"
QUOTING = "reports: {values: true}\n"
HEADER = "id,amount,placed\n"


def words(world: World, more: str = "") -> World:
    world.declare(DATASETS["words"] + more).put("raw/words/1.csv", f"id,word,large\n1,{WORD},1234567890123456789\n2,{WORD},1\n3,,1\n")
    world.run()
    return world


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> World:
    home = tmp_path_factory.mktemp("reports")
    return words(World(home, str(home / "lake")))


def failed(loaded: World, name: str, more: str = "") -> str:
    """Run one transform that fails, and return what is said."""
    try:
        lake = loaded.declare(transform(name) + more, **{f"t_{name}": FAILING[name]}).lake
    finally:
        for file in (loaded.home / "project").rglob("t_*"):
            file.unlink()
    with pytest.raises(Terminal) as caught:
        run(lake, lake.project.transforms[f"t_{name}"])
    return "".join(format_exception(caught.value))


@pytest.mark.parametrize("name", FAILING)
def test_an_error_at_a_row_quotes_it_only_where_it_may(loaded: World, name: str) -> None:
    quiet = failed(loaded, name)
    assert WORD not in quiet
    assert "1234567890123456789" not in quiet
    loud = failed(loaded, name, QUOTING)
    silent = ("list", "codepoint", "subquery")  # of which DuckDB quotes another value, or none
    assert WORD in loud or "1234567890123456789" in loud or name in silent
    FIGURES.count(ROW, WHAT, 2)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("cast", "found a value that is no INT32 in column word, at: select cast(word as integer) as a from words. Mend t_cast.sql"),
        ("date", "found a value that is no date in column word"),
        ("tiny", "found a value that is no INT8 in column large"),
        ("decimal", "in column large"),
        ("overflow", "found an overflow in multiplication of INT64"),
        ("subquery", "found More than one row returned by a subquery"),
        ("error", "found a value that a function refuses"),
    ],
)
def test_an_error_names_type_column_and_place(loaded: World, name: str, says: str) -> None:
    assert says in failed(loaded, name)


def test_a_query_s_error_quotes_where_every_table_that_it_reads_may_be_quoted(world: World) -> None:
    words(world)
    world.declare(DATASETS["looking"].replace("checks:", "reports: {values: true}\nchecks:"))
    sql = "select cast(word as integer) from words"
    with pytest.raises(Terminal) as caught:
        query(world.lake, sql)
    assert WORD not in "".join(format_exception(caught.value))
    assert "try_cast" in str(caught.value)
    words(world, QUOTING)
    with pytest.raises(Terminal, match=WORD):
        query(world.lake, sql)


@pytest.mark.parametrize("more", ["", QUOTING], ids=["by default", "where it may be"])
def test_a_reason_quotes_the_value_where_it_may_and_is_counted_without_it(
    world: World, more: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    long = WORD * 9
    world.declare(ORDERS + more).put("raw/orders/a.csv", f"{HEADER}1,{WORD},\n2,{long},\n,1,\n")
    (done,) = world.ingested()
    assert done.reasons == {"amount: not decimal(12,2)": 2, "id: required": 1}
    quoted = [["id: required"], [f"amount: not decimal(12,2): {WORD}"], [f"amount: not decimal(12,2): {long[:LONGEST_VALUE]}..."]]
    plain = [["id: required"], ["amount: not decimal(12,2)"], ["amount: not decimal(12,2)"]]
    found = world.values("select reasons from quarantine.orders")
    assert sorted(found, key=lambda one: one[0][::-1]) == sorted(quoted if more else plain, key=lambda one: one[0][::-1])
    aws = functions(world.declare(ORDERS.replace("csv", "jsonl") + more), monkeypatch, capsys)
    answer = aws.invoke(
        api, payload("POST", "/v1/datasets/orders/records", json.dumps({"id": 1, "amount": WORD}), {"content-type": "application/x-ndjson"})
    )
    (receipt,) = json.loads(answer["body"])["receipts"]
    assert receipt["violations"] == [f"amount: not decimal(12,2): {WORD}" if more else "amount: not decimal(12,2)"]
    assert WORD not in json.dumps(aws.said())
    FIGURES.count(ROW, WHAT, 3)


@pytest.mark.parametrize(
    ("first", "told"),
    [
        (f"{WORD},1,2026-01-01", False),
        (f"{WORD},{WORD},{WORD}", False),
        (f"Report of {WORD}", False),
        (f"{WORD};1;2026-01-01", False),
        ("id;amount;placed", True),
        ("id,amuont,placed", True),
        (f"id,{WORD},placed", True),
        ("ID,AMOUNT,PLACED", True),
    ],
)
def test_a_first_line_that_is_like_no_header_is_not_told(world: World, first: str, told: bool) -> None:
    world.declare(ORDERS).put("raw/orders/a.csv", f"{first}\n1,1,\n")
    assert world.fates() == {"raw/orders/a.csv": "rejected: invalid_schema"}
    found = world.report("rejected/")["found"]
    assert (first.split(",")[1 if "," in first else 0] in found) == told
    assert ("is there a header" in found) != told
    world.declare(ORDERS + QUOTING).put("raw/orders/b.csv", f"{first}\n1,1,\n")
    world.run()
    assert any(
        first.split(",")[0] in (world.lake.store.get(key) or b"").decode() for key in world.keys("rejected/") if key.endswith("json")
    )
    FIGURES.count(ROW, WHAT, 2)


def test_storage_s_errors_do_not_tell_the_partitions_that_are_in_paths(world: World) -> None:
    words(world)
    (gone,) = [path for path in Path(world.uri, "processed/words").rglob("*.parquet") if WORD in str(path)]
    gone.unlink()
    with pytest.raises(Transient) as caught:
        query(world.lake, "select count(large) from words")
    assert "word=.../part-" in str(caught.value)
    assert WORD not in "".join(format_exception(caught.value))
    FIGURES.count(ROW, WHAT)


def test_no_statement_s_error_leaves_its_session_with_a_value(world: World) -> None:
    words(world)
    with pytest.raises(LakeError) as caught, world.lake.workplace() as work, world.lake.session(work) as connection:
        connection.execute(f"select cast(word as integer) from (values ('{WORD}')) t(word)")
    assert "a value that is no INT32 in column word" in str(caught.value)
    assert WORD not in "".join(format_exception(caught.value))
    FIGURES.count(ROW, WHAT)


def test_what_a_function_did_not_foresee_leaves_it_without_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    @observed
    def handler(event: dict[str, str], _: Context) -> None:
        raise ValueError(event["value"])

    with pytest.raises(Unforeseen, match="ValueError at test_reports") as caught:
        handler({"value": WORD}, Context())
    assert WORD not in "".join(format_exception(caught.value))
    assert WORD not in capsys.readouterr().out
    FIGURES.count(ROW, WHAT)


def test_an_export_that_fails_tells_no_value(world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    world.declare(DATASETS["words"]).put("raw/words/1.csv", f"id,word,large\n1,{WORD},1\n")
    world.lake.store.put("exports/words", b"a file where the export's folder has to be")
    aws = functions(world, monkeypatch, capsys)
    with pytest.raises(OSError, match="exports"):
        world.run()
    with pytest.raises(Unforeseen) as caught:
        aws.invoke(tasks, {"task": "register", "dataset": "words"})
    assert world.values("select word from words") == [WORD]
    assert WORD not in "".join(format_exception(caught.value)) + json.dumps(aws.said())
    FIGURES.count(ROW, WHAT)


def test_an_expectation_tells_how_old_and_not_when(world: World) -> None:
    world.declare(ORDERS + "expect: [{name: e, fresh: {placed: 2 days}}]\n")
    world.put("raw/orders/a.csv", f"{HEADER}1,1,2020-02-03T04:05:06Z\n")
    said = repr(world.run())
    assert "days old" in said
    assert "2020" not in said


def test_editors_know_the_options() -> None:
    schema = json.dumps(json_schema())
    assert "escape_formulas" in schema
    assert '"values"' in schema


@pytest.mark.parametrize(
    "value",
    [
        "Conversion Error: Could not convert string 'x' to INT32 when casting from source column {0}",
        "Conversion Error: invalid date field format: {0}",
        "Invalid Input Error: More than one row returned by a subquery used as {0}",
        "x' to INT32 {0}",
        "' to INT32 when casting from source column {0}",
        "Out of Range Error: Overflow in addition of INT32 ({0})",
        "column {0}: a moment finer than microseconds, or so it says",
        "x\n\nLINE 1: {0}\n        ^",
        "y\nLINE 1: {0}",
    ],
)
@pytest.mark.parametrize("sql", ["cast({0} as integer)", "error({0})", "strptime({0}, '%Y')", "cast({0} as date)"])
def test_a_value_that_reads_like_a_sentence_of_the_engine_is_not_told(value: str, sql: str) -> None:
    with pytest.raises(duckdb.Error) as caught:
        duckdb.sql(f"select {sql.format('word')} from (select unnest([$word]) as word)", params={"word": value.format(WORD)}).fetchall()
    assert WORD not in told(caught.value, sql=sql.format("word"))
    FIGURES.count(ROW, WHAT)
