"""The promises of sam-template.yaml and its parts, held against the translated template: with default parameters and with everything on."""

import json
import re
from typing import Any, Final

import pytest
from samtranslator.yaml_helper import yaml_parse

from tests.aws.translated import DEFAULTS, EVERYTHING, NAME, ROOT, TEMPLATE, Resource, Stack, stack

SOURCE: Final = yaml_parse(TEMPLATE.read_text("utf-8"))

FUNCTIONS: Final = {
    "IngestFunction": ("ingest", "handlers.ingest.handler", 1769, 300, 4096),
    "ApiFunction": ("api", "handlers.api.handler", 1769, 29, 512),
    "ScheduleFunction": ("schedule", "handlers.schedule.handler", 3008, 900, 10240),
    "TaskFunction": ("task", "handlers.tasks.handler", 3008, 900, 10240),
    "LargeFunction": ("large", "handlers.tasks.handler", 10240, 900, 10240),
    "AuthorizeFunction": ("authorize", "handlers.authorize.handler", 256, 5, 512),
}
"""Each function's name, handler, memory (MB), timeout (seconds) and disk (MB)."""


@pytest.fixture(params=[DEFAULTS, EVERYTHING], ids=["defaults", "everything"])
def made(request: pytest.FixtureRequest) -> Stack:
    return stack(request.param)


@pytest.fixture
def everything() -> Stack:
    return stack(EVERYTHING)


# --- parameters ----------------------------------------------------------------------------------------------------------------------


def test_every_parameter_has_a_default_and_says_what_it_is_for() -> None:
    for name, parameter in SOURCE["Parameters"].items():
        assert "Default" in parameter, f"{name}: a first deployment must need no answer"
        assert parameter["Description"].endswith("."), name


def test_every_parameter_is_used_and_stands_in_one_group_of_the_console() -> None:
    body = json.dumps({key: value for key, value in SOURCE.items() if key not in ("Parameters", "Metadata")}, default=str)
    grouped = [name for group in SOURCE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"] for name in group["Parameters"]]
    for name in SOURCE["Parameters"]:
        assert f'"Ref": "{name}"' in body or f"${{{name}}}" in body, f"{name} is not used"
    assert sorted(grouped) == sorted(SOURCE["Parameters"])


# --- functions -----------------------------------------------------------------------------------------------------------------------


def test_functions_are_what_the_other_parts_expect(everything: Stack) -> None:
    found = {
        function.name: (
            function.properties["FunctionName"].removeprefix(f"{NAME}-"),
            *function.properties["ImageConfig"]["Command"],
            function.properties["MemorySize"],
            function.properties["Timeout"],
            function.properties.get("EphemeralStorage", {"Size": 512})["Size"],
        )
        for function in everything.of("Lambda::Function")
    }
    assert found == FUNCTIONS


@pytest.mark.parametrize("handler", sorted({function[1] for function in FUNCTIONS.values()}))
def test_a_handler_is_a_function_of_a_module_in_the_image(handler: str) -> None:
    module, _, name = handler.rpartition(".")
    text = (ROOT / f"{module.replace('.', '/')}.py").read_text("utf-8")
    assert re.search(rf"^(def {name}\(|{name}\b.* = )", text, re.MULTILINE)


def test_one_image_is_built_for_all_functions() -> None:
    functions = [found for found in SOURCE["Resources"].values() if found["Type"] == "AWS::Serverless::Function"]
    assert len(functions) == len(FUNCTIONS)
    assert all(found["Metadata"] == functions[0]["Metadata"] for found in functions), "SAM builds functions of equal metadata once"


def test_every_function_is_traced_and_has_the_network_architecture_and_concurrency_that_is_asked_for(made: Stack) -> None:
    networked = "FailureMail" in made.resources
    for function in made.of("Lambda::Function"):
        assert function.properties["TracingConfig"] == {"Mode": "Active"}
        assert function.properties.get("ReservedConcurrentExecutions") == ("20" if networked else None)
        assert function.properties["Architectures"] == ["arm64" if networked else "x86_64"]
        wanted = {"SubnetIds": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]}
        assert function.properties.get("VpcConfig") == (wanted if networked else None)


# --- data at rest --------------------------------------------------------------------------------------------------------------------


def _bucket_key(bucket: Resource) -> Any:
    (rule,) = bucket.properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["BucketKeyEnabled"], "without it every object is a request to KMS"
    return rule["ServerSideEncryptionByDefault"]["KMSMasterKeyID"]


