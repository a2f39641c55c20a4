"""Event source mappings, queue to function: batches, windows, partial batch responses, redelivery, dead letters.

moto 5.2.5 invokes with one message within the sender's own request, reads no partial response and never tries again.
"""

import threading
import time
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Final

from infra.local.cloud import Cloud
from infra.local.functions import Answer
from infra.local.lambdas import spec_of
from infra.local.pace import ENVIRONMENTS, LONGEST_WINDOW, POLL, RETRY
from infra.local.patching import put_in_place
from infra.local.targets import as_text

MOST_AT_ONCE: Final = 10
"""Messages that one receive gives, on SQS too."""


def install(cloud: Cloud) -> None:
    """Take moto's own delivery away, and deliver from a thread of our own."""
    from moto.sqs.models import Queue

    def add_message(queue: Any, message: Any) -> None:
        mappings, queue.lambda_event_source_mappings = queue.lambda_event_source_mappings, {}
        try:
            added(queue, message)
        finally:
            queue.lambda_event_source_mappings = mappings

    def delete_message(queue: Any, receipt_handle: str) -> None:
        with queue._messages_lock:  # moto writes the list anew: a message that arrives meanwhile would be lost
            deleted(queue, receipt_handle)

    added, deleted = Queue.add_message, Queue.delete_message
    put_in_place(Queue, add_message=add_message, delete_message=delete_message)
    threading.Thread(target=_poll, args=(cloud, Pollers(cloud)), daemon=True, name="mappings").start()


def mappings(cloud: Cloud) -> list[Any]:
    """Return every mapping from a queue that is on."""
    from moto.awslambda.models import lambda_backends

    found = lambda_backends[cloud.account][cloud.region]._event_source_mappings
    return [mapping for mapping in list(found.values()) if mapping.enabled and ":sqs:" in mapping.event_source_arn]


def queue_of(cloud: Cloud, mapping: Any) -> Any:
    """Return moto's queue; None after its deletion."""
    from moto.sqs.models import sqs_backends

    return sqs_backends[cloud.account][cloud.region].queues.get(mapping.event_source_arn.rsplit(":", 1)[-1])


def _poll(cloud: Cloud, pollers: "Pollers") -> None:
    while True:
        time.sleep(POLL)
        for mapping in mappings(cloud):
            try:
                pollers.look(mapping)
            except Exception as error:  # one mapping's trouble must not end every delivery
                cloud.complain(f"{mapping.event_source_arn}: {type(error).__name__}: {error}")


class Pollers:
    """The batches under way, by mapping."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._lock = threading.Lock()
        self._under_way: dict[str, int] = {}
        self._since: dict[str, float] = {}

    def look(self, mapping: Any) -> None:
        """Take a batch when one is ready: full, or as old as the mapping's window."""
        queue = queue_of(self._cloud, mapping)
        waiting = len(queue.messages) if queue else 0
        if not waiting:
            self._since.pop(mapping.uuid, None)
            return
        most = min((mapping.scaling_config or {}).get("MaximumConcurrency", ENVIRONMENTS), ENVIRONMENTS)
        window = min(float(mapping.max_batch_window or 0), LONGEST_WINDOW)
        since = self._since.setdefault(mapping.uuid, time.monotonic())
        if self._under_way.get(mapping.uuid, 0) >= most or (waiting < mapping.batch_size and time.monotonic() - since < window):
            return
        self._since.pop(mapping.uuid, None)
        if messages := receive(self._cloud, queue, mapping.batch_size):
            self._count(mapping, 1)
            threading.Thread(target=self._handle, args=(mapping, queue, messages), daemon=True).start()

    def _count(self, mapping: Any, change: int) -> None:
        with self._lock:
            self._under_way[mapping.uuid] = self._under_way.get(mapping.uuid, 0) + change

    def _handle(self, mapping: Any, queue: Any, messages: Sequence[Any]) -> None:
        try:
            handle(self._cloud, mapping, queue, messages)
        finally:
            self._count(mapping, -1)


def receive(cloud: Cloud, queue: Any, count: int) -> list[Any]:
    """Receive up to a batch; a message that was received too often goes to the dead-letter queue instead."""
    from moto.sqs.models import sqs_backends

    backend, found = sqs_backends[cloud.account][cloud.region], list[Any]()
    while len(found) < count:
        more = backend.receive_message(queue.name, min(count - len(found), MOST_AT_ONCE), 0, queue.visibility_timeout)
        if not more:
            break
        found += more
    return found


def handle(cloud: Cloud, mapping: Any, queue: Any, messages: Sequence[Any]) -> None:
    """Invoke the function with a batch, delete what it handled, and leave what failed to be delivered again."""
    from moto.awslambda.models import lambda_backends

    function = lambda_backends[cloud.account][cloud.region].get_function(mapping.function_arn)
    event = {"Records": [record(message, queue, cloud.region) for message in messages]}
    answer = cloud.functions.invoke(spec_of(function), as_text(event).encode())
    failed = failures(answer, [message.id for message in messages], reports=mapping.function_response_types or ())
    for message in messages:
        if message.id in failed:
            # AWS leaves it invisible until its visibility timeout ends, which is half an hour and more
            cloud.courier.carry(partial(_again, cloud, queue, message.receipt_handle), attempts=1)
        else:
            queue.delete_message(message.receipt_handle)


def _again(cloud: Cloud, queue: Any, receipt: str) -> None:
    from moto.sqs.models import sqs_backends

    time.sleep(RETRY)
    sqs_backends[cloud.account][cloud.region].change_message_visibility(queue.name, receipt, 0)


def failures(answer: Answer, batch: Sequence[str], reports: Iterable[str]) -> set[str]:
    """Return the messages to deliver again, as Lambda decides it: an error, or a report that makes no sense, means all of them."""
    if answer.failed:
        return set(batch)
    if "ReportBatchItemFailures" not in reports:
        return set()
    try:
        failed = {failure["itemIdentifier"] for failure in (answer.value or {}).get("batchItemFailures") or ()}
    except (AttributeError, KeyError, TypeError):
        return set(batch)
    return failed if failed <= set(batch) else set(batch)


def record(message: Any, queue: Any, region: str) -> dict[str, Any]:
    """Write a message as Lambda hands it to a function."""
    return {
        "messageId": message.id,
        "receiptHandle": message.receipt_handle,
        "body": message.body,
        "attributes": {
            "ApproximateReceiveCount": str(message.approximate_receive_count),
            "SentTimestamp": str(message.sent_timestamp),
            "SenderId": message.sender_id,
            "ApproximateFirstReceiveTimestamp": str(message.approximate_first_receive_timestamp),
        },
        "messageAttributes": {},
        "md5OfBody": message.body_md5,
        "eventSource": "aws:sqs",
        "eventSourceARN": queue.queue_arn,
        "awsRegion": region,
    }
