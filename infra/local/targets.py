"""Where rules, schedules and failures send something: a queue, a function, a state machine, a topic. A closed dict by the ARN's service."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from infra.local.cloud import Cloud

Deliver = Callable[[Cloud, str, str, Mapping[str, Any]], None]


def _queue(cloud: Cloud, arn: str, text: str, options: Mapping[str, Any]) -> None:
    *_, account, name = arn.split(":")
    group = {"MessageGroupId": options["MessageGroupId"]} if "MessageGroupId" in options else {}
    cloud.client("sqs").send_message(QueueUrl=f"{cloud.endpoint}/{account}/{name}", MessageBody=text, **group)


def _function(cloud: Cloud, arn: str, text: str, _options: Mapping[str, Any]) -> None:
    cloud.client("lambda").invoke(FunctionName=arn, InvocationType="Event", Payload=text.encode())


def _state_machine(cloud: Cloud, arn: str, text: str, _options: Mapping[str, Any]) -> None:
    cloud.client("stepfunctions").start_execution(stateMachineArn=arn, input=text)


def _topic(cloud: Cloud, arn: str, text: str, _options: Mapping[str, Any]) -> None:
    cloud.client("sns").publish(TopicArn=arn, Message=text)


TARGETS: Final[dict[str, Deliver]] = {"sqs": _queue, "lambda": _function, "states": _state_machine, "sns": _topic}


def service_of(arn: str) -> str:
    return arn.split(":")[2]


def send(cloud: Cloud, arn: str, text: str, *, dead_letters: str = "", options: Mapping[str, Any] | None = None) -> None:
    """Deliver a text later; what cannot be delivered goes to the queue `dead_letters`, and is complained about where there is none."""

    def failed(error: Exception) -> None:
        cloud.complain(f"not delivered to {arn}: {error}")
        if dead_letters:
            _queue(cloud, dead_letters, text, {})

    cloud.courier.carry(lambda: TARGETS[service_of(arn)](cloud, arn, text, options or {}), failed=failed)


def as_text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
