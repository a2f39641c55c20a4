"""How it is deployed: environments, workflows, and the two roles of a deployment, which may make the stack's resources and no other."""

import re
import tomllib
from typing import Any, Final

import pytest
import yaml

from tests.aws.policies import allowed, role_of, roles
from tests.aws.translated import ACCOUNT, EVERYTHING, REGION, ROOT, TEMPLATE, Stack, stack, template

ENVIRONMENTS: Final = ("staging", "production")
CONFIG: Final = tomllib.loads((ROOT / "samconfig.toml").read_text("utf-8"))
WORKFLOWS: Final = {file.name: yaml.safe_load(file.read_text("utf-8")) for file in sorted((ROOT / ".github" / "workflows").glob("*.yml"))}
HERE: Final = f"{REGION}:{ACCOUNT}"
MADE_BY: Final[dict[str, tuple[str, str]]] = {
    "ApiGatewayV2::Api": ("apigateway:POST", f"arn:aws:apigateway:{REGION}::/apis"),
    "ApiGatewayV2::Authorizer": ("apigateway:POST", f"arn:aws:apigateway:{REGION}::/apis/x/authorizers"),
    "ApiGatewayV2::Integration": ("apigateway:POST", f"arn:aws:apigateway:{REGION}::/apis/x/integrations"),
    "ApiGatewayV2::Route": ("apigateway:POST", f"arn:aws:apigateway:{REGION}::/apis/x/routes"),
    "ApiGatewayV2::Stage": ("apigateway:POST", f"arn:aws:apigateway:{REGION}::/apis/x/stages"),
    "Athena::NamedQuery": ("athena:CreateNamedQuery", f"arn:aws:athena:{HERE}:workgroup/lakelet-staging"),
    "Athena::WorkGroup": ("athena:CreateWorkGroup", f"arn:aws:athena:{HERE}:workgroup/lakelet-staging"),
    "Budgets::Budget": ("budgets:ModifyBudget", f"arn:aws:budgets::{ACCOUNT}:budget/lakelet-staging-monthly"),
    "CloudFormation::Stack": ("cloudformation:CreateStack", f"arn:aws:cloudformation:{HERE}:stack/lakelet-staging-Alarms-X/1"),
    "CloudTrail::Trail": ("cloudtrail:CreateTrail", f"arn:aws:cloudtrail:{HERE}:trail/lakelet-staging-data"),
    "CloudWatch::Alarm": ("cloudwatch:PutMetricAlarm", f"arn:aws:cloudwatch:{HERE}:alarm:lakelet-staging-api-5xx"),
    "CloudWatch::Dashboard": ("cloudwatch:PutDashboard", f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/lakelet-staging"),
    "Events::Rule": ("events:PutRule", f"arn:aws:events:{HERE}:rule/lakelet-staging-arrivals"),
    "Glue::Database": ("glue:CreateDatabase", f"arn:aws:glue:{HERE}:database/lakelet_staging"),
    "IAM::ManagedPolicy": ("iam:CreatePolicy", f"arn:aws:iam::{ACCOUNT}:policy/lakelet-staging-LoadPolicy-X"),
    "IAM::Role": ("iam:CreateRole", f"arn:aws:iam::{ACCOUNT}:role/lakelet-staging-IngestRole-X"),
    "KMS::Alias": ("kms:CreateAlias", f"arn:aws:kms:{HERE}:alias/lakelet-staging"),
    "KMS::Key": ("kms:CreateKey", "*"),
    "Kinesis::Stream": ("kinesis:CreateStream", f"arn:aws:kinesis:{HERE}:stream/lakelet-staging-events"),
    "KinesisFirehose::DeliveryStream": ("firehose:CreateDeliveryStream", f"arn:aws:firehose:{HERE}:deliverystream/lakelet-staging-events"),
    "Lambda::EventSourceMapping": ("lambda:CreateEventSourceMapping", f"arn:aws:lambda:{HERE}:event-source-mapping:1"),
    "Lambda::Function": ("lambda:CreateFunction", f"arn:aws:lambda:{HERE}:function:lakelet-staging-api"),
    "Lambda::Permission": ("lambda:AddPermission", f"arn:aws:lambda:{HERE}:function:lakelet-staging-api"),
    "Logs::LogGroup": ("logs:CreateLogGroup", f"arn:aws:logs:{HERE}:log-group:/aws/lambda/lakelet-staging-api:log-stream:"),
    "Logs::LogStream": ("logs:CreateLogStream", f"arn:aws:logs:{HERE}:log-group:/aws/kinesisfirehose/lakelet-staging-events:log-stream:S3"),
    "S3::Bucket": ("s3:CreateBucket", "arn:aws:s3:::lakelet-staging-rawbucket-x"),
    "S3::BucketPolicy": ("s3:PutBucketPolicy", "arn:aws:s3:::lakelet-staging-rawbucket-x"),
    "SNS::Subscription": ("sns:Subscribe", f"arn:aws:sns:{HERE}:lakelet-staging-failure"),
    "SNS::Topic": ("sns:CreateTopic", f"arn:aws:sns:{HERE}:lakelet-staging-failure"),
    "SNS::TopicPolicy": ("sns:SetTopicAttributes", f"arn:aws:sns:{HERE}:lakelet-staging-failure"),
    "SQS::Queue": ("sqs:CreateQueue", f"arn:aws:sqs:{HERE}:lakelet-staging-ingest"),
    "SQS::QueuePolicy": ("sqs:SetQueueAttributes", f"arn:aws:sqs:{HERE}:lakelet-staging-ingest"),
    "Scheduler::Schedule": ("scheduler:CreateSchedule", f"arn:aws:scheduler:{HERE}:schedule/default/lakelet-staging-hourly"),
    "SecretsManager::Secret": ("secretsmanager:CreateSecret", f"arn:aws:secretsmanager:{HERE}:secret:lakelet-staging/api-key-x"),
    "StepFunctions::StateMachine": ("states:CreateStateMachine", f"arn:aws:states:{HERE}:stateMachine:lakelet-staging-refresh"),
}
"""What makes a resource of each type, and the name of one in staging."""
KNOW_NO_RESOURCE: Final = re.compile(
    r"cloudwatch:DescribeAlarms|ec2:Describe\w+|ecr:GetAuthorizationToken|kms:(CreateKey|TagResource|ListAliases)"
    r"|lambda:(Get|List)EventSourceMappings?|logs:\w+(LogDelivery|LogDeliveries|ResourcePolicy|ResourcePolicies|LogGroups)"
    r"|secretsmanager:GetRandomPassword"
)


@pytest.fixture
def deployment() -> Stack:
    return stack({"Environment": "staging", "Repository": "owner@1/name@2"}, ROOT / "infra" / "deploy-role.yaml")


# --- environments --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_environment_is_a_stack_of_its_own_with_parameters_that_exist(environment: str) -> None:
    deploy = CONFIG[environment]["deploy"]["parameters"]
    assert CONFIG[environment]["global"]["parameters"] == {"stack_name": f"lakelet-{environment}"}
    assert deploy["tags"] == f"project=lakelet environment={environment}", "the deployment's role knows its key by them"
    given = dict(re.findall(r'(\w+)="([^"]*)"', " ".join(deploy["parameter_overrides"])))
    assert given.keys() <= template().parameters.keys()
    assert given["Database"] == f"lakelet_{environment}", "two stacks of one account may not share a database"
    assert stack(given).of("Lambda::Function")


@pytest.mark.parametrize("environment", ["default", *ENVIRONMENTS])
def test_deploying_needs_no_question_answered(environment: str) -> None:
    deploy = CONFIG[environment]["deploy"]["parameters"]
    assert deploy["resolve_s3"]
    assert deploy["resolve_image_repos"]
    assert set(deploy["capabilities"].split()) == {"CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"}


def test_what_is_deployed_is_what_was_built() -> None:
    for environment, commands in CONFIG.items():
        if environment != "version":
            naming = {command for command, found in commands.items() if "template_file" in found["parameters"]}
            assert {"build"} <= naming <= {"build", "validate", "sync"}, "elsewhere it would stand before what `sam build` made"
            assert {commands[command]["parameters"]["template_file"] for command in naming} == {TEMPLATE.name}


# --- roles ---------------------------------------------------------------------------------------------------------------------------


def test_only_one_environment_of_one_repository_may_deploy(deployment: Stack) -> None:
    (statement,) = deployment["DeployRole"].properties["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": "repo:owner@1/name@2:environment:staging",
        }
    }
    assert statement["Principal"] == {"Federated": "<Provider>"}


