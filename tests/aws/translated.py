"""The template as CloudFormation would see it: translated, nested stacks beside each other, functions like Ref applied; nothing is made.

A resource that is not made yet stands as `<Name>` where Ref speaks of it and `<Name.Attribute>` where GetAtt does.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from infra.local.intrinsics import Made, Scope, resolve
from infra.local.stack import NESTED, values
from infra.local.template import Template, translate

ROOT: Final = Path(__file__).parents[2]
TEMPLATE: Final = ROOT / "sam-template.yaml"
PARTS: Final = (TEMPLATE, *sorted((ROOT / "infra").glob("*.yaml")))
NAME: Final = "lakelet-test"
ACCOUNT: Final = "123456789012"
REGION: Final = "eu-west-1"

DEFAULTS: Final[Mapping[str, str]] = {}
EVERYTHING: Final[Mapping[str, str]] = {
    "NotificationEmail": "somebody@example.com",
    "ApiAuthorization": "key",
    "WithStream": "yes",
    "MonthlyBudget": "50",
    "AuditDataEvents": "yes",
    "ArchivedDays": "30",
    "RejectedDays": "60",
    "SubnetIds": "subnet-1, subnet-2",
    "SecurityGroupIds": "sg-1",
    "Architecture": "arm64",
    "ReservedConcurrency": "20",
}
"""Parameters under which every resource of the template is there."""


@dataclass(frozen=True)
class Resource:
    """One resource of the stack or of a stack within it."""

    name: str
    type: str
    properties: Mapping[str, Any]
    deletion: str
    replacement: str

    @property
    def arn(self) -> str:
        return f"<{self.name}.Arn>"


@dataclass(frozen=True)
class Stack:
    """Every resource by its logical name; one of a nested stack by its own, which no other has."""

    resources: Mapping[str, Resource]
    outputs: Mapping[str, Any]

    def __getitem__(self, name: str) -> Resource:
        return self.resources[name]

    def of(self, *types: str) -> list[Resource]:
        """Return the resources of these types, such as `SQS::Queue`."""
        return [found for found in self.resources.values() if found.type.removeprefix("AWS::") in types]

    def behind(self, reference: Any) -> Resource:
        """Return the resource that `<Name>` or `<Name.Attribute>` speaks of."""
        return self.resources[str(reference).strip("<>").partition(".")[0]]


class _Attributes(Mapping[str, str]):
    """Whatever is asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getitem__(self, attribute: str) -> str:
        return f"<{self._name}.{attribute}>"

    def __contains__(self, _: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


@cache
def template(file: Path = TEMPLATE) -> Template:
    """Translate a template. aws-sam-translator wants a region; it calls nothing."""
    return translate(file, image="lakelet:latest", region=REGION)


def stack(parameters: Mapping[str, str] = DEFAULTS, file: Path = TEMPLATE) -> Stack:
    """Return the stack as it is deployed with these parameters."""
    return _stack(tuple(parameters.items()), file)


@cache
def _stack(parameters: tuple[tuple[str, str], ...], file: Path) -> Stack:
    found: dict[str, Resource] = {}
    outputs = _collect(template(file), dict(parameters), found)
    return Stack(found, outputs)


def _collect(source: Template, parameters: Mapping[str, str], found: dict[str, Resource]) -> dict[str, Any]:
    made = {name: Made(f"<{name}>", _Attributes(name)) for name in source.resources}
    scope = Scope(values(source, NAME, ACCOUNT, REGION, parameters), source.mappings, source.conditions, made)
    for name, resource in source.resources.items():
        if "Condition" in resource and not scope.holds(resource["Condition"]):
            continue
        properties = resolve(resource.get("Properties", {}), scope)
        if resource["Type"] == NESTED:
            _collect(source.nested[name], properties.get("Parameters", {}), found)
        assert name not in found, f"two resources are called {name}"
        deletion, replacement = (resource.get(key, "Delete") for key in ("DeletionPolicy", "UpdateReplacePolicy"))
        found[name] = Resource(name, resource["Type"], properties, deletion, replacement)
    return {
        name: resolve(output["Value"], scope)
        for name, output in source.outputs.items()
        if "Condition" not in output or scope.holds(output["Condition"])
    }
