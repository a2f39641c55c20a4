"""CloudFormation's functions over what is known so far: parameters, conditions, resources made. Pure; an unknown one is an error."""

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from core.errors import Terminal

PLACEHOLDER: Final = re.compile(r"\$\{([^!${}][^${}]*)\}")
NO_VALUE: Final = object()


@dataclass(frozen=True)
class Made:
    """A resource that is there: what Ref gives, and what GetAtt gives by name."""

    ref: str
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class Scope:
    """What names mean in one template: its parameters (pseudo parameters too), mappings, conditions, and the resources made so far."""

    parameters: Mapping[str, Any]
    mappings: Mapping[str, Any]
    conditions: Mapping[str, Any]
    made: Mapping[str, Made]

    def holds(self, name: str) -> bool:
        """Decide a condition."""
        if name not in self.conditions:
            raise Terminal(f"condition {name}", expected=f"one of {', '.join(self.conditions) or 'none'}")
        return bool(resolve(self.conditions[name], self))


def resolve(value: Any, scope: Scope) -> Any:
    """Return a value with its functions applied; AWS::NoValue leaves its key or its place in a list."""
    if isinstance(value, dict):
        if len(value) == 1:
            ((name, argument),) = value.items()
            if name in FUNCTIONS and not (name == "Condition" and isinstance(argument, dict)):  # a policy's is none of CloudFormation's
                return FUNCTIONS[name](argument, scope)
            if name.startswith("Fn::"):
                raise Terminal(
                    f"function {name}", expected=f"one of {', '.join(FUNCTIONS)}", remedy="Teach it to infra/local/intrinsics.py."
                )
        pairs = {key: resolve(found, scope) for key, found in value.items()}
        return {key: found for key, found in pairs.items() if found is not NO_VALUE}
    if isinstance(value, list):
        return [found for entry in value if (found := resolve(entry, scope)) is not NO_VALUE]
    if isinstance(value, str) and "{{resolve:" in value:
        raise Terminal("a dynamic reference", found=value, remedy="The emulator knows none.")
    return value


def references(value: Any) -> Iterator[str]:
    """Yield the names that a value speaks of, by Ref, GetAtt, Sub and Condition; parameters among them."""
    if isinstance(value, list):
        for entry in value:
            yield from references(entry)
    elif isinstance(value, dict):
        for name, argument in value.items():
            if name == "Ref":
                yield argument
            elif name == "Fn::GetAtt":
                yield argument.partition(".")[0] if isinstance(argument, str) else argument[0]
            else:
                if name == "Fn::Sub":
                    text = argument if isinstance(argument, str) else argument[0]
                    yield from (match.partition(".")[0] for match in PLACEHOLDER.findall(text))
                yield from references(argument)


# --- the functions -------------------------------------------------------------------------------------------------------------------


def _ref(name: str, scope: Scope) -> Any:
    if name in scope.parameters:
        return scope.parameters[name]
    if name not in scope.made:
        raise Terminal(f"Ref {name}", expected="a parameter, or a resource that this stack makes")
    return scope.made[name].ref


def _get_att(argument: Any, scope: Scope) -> Any:
    name, _, attribute = argument.partition(".") if isinstance(argument, str) else (argument[0], ".", resolve(argument[1], scope))
    if name not in scope.made or attribute not in scope.made[name].attributes:
        known = ", ".join(scope.made[name].attributes) if name in scope.made else "a resource that this stack makes"
        raise Terminal(f"GetAtt {name}.{attribute}", expected=known, remedy="Teach the attribute to the resource's maker.")
    return scope.made[name].attributes[attribute]


def _sub(argument: Any, scope: Scope) -> str:
    text, given = (argument, {}) if isinstance(argument, str) else (argument[0], resolve(argument[1], scope))

    def value(match: re.Match[str]) -> str:
        name = match[1].strip()
        found = given[name] if name in given else _get_att(name, scope) if "." in name else _ref(name, scope)
        return _text(found)

    return PLACEHOLDER.sub(value, text).replace("${!", "${")


def _join(argument: list[Any], scope: Scope) -> str:
    return str(argument[0]).join(_text(part) for part in resolve(argument[1], scope))


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _if(argument: list[Any], scope: Scope) -> Any:
    return resolve(argument[1] if scope.holds(argument[0]) else argument[2], scope)


def _equals(argument: list[Any], scope: Scope) -> bool:
    left, right = (_text(resolve(side, scope)) for side in argument)
    return left == right


def _select(argument: list[Any], scope: Scope) -> Any:
    return resolve(argument[1], scope)[int(resolve(argument[0], scope))]


def _split(argument: list[Any], scope: Scope) -> list[str]:
    parts: list[str] = resolve(argument[1], scope).split(argument[0])
    return parts


def _find_in_map(argument: list[Any], scope: Scope) -> Any:
    first, second, third = (resolve(part, scope) for part in argument[:3])
    return resolve(scope.mappings[first][second][third], scope)


def _json(argument: Any, scope: Scope) -> str:
    return json.dumps(resolve(argument, scope), separators=(",", ":"))


FUNCTIONS: Final[dict[str, Callable[[Any, Scope], Any]]] = {
    "Ref": lambda name, scope: NO_VALUE if name == "AWS::NoValue" else _ref(name, scope),
    "Condition": lambda name, scope: scope.holds(name),
    "Fn::GetAtt": _get_att,
    "Fn::Sub": _sub,
    "Fn::Join": _join,
    "Fn::If": _if,
    "Fn::Equals": _equals,
    "Fn::And": lambda parts, scope: all(resolve(part, scope) for part in parts),
    "Fn::Or": lambda parts, scope: any(resolve(part, scope) for part in parts),
    "Fn::Not": lambda parts, scope: not resolve(parts[0], scope),
    "Fn::Select": _select,
    "Fn::Split": _split,
    "Fn::FindInMap": _find_in_map,
    "Fn::Base64": lambda text, scope: base64.b64encode(_text(resolve(text, scope)).encode()).decode(),
    "Fn::Length": lambda entries, scope: len(resolve(entries, scope)),
    "Fn::ToJsonString": _json,
}