def test_an_account_that_has_githubs_provider_keeps_it() -> None:
    given = {"Environment": "production", "Repository": "owner/name", "ProviderArn": "arn:aws:iam::1:oidc-provider/x"}
    found = stack(given, ROOT / "infra" / "deploy-role.yaml")
    assert not found.of("IAM::OIDCProvider")
    assert found["DeployRole"].properties["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"Federated": given["ProviderArn"]}


def test_the_deploying_role_changes_the_stack_only_by_way_of_the_other_role(deployment: Stack) -> None:
    found = role_of(deployment, deployment["DeployRole"])
    (change,) = (statement for statement in found.statements if statement["Sid"] == "ChangeTheStackWithTheOtherRoleOnly")
    assert change["Condition"] == {"StringEquals": {"cloudformation:RoleArn": "<ExecutionRole.Arn>"}}
    for action in ("lambda:UpdateFunctionCode", "iam:CreateRole", "s3:PutBucketPolicy", "kms:Decrypt"):
        assert not found.may(action, MADE_BY["S3::Bucket"][1])
    assert [(action, resource) for _, action, resource in allowed([found]) if "*" in action or resource == "*"] == [
        ("ecr:GetAuthorizationToken", "*")
    ]


@pytest.mark.parametrize("kind", sorted({found.type.removeprefix("AWS::") for found in stack(EVERYTHING).resources.values()}))
def test_the_executing_role_makes_every_resource_of_the_stack(deployment: Stack, kind: str) -> None:
    found = role_of(deployment, deployment["ExecutionRole"])
    action, resource = MADE_BY[kind]
    assert found.may(action, resource)
    assert (
        kind == "KMS::Key"
        or kind.startswith("ApiGateway")
        or "*" in resource
        or ":event-source-mapping:" in resource
        or not found.may(action, resource.replace("lakelet-staging", "another").replace("lakelet_staging", "another"))
    )


def test_the_executing_role_touches_no_data_and_not_itself(deployment: Stack) -> None:
    found = role_of(deployment, deployment["ExecutionRole"])
    bucket, account = "arn:aws:s3:::lakelet-staging-rawbucket-x", f"arn:aws:iam::{ACCOUNT}"
    assert not any(found.may(action, f"{bucket}/raw/a.csv") for action in ("s3:GetObject", "s3:PutObject", "s3:DeleteObject"))
    assert not found.may("sqs:ReceiveMessage", MADE_BY["SQS::Queue"][1])
    assert not found.may("lambda:InvokeFunction", MADE_BY["Lambda::Function"][1])
    assert not found.may("secretsmanager:GetSecretValue", MADE_BY["SecretsManager::Secret"][1])
    for role in ("deploy", "execution"):
        assert not found.may("iam:PutRolePolicy", f"{account}:role/lakelet-staging-{role}")
    assert not found.may("iam:CreatePolicyVersion", f"{account}:policy/lakelet-staging-deploy-ServicesPolicy-X")


def test_the_roles_of_a_deployment_name_resources_where_there_are_any(deployment: Stack) -> None:
    everywhere = {action for _, action, resource in allowed(roles(deployment)) if resource == "*"}
    assert [action for action in sorted(everywhere) if not KNOW_NO_RESOURCE.fullmatch(action)] == []


# --- workflows -----------------------------------------------------------------------------------------------------------------------


def jobs() -> list[dict[str, Any]]:
    return [job for workflow in WORKFLOWS.values() for job in workflow["jobs"].values()]


def test_actions_are_pinned_to_a_version() -> None:
    used = [step["uses"] for job in jobs() for step in job.get("steps", ()) if "uses" in step]
    assert used
    assert all(re.fullmatch(r"(actions|aws-actions)/[\w-]+@v\d+\.\d+\.\d+", action) for action in used)


def test_only_deployments_get_a_token_for_aws() -> None:
    for workflow in WORKFLOWS.values():
        assert workflow["permissions"] == {"contents": "read"}
        for name, job in workflow["jobs"].items():
            assert ("id-token" in job.get("permissions", {})) == (name in ("staging", "production", "deploy"))


def test_main_goes_to_staging_and_a_tag_to_production_after_every_check() -> None:
    jobs_of = WORKFLOWS["ci.yml"]["jobs"]
    assert "github.ref == 'refs/heads/main'" in jobs_of["staging"]["if"]
    assert "startsWith(github.ref, 'refs/tags/v')" in jobs_of["production"]["if"]
    for environment in ENVIRONMENTS:
        assert jobs_of[environment]["with"] == {"environment": environment}
        assert jobs_of[environment]["needs"] == ["check", "image"]
    assert {found["architecture"] for found in jobs_of["image"]["strategy"]["matrix"]["include"]} == {"x86_64", "arm64"}
