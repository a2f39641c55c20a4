"""The doctor, over a stack that is made of what moto's server has."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from typer.testing import CliRunner

from handlers.cli import app
from handlers.cli.doctor import connect, examine
from tests.conftest import bucket
from tests.world import ORDERS, World

ROLE = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


@pytest.fixture
def stack(tmp_path: Any, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> World:
    """A stack `shop` with a function, two queues, an alarm and a lake."""
    import boto3

    world = World(tmp_path, bucket(s3_endpoint, monkeypatch))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("LAKELET_STACK", name := f"shop{abs(hash(world.uri))}")
    role = boto3.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(ROLE))["Role"]["Arn"]
    boto3.client("lambda").create_function(
        FunctionName=f"{name}-ingest",
        Role=role,
        PackageType="Image",
        Code={"ImageUri": "111122223333.dkr.ecr.us-east-1.amazonaws.com/lakelet:1"},
        Environment={"Variables": {"LAKELET_LAKE": world.uri, "LAKELET_RAW": world.uri}},
    )
    for queue in ("ingest", "ingest-dlq"):
        boto3.client("sqs").create_queue(QueueName=f"{name}-{queue}")
    boto3.client("cloudwatch").put_metric_alarm(
        AlarmName=f"{name}-dlq-not-empty",
        AlarmDescription="Look into the queue, mend, redrive.",
        MetricName="x",
        Namespace="y",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
        Statistic="Sum",
    )
    return world.declare(ORDERS + "fresh_within: 1 day\n")


def test_a_stack_at_rest_is_well(stack: World) -> None:
    stack.put("raw/orders/a.csv", "id,amount,placed\n1,2.50,\n")
    stack.run()
    done = CliRunner().invoke(app, ["doctor", "--project", str(stack.home / "project")])
    assert done.exit_code == 0, done.output
    assert "is well" in done.output


def test_what_is_wrong_comes_with_what_to_do(stack: World) -> None:
    import os

    import boto3

    name = os.environ["LAKELET_STACK"]
    sqs, watch = boto3.client("sqs"), boto3.client("cloudwatch")
    sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName=f"{name}-ingest-dlq")["QueueUrl"], MessageBody="x")
    watch.set_alarm_state(AlarmName=f"{name}-dlq-not-empty", StateValue="ALARM", StateReason="1 message")
    watch.put_metric_data(
        Namespace="Lakelet",
        MetricData=[
            {
                "MetricName": "Undone",
                "Dimensions": [{"Name": "service", "Value": name}],
                "Value": 3,
                "Unit": "Count",
                "Timestamp": datetime.now(UTC),
            }
        ],
    )
    stack.put("raw/orders/a.csv", "id,amount,placed\n1,2.50,\n")
    found = examine(connect(name), str(stack.home / "project"))
    told = {finding.area: finding for finding in found if finding.severity == "act"}
    assert set(told) == {"alarms", "queues", "a day's work", "freshness"}
    assert told["alarms"].todo == "Look into the queue, mend, redrive."
    assert "start-message-move-task" in told["queues"].todo
    assert told["a day's work"].what.startswith("3 ")
    assert "orders" in told["freshness"].what
    assert [finding.what for finding in found if finding.area == "tables"] == ["orders: 1 object waiting"]
    done = CliRunner().invoke(app, ["doctor", "--project", str(stack.home / "project")])
    assert done.exit_code == 1
    assert "needs somebody: 4 findings" in done.output


def test_a_stack_that_is_not_there_is_said_so(stack: World) -> None:
    done = CliRunner().invoke(app, ["doctor", "--stack", "nobody", "--project", str(stack.home / "project")])
    assert done.exit_code == 2
    assert "nobody-ingest" in done.output
