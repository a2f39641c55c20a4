"""The functions, as Lambda calls them, over real tables in a stand-in for S3."""

from typing import Any

import pytest

from core.errors import OutOfTime, Terminal, Transient
from handlers import ingest, schedule, tasks, work
from tests.functions import Context, Functions, functions
from tests.unit.test_events import eventbridge, s3, sqs
from tests.world import ORDERS, World

TOTAL = """
transform: total
sql: total.sql
when: any_input
target: {path: gold/total/}
"""
HOURLY = (
    ORDERS.replace("dataset: orders", "dataset: ticks")
    .replace("raw/orders/", "raw/ticks/")
    .replace("processed/orders/", "processed/ticks/")
)
GOOD, BAD = "id,amount,placed\n1,2.50,2026-01-01T00:00:00Z\n", "id,wrong\n1,2\n"


@pytest.fixture
def aws(tmp_path: Any, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Functions:
    from tests.conftest import bucket

    uri = bucket(s3_endpoint, monkeypatch)
    world = World(tmp_path, uri.rpartition("/")[0])  # keys of events are the bucket's
    world.declare(ORDERS).declare(TOTAL, total="select sum(amount) as amount from orders")
    world.declare(HOURLY.replace("format: csv", "format: csv, trigger: hourly"))
    return functions(world, monkeypatch, capsys)


def announce(aws: Functions, *keys: str, **more: Any) -> list[dict[str, Any]]:
    """Return S3's notifications of objects that were put."""
    refs = {ref.key: ref for ref in aws.world.lake.raw.list("raw/")}
    name = aws.world.uri.removeprefix("s3://")
    found = []
    for key in keys:
        event = s3(key, versionId=refs[key].version if key in refs else "gone", size=refs[key].size if key in refs else 1, **more)
        event["Records"][0]["s3"]["bucket"]["name"] = name
        found.append(event)
    return found


def failures(answer: Any) -> list[str]:
    return [item["itemIdentifier"] for item in answer["batchItemFailures"]]


# --- ingest --------------------------------------------------------------------------------------------------------------------------


def test_a_batch_of_messages_is_one_commit_and_what_hangs_on_it_is_brought_up_to_date(aws: Functions) -> None:
    for n in range(5):
        aws.world.put(f"raw/orders/{n}.csv", GOOD)
    answer = aws.invoke(ingest, sqs(*announce(aws, *(f"raw/orders/{n}.csv" for n in range(5)))))
    assert failures(answer) == []
    assert aws.world.version("orders") == 1
    assert aws.world.values("select amount from total") == ["12.50"]
    assert not aws.world.keys("raw/")
    assert len(aws.world.keys("archived/orders/")) == 5


def test_the_same_messages_again_in_any_order_change_nothing(aws: Functions) -> None:
    aws.world.put("raw/orders/a.csv", GOOD)
    aws.world.put("raw/orders/b.csv", GOOD)
    events = announce(aws, "raw/orders/a.csv", "raw/orders/b.csv")
    for delivery in (events, events[::-1], [*events, *events], events[:1]):
        assert failures(aws.invoke(ingest, sqs(*delivery))) == []
    assert aws.world.values("select count(*) from orders") == [2]
    assert aws.world.version("orders") == 1


def test_only_the_message_that_cannot_be_settled_goes_back(aws: Functions) -> None:
    aws.world.put("raw/orders/a.csv", GOOD)
    answer = aws.invoke(ingest, sqs("no event", *announce(aws, "raw/orders/a.csv")))
    assert failures(answer) == ["m0"]
    assert aws.world.values("select count(*) from orders") == [1]


def test_a_message_that_comes_back_is_taken_alone(aws: Functions) -> None:
    for n in range(3):
        aws.world.put(f"raw/orders/{n}.csv", GOOD)
    aws.invoke(ingest, sqs(*announce(aws, *(f"raw/orders/{n}.csv" for n in range(3))), tries=2))
    assert aws.world.version("orders") == 3


def test_a_file_that_breaks_its_contract_is_settled_too(aws: Functions) -> None:
    aws.world.put("raw/orders/bad.csv", BAD)
    assert failures(aws.invoke(ingest, sqs(*announce(aws, "raw/orders/bad.csv")))) == []
    assert aws.world.report("rejected/invalid_schema/orders/")["reason"] == "invalid_schema"


def test_what_is_not_ours_is_left_where_it_is_and_told(aws: Functions) -> None:
    aws.world.put("raw/strangers/x.csv", GOOD)
    elsewhere = eventbridge("raw/orders/a.csv")
    test_event = {"Service": "Amazon S3", "Event": "s3:TestEvent"}
    answer = aws.invoke(ingest, sqs(*announce(aws, "raw/strangers/x.csv"), elsewhere, test_event))
    assert failures(answer) == []
    said = aws.said()
    assert [line["object"] for line in said if line.get("step") == "unknown"] == ["raw/strangers/x.csv", "s3://raw/raw/orders/a.csv"]
    assert sum(line["ObjectsUnknown"][0] for line in said if "ObjectsUnknown" in line) == 2
    assert aws.world.keys("raw/") == {"raw/strangers/x.csv"}


def test_an_object_that_went_before_its_event_came_is_no_failure(aws: Functions) -> None:
    aws.world.put("raw/orders/a.csv", GOOD)
    assert failures(aws.invoke(ingest, sqs(*announce(aws, "raw/orders/b.csv")))) == []


def test_an_object_with_a_schedule_waits_for_it(aws: Functions) -> None:
    aws.world.put("raw/ticks/a.csv", GOOD)
    assert failures(aws.invoke(ingest, sqs(*announce(aws, "raw/ticks/a.csv")))) == []
    assert aws.world.keys("raw/") == {"raw/ticks/a.csv"}


def test_an_event_given_directly_answers_or_raises(aws: Functions) -> None:
    aws.world.put("raw/orders/a.csv", GOOD)
    (event,) = announce(aws, "raw/orders/a.csv")
    assert aws.invoke(ingest, event) == {"objects": 1}
    assert aws.world.values("select count(*) from orders") == [1]
    with pytest.raises(Transient):
        aws.invoke(ingest, {"hello": "world"})


def test_without_time_nothing_is_begun_and_the_messages_come_back(aws: Functions) -> None:
    aws.world.put("raw/orders/a.csv", GOOD)
    events = announce(aws, "raw/orders/a.csv")
    assert failures(aws.invoke(ingest, sqs(*events), left=2)) == ["m0"]
    assert aws.world.keys("raw/") == {"raw/orders/a.csv"}
    assert not [line for line in aws.said() if line.get("Undone")]
    assert failures(aws.invoke(ingest, sqs(*events))) == []
    assert aws.world.values("select count(*) from orders") == [1]


@pytest.mark.parametrize(("left", "kept"), [(10, 3), (100, 10), (900, 30)])
def test_time_is_kept_to_settle_what_was_committed(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], left: float, kept: float
) -> None:
    functions(world.declare(ORDERS), monkeypatch, capsys)
    seconds = work.lake_for(Context(left)).seconds_left
    assert seconds is not None
    assert left - kept - 2 < seconds <= left - kept


