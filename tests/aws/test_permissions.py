"""What each role may do and what none may."""

import re
from typing import Final

import pytest

from tests.aws.policies import allowed, listed, role, role_of, roles
from tests.aws.translated import DEFAULTS, EVERYTHING, NAME, Stack, stack

RAW: Final = "<RawBucket.Arn>"
LAKE: Final = "<LakeBucket.Arn>"
LOADERS: Final = ("IngestRole", "ScheduleRole", "TaskRole", "LargeRole")
SOURCES: Final = ("raw/orders/a.csv", "bronze/users/a.json", "anything/else")
SET_ASIDE: Final = ("archived/orders/a.csv", "rejected/invalid_schema/orders/a.csv")

WITHOUT_A_RESOURCE: Final = {
    **dict.fromkeys(("xray:PutTraceSegments", "xray:PutTelemetryRecords"), "traces belong to no resource"),
    **dict.fromkeys(("xray:GetSamplingRules", "xray:GetSamplingTargets"), "sampling rules are the account's"),
    **dict.fromkeys(("ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface"), "Lambda checks them without a resource"),
    **dict.fromkeys(("ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"), "EC2's describing knows no resource"),
    **dict.fromkeys(("ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses"), "Lambda checks them without a resource"),
    **dict.fromkeys(("logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery"), "log deliveries know no resource"),
    **dict.fromkeys(("logs:DeleteLogDelivery", "logs:ListLogDeliveries", "logs:DescribeLogGroups"), "log deliveries know no resource"),
    **dict.fromkeys(("logs:PutResourcePolicy", "logs:DescribeResourcePolicies"), "log policies are the account's"),
}
"""Actions whose service knows no resource to name, and why."""


@pytest.fixture(params=[DEFAULTS, EVERYTHING], ids=["defaults", "everything"])
def made(request: pytest.FixtureRequest) -> Stack:
    return stack(request.param)


# --- in general ----------------------------------------------------------------------------------------------------------------------


def test_no_role_may_do_whatever_matches_a_pattern(made: Stack) -> None:
    assert [(name, action) for name, action, _ in allowed(roles(made)) if "*" in action or "?" in action] == []


def test_every_resource_is_named_but_where_the_service_knows_none(made: Stack) -> None:
    everywhere = {action for _, action, resource in allowed(roles(made)) if resource == "*"}
    assert everywhere <= WITHOUT_A_RESOURCE.keys()
    if "FailureMail" in made.resources:
        assert everywhere == WITHOUT_A_RESOURCE.keys(), "an exception that nothing needs any more"


def test_a_pattern_in_a_resource_stays_within_this_stack(made: Stack) -> None:
    for name, action, resource in allowed(roles(made)):
        if "*" in resource and resource != "*":
            inside = resource.startswith("<") or f":table/{NAME}" in resource or ":table/lakelet/" in resource
            assert inside, f"{name} may {action} on {resource}"


def test_no_role_takes_a_policy_that_aws_keeps(made: Stack) -> None:
    for found in made.of("IAM::Role"):
        for policy in found.properties.get("ManagedPolicyArns", ()):
            assert made.behind(policy).type == "AWS::IAM::ManagedPolicy"


def test_each_function_and_state_machine_has_a_role_of_its_own(made: Stack) -> None:
    given = [found.properties["Role"] for found in made.of("Lambda::Function")]
    given += [found.properties["RoleArn"] for found in made.of("StepFunctions::StateMachine")]
    assert len(given) == len(set(given))


def test_a_role_is_assumed_by_the_one_service_that_uses_it(made: Stack) -> None:
    services = {
        **dict.fromkeys((found.properties["Role"] for found in made.of("Lambda::Function")), "lambda"),
        **dict.fromkeys((found.properties["RoleArn"] for found in made.of("StepFunctions::StateMachine")), "states"),
        **dict.fromkeys((found.properties["Target"]["RoleArn"] for found in made.of("Scheduler::Schedule")), "scheduler"),
        "<LargeArrivalsRole.Arn>": "events",
        "<DeliveryRole.Arn>": "firehose",
    }
    for found in made.of("IAM::Role"):
        (statement,) = found.properties["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Service": f"{services[found.arn]}.amazonaws.com"}
        assert statement["Action"] == "sts:AssumeRole"


