"""Lambda where moto stops short: invocations run in the function's environments; asynchronous ones are retried and then set aside."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from infra.local.cloud import Cloud
from infra.local.functions import Answer, Spec
from infra.local.patching import put_in_place
from infra.local.targets import as_text, send

ASYNCHRONOUS = 1024 * 1024
RETRIES = 2


class FunctionFailed(Exception):
    """An asynchronous invocation ended in an error."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.payload.decode())
        self.answer = answer


def install(cloud: Cloud) -> None:
    """Put these in moto's place."""
    from moto.awslambda.models import LambdaBackend, LambdaFunction

    made, deleted = LambdaFunction.__init__, LambdaBackend.delete_function

    def init(function: Any, account_id: str, spec: dict[str, Any], region: str, version: Any = 1) -> None:
        made(function, account_id, spec, region, version)
        function.dead_letters = spec.get("DeadLetterConfig", {}).get("TargetArn", "")  # moto forgets it

    def invoke(function: Any, body: Any, request_headers: Any, response_headers: Any) -> bytes:
        payload = body if isinstance(body, bytes) else (body or "{}").encode()
        if request_headers.get("X-Amz-Invocation-Type") == "Event":
            invoke_later(cloud, function, payload)
            return b""
        answer = cloud.functions.invoke(spec_of(function), payload)
        if answer.failed:
            response_headers["x-amz-function-error"] = "Unhandled"
        return answer.payload

    def delete(backend: Any, function_name: str, qualifier: str | None = None) -> None:
        cloud.functions.forget(function_name.rsplit(":", 1)[-1])
        deleted(backend, function_name, qualifier)

    put_in_place(LambdaFunction, __init__=init, invoke=invoke)
    put_in_place(LambdaBackend, delete_function=delete)


def spec_of(function: Any) -> Spec:
    """Return what a function is, as moto keeps it."""
    return Spec(
        name=function.function_name,
        arn=function.function_arn,
        image=function.code.get("ImageUri", ""),
        command=tuple(function.image_config.cmd),
        variables=dict(function.environment_vars),
        timeout=int(function.timeout),
        memory=int(function.memory_size),
    )


def invoke_later(cloud: Cloud, function: Any, payload: bytes) -> None:
    """Invoke without waiting; after its retries a failure goes to the function's destination or dead-letter queue."""
    if len(payload) > ASYNCHRONOUS:
        raise ValueError(f"{len(payload)} byte payload is too large for an asynchronous invocation of {function.function_name}")
    config = function.event_invoke_config[0] if function.event_invoke_config else {}
    retries = config.get("MaximumRetryAttempts", RETRIES)

    def attempt() -> None:
        answer = cloud.functions.invoke(spec_of(function), payload)
        if answer.failed:
            raise FunctionFailed(answer)

    def failed(error: Exception) -> None:
        destination = config.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination", "")
        if destination:
            send(cloud, destination, _record(function, payload, error, retries + 1))
        if function.dead_letters:
            send(cloud, function.dead_letters, payload.decode())

    cloud.courier.carry(attempt, attempts=retries + 1, failed=failed)


def _record(function: Any, payload: bytes, error: Exception, tried: int) -> str:
    """Write what Lambda sends to a destination on failure."""
    return as_text(
        {
            "version": "1.0",
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "requestContext": {
                "requestId": str(uuid4()),
                "functionArn": f"{function.function_arn}:$LATEST",
                "condition": "RetriesExhausted",
                "approximateInvokeCount": tried,
            },
            "requestPayload": json.loads(payload),
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
            "responsePayload": error.answer.value if isinstance(error, FunctionFailed) else str(error),
        }
    )
