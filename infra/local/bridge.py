"""EventBridge where moto stops short: S3's events as S3 writes them, inputs and transformers, targets of every kind we use, dead letters.

moto 5.2.5 sends every object's event under one id and sequencer, ignores input transformers for S3, and drops the rules that come after a
target that it does not know.
"""

import itertools
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from infra.local.cloud import Cloud
from infra.local.patching import put_in_place
from infra.local.targets import as_text, send

REASONS: Final = {
    "s3:ObjectCreated:Put": "PutObject",
    "s3:ObjectCreated:Post": "POST Object",
    "s3:ObjectCreated:Copy": "CopyObject",
    "s3:ObjectCreated:CompleteMultipartUpload": "CompleteMultipartUpload",
    "s3:ObjectRemoved:Delete": "DeleteObject",
}
ANNOUNCED: Final = ("Object Created", "Object Deleted")
PLACEHOLDER: Final = re.compile(r'"[^"]*"|<([\w.-]+)>')
_sequence = itertools.count(int(datetime.now(UTC).timestamp() * 1000))


def install(cloud: Cloud) -> None:
    """Put these in moto's place."""
    from moto.events.models import Rule
    from moto.s3 import notifications

    def send_to_targets(rule: Any, original_event: Any, transform_input: bool = True) -> None:  # noqa: ARG001
        event = _plain(original_event)
        if rule.state == "ENABLED" and rule.event_pattern.get_pattern() and rule.event_pattern.matches_event(event):
            for target in rule.targets:
                _deliver(cloud, target, event)

    def object_event(account_id: str, bucket: Any, event_name: Any, key: Any) -> None:
        from moto.events.models import events_backends

        detail_type = notifications._detail_type(event_name)
        if detail_type not in ANNOUNCED:  # moto sets ACL and tags by themselves within each put, and tells it
            return
        event = s3_event(account_id, bucket, getattr(event_name, "value", event_name), key, detail_type)
        for bus in list(events_backends[account_id][bucket.region_name].event_buses.values()):
            for rule in list(bus.rules.values()):
                send_to_targets(rule, event)

    put_in_place(Rule, send_to_targets=send_to_targets)
    put_in_place(notifications, _send_event_bridge_message=object_event)


def s3_event(account: str, bucket: Any, name: str, key: Any, detail_type: str) -> dict[str, Any]:
    """Write an object's event as S3 does."""
    found = {"key": key.name, "size": key.size, "etag": key.etag.strip('"'), "sequencer": f"{next(_sequence):016X}"}
    if key.version_id and key.version_id != "null":
        found["version-id"] = key.version_id
    return {
        "version": "0",
        "id": str(uuid4()),
        "detail-type": detail_type,
        "source": "aws.s3",
        "account": account,
        "time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "region": bucket.region_name,
        "resources": [bucket.arn],
        "detail": {
            "version": "0",
            "bucket": {"name": bucket.name},
            "object": found,
            "request-id": uuid4().hex[:16].upper(),
            "requester": account,
            "source-ip-address": "127.0.0.1",
            "reason": REASONS.get(name, name.removeprefix("s3:")),
        },
    }


def _plain(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event as AWS writes it: moto keeps the time as seconds until it sends it, and adds words of its own."""
    plain = {name: value for name, value in event.items() if name != "ingestion-time"}
    if isinstance(plain.get("time"), int | float):
        plain["time"] = f"{datetime.fromtimestamp(plain['time'], UTC):%Y-%m-%dT%H:%M:%SZ}"
    return plain


def _deliver(cloud: Cloud, target: Mapping[str, Any], event: Mapping[str, Any]) -> None:
    send(
        cloud,
        target["Arn"],
        shaped(target, event),
        dead_letters=target.get("DeadLetterConfig", {}).get("Arn", ""),
        options=target.get("SqsParameters"),
    )


def shaped(target: Mapping[str, Any], event: Mapping[str, Any]) -> str:
    """Return what a target receives: the event, a constant, a part of it, or what its transformer makes of it."""
    if "Input" in target:
        return str(target["Input"])
    if "InputPath" in target:
        return as_text(at(target["InputPath"], event))
    if "InputTransformer" in target:
        transformer = target["InputTransformer"]
        values = {name: at(path, event) for name, path in transformer.get("InputPathsMap", {}).items()}
        return filled(transformer["InputTemplate"], values)
    return as_text(event)


def at(path: str, event: Mapping[str, Any]) -> Any:
    """Return what a JSON path finds; None where it finds nothing. EventBridge knows dots and indices only."""
    found: Any = event
    for part in re.findall(r"\.([\w-]+)|\[(\d+)\]", path):
        try:
            found = found[part[0]] if part[0] else found[int(part[1])]
        except (KeyError, IndexError, TypeError):
            return None
    return found


def filled(template: str, values: Mapping[str, Any]) -> str:
    """Fill a transformer's template: bare placeholders become JSON, those inside a text become text."""

    def bare(match: re.Match[str]) -> str:
        if match[1] is None:
            return re.sub(r"<([\w.-]+)>", lambda inner: _within_text(values[inner[1]]) if inner[1] in values else inner[0], match[0])
        return as_text(values[match[1]]) if match[1] in values else match[0]

    return PLACEHOLDER.sub(bare, template)


def _within_text(value: Any) -> str:
    return json.dumps(value if isinstance(value, str) else as_text(value), ensure_ascii=False)[1:-1]