def test_a_topic_that_cannot_be_reached_fails_no_load(aws: Functions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKELET_SUCCESS_TOPIC", "arn:aws:sns:us-east-1:111122223333:nobody-made-it")
    work.opened.cache_clear()
    aws.world.put("raw/orders/a.csv", GOOD)
    assert failures(aws.invoke(ingest, sqs(*announce(aws, "raw/orders/a.csv")))) == []
    assert any(line.get("message") == "nobody could be told" for line in aws.said())
    assert aws.world.keys("raw/") == set()


def test_a_dataset_that_cannot_be_loaded_holds_up_no_other(aws: Functions) -> None:
    aws.world.put("raw/orders/a.csv", GOOD)
    aws.invoke(ingest, sqs(*announce(aws, "raw/orders/a.csv")))
    aws.world.declare(ORDERS.replace("type: bigint", "type: varchar"))  # the table cannot follow
    aws.world.declare(HOURLY)
    work.opened.cache_clear()
    aws.world.put("raw/orders/b.csv", GOOD)
    aws.world.put("raw/ticks/b.csv", GOOD)
    assert failures(aws.invoke(ingest, sqs(*announce(aws, "raw/orders/b.csv", "raw/ticks/b.csv")))) == ["m0"]
    assert aws.world.keys("raw/") == {"raw/orders/b.csv"}
    assert aws.world.values("select count(*) from ticks") == [1]


def test_logs_and_metrics_tell_the_commit_and_no_value(aws: Functions) -> None:
    aws.world.put("raw/orders/a.csv", "id,amount,placed\n1,secret-4711,\n2,3.00,\n")
    aws.invoke(ingest, sqs(*announce(aws, "raw/orders/a.csv")))
    out = aws.said()
    (loaded,) = [line for line in out if line.get("step") == "ingested"]
    assert (loaded["dataset"], loaded["version"], loaded["objects"]) == ("orders", 1, {"loaded": 1})
    assert (loaded["rows"]["accepted"], loaded["rows"]["quarantined"]) == (1, 1)
    (measured,) = [line for line in out if "RowsRead" in line]
    assert (measured["service"], measured["dataset"]) == ("lakelet-test", "orders")
    assert (measured["RowsRead"], measured["RowsAccepted"], measured["RowsQuarantined"]) == ([2], [1], [1])
    assert measured["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service"], ["service", "dataset"]]
    assert measured["Freshness"][0] >= 0
    assert "4711" not in str(out)


