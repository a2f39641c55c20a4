"""Who wants to know is told by SNS: what was loaded on one topic, what needs somebody on the other. Names and counts, never a value."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from core.errors import Transient
from core.lake import Lake, Settings
from core.loading import Ingested
from core.run import Step, Undone, Violated
from core.transform import Transformed

NAMED: Final = 20
"""The most objects that one message names; it counts all."""


@dataclass(frozen=True)
class Notice:
    """One message: `failed` decides its topic, `event` and `name` are attributes to filter by."""

    failed: bool
    event: str
    name: str
    body: Mapping[str, Any]


def notices(step: Step) -> Iterator[Notice]:
    """Return what is worth a message. Pure. What may pass by itself is not: the queue tries it again, and its alarm tells of the end."""
    match step:
        case Ingested():
            yield from _of_a_load(step)
        case Transformed():
            yield Notice(False, "transformed", step.transform, {"version": step.version, "rows": step.rows, "inputs": dict(step.inputs)})
        case Violated():
            if alerts := [{"name": found.name, "message": found.message} for found in step.violations if found.action == "alert"]:
                yield Notice(True, "violated", step.table, {"expectations": alerts})
        case Undone():
            if not step.may_pass:
                yield Notice(True, "undone", step.name, {"error": step.error})
        case _:
            return


def _of_a_load(step: Ingested) -> Iterator[Notice]:
    if step.version is not None:
        yield Notice(False, "loaded", step.dataset, {"version": step.version, "objects": step.count("loaded"), "rows": step.balance})
    for fate in ("rejected", "refused"):
        found = [{"object": outcome.object.key, "reason": outcome.reason} for outcome in step.objects if outcome.fate == fate]
        if found:
            yield Notice(True, fate, step.dataset, {"count": len(found), "objects": found[:NAMED]})


def tell(lake: Lake, step: Step) -> None:
    """Publish what a step is worth. A lost message is logged by whoever calls; the lake's own record is its tables."""
    for notice in notices(step):
        publish(lake.settings, notice)


def publish(settings: Settings, notice: Notice) -> None:
    """Publish one notice; nothing where no topic is set. Raises Transient where SNS does not take it."""
    topic = settings.failure_topic if notice.failed else settings.success_topic
    if not topic:
        return
    from botocore.exceptions import BotoCoreError, ClientError

    attributes = {"event": notice.event, "name": notice.name}
    try:
        _client(settings.aws.get("aws_endpoint_url"), settings.aws.get("aws_region")).publish(
            TopicArn=topic,
            Subject=f"Lakelet: {notice.name} {notice.event}"[:100],
            Message=json.dumps({"event": notice.event, "name": notice.name, **notice.body}, ensure_ascii=False, default=str),
            MessageAttributes={name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()},
        )
    except (BotoCoreError, ClientError) as error:
        raise Transient(f"topic {topic}", expected="it to take a message", found=str(error), remedy="See the function's role.") from None


@lru_cache(maxsize=2)
def _client(endpoint: str | None, region: str | None) -> Any:
    import boto3

    return boto3.client("sns", endpoint_url=endpoint, region_name=region)
