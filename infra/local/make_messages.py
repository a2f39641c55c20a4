"""Makers of what carries data and tells people: SQS, SNS, EventBridge and its Scheduler, Kinesis, Firehose."""

import json
from typing import Any, Final

from core.errors import Terminal
from infra.local.intrinsics import Made
from infra.local.making import Maker, Request, tags
from infra.local.targets import TARGETS, service_of

TARGET_WORDS: Final = {"Id", "Arn", "RoleArn", "Input", "InputPath", "InputTransformer", "DeadLetterConfig", "SqsParameters", "RetryPolicy"}


def _queue(request: Request) -> Made:
    name, labels = request.name("QueueName", 80), tags(request)
    attributes = {key: value if isinstance(value, str) else json.dumps(value) for key, value in request.rest().items()}
    url = request.call("sqs", "create_queue", QueueName=name, Attributes=attributes, tags=labels)["QueueUrl"]
    return Made(url, {"Arn": request.arn("sqs", name), "QueueName": name, "QueueUrl": url})


def _queue_policy(request: Request) -> Made:
    policy = request.document("PolicyDocument")
    for url in request.take("Queues"):
        request.call("sqs", "set_queue_attributes", QueueUrl=url, Attributes={"Policy": policy})
    return Made(request.logical, {})


def _topic(request: Request) -> Made:
    name, labels, subscriptions = request.name("TopicName", 256), request.take("Tags"), request.take("Subscription", [])
    attributes = {key: value if isinstance(value, str) else json.dumps(value) for key, value in request.rest().items()}
    arn = request.call("sns", "create_topic", Name=name, Attributes=attributes, Tags=labels)["TopicArn"]
    for subscription in subscriptions:
        request.call("sns", "subscribe", TopicArn=arn, **subscription)
    return Made(arn, {"TopicArn": arn, "TopicName": name})


def _topic_policy(request: Request) -> Made:
    policy = request.document("PolicyDocument")
    for arn in request.take("Topics"):
        request.call("sns", "set_topic_attributes", TopicArn=arn, AttributeName="Policy", AttributeValue=policy)
    return Made(request.logical, {})


def _subscription(request: Request) -> Made:
    return Made(request.call("sns", "subscribe", ReturnSubscriptionArn=True, **request.rest())["SubscriptionArn"], {})


# --- rules and schedules -------------------------------------------------------------------------------------------------------------


def _rule(request: Request) -> Made:
    """Make a rule and its targets. One with a schedule is refused: nothing here would ever fire it."""
    name, targets, pattern = request.name("Name"), request.take("Targets", []), request.document("EventPattern")
    request.refuse_unless(
        "ScheduleExpression" not in request.properties, "an event pattern; a schedule is an AWS::Scheduler::Schedule here"
    )
    for target in targets:
        _refuse_unknown_target(request, target)
    arn = request.call("events", "put_rule", Name=name, EventPattern=pattern, **request.rest())["RuleArn"]
    request.call("events", "put_targets", Rule=name, Targets=targets)
    return Made(name, {"Arn": arn})


def _schedule(request: Request) -> Made:
    name = request.name("Name")
    _refuse_unknown_target(request, request.properties["Target"])
    arn = request.call("scheduler", "create_schedule", Name=name, **request.rest())["ScheduleArn"]
    return Made(name, {"Arn": arn})


def _schedule_group(request: Request) -> Made:
    name = request.name("Name")
    arn = request.call("scheduler", "create_schedule_group", Name=name, **request.rest())["ScheduleGroupArn"]
    return Made(name, {"Arn": arn})


def _refuse_unknown_target(request: Request, target: dict[str, Any]) -> None:
    service, words = service_of(target["Arn"]), target.keys() - TARGET_WORDS
    if service not in TARGETS or words:
        raise Terminal(
            f"{request.logical} ({request.type})",
            expected=f"a target of {', '.join(TARGETS)}, with {', '.join(sorted(TARGET_WORDS))}",
            found=f"{service} with {', '.join(sorted(words)) or 'nothing else'}",
            remedy="Teach it to infra/local/targets.py.",
        )


# --- streams -------------------------------------------------------------------------------------------------------------------------


def _stream(request: Request) -> Made:
    name, encryption = request.name("Name", 128), request.take("StreamEncryption")
    hours, labels = request.take("RetentionPeriodHours"), tags(request)
    request.call("kinesis", "create_stream", StreamName=name, **request.rest())
    if hours is not None and int(hours) > 24:
        request.call("kinesis", "increase_stream_retention_period", StreamName=name, RetentionPeriodHours=hours)
    if encryption:
        request.call("kinesis", "start_stream_encryption", StreamName=name, **encryption)
    if labels:
        request.call("kinesis", "add_tags_to_stream", StreamName=name, Tags=labels)
    return Made(name, {"Arn": request.arn("kinesis", f"stream/{name}")})


def _delivery_stream(request: Request) -> Made:
    """Make a delivery stream from Kinesis to S3; records are neither converted nor processed here, so one that does is refused."""
    name, destination = request.name("DeliveryStreamName"), request.properties.get("ExtendedS3DestinationConfiguration", {})
    processes = destination.get("ProcessingConfiguration", {}).get("Enabled") or destination.get("DataFormatConversionConfiguration")
    packed = destination.get("CompressionFormat", "UNCOMPRESSED")
    from_stream = request.properties.get("DeliveryStreamType") == "KinesisStreamAsSource"
    request.refuse_unless(from_stream and not processes and packed in ("UNCOMPRESSED", "GZIP"), "Kinesis to S3, as it came or as gzip")
    arn = request.call("firehose", "create_delivery_stream", DeliveryStreamName=name, **request.rest())["DeliveryStreamARN"]
    return Made(name, {"Arn": arn})


MESSAGES: Final[dict[str, Maker]] = {
    "AWS::SQS::Queue": _queue,
    "AWS::SQS::QueuePolicy": _queue_policy,
    "AWS::SNS::Topic": _topic,
    "AWS::SNS::TopicPolicy": _topic_policy,
    "AWS::SNS::Subscription": _subscription,
    "AWS::Events::Rule": _rule,
    "AWS::Scheduler::Schedule": _schedule,
    "AWS::Scheduler::ScheduleGroup": _schedule_group,
    "AWS::Kinesis::Stream": _stream,
    "AWS::KinesisFirehose::DeliveryStream": _delivery_stream,
}