# --- schedule ------------------------------------------------------------------------------------------------------------------------


def test_a_run_leaves_what_was_just_announced_and_takes_it_once_no_event_came(aws: Functions, monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import timedelta

    from core.lake import Lake

    aws.world.put("raw/orders/a.csv", GOOD)
    aws.world.put("raw/ticks/a.csv", GOOD)
    answer = aws.invoke(schedule, {"run": "hourly"})
    assert (answer["loaded"], answer["undone"]) == (0, 0)
    real = Lake.now
    monkeypatch.setattr(Lake, "now", lambda lake: real(lake) + timedelta(hours=1))
    answer = aws.invoke(schedule, {"run": "hourly"})
    assert (answer["loaded"], answer["transformed"], answer["undone"]) == (2, 1, 0)


def test_a_daily_run_keeps_the_tables_up(aws: Functions) -> None:
    aws.world.put("raw/orders/a.csv", GOOD)
    aws.world.run()
    assert aws.invoke(schedule, {"run": "daily"})["maintained"] == len(aws.world.lake.project.declarations)


def test_a_dataset_without_new_data_in_its_window_is_told(aws: Functions) -> None:
    aws.world.declare(ORDERS + "fresh_within: 2 hours\n")
    aws.invoke(schedule, {"run": "hourly"})
    assert [line["DatasetsOverdue"] for line in aws.said() if "DatasetsOverdue" in line] == [[1]]
    aws.world.put("raw/orders/a.csv", GOOD)
    aws.world.run()
    aws.invoke(schedule, {"run": "hourly"})
    assert [line["DatasetsOverdue"] for line in aws.said() if "DatasetsOverdue" in line] == [[0]]


def test_an_unknown_run_says_what_there_is(aws: Functions) -> None:
    with pytest.raises(Terminal, match="hourly, daily"):
        aws.invoke(schedule, {"run": "weekly"})


# --- tasks ---------------------------------------------------------------------------------------------------------------------------


def test_the_tasks_of_a_refresh(aws: Functions) -> None:
    aws.world.put("raw/orders/a.csv", GOOD)
    aws.world.run(names=["orders"])
    assert aws.invoke(tasks, {"task": "sweep"})["more"] is False
    plan = aws.invoke(tasks, {"task": "plan"})
    assert plan["levels"] == [["total"]]
    assert set(plan["tables"]) == {"orders", "ticks", "total"}
    first, again = (aws.invoke(tasks, {"task": "transform", "name": "total"}) for _ in range(2))
    assert (first["ran"], first["rows"], again["ran"]) == (True, 1, False)
    assert aws.invoke(tasks, {"task": "maintain", "name": "orders"})["name"] == "orders"
    assert aws.invoke(tasks, {"task": "notify", "machine": "refresh", "outcome": "succeeded", "execution": "x", "detail": {}}) == {}


def test_a_sweep_without_time_raises_rather_than_asks_for_ever(aws: Functions, monkeypatch: pytest.MonkeyPatch) -> None:
    from core import run

    monkeypatch.setattr(run, "by_trigger", run.whatever_waits)
    aws.world.put("raw/orders/a.csv", GOOD)
    with pytest.raises(OutOfTime):
        aws.invoke(tasks, {"task": "sweep"}, left=2)


def large(aws: Functions, key: str, body: str) -> dict[str, Any]:
    aws.world.put(key, body)
    (ref,) = aws.world.lake.raw.list(key)
    return {"bucket": aws.world.uri.removeprefix("s3://"), "key": key, "version": ref.version, "size": ref.size}


def test_the_tasks_of_a_large_object(aws: Functions) -> None:
    found = large(aws, "raw/orders/large.csv", GOOD)
    checked = aws.invoke(tasks, {"task": "check", "object": found})
    assert (checked["verdict"], checked["dataset"]) == ("load", "orders")
    for _ in range(2):  # each step may be repeated
        loaded = aws.invoke(tasks, {"task": "load", "dataset": "orders", "object": found})
        assert aws.world.values("select count(*) from orders") == [1]
    for _ in range(2):
        assert aws.invoke(tasks, {"task": "archive", "dataset": "orders", "outcomes": loaded["outcomes"]})["archived"] == 1
        assert len(aws.world.keys("archived/")) == 1
        assert not aws.world.keys("raw/")
    assert aws.invoke(tasks, {"task": "register", "dataset": "orders"})["dataset"] == "orders"
    assert aws.world.values("select amount from total") == ["2.50"]
    assert aws.invoke(tasks, {"task": "check", "object": found})["verdict"] == "gone"


@pytest.mark.parametrize(
    ("key", "body", "verdict"),
    [
        ("raw/orders/x.csv", BAD, "rejected"),
        ("raw/ticks/x.csv", GOOD, "scheduled"),
        ("raw/nobody/x.csv", GOOD, "unknown"),
        ("raw/orders/x.csv", GOOD + '2,"torn', "load"),
    ],
)
def test_what_is_told_of_a_large_object_before_it_is_read(aws: Functions, key: str, body: str, verdict: str) -> None:
    assert aws.invoke(tasks, {"task": "check", "object": large(aws, key, body)})["verdict"] == verdict
    assert bool(aws.world.keys("rejected/")) == (verdict == "rejected")


def test_an_unknown_task_says_what_there_is(aws: Functions) -> None:
    with pytest.raises(Terminal, match="sweep"):
        aws.invoke(tasks, {"task": "dance"})


# --- catalog -------------------------------------------------------------------------------------------------------------------------


def test_what_was_loaded_and_set_aside_is_known_to_athena(aws: Functions, monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3

    database = aws.world.uri.removeprefix("s3://").replace("-", "_")
    glue = boto3.client("glue", region_name="us-east-1")
    glue.create_database(DatabaseInput={"Name": database})
    monkeypatch.setenv("LAKELET_CATALOG", database)
    aws.world.put("raw/orders/a.csv", GOOD + "x,1,\n")
    aws.invoke(ingest, sqs(*announce(aws, "raw/orders/a.csv")))
    tables = {table["Name"]: table["StorageDescriptor"]["Location"] for table in glue.get_tables(DatabaseName=database)["TableList"]}
    assert tables == {
        "orders": f"{aws.world.uri}/processed/orders/",
        "quarantine_orders": f"{aws.world.uri}/quarantine/orders/",
        "total": f"{aws.world.uri}/gold/total/",
    }