ENCRYPTED: Final = {
    "S3::Bucket": _bucket_key,
    "SQS::Queue": lambda found: found.properties["KmsMasterKeyId"],
    "SNS::Topic": lambda found: found.properties["KmsMasterKeyId"],
    "Logs::LogGroup": lambda found: found.properties["KmsKeyId"],
    "Lambda::Function": lambda found: found.properties["KmsKeyArn"],
    "SecretsManager::Secret": lambda found: found.properties["KmsKeyId"],
    "Kinesis::Stream": lambda found: found.properties["StreamEncryption"]["KeyId"],
    "KinesisFirehose::DeliveryStream": lambda found: found.properties["ExtendedS3DestinationConfiguration"]["EncryptionConfiguration"][
        "KMSEncryptionConfig"
    ]["AWSKMSKeyARN"],
    "Athena::WorkGroup": lambda found: found.properties["WorkGroupConfiguration"]["ResultConfiguration"]["EncryptionConfiguration"][
        "KmsKey"
    ],
    "CloudTrail::Trail": lambda found: found.properties["KMSKeyId"],
}
KEEPS_NO_DATA: Final = {
    *("ApiGatewayV2::Api", "ApiGatewayV2::Authorizer", "ApiGatewayV2::Integration", "ApiGatewayV2::Route", "ApiGatewayV2::Stage"),
    *("Athena::NamedQuery", "Budgets::Budget", "CloudFormation::Stack", "CloudWatch::Alarm", "CloudWatch::Dashboard", "Events::Rule"),
    *("Glue::Database", "IAM::ManagedPolicy", "IAM::Role", "KMS::Alias", "KMS::Key", "Lambda::EventSourceMapping", "Lambda::Permission"),
    *("Logs::LogStream", "S3::BucketPolicy", "SNS::Subscription", "SNS::TopicPolicy", "SQS::QueuePolicy", "Scheduler::Schedule"),
    "StepFunctions::StateMachine",  # names and counts, encrypted by the service's own key
}


def test_whatever_keeps_data_is_encrypted_with_the_stacks_own_key(made: Stack) -> None:
    for resource in made.resources.values():
        kind = resource.type.removeprefix("AWS::")
        assert kind in ENCRYPTED or kind in KEEPS_NO_DATA, f"{resource.name}: does a {kind} keep data? Say so in this test"
        if kind in ENCRYPTED:
            assert ENCRYPTED[kind](resource) == made["Key"].arn, resource.name


def test_what_cannot_be_made_again_outlives_the_stack(made: Stack) -> None:
    for resource in made.of("S3::Bucket", "KMS::Key"):
        assert (resource.deletion, resource.replacement) == ("Retain", "Retain"), resource.name
    assert made["Key"].properties["EnableKeyRotation"] is True


def test_buckets_are_versioned_closed_to_the_public_and_closed_to_plain_http(made: Stack) -> None:
    policies = {policy.properties["Bucket"]: policy.properties["PolicyDocument"]["Statement"] for policy in made.of("S3::BucketPolicy")}
    for bucket in made.of("S3::Bucket"):
        assert bucket.properties["VersioningConfiguration"] == {"Status": "Enabled"}
        assert len(bucket.properties["PublicAccessBlockConfiguration"]) == 4
        assert all(bucket.properties["PublicAccessBlockConfiguration"].values())
        deny = policies[f"<{bucket.name}>"][0]
        assert (deny["Effect"], deny["Principal"], deny["Action"]) == ("Deny", "*", "s3:*")
        assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        assert deny["Resource"] == [bucket.arn, f"{bucket.arn}/*"]
    for name in ("RawBucket", "LakeBucket"):
        assert made[name].properties["NotificationConfiguration"]["EventBridgeConfiguration"] == {"EventBridgeEnabled": True}


def lifecycle(bucket: Resource) -> dict[str, Any]:
    rules = bucket.properties["LifecycleConfiguration"]["Rules"]
    assert all(rule["Status"] == "Enabled" for rule in rules)
    return {rule["Id"]: rule for rule in rules}


def test_objects_grow_cheaper_and_are_never_expired_unless_somebody_says_so() -> None:
    kept, expiring = (lifecycle(stack(parameters)["RawBucket"]) for parameters in (DEFAULTS, EVERYTHING))
    assert kept["cheaper-after-90-days"]["Transitions"] == [{"StorageClass": "STANDARD_IA", "TransitionInDays": 90}]
    assert not any("ExpirationInDays" in rule for rule in kept.values())
    assert {rule["Prefix"]: rule["ExpirationInDays"] for rule in expiring.values() if "Prefix" in rule} == {
        "archived/": "30",
        "rejected/": "60",
    }


