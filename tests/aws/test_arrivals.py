"""How objects come in: nothing is lost between a bucket and a function, nothing triggers itself, every object has exactly one way."""

import json
import re
from typing import Final

import pytest
from samtranslator.yaml_helper import yaml_parse

from tests.aws.translated import DEFAULTS, EVERYTHING, TEMPLATE, Resource, Stack, stack

SOURCE: Final = yaml_parse(TEMPLATE.read_text("utf-8"))
DAYS: Final = 86400


@pytest.fixture(params=[DEFAULTS, EVERYTHING], ids=["defaults", "everything"])
def made(request: pytest.FixtureRequest) -> Stack:
    return stack(request.param)


# --- nothing gets lost ---------------------------------------------------------------------------------------------------------------


def test_a_message_is_hidden_for_six_timeouts_and_the_longest_window(made: Stack) -> None:
    for mapping in made.of("Lambda::EventSourceMapping"):
        queue, function = made.behind(mapping.properties["EventSourceArn"]), made.behind(mapping.properties["FunctionName"])
        window = SOURCE["Parameters"]["BatchWindow"]["MaxValue"]
        assert queue.properties["VisibilityTimeout"] >= 6 * function.properties["Timeout"] + window
        assert mapping.properties["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert int(mapping.properties["ScalingConfig"]["MaximumConcurrency"]) >= 2


def test_a_message_is_tried_five_times_and_then_kept_longer_than_it_could_have_waited(made: Stack) -> None:
    queue = made["IngestQueue"]
    redrive = queue.properties["RedrivePolicy"]
    dead = made.behind(redrive["deadLetterTargetArn"])
    assert redrive["maxReceiveCount"] >= 5
    assert dead.properties["MessageRetentionPeriod"] == 14 * DAYS
    assert dead.properties["MessageRetentionPeriod"] - queue.properties["MessageRetentionPeriod"] >= 7 * DAYS


def test_a_dead_letter_queue_stands_behind_every_rule_schedule_and_asynchronous_invocation(made: Stack) -> None:
    targets = [
        *((rule.name, target["DeadLetterConfig"]["Arn"]) for rule in made.of("Events::Rule") for target in rule.properties["Targets"]),
        *((schedule.name, schedule.properties["Target"]["DeadLetterConfig"]["Arn"]) for schedule in made.of("Scheduler::Schedule")),
        *((function.name, function.properties["DeadLetterConfig"]["TargetArn"]) for function in made.of("Lambda::Function")),
    ]
    assert len(targets) >= 9
    for name, queue in targets:
        assert made.behind(queue).properties["MessageRetentionPeriod"] == 14 * DAYS, name


def test_a_rule_may_write_to_its_queue_and_to_its_dead_letters_and_nobody_else_may(made: Stack) -> None:
    let_in: dict[str, set[str]] = {}
    for policy in made.of("SQS::QueuePolicy"):
        (statement,) = policy.properties["PolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Service": "events.amazonaws.com"}
        sources = statement["Condition"]["ArnEquals"]["aws:SourceArn"]
        let_in[statement["Resource"]] = set(sources if isinstance(sources, list) else [sources])
    rules = made.of("Events::Rule")
    assert let_in[made["DeadLetters"].arn] == {rule.arn for rule in rules}
    for rule in rules:
        for target in rule.properties["Targets"]:
            if target["Arn"] in {queue.arn for queue in made.of("SQS::Queue")}:
                assert let_in[target["Arn"]] == {rule.arn}


# --- arrivals ------------------------------------------------------------------------------------------------------------------------


def matches(rule: Resource, key: str, size: int, bucket: str = "<RawBucket>") -> bool:
    from moto.events.models import EventPattern

    detail = {"bucket": {"name": bucket}, "object": {"key": key, "size": size, "version-id": "v1"}}
    event = {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}
    return bool(EventPattern.load(json.dumps(rule.properties["EventPattern"])).matches_event(event))


@pytest.mark.parametrize("size", [0, 1, 536870911, 536870912, 536870913, 5 << 40])
def test_an_object_of_any_size_has_exactly_one_way(made: Stack, size: int) -> None:
    ways = [rule.name for rule in made.of("Events::Rule") if matches(rule, "raw/orders/a.csv", size)]
    assert ways == (["ArrivalsRule"] if size <= 512 << 20 else ["LargeArrivalsRule"])


@pytest.mark.parametrize("size", [1, 1 << 30])
@pytest.mark.parametrize("key", ["archived/orders/a.csv", "rejected/invalid_schema/orders/a.csv", "rejected/stream/processing-failed/x"])
def test_what_is_set_aside_is_no_arrival(made: Stack, key: str, size: int) -> None:
    assert not any(matches(rule, key, size) for rule in made.of("Events::Rule"))


def test_an_object_elsewhere_is_no_arrival(made: Stack) -> None:
    assert not any(matches(rule, "raw/orders/a.csv", 1, bucket="<LakeBucket>") for rule in made.of("Events::Rule"))


def test_the_border_between_the_two_ways_is_one_number_and_no_string(made: Stack) -> None:
    sizes = [rule.properties["EventPattern"]["detail"]["object"]["size"][0]["numeric"] for rule in made.of("Events::Rule")]
    assert sizes == [["<=", 512 << 20], [">", 512 << 20]]


def test_the_state_machine_is_told_bucket_key_version_and_size(made: Stack) -> None:
    (target,) = made["LargeArrivalsRule"].properties["Targets"]
    transformer = target["InputTransformer"]
    assert target["Arn"] == "<IngestLargeStateMachine>"
    template = re.sub(r"<(\w+)>", r'"\1"', transformer["InputTemplate"])
    assert json.loads(template) == {"object": {name: name for name in ("bucket", "key", "version", "size")}}
    assert transformer["InputPathsMap"].keys() == json.loads(template)["object"].keys()
