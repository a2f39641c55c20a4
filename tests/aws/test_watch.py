"""Alarms, dashboard and logs: everything that can go wrong rings, rings somebody, and is kept for as long as was asked."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest

from tests.aws.translated import DEFAULTS, EVERYTHING, NAME, REGION, ROOT, Resource, Stack, stack

EMITTED: Final = "\n".join(file.read_text("utf-8") for file in sorted((ROOT / "handlers").glob("*.py")))
ALARMS: Final = {
    *("ingest-errors", "api-errors", "schedule-errors", "step-errors", "throttles"),
    *("ingest-dead-letters", "dead-letters", "oldest-message"),
    *("datasets-overdue", "quarantine-rate", "api-5xx", "refresh-failures", "ingest-large-failures"),
}


@pytest.fixture(params=[DEFAULTS, EVERYTHING], ids=["defaults", "everything"])
def made(request: pytest.FixtureRequest) -> Stack:
    return stack(request.param)


def metrics(alarm: Resource) -> Iterator[Mapping[str, Any]]:
    """Yield the metrics that an alarm looks at."""
    if "MetricName" in alarm.properties:
        yield alarm.properties
    yield from (found["MetricStat"]["Metric"] for found in alarm.properties.get("Metrics", ()) if "MetricStat" in found)


def watched(made: Stack) -> set[tuple[str, str, str]]:
    """Return each metric that an alarm looks at, with the value of its first dimension."""
    found = (metric for alarm in made.of("CloudWatch::Alarm") for metric in metrics(alarm))
    return {(metric["Namespace"], metric["MetricName"], metric["Dimensions"][0]["Value"]) for metric in found}


def rows() -> Iterator[tuple[str, ...]]:
    """Yield every metric of the dashboard, with what "." and "..." stand for: namespace, name, dimensions."""
    for widget in body()["widgets"]:
        above: tuple[str, ...] = ()
        for row in widget["properties"].get("metrics", ()):
            words = tuple(word for word in row if isinstance(word, str))
            if words:
                words = (*above[:-1], *words[1:]) if words[0] == "..." else words
                above = tuple(above[place] if word == "." else word for place, word in enumerate(words))
                yield above


def body() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(stack(DEFAULTS)["DashboardBoard"].properties["DashboardBody"])
    return found


# --- alarms --------------------------------------------------------------------------------------------------------------------------


def test_the_alarms_are_those_that_the_operator_knows(made: Stack) -> None:
    named = {alarm.properties["AlarmName"].removeprefix(f"{NAME}-") for alarm in made.of("CloudWatch::Alarm")}
    assert named == ALARMS | ({"delivery-is-late"} if "Delivery" in made.resources else set())


def test_every_alarm_tells_the_failure_topic_and_says_what_to_do(made: Stack) -> None:
    for alarm in made.of("CloudWatch::Alarm"):
        assert alarm.properties["AlarmActions"] == ["<FailureTopic>"], alarm.name
        assert alarm.properties["OKActions"] == ["<FailureTopic>"], alarm.name
        assert len(alarm.properties["AlarmDescription"]) > 60
        assert alarm.properties["AlarmDescription"].endswith("."), "what it means, and what to do first"


def test_every_function_is_watched_for_errors_and_throttles(made: Stack) -> None:
    for function in made.of("Lambda::Function"):
        name = function.properties["FunctionName"]
        if function.name != "AuthorizeFunction":  # its errors are the API's 5xx
            assert ("AWS/Lambda", "Errors", name) in watched(made)
            assert ("AWS/Lambda", "Throttles", name) in watched(made)


def test_every_dead_letter_queue_rings_at_the_first_message(made: Stack) -> None:
    fed = {
        found.properties["RedrivePolicy"]["deadLetterTargetArn"] for found in made.of("SQS::Queue") if "RedrivePolicy" in found.properties
    }
    dead = {made.behind(arn).properties["QueueName"] for arn in fed} | {made["DeadLetters"].properties["QueueName"]}
    for name in dead:
        assert ("AWS/SQS", "ApproximateNumberOfMessagesVisible", name) in watched(made)


def test_a_message_may_fail_once_before_its_age_rings(made: Stack) -> None:
    assert made["OldestMessage"].properties["Threshold"] > made["IngestQueue"].properties["VisibilityTimeout"]
    assert made["OldestMessage"].properties["Dimensions"][0]["Value"] == made["IngestQueue"].properties["QueueName"]


def test_every_way_in_which_an_execution_ends_badly_rings(made: Stack) -> None:
    for machine in made.of("StepFunctions::StateMachine"):
        for metric in ("ExecutionsFailed", "ExecutionsTimedOut"):  # aborted is somebody's own decision
            assert ("AWS/States", metric, f"<{machine.name}>") in watched(made)


def test_silence_rings_only_where_there_must_be_data(made: Stack) -> None:
    for alarm in made.of("CloudWatch::Alarm"):
        if alarm.name == "DatasetsOverdue":  # each hourly run measures it: no data, no run
            assert alarm.properties["TreatMissingData"] == "missing"
            assert alarm.properties["InsufficientDataActions"] == ["<FailureTopic>"]
        else:
            assert alarm.properties["TreatMissingData"] == "notBreaching", alarm.name


def test_expressions_speak_of_metrics_that_the_alarm_has(made: Stack) -> None:
    for alarm in made.of("CloudWatch::Alarm"):
        ids = {found["Id"] for found in alarm.properties.get("Metrics", ())}
        for found in alarm.properties.get("Metrics", ()):
            names = set(re.findall(r"\b[a-z]\w*", found.get("Expression", "")))
            assert names <= ids, alarm.name
        assert sum(found["ReturnData"] for found in alarm.properties.get("Metrics", ())) <= 1


def test_the_quarantine_rate_is_a_parameter() -> None:
    assert stack(DEFAULTS)["QuarantineRate"].properties["Threshold"] == "5"
    assert stack({"QuarantinePercent": "20"})["QuarantineRate"].properties["Threshold"] == "20"


def test_our_own_metrics_are_those_that_the_functions_emit(made: Stack) -> None:
    alarmed = {name for namespace, name, _ in watched(made) if namespace == "Lakelet"}
    shown = {row[1] for row in rows() if row[0] == "Lakelet"}
    text = made["DashboardBoard"].properties["DashboardBody"].replace("\\", "")
    searched = set(re.findall(r'\{Lakelet,service,dataset\} MetricName="(\w+)"', text))
    assert {"DatasetsOverdue", "RowsQuarantined", "Freshness", "Overdue"} <= alarmed | shown | searched
    for name in (alarmed | shown | searched) - {"ColdStart"}:  # which Powertools measures
        assert f'"{name}"' in EMITTED, f"{name}: nobody measures it"


# --- the dashboard -------------------------------------------------------------------------------------------------------------------


def test_the_dashboard_answers_four_questions() -> None:
    asked = [widget["properties"]["markdown"] for widget in body()["widgets"] if widget["type"] == "text"]
    assert asked == ["## Is it healthy?", "## Is it fresh?", "## What was refused?", "## What does it cost?"]


def test_the_dashboard_shows_every_alarm() -> None:
    (shown,) = (widget["properties"]["alarms"] for widget in body()["widgets"] if widget["type"] == "alarm")
    assert {arn.rpartition(":alarm:")[2].removeprefix(f"{NAME}-") for arn in shown} == ALARMS
    assert len(shown) == len(ALARMS)


def test_widgets_lie_beside_each_other_within_the_grid() -> None:
    taken: set[tuple[int, int]] = set()
    for widget in body()["widgets"]:
        cells = {(widget["x"] + x, widget["y"] + y) for x in range(widget["width"]) for y in range(widget["height"])}
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
        assert widget["type"] in ("text", "alarm") or widget["properties"]["region"] == REGION


def test_the_dashboard_speaks_of_resources_that_there_are() -> None:
    named = {
        str(found.properties[key])
        for found in stack().resources.values()
        for key in ("FunctionName", "QueueName")
        if key in found.properties
    }
    machines, buckets = ({f"<{found.name}>" for found in stack().of(kind)} for kind in ("StepFunctions::StateMachine", "S3::Bucket"))
    wanted = {
        "AWS/Lambda": named,
        "AWS/SQS": named,
        "AWS/States": machines,
        "AWS/S3": buckets,
        "AWS/ApiGateway": {"<Api>"},
        "Lakelet": {NAME},
    }
    for row in rows():
        assert row[-1] in wanted[row[0]], row


def test_costs_are_reckoned_with_the_memory_that_the_functions_have() -> None:
    memory = {
        found.properties["FunctionName"].removeprefix(f"{NAME}-"): found.properties["MemorySize"]
        for found in stack().of("Lambda::Function")
    }
    (graph,) = (
        widget["properties"] for widget in body()["widgets"] if widget["properties"].get("title", "").startswith("Lambda: GB-seconds")
    )
    reckoned = {}
    for metric in graph["metrics"]:
        if found := re.fullmatch(r"(\w+) / 1000 \* (\d+) / 1024", str(metric[0].get("expression")) if isinstance(metric[0], dict) else ""):
            reckoned[found[1]] = int(found[2])
    assert reckoned == memory
    factors = {name: int(value) for name, value in re.findall(r"FILL\((\w+), 0\) \* (\d+)", json.dumps(body()))}
    assert factors == memory


# --- logs ----------------------------------------------------------------------------------------------------------------------------


def test_logs_are_kept_for_as_long_as_was_asked(made: Stack) -> None:
    groups = made.of("Logs::LogGroup")
    assert len(groups) >= 7
    assert {group.properties["RetentionInDays"] for group in groups} == {"90"}


def test_the_key_may_encrypt_every_log_group(made: Stack) -> None:
    from fnmatch import fnmatchcase

    (statement,) = (found for found in made["Key"].properties["KeyPolicy"]["Statement"] if found["Sid"] == "LogsOfThisStack")
    (pattern,) = statement["Condition"]["ArnLike"].values()
    for group in made.of("Logs::LogGroup"):
        arn = f"arn:aws:logs:{REGION}:123456789012:log-group:{group.properties['LogGroupName']}"
        assert fnmatchcase(arn, pattern)


def test_the_state_machines_log_what_fails(made: Stack) -> None:
    for machine in made.of("StepFunctions::StateMachine"):
        logging = machine.properties["LoggingConfiguration"]
        assert logging["Level"] in ("ERROR", "ALL")
        assert logging["Destinations"] == [{"CloudWatchLogsLogGroup": {"LogGroupArn": "<StateMachineLogs.Arn>"}}]


# --- guard rails ---------------------------------------------------------------------------------------------------------------------


def test_the_guard_rails_and_the_stream_stand_only_where_they_are_asked_for() -> None:
    def optional(**parameters: str) -> set[str]:
        return {found.name for found in stack(parameters).of("Budgets::Budget", "CloudTrail::Trail", "Kinesis::Stream")}

    assert optional() == set()
    assert optional(MonthlyBudget="10") == {"Budget"}
    assert optional(AuditDataEvents="yes") == {"Trail"}
    assert optional(WithStream="yes") == {"EventStream"}


def test_the_trail_records_both_buckets_and_nothing_else() -> None:
    trail = stack(EVERYTHING)["Trail"].properties
    ((selector),) = trail["AdvancedEventSelectors"]
    fields = {found["Field"]: found.get("Equals") or found["StartsWith"] for found in selector["FieldSelectors"]}
    assert fields["resources.ARN"] == ["<RawBucket.Arn>/", "<LakeBucket.Arn>/"]
    assert trail["EnableLogFileValidation"] is True
