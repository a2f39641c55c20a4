"""A stack: every resource of a template whose condition holds, made after what it speaks of, by its type's maker. No maker, no stack."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any, Final
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from core.errors import Terminal
from infra.local.cloud import Clients
from infra.local.intrinsics import Made, Scope, references, resolve
from infra.local.makers import MAKERS
from infra.local.making import Request
from infra.local.template import Template

NESTED: Final = "AWS::CloudFormation::Stack"
API_URL: Final = re.compile(r"https://(\w+)\.execute-api\.[\w.-]+")


@dataclass(frozen=True)
class Stack:
    """What was made: each resource by its logical name, and the outputs' values."""

    name: str
    made: Mapping[str, Made]
    types: Mapping[str, str]
    outputs: Mapping[str, str]

    def of_type(self, kind: str) -> dict[str, Made]:
        """Return the resources of one type; those of nested stacks as `Stack.Resource`."""
        return {name: self.made[name] for name, found in self.types.items() if found == kind}


def deploy(template: Template, name: str, clients: Clients, *, account: str, parameters: Mapping[str, str] | None = None) -> Stack:
    """Make a stack. Terminal, before anything is made, where a type has no maker or a parameter no value."""
    _refuse_unknown_types(template)
    stack = _make(template, name, clients, account, parameters or {})
    _remember(stack, clients)
    return stack


def _make(template: Template, name: str, clients: Clients, account: str, parameters: Mapping[str, str]) -> Stack:
    made: dict[str, Made] = {}
    types: dict[str, str] = {}
    scope = Scope(values(template, name, account, clients.region, parameters), template.mappings, template.conditions, made)
    wanted = {key: found for key, found in template.resources.items() if "Condition" not in found or scope.holds(found["Condition"])}
    for logical in _order(wanted):
        resource = wanted[logical]
        properties = resolve(resource.get("Properties", {}), scope)
        types[logical] = resource["Type"]
        if resource["Type"] == NESTED:
            given = {key: _parameter(value) for key, value in properties.get("Parameters", {}).items()}
            inner = _make(template.nested[logical], f"{name}-{logical}", clients, account, given)
            made[logical] = Made(inner.name, {f"Outputs.{key}": value for key, value in inner.outputs.items()})
            made |= {f"{logical}.{key}": value for key, value in inner.made.items()}
            types |= {f"{logical}.{key}": value for key, value in inner.types.items()}
        else:
            made[logical] = _one(Request(clients, name, logical, account, resource["Type"], properties))
    outputs = {
        key: API_URL.sub(lambda match: f"{clients.endpoint}/_api/{match[1]}", str(resolve(found["Value"], scope)))
        for key, found in template.outputs.items()
        if "Condition" not in found or scope.holds(found["Condition"])
    }
    return Stack(name, made, types, outputs)


def _parameter(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _one(request: Request) -> Made:
    """Make one resource; whatever moto refuses, and every property that the maker leaves, is told with the resource's name."""
    try:
        made = MAKERS[request.type](request)
    except (ClientError, BotoCoreError) as error:
        raise Terminal(f"{request.logical} ({request.type})", expected="that moto makes it", found=str(error)) from error
    if request.properties:
        raise Terminal(
            f"{request.logical} ({request.type})",
            expected="properties that its maker knows",
            found=", ".join(request.properties),
            remedy="Teach them to infra/local/makers.py.",
        )
    return made


def _order(wanted: Mapping[str, Any]) -> list[str]:
    """Return resources so that each comes after what it speaks of."""
    graph = {}
    for name, resource in wanted.items():
        after = resource.get("DependsOn", [])
        spoken = {*references(resource.get("Properties", {})), *([after] if isinstance(after, str) else after)}
        graph[name] = spoken & wanted.keys() - {name}
    return list(TopologicalSorter(graph).static_order())


def _refuse_unknown_types(template: Template) -> None:
    unknown = sorted({found["Type"] for found in template.resources.values()} - MAKERS.keys() - {NESTED})
    if unknown:
        raise Terminal(
            f"template {template.file.name}",
            expected="resources that the emulator makes",
            found=", ".join(unknown),
            remedy="Write a maker in infra/local/makers.py.",
        )
    for nested in template.nested.values():
        _refuse_unknown_types(nested)


def values(template: Template, name: str, account: str, region: str, given: Mapping[str, str]) -> dict[str, Any]:
    """Return each parameter's value, pseudo parameters too; Terminal for one that is not declared, or has no value."""
    if unknown := given.keys() - template.parameters.keys():
        raise Terminal(f"template {template.file.name}", expected=f"parameters {', '.join(template.parameters)}", found=", ".join(unknown))
    found: dict[str, Any] = {
        "AWS::StackName": name,
        "AWS::StackId": f"arn:aws:cloudformation:{region}:{account}:stack/{name}/{uuid4()}",
        "AWS::AccountId": account,
        "AWS::Region": region,
        "AWS::Partition": "aws",
        "AWS::URLSuffix": "amazonaws.com",
        "AWS::NotificationARNs": [],
    }
    for key, declared in template.parameters.items():
        if key not in given and "Default" not in declared:
            raise Terminal(f"template {template.file.name}", expected=f"a value for the parameter {key}")
        value = str(given.get(key, declared.get("Default")))
        listed = declared["Type"] == "CommaDelimitedList" or declared["Type"].startswith("List<")
        found[key] = [part.strip() for part in value.split(",")] if listed else value
    return found


def _remember(stack: Stack, clients: Clients) -> None:
    """Let CloudFormation tell the stack's outputs. Its resources are ours: moto would make them badly a second time, or not at all."""
    outputs = {key: {"Value": value} for key, value in stack.outputs.items()}
    handle = {"Type": "AWS::CloudFormation::WaitConditionHandle"}
    clients("cloudformation").create_stack(
        StackName=stack.name, TemplateBody=json.dumps({"Resources": {"Handle": handle}, "Outputs": outputs})
    )