def test_only_claims_and_query_results_expire_in_the_lake(made: Stack) -> None:
    rules = lifecycle(made["LakeBucket"])
    expiring = {rule.get("Prefix"): rule["ExpirationInDays"] for rule in rules.values() if "ExpirationInDays" in rule}
    assert expiring == {"landing/": 30, "athena-results/": 30}


def test_torn_uploads_and_old_versions_go(made: Stack) -> None:
    for name in ("RawBucket", "LakeBucket"):
        rules = lifecycle(made[name])
        assert rules["torn-uploads"]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
        assert rules["old-versions"]["NoncurrentVersionExpiration"] == {"NoncurrentDays": "30"}


# --- the API -------------------------------------------------------------------------------------------------------------------------


def test_nobody_calls_the_api_unauthorised() -> None:
    by_default, by_key = (stack(parameters)["ApiRoute"].properties for parameters in (DEFAULTS, EVERYTHING))
    assert by_default["AuthorizationType"] == "AWS_IAM"
    assert (by_key["AuthorizationType"], by_key["AuthorizerId"]) == ("CUSTOM", "<ApiAuthorizer>")
    assert by_default["RouteKey"] == by_key["RouteKey"] == "$default"


def test_the_key_is_generated_and_asked_for_in_a_header(everything: Stack) -> None:
    authorizer = everything["ApiAuthorizer"].properties
    assert authorizer["IdentitySource"] == ["$request.header.x-api-key"]
    assert (authorizer["EnableSimpleResponses"], authorizer["AuthorizerPayloadFormatVersion"]) == (True, "2.0")
    assert everything["ApiKey"].properties["GenerateSecretString"]["PasswordLength"] >= 32
    assert everything["AuthorizeFunction"].properties["Environment"]["Variables"]["LAKELET_API_KEY_SECRET"] == "<ApiKey>"


def test_the_api_is_throttled_logged_and_answers_before_it_gives_up(made: Stack) -> None:
    stage = made["ApiStage"].properties
    assert float(stage["DefaultRouteSettings"]["ThrottlingRateLimit"]) > 0
    assert stage["AccessLogSettings"]["DestinationArn"] == made["ApiAccessLogs"].arn
    assert json.loads(stage["AccessLogSettings"]["Format"])["status"] == "$context.status"
    assert made["ApiIntegration"].properties["PayloadFormatVersion"] == "2.0"
    assert made["ApiFunction"].properties["Timeout"] < 30


# --- schedules, catalogue, stream, outputs -------------------------------------------------------------------------------------------


def test_two_schedules_say_which_run_it_is(made: Stack) -> None:
    runs = {schedule.properties["Name"]: json.loads(schedule.properties["Target"]["Input"]) for schedule in made.of("Scheduler::Schedule")}
    assert runs == {f"{NAME}-hourly": {"run": "hourly"}, f"{NAME}-daily": {"run": "daily"}}
    assert made["ScheduleFunction"].properties["Environment"]["Variables"]["LAKELET_REFRESH"] == "<RefreshStateMachine>"


def test_a_query_scans_no_more_than_it_may(made: Stack) -> None:
    config = made["Workgroup"].properties["WorkGroupConfiguration"]
    assert config["EnforceWorkGroupConfiguration"] is True
    assert config["BytesScannedCutoffPerQuery"] == str(10 << 30)
    assert config["ResultConfiguration"]["OutputLocation"] == "s3://<LakeBucket>/athena-results/"


def test_the_streams_objects_lie_by_hour_where_their_dataset_looks(everything: Stack) -> None:
    destination = everything["Delivery"].properties["ExtendedS3DestinationConfiguration"]
    declared = yaml_parse((ROOT / "pipelines/events/learning_events.yaml").read_text("utf-8"))["source"]
    assert destination["Prefix"] == declared["path"] + "!{timestamp:yyyy/MM/dd/HH}/"
    assert destination["ErrorOutputPrefix"].startswith("rejected/")
    assert declared["options"]["layout"] == "concatenated", "Firehose writes records one after another"


def test_the_outputs_are_those_that_operators_and_commands_read() -> None:
    always = {"RawBucket", "LakeBucket", "ApiUrl", "IngestQueue", "Database", "Workgroup", "SuccessTopic", "FailureTopic"}
    always |= {"RefreshStateMachine", "IngestLargeStateMachine", "DashboardUrl"}
    assert stack(DEFAULTS).outputs.keys() == always
    assert stack(EVERYTHING).outputs.keys() == always | {"StreamName", "ApiKeySecret"}
