"""What every maker is handed, and how CloudFormation's properties become a boto3 call: by the service's model, which knows each name."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from core.errors import Terminal
from infra.local.cloud import Clients
from infra.local.intrinsics import Made

Maker = Callable[["Request"], Made]


@dataclass(frozen=True)
class Request:
    """One resource to make. A maker takes properties out; what is left afterwards nobody understood, and that is an error."""

    client: Clients
    stack: str
    logical: str
    account: str
    type: str
    properties: dict[str, Any]

    def take(self, name: str, default: Any = None) -> Any:
        return self.properties.pop(name, default)

    def document(self, name: str) -> str | None:
        """Take a document, such as a policy, as the JSON text that the service wants."""
        found = self.take(name)
        return None if found is None else found if isinstance(found, str) else json.dumps(found)

    def rest(self) -> dict[str, Any]:
        """Take all that is left: the service's model refuses what it does not know."""
        found = dict(self.properties)
        self.properties.clear()
        return found

    def name(self, key: str, longest: int = 64) -> str:
        """Take the physical name, or make one as CloudFormation does."""
        given = self.take(key)
        if given:
            return str(given)
        tail = f"{self.logical}-{uuid4().hex[:12]}"
        return f"{self.stack[: longest - len(tail) - 1]}-{tail}"

    def refuse_unless(self, holds: bool, expected: str) -> None:
        """Refuse what the service would take and the emulator would not do."""
        if not holds:
            raise Terminal(f"{self.logical} ({self.type})", expected=expected, found=json.dumps(self.properties, default=str)[:300])

    def arn(self, service: str, rest: str) -> str:
        return f"arn:aws:{service}:{self.client.region}:{self.account}:{rest}"

    def call(self, service: str, operation: str, **arguments: Any) -> dict[str, Any]:
        """Call a service with arguments as CloudFormation writes them; those that are None are left out."""
        client = self.client(service)
        shape = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[operation]).input_shape
        given = {name: value for name, value in arguments.items() if value is not None}
        found: dict[str, Any] = getattr(client, operation)(**fitted(given, shape, self.logical))
        return found


def fitted(value: Any, shape: Any, path: str) -> Any:
    """Return a value as a service's model wants it: its spelling of names, numbers that came as text; Terminal for a name it lacks."""
    if shape.type_name == "structure" and isinstance(value, dict) and not getattr(shape, "is_document_type", False):
        members = {name.lower(): name for name in shape.members}
        if unknown := [name for name in value if name.lower() not in members]:
            raise Terminal(path, expected=f"one of {', '.join(shape.members)}", found=", ".join(unknown))
        return {
            members[name.lower()]: fitted(found, shape.members[members[name.lower()]], f"{path}.{name}") for name, found in value.items()
        }
    if shape.type_name == "list" and isinstance(value, list):
        return [fitted(entry, shape.member, path) for entry in value]
    if shape.type_name == "map" and isinstance(value, dict):
        return {name: fitted(found, shape.value, f"{path}.{name}") for name, found in value.items()}
    if shape.type_name in SCALARS:
        return SCALARS[shape.type_name](value)
    return value


def _boolean(value: Any) -> bool:
    return value if isinstance(value, bool) else str(value).lower() == "true"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


SCALARS: dict[str, Callable[[Any], Any]] = {
    "integer": int,
    "long": int,
    "float": float,
    "double": float,
    "boolean": _boolean,
    "string": _text,
}


def tags(request: Request, key: str = "Tags") -> dict[str, str] | None:
    """Take tags as a mapping, however the resource writes them."""
    found = request.take(key)
    return {tag["Key"]: tag["Value"] for tag in found} if isinstance(found, list) else found
