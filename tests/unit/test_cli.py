"""The command line as one uses it: what it prints, where, and the code it exits with."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from handlers.cli import app
from tests.world import World

ORDERS = """
dataset: orders
source: {path: raw/orders/, format: csv}
columns:
  - {name: id, type: bigint, required: true}
  - {name: day, type: date}
  - {name: amount, type: "decimal(12,2)"}
key: [id]
checks:
  - {name: amount_not_negative, sql: amount >= 0}
target: {path: processed/orders/, mode: merge}
"""
DAILY = """
transform: daily
sql: daily.sql
target: {path: gold/daily/}
exports: [{path: exports/daily/, format: csv}]
"""
GOOD = "id,day,amount\n1,2026-11-01,10.10\n2,2026-11-01,5\n3,2026-11-02,7\n"
Lakelet = Callable[..., Result]


@pytest.fixture
def shop(world: World) -> World:
    world.declare(ORDERS)
    return world.declare(DAILY, daily="select day, sum(amount)::decimal(14,2) as amount from orders group by day")


@pytest.fixture
def lakelet(shop: World) -> Lakelet:
    def invoke(*words: str, **options: Any) -> Result:
        return CliRunner().invoke(app, [*words, "--project", str(shop.home / "project"), "--lake", shop.uri], **options)

    return invoke


def documented(result: Result) -> Any:
    """Standard output has to be one JSON document and nothing else."""
    return json.loads(result.stdout)


# --- run -----------------------------------------------------------------------------------------------------------------------------


def test_a_run_loads_transforms_exports_and_exits_0(lakelet: Lakelet, shop: World) -> None:
    shop.put("raw/orders/1.csv", GOOD)
    result = lakelet("run")
    assert result.exit_code == 0, result.output
    for said in ("Loaded", "orders", "Transformed", "daily", "Exported", "exports/daily/", "1 object, 3 rows read, 3 accepted"):
        assert said in result.stdout
    assert "orders: ingesting 1 object" in result.stderr  # no terminal: a line a step
    assert shop.rows("select count(*) as n from daily") == [{"n": 2}]


def test_a_second_run_says_in_one_line_that_nothing_was_to_do(lakelet: Lakelet, shop: World) -> None:
    shop.put("raw/orders/1.csv", GOOD)
    lakelet("run")
    result = lakelet("run")
    assert result.exit_code == 0
    assert result.stdout.startswith("Nothing to do")
    assert len(result.stdout.splitlines()) == 1


def test_what_was_refused_is_said_with_its_reason_and_its_place_and_still_exits_0(lakelet: Lakelet, shop: World) -> None:
    shop.put("raw/orders/1.csv", GOOD + "4,2026-11-02,-1\n5,2026-11-02,x\n")
    shop.put("raw/orders/bad.csv", "id,day,amonut\n1,2026-11-01,1\n")
    shop.put("raw/other/x.csv", "a\n")
    result = lakelet("run")
    assert result.exit_code == 0, result.output
    assert "Quarantined rows" in result.stdout
    assert "check amount_not_negative" in result.stdout
    assert 'lakelet query "select reasons, position, raw from quarantine.orders" --project' in result.stdout
    assert "Rejected files\nraw/orders/bad.csv\n  orders: header does not match its contract" in result.stdout
    assert f"now in {shop.uri}/rejected/invalid_schema/orders/bad." in result.stdout
    assert "Unknown objects" in result.stdout
    assert f"{shop.uri}/raw/other/x.csv" in result.stdout


def test_strict_makes_rows_in_quarantine_exit_3(lakelet: Lakelet, shop: World) -> None:
    shop.put("raw/orders/1.csv", GOOD + "4,2026-11-02,-1\n")
    assert lakelet("run", "--strict").exit_code == 3
    assert lakelet("run", "--strict").exit_code == 0


def test_a_run_as_json_is_one_document_whose_rows_balance(lakelet: Lakelet, shop: World) -> None:
    shop.put("raw/orders/1.csv", GOOD + "1,2026-11-01,10.10\n4,2026-11-02,-1\n")
    shop.put("raw/orders/empty.csv", "")
    said = documented(lakelet("run", "--json"))
    (load,) = said["loads"]
    assert load["objects"] == {"loaded": 1, "rejected": 1}
    assert load["rows"] == {"read": 5, "accepted": 4, "quarantined": 1, "inserted": 3, "updated": 0, "superseded": 0, "duplicate": 1}
    assert load["reasons"] == {"check amount_not_negative": 1}
    (rejected,) = said["rejected"]
    assert rejected["reason"] == "empty"
    assert {rejected["at"], rejected["report"]} == shop.keys("rejected/")
    assert said["transforms"][0]["transform"] == "daily"
    assert said["undone"] == []


def test_a_transform_that_fails_stays_undone_and_exits_1(lakelet: Lakelet, shop: World) -> None:
    shop.declare(DAILY, daily="select day, error('no such day') as amount from orders")
    shop.put("raw/orders/1.csv", GOOD)
    result = lakelet("run")
    assert result.exit_code == 1
    assert "Not done" in result.stdout
    assert "no such day" in result.stdout
    assert shop.rows("select count(*) as n from orders") == [{"n": 3}]


def test_a_run_of_some_names_leaves_the_others_alone(lakelet: Lakelet, shop: World) -> None:
    shop.put("raw/orders/1.csv", GOOD)
    assert lakelet("run", "orders").exit_code == 0
    assert shop.lake.table(shop.lake.project.named("daily")) is None


def test_a_misspelt_name_is_refused_with_a_suggestion_before_anything_happens(lakelet: Lakelet, shop: World) -> None:
    shop.put("raw/orders/1.csv", GOOD)
    result = lakelet("run", "order")
    assert result.exit_code == 2
    assert "did you mean orders?" in result.stderr
    assert shop.keys("raw/") == {"raw/orders/1.csv"}


# --- ingest --------------------------------------------------------------------------------------------------------------------------


def test_ingest_takes_keys_and_paths_and_nothing_else(lakelet: Lakelet, shop: World) -> None:
    for name in ("1", "2", "3"):
        shop.put(f"raw/orders/{name}.csv", f"id,day,amount\n{name},2026-11-01,1\n")
    result = lakelet("ingest", "raw/orders/1.csv", f"{shop.uri}/raw/orders/2.csv")
    assert result.exit_code == 0, result.output
    assert shop.values("select id from orders order by id") == [1, 2]
    assert shop.keys("raw/") == {"raw/orders/3.csv"}


def test_ingest_of_a_key_that_no_dataset_declares_moves_nothing_and_exits_2(lakelet: Lakelet, shop: World) -> None:
    shop.put("raw/orders/1.csv", GOOD)
    result = lakelet("ingest", "raw/orders/1.csv", "raw/ordres/2.csv")
    assert result.exit_code == 2
    assert "raw/ordres/2.csv: no dataset declares this" in result.stderr
    assert shop.keys("raw/") == {"raw/orders/1.csv"}


def test_undo_says_first_what_it_would_do_and_what_is_due_afterwards(lakelet: Lakelet, shop: World) -> None:
    shop.put("raw/orders/a.csv", GOOD)
    lakelet("run")
    planned = lakelet("undo", "--dry-run", "raw/orders/a.csv")
    assert "orders: 1 object to be taken out" in planned.stdout
    assert "Nothing was changed" in planned.stdout
    assert documented(lakelet("undo", "--dry-run", "--json", "orders@1"))[0]["objects"][0]["rows"] == 3
    assert shop.values("select count(*) from orders") == [3]

    done = lakelet("undo", "raw/orders/a.csv")
    assert done.exit_code == 0
    assert "Due now: daily. `lakelet run" in done.stdout
    assert shop.values("select count(*) from orders") == [0]
    shop.put("raw/orders/a.csv", GOOD)
    again = lakelet("run")
    assert "it was taken out on purpose. To load it all the same: lakelet replay 'raw/orders/a.csv'" in again.stdout
    assert again.exit_code == 0


def test_undo_of_what_was_never_loaded_exits_2_with_a_suggestion(lakelet: Lakelet, shop: World) -> None:
    shop.put("raw/orders/a.csv", GOOD)
    lakelet("run")
    result = lakelet("undo", "a.csv")
    assert result.exit_code == 2
    assert "Did you mean raw/orders/a.csv?" in result.stderr


def test_replay_loads_what_was_quarantined_once_and_says_when_there_is_nothing_left(lakelet: Lakelet, shop: World) -> None:
    shop.put("raw/orders/a.csv", GOOD + "4,2026-11-02,-7\n")
    lakelet("run")
    shop.declare(ORDERS.replace("amount >= 0", "amount >= -9"))
    assert "1 object to be run again" in lakelet("replay", "orders", "--dry-run").stdout
    done = documented(lakelet("replay", "--json"))
    assert (done["rows"]["accepted"], done["rows"]["quarantined"], done["due"]) == (4, 0, ["daily"])
    assert shop.values("select count(*) from orders") == [4]
    assert "Nothing to do" in lakelet("replay").stdout


def test_backfill_wants_to_know_how_far_it_should_go(lakelet: Lakelet, shop: World) -> None:
    shop.put("raw/orders/a.csv", GOOD)
    lakelet("run")
    assert lakelet("backfill").exit_code == 2
    assert "Nothing to do" in lakelet("backfill", "--to", "2020-01-01").stdout
    done = documented(lakelet("backfill", "--from", "2020-01-01", "--json"))
    assert done["loads"][0]["objects"] == {"loaded": 1}
    assert "1 object run again under this very contract before" in lakelet("backfill", "orders").stdout


def test_ingest_of_an_object_that_is_not_there_exits_1(lakelet: Lakelet) -> None:
    result = lakelet("ingest", "raw/orders/1.csv", "--json")
    assert result.exit_code == 1
    assert documented(result)["undone"][0]["name"] == "raw/orders/1.csv"


# --- check, schema -------------------------------------------------------------------------------------------------------------------


def test_check_says_that_all_is_good_and_in_which_order_it_runs(lakelet: Lakelet) -> None:
    result = lakelet("check")
    assert result.exit_code == 0
    assert "1 dataset, 1 transform in 1 pipeline: all good" in result.stdout
    assert "orders, daily" in result.stdout


def test_check_finds_every_mistake_of_every_file_at_once(lakelet: Lakelet, shop: World) -> None:
    shop.declare(ORDERS.replace("amount >= 0", "amuont >= 0"))
    shop.declare(DAILY, daily="select day,\n  sum(amout) as amount\nfrom orders group by day")
    shop.declare(
        "dataset: people\nsource: {path: raw/people/, format: csv}\ncolumns: [{name: id, tpye: bigint}]\ntarget: {path: people/}\n"
    )
    result = lakelet("check", "--json")
    assert result.exit_code == 2
    found = {(problem["file"], problem["line"], problem["path"]): problem["message"] for problem in documented(result)}
    assert found["shop/orders.yaml", 10, "checks.0.sql"] == "no column amuont; did you mean amount?"
    assert found["shop/daily.sql", 2, ""] == "no column amout; did you mean amount?"
    assert found["shop/people.yaml", 3, "columns.0.tpye"] == "unknown word tpye; did you mean type?"
    lines = lakelet("check").stdout
    assert f"{shop.home}/project/shop/daily.sql:2: no column amout" in lines


def test_other_commands_tell_every_problem_too_and_exit_2(lakelet: Lakelet, shop: World) -> None:
    shop.declare(ORDERS.replace("type: bigint", "type: bigont"))
    shop.declare(DAILY.replace("sql: daily.sql", "sql: nothing.sql"))
    result = lakelet("status")
    assert result.exit_code == 2
    assert "columns.0.type: unknown type bigont" in result.stderr
    assert "there is no file nothing.sql" in result.stderr
    assert len(documented(lakelet("status", "--json"))["error"]["problems"]) >= 2


def test_the_schema_is_written_to_a_file_or_to_standard_output(lakelet: Lakelet, tmp_path: Path) -> None:
    file = tmp_path / "lakelet.schema.json"
    assert lakelet("schema", "--output", str(file)).exit_code == 0
    assert json.loads(file.read_text()) == documented(lakelet("schema"))
    assert "yaml-language-server" in lakelet("schema", "--help").stdout


# --- status, query, sample -----------------------------------------------------------------------------------------------------------


def test_status_tells_what_waits_before_a_load_and_what_is_there_after(lakelet: Lakelet, shop: World) -> None:
    shop.put("raw/orders/1.csv", GOOD + "4,2026-11-02,-1\n")
    shop.put("raw/orders/2.csv", "")
    before = {table["name"]: table for table in documented(lakelet("status", "--json"))}
    assert (before["orders"]["version"], before["orders"]["waiting"], before["orders"]["due"]) == (None, 2, True)
    assert before["orders"]["state"] == "2 objects waiting"
    assert before["daily"]["state"] == "waiting for orders: nothing loaded yet"
    lakelet("run")
    after = {table["name"]: table for table in documented(lakelet("status", "--json"))}
    orders = after["orders"]
    assert (orders["rows"], orders["quarantined"], orders["rejected"], orders["waiting"], orders["due"]) == (3, 1, 1, 0, False)
    assert orders["newest"]
    assert orders["committed"].endswith("Z")
    assert (after["daily"]["rows"], after["daily"]["state"]) == (2, "up to date")


def test_status_is_a_table_and_of_one_name_a_page(lakelet: Lakelet, shop: World) -> None:
    shop.put("raw/orders/1.csv", GOOD)
    lakelet("run", "orders")
    said = lakelet("status").stdout
    assert "just now" in said
    assert "due now" in said
    assert f"{shop.uri}/processed/orders/" in lakelet("status", "orders").stdout
    assert lakelet("status", "nothing").exit_code == 2


def test_a_query_is_a_table_for_people_and_a_list_for_machines(lakelet: Lakelet, shop: World) -> None:
    shop.put("raw/orders/1.csv", GOOD)
    lakelet("run")
    result = lakelet("query", "select id, amount, day from orders order by id")
    assert [line.split() for line in result.stdout.splitlines()[:2]] == [["id", "amount", "day"], ["1", "10.10", "2026-11-01"]]
    assert "(3 rows)" in result.stdout
    assert documented(lakelet("query", "--json", "select * from daily order by day")) == [
        {"day": "2026-11-01", "amount": 15.1},
        {"day": "2026-11-02", "amount": 7.0},
    ]
    assert documented(lakelet("query", "-", "--json", input="select count(*) as n from orders")) == [{"n": 3}]


def test_a_query_is_cut_for_people_with_a_note_and_never_by_itself_for_machines(lakelet: Lakelet) -> None:
    result = lakelet("query", "from range(1500)")
    assert "(1,000 rows)" in result.stdout
    assert "there are more" in result.stderr
    assert len(documented(lakelet("query", "from range(1500)", "--json"))) == 1500
    assert len(documented(lakelet("query", "from range(1500)", "--json", "--limit", "3"))) == 3


def test_a_value_cannot_play_tricks_on_the_terminal(lakelet: Lakelet) -> None:
    result = lakelet("query", "select chr(27) || '[31m' || '[bold]' || chr(10) as x")
    assert "\x1b" not in result.stdout
    assert r"\x1b[31m[bold]\n" in result.stdout


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("select amuont from orders", "LINE 1: select amuont from orders\n               ^"),
        ("select x from ordres", "did you mean orders?"),
        ("select (", "Parser Error"),
        ("delete from orders", "expected one SELECT\n  found DELETE"),
        ("select 1; select 2", "found SELECT and SELECT"),
        ("", "found nothing"),
        ("select * from daily", "daily has no table\n  found nothing loaded yet"),
    ],
)
def test_a_query_that_cannot_run_exits_2_without_a_traceback(lakelet: Lakelet, shop: World, sql: str, said: str) -> None:
    shop.put("raw/orders/1.csv", GOOD)
    lakelet("run", "orders")
    result = lakelet("query", sql)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_an_error_as_json_is_a_document_on_standard_output(lakelet: Lakelet) -> None:
    result = lakelet("query", "select x from ordres", "--json")
    assert result.exit_code == 2
    error = documented(result)["error"]
    assert error["subject"] == "ordres is not declared"
    assert "orders" in error["expected"]


def test_samples_are_written_into_raw_and_can_be_run(lakelet: Lakelet, shop: World) -> None:
    folder = shop.home / "project" / "shop" / "samples" / "raw" / "orders"
    folder.mkdir(parents=True)
    (folder / "1.csv.sql").write_text("select i as id, date '2026-11-01' as day, draw('amount', i, 100) as amount from range($rows) t(i)")
    (made,) = documented(lakelet("sample", "shop", "--rows", "12", "--json"))
    assert (made["key"], made["rows"]) == ("raw/orders/1.csv", 12)
    assert "To load them: lakelet run" in lakelet("sample", "shop", "--rows", "12").stdout
    lakelet("run")
    assert shop.values("select count(*) from orders") == [12]


def test_a_misspelt_pipeline_is_refused_with_a_suggestion(lakelet: Lakelet) -> None:
    result = lakelet("sample", "shp")
    assert result.exit_code == 2
    assert "Did you mean shop?" in result.stderr
    assert "shop has no samples" in lakelet("sample", "shop").stderr


def test_a_lake_in_s3_is_run_asked_and_looked_at_like_a_folder(anywhere: World) -> None:
    anywhere.declare(ORDERS).put("raw/orders/1.csv", GOOD + "4,2026-11-02,-1\n")
    anywhere.put("raw/orders/2.csv", "")
    options = ["--project", str(anywhere.home / "project"), "--lake", anywhere.uri, "--json"]
    result = CliRunner().invoke(app, ["ingest", "raw/orders/1.csv", f"{anywhere.uri}/raw/orders/2.csv", *options])
    assert (result.exit_code, documented(result)["loads"][0]["objects"]) == (0, {"rejected": 1, "loaded": 1})
    (orders,) = documented(CliRunner().invoke(app, ["status", *options]))
    assert (orders["rows"], orders["quarantined"], orders["rejected"], orders["waiting"]) == (3, 1, 1, 0)
    assert documented(CliRunner().invoke(app, ["query", "select reasons from quarantine.orders", *options])) == [
        {"reasons": ["check amount_not_negative"]}
    ]


def test_rejected_and_unknown_objects_are_shown_where_raw_is(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = shop.home / "elsewhere"
    (raw / "raw" / "orders").mkdir(parents=True)
    (raw / "raw" / "orders" / "empty.csv").write_text("")
    monkeypatch.setenv("LAKELET_LAKE", shop.uri)
    monkeypatch.setenv("LAKELET_RAW", str(raw))
    result = CliRunner().invoke(app, ["run", "--project", str(shop.home / "project")])
    assert f"now in {raw}/rejected/empty/orders/empty." in result.stdout
    assert f"The lake is {shop.uri}" in result.stdout


# --- every command -------------------------------------------------------------------------------------------------------------------


def test_options_stand_before_the_command_as_well(shop: World) -> None:
    result = CliRunner().invoke(app, ["--project", str(shop.home / "project"), "--lake", shop.uri, "--json", "status"])
    assert [table["name"] for table in documented(result)] == ["orders", "daily"]


def test_the_environment_names_project_and_lake_where_no_option_does(shop: World) -> None:
    env = {"LAKELET_PROJECT": str(shop.home / "project"), "LAKELET_LAKE": shop.uri}
    result = CliRunner().invoke(app, ["status", "--json"], env=env)
    assert [table["name"] for table in documented(result)] == ["orders", "daily"]


@pytest.mark.parametrize("command", ["run", "ingest", "sample", "status", "query", "check", "schema"])
def test_every_command_takes_the_common_options(command: str) -> None:
    said = CliRunner().invoke(app, [command, "--help"]).stdout
    assert all(option in said for option in ("--project", "--lake", "--json"))


def test_a_folder_that_is_no_project_exits_2(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["check", "--project", str(tmp_path / "nowhere")])
    assert result.exit_code == 2
    assert "expected a folder of pipelines" in result.stderr


def test_a_lake_that_cannot_be_written_is_said_and_not_thrown(shop: World) -> None:
    (shop.home / "file").write_text("")
    result = CliRunner().invoke(app, ["status", "--project", str(shop.home / "project"), "--lake", str(shop.home / "file")])
    assert result.exit_code == 1
    assert "File exists" in result.stderr


def test_the_version_is_told() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout.startswith("lakelet ")


def test_help_loads_no_heavy_module() -> None:
    heavy = "{'duckdb', 'deltalake', 'pyarrow', 'sqlglot', 'pydantic', 'boto3'}"
    code = f"import sys, handlers.cli; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_an_interrupted_command_says_that_nothing_is_lost(shop: World) -> None:
    """With a real signal, while DuckDB computes: that is when one loses patience."""
    endless = "select count(*) from range(1000000000000) as t(i) where hash(i) = 1"
    command = ["query", endless, "--project", str(shop.home / "project"), "--lake", shop.uri]
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # a shell's background job ignores it
    call = [sys.executable, "-c", f"{heard}; from handlers.cli import main; main()", *command]
    with subprocess.Popen(call, stderr=subprocess.PIPE, text=True, env={**os.environ, "LAKELET_THREADS": "2"}) as started:
        try:
            time.sleep(2)
            started.send_signal(signal.SIGINT)
            _, said = started.communicate(timeout=20)
        finally:
            started.kill()
    assert started.returncode == 130
    assert said.strip() == "stopped; run it again to go on, nothing is lost"
