"""The emulator itself, on a small stack of stubs: what it takes from a template, and that it delivers, retries and gives up as AWS does."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from core.errors import Terminal
from infra.local.emulator import Emulator, running
from infra.local.makers import MAKERS
from tests.aws.emulated import PIPELINES, TEMPLATE, Deployed

SMALL = Path(__file__).with_name("small.yaml")


@pytest.fixture(scope="module")
def small(processes: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    stack = processes.deploy(SMALL, f"small{uuid4().hex[:6]}", {"Told": "so"})
    yield Deployed(processes, stack, tmp_path_factory.mktemp("small"))
    processes.remove(stack)


def invoke(small: Deployed, function: str, event: Any = None, **how: str) -> tuple[Any, bool]:
    """Invoke a function; return what it answered and whether that is an error."""
    found = small.aws("lambda").invoke(FunctionName=f"{small.name}-{function}", Payload=json.dumps(event or {}).encode(), **how)
    text = found["Payload"].read()
    return (json.loads(text) if text else None), "FunctionError" in found


# --- templates -----------------------------------------------------------------------------------------------------------------------


def test_a_resource_type_without_a_maker_fails_by_its_name_before_anything_is_made(processes: Emulator, tmp_path: Path) -> None:
    file = tmp_path / "template.yaml"
    file.write_text(
        "Resources: {Queue: {Type: 'AWS::SQS::Queue'}, Table: {Type: 'AWS::DynamoDB::Table'}, Nest: {Type: 'AWS::ECS::Cluster'}}"
    )
    before = processes.client("sqs").list_queues(QueueNamePrefix="unmade").get("QueueUrls", [])
    with pytest.raises(Terminal, match=r"AWS::DynamoDB::Table, AWS::ECS::Cluster"):
        processes.deploy(file, "unmade")
    assert processes.client("sqs").list_queues(QueueNamePrefix="unmade").get("QueueUrls", []) == before


@pytest.mark.parametrize(
    ("resource", "told"),
    [
        ("{Type: 'AWS::Logs::LogGroup', Properties: {LogGroupName: x, Retention: 7}}", "Retention"),
        ("{Type: 'AWS::S3::Bucket', Properties: {WebsiteConfiguration: {IndexDocument: i}}}", "WebsiteConfiguration"),
        ("{Type: 'AWS::Events::Rule', Properties: {ScheduleExpression: rate(1 day)}}", "event pattern"),
        ("{Type: 'AWS::Lambda::Function', Properties: {Runtime: python3.13}}", "an image with a command"),
        ("{Type: 'AWS::Lambda::EventSourceMapping', Properties: {FilterCriteria: {}, EventSourceArn: 'a:b:sqs:'}}", "FilterCriteria"),
        ("{Type: 'AWS::ApiGatewayV2::Authorizer', Properties: {AuthorizerType: JWT}}", "JWT"),
        ("{Type: 'AWS::Logs::LogGroup', Properties: {LogGroupName: {'Fn::Cidr': [a]}}}", "Fn::Cidr"),
        ("{Type: 'AWS::Logs::LogGroup', Properties: {LogGroupName: {Ref: Nobody}}}", "Nobody"),
        ("{Type: 'AWS::Logs::LogGroup', Properties: {LogGroupName: '{{resolve:ssm:x}}'}}", "dynamic reference"),
    ],
)
def test_a_property_that_nobody_understands_fails_by_its_name(processes: Emulator, tmp_path: Path, resource: str, told: str) -> None:
    file = tmp_path / "template.yaml"
    file.write_text(f"Resources: {{One: {resource}}}")
    with pytest.raises(Terminal, match=told):
        processes.deploy(file, f"odd{uuid4().hex[:6]}")


def test_every_resource_of_the_template_is_made_one_by_one(deployed: Deployed) -> None:
    assert set(deployed.stack.types.values()) <= {*MAKERS, "AWS::CloudFormation::Stack"}
    described = deployed.aws("cloudformation").describe_stacks(StackName=deployed.name)["Stacks"][0]
    assert {found["OutputKey"]: found["OutputValue"] for found in described["Outputs"]} == deployed.stack.outputs
    bucket = deployed.raw
    assert deployed.aws("s3").get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert deployed.aws("s3").get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]["BucketKeyEnabled"]
    rules = deployed.aws("s3").get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert {rule["ID"] for rule in rules} == {"cheaper-after-90-days", "torn-uploads", "old-versions"}, "ArchivedDays is 0"
    alarms = deployed.aws("cloudwatch").describe_alarms(AlarmNamePrefix=f"{deployed.name}-")["MetricAlarms"]
    assert len(alarms) == len(deployed.stack.of_type("AWS::CloudWatch::Alarm")) > 10


def test_a_parameter_that_the_template_lacks_is_told(processes: Emulator) -> None:
    with pytest.raises(Terminal, match="Databas"):
        processes.deploy(TEMPLATE, "t", {"Databas": "x"})


# --- functions -----------------------------------------------------------------------------------------------------------------------


def test_a_function_knows_what_the_template_gave_it(small: Deployed) -> None:
    answer, failed = invoke(small, "obedient", {"a": 1})
    assert not failed
    assert answer["event"] == {"a": 1}
    assert (answer["name"], answer["memory"], answer["told"]) == (f"{small.name}-obedient", "512", "so")
    assert 0 < answer["left"] <= 2000
    assert answer["who"] == f"{small.name}-obedient", "the record of calls tells functions apart by it"


def test_what_a_function_raises_is_its_answer_by_the_class_name(small: Deployed) -> None:
    answer, failed = invoke(small, "obedient", {"do": "raise"})
    assert failed
    assert (answer["errorType"], answer["errorMessage"]) == ("Broken", "as it was told")
    assert "about to raise" in small.said("obedient")
    log = small.aws("logs").filter_log_events(logGroupName=f"/aws/lambda/{small.name}-obedient", filterPattern="about to raise")
    assert log["events"]


def test_a_function_that_dies_or_is_too_slow_is_an_error_and_the_next_invocation_works(small: Deployed) -> None:
    assert invoke(small, "obedient", {"do": "exit"})[0]["errorType"] == "Runtime.ExitError"
    answer, failed = invoke(small, "obedient", {"do": "sleep"})
    assert failed
    assert answer == {"errorType": "Sandbox.Timedout", "errorMessage": "Task timed out after 2.00 seconds"}
    assert not invoke(small, "obedient")[1]


def test_a_handler_that_cannot_be_imported_says_so_at_each_invocation(small: Deployed) -> None:
    for _ in range(2):
        answer, failed = invoke(small, "missing")
        assert failed
        assert answer["errorType"] == "Runtime.ImportModuleError"


def test_an_asynchronous_invocation_is_tried_three_times_and_then_set_aside(small: Deployed) -> None:
    before = small.said("obedient").count("about to raise")
    invoke(small, "obedient", {"do": "raise"}, InvocationType="Event")
    small.settle()
    assert small.said("obedient").count("about to raise") == before + 3
    assert small.messages("dead") == [{"do": "raise"}]


def test_an_embedded_metric_is_counted_for_each_of_its_dimension_sets(small: Deployed) -> None:
    small.emulator.tick(f"{small.name}-often")
    small.settle()
    listed = small.aws("cloudwatch").list_metrics(Namespace="Tests")["Metrics"]
    sets = {tuple(sorted(found["Name"] for found in metric["Dimensions"])) for metric in listed}
    assert sets == {("service",), ("dataset", "service")}
    statistics = {"StartTime": datetime.now(UTC) - timedelta(hours=1), "EndTime": datetime.now(UTC) + timedelta(hours=1), "Period": 7200}
    dimensions = [{"Name": "service", "Value": "stub"}]
    points = small.aws("cloudwatch").get_metric_statistics(
        Namespace="Tests", MetricName="Rows", Dimensions=dimensions, Statistics=["Sum"], **statistics
    )["Datapoints"]
    assert sum(point["Sum"] for point in points) == 5


# --- queues --------------------------------------------------------------------------------------------------------------------------


def send(small: Deployed, *bodies: str) -> None:
    for body in bodies:
        small.aws("sqs").send_message(QueueUrl=small.stack.outputs["Work"], MessageBody=body)


def batches(small: Deployed) -> list[dict[str, Any]]:
    return [json.loads(line) for line in small.emulator.said(f"{small.name}-on-queue") if line.startswith('{"batch"')]


def test_messages_come_in_batches_and_only_those_that_failed_come_back_until_they_are_dead(small: Deployed) -> None:
    send(small, "one", "fail", "two")
    small.settle()
    told = batches(small)
    assert sorted(body for batch in told for body in batch["batch"]) == ["fail", "fail", "one", "two"]
    assert told[-1] == {"batch": ["fail"], "tries": ["2"]}, "it came back alone, and knew how often it had come"
    assert len(told) < 4
    sqs = small.aws("sqs")
    url = sqs.get_queue_url(QueueName=f"{small.name}-dead")["QueueUrl"]
    assert [found["Body"] for found in sqs.receive_message(QueueUrl=url)["Messages"]] == ["fail"]


def test_when_the_function_raises_the_whole_batch_comes_back(small: Deployed) -> None:
    before = len(batches(small))
    send(small, "raise", "neighbour")
    small.settle()
    told = [batch["batch"] for batch in batches(small)[before:]]
    assert sum("neighbour" in batch for batch in told) == 2
    assert sum("raise" in batch for batch in told) == 2


# --- events --------------------------------------------------------------------------------------------------------------------------


def test_objects_are_announced_as_s3_announces_them_each_once(small: Deployed) -> None:
    s3, bucket = small.aws("s3"), small.stack.outputs["Objects"]
    version = s3.put_object(Bucket=bucket, Key="raw/a b+c.txt", Body=b"12345")["VersionId"]
    s3.copy_object(Bucket=bucket, Key="raw/copy", CopySource={"Bucket": bucket, "Key": "raw/a b+c.txt"})
    s3.copy_object(Bucket=bucket, Key="archived/a", CopySource={"Bucket": bucket, "Key": "raw/a b+c.txt"})
    s3.delete_object(Bucket=bucket, Key="raw/copy")
    small.settle()
    found = {event["detail"]["object"]["key"]: event for event in small.messages("seen")}
    assert found.keys() == {"raw/a b+c.txt", "raw/copy"}
    event = found["raw/a b+c.txt"]
    assert event["source"] == "aws.s3"
    assert event["detail"]["bucket"] == {"name": bucket}
    assert event["detail"]["object"].items() >= {"version-id": version, "size": 5, "etag": "827ccb0eea8a706c4c34a16891f84e7b"}.items()
    assert (event["detail"]["reason"], found["raw/copy"]["detail"]["reason"]) == ("PutObject", "CopyObject")
    assert event["id"] != found["raw/copy"]["id"]
    assert event["detail"]["object"]["sequencer"] < found["raw/copy"]["detail"]["object"]["sequencer"]


def test_a_transformer_fills_in_what_its_paths_find(small: Deployed) -> None:
    small.aws("s3").put_object(Bucket=small.stack.outputs["Objects"], Key='raw/"l"', Body=b"x" * 11)
    small.settle()
    assert small.messages("seen") == [{"large": {"key": 'raw/"l"', "size": 11, "text": 'it is raw/"l"', "none": None}}]


# --- HTTP ----------------------------------------------------------------------------------------------------------------------------


def request(small: Deployed, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
    asked = urllib.request.Request(
        small.stack.outputs["ApiUrl"] + path, body, {name.replace("_", "-"): text for name, text in headers.items()}
    )
    try:
        with urllib.request.urlopen(asked) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_a_request_becomes_a_payload_of_format_two(small: Deployed) -> None:
    status, event = request(small, "/open/ann?a=1&a=2", b'{"x": 1}', content_type="application/json")
    assert status == 201
    assert event["version"] == "2.0"
    assert (event["rawPath"], event["rawQueryString"], event["queryStringParameters"]) == ("/open/ann", "a=1&a=2", {"a": "1,2"})
    assert (event["routeKey"], event["pathParameters"]) == ("POST /open/{name}", {"name": "ann"})
    assert (event["body"], event["isBase64Encoded"]) == ('{"x": 1}', False)
    assert event["requestContext"]["http"]["method"] == "POST"
    assert event["headers"]["content-type"] == "application/json"


def test_a_body_that_is_no_text_to_the_gateway_comes_in_base_64(small: Deployed) -> None:
    _, event = request(small, "/open/ann", b'{"x":1}\n{"x":2}\n', content_type="application/x-ndjson")
    assert event["isBase64Encoded"]


@pytest.mark.parametrize(("headers", "status"), [({}, 401), ({"x_api_key": "wrong"}, 403), ({"x_api_key": "sesame"}, 201)])
def test_an_authorizer_is_asked(small: Deployed, headers: dict[str, str], status: int) -> None:
    found, event = request(small, "/anything", **headers)
    assert found == status
    if status == 201:
        assert event["requestContext"]["authorizer"] == {"lambda": {"name": "ali"}}


# --- the whole -----------------------------------------------------------------------------------------------------------------------


def test_every_call_is_on_record_with_who_made_it(small: Deployed) -> None:
    small.aws("sqs").list_queues()
    calls = small.emulator.calls()
    assert {"who": "local", "service": "sqs", "operation": "ListQueues"}.items() <= calls[-1].items()


def test_a_port_in_use_is_told_in_a_sentence(processes: Emulator) -> None:
    port = int(processes.endpoint.rpartition(":")[2])
    with pytest.raises(Terminal, match="server"), running(project=PIPELINES, port=port):
        pass
