"""IAM as far as our policies go: what a role may do, by its own statements and those of the managed policies that it names.

Conditions are not weighed: a statement with one counts as if it held.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from tests.aws.translated import DEFAULTS, Resource, Stack, stack


@dataclass(frozen=True)
class Role:
    """A role's statements: its own and those of the managed policies that it names."""

    name: str
    statements: tuple[Mapping[str, Any], ...]

    def may(self, action: str, resource: str) -> bool:
        """Decide as IAM does: a Deny wins, else an Allow is needed."""
        effects = {found["Effect"] for found in self.statements if _speaks_of(found, action, resource)}
        return "Allow" in effects and "Deny" not in effects


def _speaks_of(statement: Mapping[str, Any], action: str, resource: str) -> bool:
    of_action = any(fnmatchcase(action.lower(), pattern.lower()) for pattern in listed(statement["Action"]))
    return of_action and any(fnmatchcase(resource, pattern) for pattern in listed(statement["Resource"]))


def listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def role(name: str, parameters: Mapping[str, str] = DEFAULTS) -> Role:
    made = stack(parameters)
    return role_of(made, made[name])


def role_of(made: Stack, found: Resource) -> Role:
    attached = [made.behind(policy) for policy in found.properties.get("ManagedPolicyArns", ())]
    documents = [policy.properties["PolicyDocument"] for policy in attached]
    documents += [policy["PolicyDocument"] for policy in found.properties.get("Policies", ())]
    return Role(found.name, tuple(statement for document in documents for statement in document["Statement"]))


def roles(made: Stack) -> Iterator[Role]:
    return (role_of(made, found) for found in made.of("IAM::Role"))


def allowed(found: Iterable[Role]) -> Iterator[tuple[str, str, str]]:
    for each in found:
        for statement in each.statements:
            if statement["Effect"] == "Allow":
                for action in listed(statement["Action"]):
                    yield from ((each.name, action, resource) for resource in listed(statement["Resource"]))