def test_only_the_account_and_named_services_of_this_stack_use_the_key(made: Stack) -> None:
    administrators, *services = made["Key"].properties["KeyPolicy"]["Statement"]
    assert administrators["Principal"]["AWS"].endswith(":root")  # policies of this account decide: without it nobody could change the key
    for statement in services:
        assert not any("*" in action for action in listed(statement["Action"]))
        conditions = str(statement["Condition"])
        assert NAME in conditions or "aws:SourceAccount" in conditions, statement["Sid"]
    named = {statement["Principal"]["Service"] for statement in services}
    optional = {"budgets.amazonaws.com", "cloudtrail.amazonaws.com"} if "FailureMail" in made.resources else set()
    assert named == {"events.amazonaws.com", "cloudwatch.amazonaws.com", "logs.eu-west-1.amazonaws.com"} | optional


def test_a_topic_takes_messages_only_from_services_of_this_account(made: Stack) -> None:
    for policy in made.of("SNS::TopicPolicy"):
        for statement in policy.properties["PolicyDocument"]["Statement"]:
            assert statement["Principal"].keys() == {"Service"}
            assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": "123456789012"}


# --- nothing triggers itself, nothing set aside is lost ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LOADERS)
def test_a_function_that_loads_may_not_write_where_it_would_be_triggered(name: str) -> None:
    found = role(name)
    assert not any(found.may("s3:PutObject", f"{RAW}/{key}") for key in SOURCES)
    assert all(found.may("s3:PutObject", f"{RAW}/{key}") for key in SET_ASIDE)


def test_no_pattern_lets_a_loader_write_in_raw_but_for_what_is_set_aside() -> None:
    for name, action, resource in allowed(role(name) for name in LOADERS):
        if action == "s3:PutObject" and resource.startswith(RAW):
            assert re.fullmatch(r"<RawBucket\.Arn>/(archived|rejected)/\*", resource), name


@pytest.mark.parametrize("name", LOADERS)
def test_a_loader_takes_source_objects_away_and_never_what_was_set_aside(name: str) -> None:
    found = role(name)
    assert all(found.may("s3:DeleteObjectVersion", f"{RAW}/{key}") for key in SOURCES)
    assert not any(found.may("s3:DeleteObjectVersion", f"{RAW}/{key}") for key in SET_ASIDE)
    assert not found.may("s3:DeleteObject", f"{RAW}/{SOURCES[0]}"), "it would hide a version that nobody has read"


@pytest.mark.parametrize("name", LOADERS)
def test_a_loader_writes_tables_and_exports_but_no_claims_and_no_query_results(name: str) -> None:
    found = role(name)
    for action in ("s3:GetObject", "s3:PutObject", "s3:DeleteObject"):
        assert found.may(action, f"{LAKE}/processed/orders/_delta_log/00000000000000000000.json")
        assert not found.may(action, f"{LAKE}/landing/claim")
        assert not found.may(action, f"{LAKE}/athena-results/1.csv")


def test_the_api_lands_records_and_claims_and_changes_nothing_else() -> None:
    found = role("ApiRole")
    assert all(found.may("s3:PutObject", f"{RAW}/{key}") for key in SOURCES)
    assert found.may("s3:PutObject", f"{LAKE}/landing/claim")
    assert not any(found.may("s3:PutObject", f"{RAW}/{key}") for key in SET_ASIDE)
    assert not found.may("s3:PutObject", f"{LAKE}/processed/orders/part-0.parquet")
    for bucket in (RAW, LAKE):
        for action in ("s3:DeleteObject", "s3:DeleteObjectVersion"):
            assert not any(found.may(action, f"{bucket}/{key}") for key in (*SOURCES, *SET_ASIDE, "landing/claim"))


# --- each does its work --------------------------------------------------------------------------------------------------------------

