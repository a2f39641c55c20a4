"""What a commit took stands in it, and is added up."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from core.amend import plans
from core.declarations import load
from core.delta import RECORD, Snapshot
from core.errors import InvalidProject
from core.receipt import Prices, receipt
from core.run import perform
from core.status import costs
from handlers.cli import app
from tests.world import ORDERS, World

PROJECT = Path(__file__).parents[2] / "pipelines"

DAILY = "transform: daily\nsql: daily.sql\ntarget: {path: gold/daily/}\n"
ROWS = "id,amount,placed\n1,5.00,2026-11-20\n2,6.00,2026-11-20\n"


def took(table: Snapshot | None, kind: str) -> dict[str, Any]:
    assert table is not None
    return next(commit[RECORD]["took"] for commit in table.history() if commit[RECORD].get("kind") == kind)


def shop(world: World) -> World:
    return world.declare(ORDERS).declare(DAILY, daily="select count(*) as n from orders")


def test_a_commit_says_what_it_took(world: World) -> None:
    shop(world).put("raw/orders/1.csv", ROWS)
    world.run()
    loaded, made = took(world.lake.named_table("orders"), "ingest"), took(world.lake.named_table("daily"), "transform")
    assert (loaded["rows"], loaded["bytes"], made["rows"]) == (2, len(ROWS), 1)
    assert made["bytes"] == sum(file.size for file in world.lake.named_table("orders").files)  # type: ignore[union-attr]
    for record in (loaded, made):
        assert 0 < record["seconds"] < 60
        assert 20 << 20 < record["peak"] < 64 << 30
        assert record["memory"] == 1769
        to_the_millisecond = 0.0005 * 1769 / 1024 * 0.0000166667 + 1e-8  # seconds and dollars are rounded, each for itself
        assert record["usd"] == pytest.approx(record["seconds"] * 1769 / 1024 * 0.0000166667 + 0.0000002, abs=to_the_millisecond)
        assert record["glue_usd"] == pytest.approx(2 * 60 / 3600 * 0.44, rel=1e-4)


def test_an_undo_says_what_it_took(world: World) -> None:
    shop(world).put("raw/orders/1.csv", ROWS)
    world.run()
    (plan,) = plans.undo(world.lake, ["raw/orders/1.csv"])
    assert list(perform(world.lake, plan))
    assert took(world.lake.named_table("orders"), "undo")["rows"] == 2


def test_the_memory_is_the_functions(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "3008")
    shop(world).put("raw/orders/1.csv", ROWS)
    world.run()
    assert took(world.lake.named_table("orders"), "ingest")["memory"] == 3008


def test_a_job_that_takes_longer_than_glues_minimum_costs_its_time() -> None:
    spent = receipt(Prices(), rows=1, bytes=1, seconds=900, peak=1, memory=1024)
    assert (spent.gb_seconds, spent.usd, spent.glue_usd) == (900, 0.01500023, 0.22)


def test_costs_are_added_up_by_table(world: World) -> None:
    shop(world)
    for n in range(3):
        world.put(f"raw/orders/{n}.csv", ROWS)
        world.run()
    (orders,) = costs(world.lake, ["orders"])
    records = [commit[RECORD]["took"] for commit in world.lake.named_table("orders").history() if "took" in commit[RECORD]]  # type: ignore[union-attr]
    assert (orders.spent.commits, orders.spent.rows) == (3, 6)
    assert orders.spent.usd == pytest.approx(sum(record["usd"] for record in records))
    assert orders.spent.peak == max(record["peak"] for record in records)
    assert orders.since is not None


def test_a_table_that_was_never_loaded_cost_nothing(world: World) -> None:
    assert [(cost.since, cost.spent.commits) for cost in costs(shop(world).lake)] == [(None, 0), (None, 0)]


def test_a_project_may_have_its_own_prices(world: World) -> None:
    shop(world)
    (world.home / "project" / "prices.yaml").write_text("lambda_gb_second: 0.5\nregion: eu-west-1\n")
    prices = load(world.home / "project").prices
    assert (prices.lambda_gb_second, prices.region, prices.glue_dpu_hour) == (0.5, "eu-west-1", 0.44)


def test_the_projects_prices_are_the_list_prices_until_somebody_changes_them() -> None:
    assert load(PROJECT).prices == Prices()


def test_the_command_shows_tables_prices_and_where_they_are_from(world: World) -> None:
    shop(world).put("raw/orders/1.csv", ROWS)
    asked = ["status", "--cost", "--project", str(world.home / "project"), "--lake", world.uri]
    assert "Nothing was committed yet" in CliRunner().invoke(app, asked).output
    world.run()
    shown = CliRunner().invoke(app, asked).output
    assert "orders" in shown
    assert "$0.014667" in shown
    assert "us-east-1, 2026-11-01, aws.amazon.com" in shown
    told = json.loads(CliRunner().invoke(app, [*asked, "--json"]).output)
    assert [table["spent"]["commits"] for table in told["tables"]] == [1, 1]
    assert told["prices"]["glue_dpu_hour"] == 0.44


@pytest.mark.parametrize("text", ["lambda_gb_second: -1\n", "lambda_gb_secnd: 1\n", "glue_dpus: two\n", "{", "region: a\nregion: b\n"])
def test_wrong_prices_are_a_problem_of_their_file(world: World, text: str) -> None:
    shop(world)
    (world.home / "project" / "prices.yaml").write_text(text)
    with pytest.raises(InvalidProject, match=r"prices\.yaml"):
        load(world.home / "project")
