"""Makers of what runs and who may: IAM, Lambda, Step Functions, HTTP APIs."""

import re
from typing import Final

from infra.local.intrinsics import Made
from infra.local.making import Maker, Request, tags

MAPPED: Final = {
    "BatchSize",
    "Enabled",
    "EventSourceArn",
    "FunctionName",
    "FunctionResponseTypes",
    "MaximumBatchingWindowInSeconds",
    "ScalingConfig",
    "Tags",
}
"""What infra/local/mappings.py reads of a mapping."""

# --- identity ------------------------------------------------------------------------------------------------------------------------


def _role(request: Request) -> Made:
    name, policies, managed = request.name("RoleName"), request.take("Policies", []), request.take("ManagedPolicyArns", [])
    trust = request.document("AssumeRolePolicyDocument")
    made = request.call("iam", "create_role", RoleName=name, AssumeRolePolicyDocument=trust, **request.rest())["Role"]
    for policy in policies:
        document = {"Version": "2012-10-17", **policy["PolicyDocument"]}  # SAM leaves it out where it writes one; IAM minds not, moto does
        request.call("iam", "put_role_policy", RoleName=name, PolicyName=policy["PolicyName"], PolicyDocument=document)
    for arn in managed:
        request.call("iam", "attach_role_policy", RoleName=name, PolicyArn=arn)
    return Made(name, {"Arn": made["Arn"], "RoleId": made["RoleId"]})


def _policy(request: Request) -> Made:
    name, document = request.take("PolicyName"), request.document("PolicyDocument")
    for role in request.take("Roles", []):
        request.call("iam", "put_role_policy", RoleName=role, PolicyName=name, PolicyDocument=document)
    return Made(name, {})


def _managed_policy(request: Request) -> Made:
    roles, name = request.take("Roles", []), request.name("ManagedPolicyName", 128)
    document = request.document("PolicyDocument")
    arn = request.call("iam", "create_policy", PolicyName=name, PolicyDocument=document, **request.rest())["Policy"]["Arn"]
    for role in roles:
        request.call("iam", "attach_role_policy", RoleName=role, PolicyArn=arn)
    return Made(arn, {"PolicyArn": arn})


# --- functions -----------------------------------------------------------------------------------------------------------------------


def _function(request: Request) -> Made:
    request.refuse_unless(request.properties.get("PackageType") == "Image", "an image with a command")
    request.refuse_unless("Command" in request.properties.get("ImageConfig", {}), "an image with a command")
    name, reserved = request.name("FunctionName"), request.take("ReservedConcurrentExecutions")
    given = {"FunctionName": name, "Tags": tags(request), **request.rest()}
    arn = request.call("lambda", "create_function", **given)["FunctionArn"]
    if reserved is not None:
        request.call("lambda", "put_function_concurrency", FunctionName=name, ReservedConcurrentExecutions=reserved)
    return Made(name, {"Arn": arn})


def _permission(request: Request) -> Made:
    request.call("lambda", "add_permission", StatementId=request.logical, **request.rest())
    return Made(request.logical, {})


def _mapping(request: Request) -> Made:
    request.refuse_unless(request.properties.keys() <= MAPPED, f"of a queue, with no more than {', '.join(sorted(MAPPED))}")
    request.refuse_unless(":sqs:" in request.properties["EventSourceArn"], "a queue for its source")
    made = request.call("lambda", "create_event_source_mapping", **{**request.rest(), "Tags": tags(request)})["UUID"]
    return Made(made, {"Id": made})


def _invoke_config(request: Request) -> Made:
    request.take("Qualifier")  # of $LATEST, which is all there is here
    request.refuse_unless("OnSuccess" not in request.properties.get("DestinationConfig", {}), "no destination on success")
    request.call("lambda", "put_function_event_invoke_config", **request.rest())
    return Made(request.logical, {})


# --- state machines ------------------------------------------------------------------------------------------------------------------


def _state_machine(request: Request) -> Made:
    values = request.take("DefinitionSubstitutions", {})
    text = request.document("Definition") or request.document("DefinitionString") or ""
    definition = re.sub(r"\$\{(\w+)\}", lambda match: str(values.get(match[1], match[0])), text)
    given = {
        "name": request.name("StateMachineName", 80),
        "definition": definition,
        "type": request.take("StateMachineType"),
        "tags": request.take("Tags"),
        **request.rest(),
    }
    arn = request.call("stepfunctions", "create_state_machine", **given)["stateMachineArn"]
    return Made(arn, {"Arn": arn, "Name": given["name"]})


# --- HTTP APIs -----------------------------------------------------------------------------------------------------------------------


def _api(request: Request) -> Made:
    request.refuse_unless(
        request.properties.get("ProtocolType") == "HTTP" and "CorsConfiguration" not in request.properties, "HTTP without CORS"
    )
    made = request.call("apigatewayv2", "create_api", **request.rest())
    return Made(made["ApiId"], {"ApiId": made["ApiId"], "ApiEndpoint": made["ApiEndpoint"]})


def _of_api(operation: str, id_name: str, **known: str) -> Maker:
    """Return the maker of a part of an API; `known` is what the gateway here can do of it."""

    def make(request: Request) -> Made:
        for name, value in known.items():
            request.refuse_unless(request.properties.get(name) == value, f"{name} {value}")
        made = request.call("apigatewayv2", operation, **request.rest())[id_name]
        return Made(made, {id_name: made})

    return make


COMPUTE: Final[dict[str, Maker]] = {
    "AWS::IAM::Role": _role,
    "AWS::IAM::Policy": _policy,
    "AWS::IAM::ManagedPolicy": _managed_policy,
    "AWS::Lambda::Function": _function,
    "AWS::Lambda::Permission": _permission,
    "AWS::Lambda::EventSourceMapping": _mapping,
    "AWS::Lambda::EventInvokeConfig": _invoke_config,
    "AWS::StepFunctions::StateMachine": _state_machine,
    "AWS::ApiGatewayV2::Api": _api,
    "AWS::ApiGatewayV2::Integration": _of_api(
        "create_integration", "IntegrationId", IntegrationType="AWS_PROXY", PayloadFormatVersion="2.0"
    ),
    "AWS::ApiGatewayV2::Authorizer": _of_api(
        "create_authorizer", "AuthorizerId", AuthorizerType="REQUEST", AuthorizerPayloadFormatVersion="2.0"
    ),
    "AWS::ApiGatewayV2::Route": _of_api("create_route", "RouteId"),
    "AWS::ApiGatewayV2::Stage": _of_api("create_stage", "StageName", StageName="$default"),
}