MAY: Final = [
    ("IngestRole", "sqs:ReceiveMessage", "<IngestQueue.Arn>"),
    ("IngestRole", "sqs:DeleteMessage", "<IngestQueue.Arn>"),
    ("ScheduleRole", "states:StartExecution", "<RefreshStateMachine>"),
    *((name, "s3:GetObjectVersion", f"{RAW}/raw/orders/a.csv") for name in LOADERS),
    *((name, "s3:ListBucketVersions", bucket) for name in LOADERS for bucket in (RAW, LAKE)),
    *((name, "glue:CreateTable", "arn:aws:glue:eu-west-1:123456789012:table/lakelet/orders") for name in LOADERS),
    *((name, "sns:Publish", topic) for name in LOADERS for topic in ("<SuccessTopic>", "<FailureTopic>")),
    ("ApiRole", "s3:GetObject", f"{LAKE}/processed/orders/_delta_log/_last_checkpoint"),
    *(("ApiRole", "s3:ListBucketVersions", bucket) for bucket in (RAW, LAKE)),
    ("AuthorizeRole", "secretsmanager:GetSecretValue", "<ApiKey>"),
    ("RefreshRole", "lambda:InvokeFunction", "<TaskFunction.Arn>"),
    ("IngestLargeRole", "lambda:InvokeFunction", "<TaskFunction.Arn>"),
    ("IngestLargeRole", "lambda:InvokeFunction", "<LargeFunction.Arn>"),
    ("SchedulerRole", "lambda:InvokeFunction", "<ScheduleFunction.Arn>"),
    ("SchedulerRole", "sqs:SendMessage", "<DeadLetters.Arn>"),
    ("LargeArrivalsRole", "states:StartExecution", "<IngestLargeStateMachine>"),
    ("DeliveryRole", "s3:PutObject", f"{RAW}/raw/events/2026/11/20/10/x"),
]
MAY_NOT: Final = [
    ("TaskRole", "states:StartExecution", "<RefreshStateMachine>"),
    ("IngestRole", "states:StartExecution", "<IngestLargeStateMachine>"),
    *((name, "glue:DeleteTable", "arn:aws:glue:eu-west-1:123456789012:table/lakelet/orders") for name in LOADERS),
    *((name, "glue:UpdateTable", "arn:aws:glue:eu-west-1:123456789012:table/another/orders") for name in LOADERS),
    *((name, "secretsmanager:GetSecretValue", "<ApiKey>") for name in (*LOADERS, "ApiRole")),
    ("ApiRole", "sns:Publish", "<FailureTopic>"),
    ("ApiRole", "s3:GetObject", f"{LAKE}/athena-results/1.csv"),
    ("AuthorizeRole", "s3:GetObject", f"{LAKE}/processed/orders/part-0.parquet"),
    ("RefreshRole", "lambda:InvokeFunction", "<LargeFunction.Arn>"),
    ("DeliveryRole", "s3:PutObject", f"{RAW}/raw/orders/a.csv"),
]


@pytest.mark.parametrize(("name", "action", "resource"), MAY)
def test_a_role_may(name: str, action: str, resource: str) -> None:
    assert role(name, EVERYTHING).may(action, resource)


@pytest.mark.parametrize(("name", "action", "resource"), MAY_NOT)
def test_a_role_may_not(name: str, action: str, resource: str) -> None:
    assert not role(name, EVERYTHING).may(action, resource)


def test_every_function_writes_to_its_own_log_group_only(made: Stack) -> None:
    for function in made.of("Lambda::Function"):
        group = made.behind(function.properties["LoggingConfig"]["LogGroup"])
        found = role_of(made, made.behind(function.properties["Role"]))
        others = [other.arn for other in made.of("Logs::LogGroup") if other is not group]
        assert group.properties["LogGroupName"] == f"/aws/lambda/{function.properties['FunctionName']}"
        assert found.may("logs:PutLogEvents", group.arn)
        assert not any(found.may("logs:PutLogEvents", other) for other in others)


def test_every_function_uses_the_key_and_leaves_what_failed(made: Stack) -> None:
    for function in made.of("Lambda::Function"):
        found = role_of(made, made.behind(function.properties["Role"]))
        assert all(found.may(action, made["Key"].arn) for action in ("kms:Decrypt", "kms:GenerateDataKey"))
        assert found.may("sqs:SendMessage", made["DeadLetters"].arn)
        assert found.may("xray:PutTraceSegments", "*")
        assert found.may("ec2:CreateNetworkInterface", "*") == ("VpcConfig" in function.properties)
