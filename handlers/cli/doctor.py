"""A deployed stack as its operator looks at it: alarms, queues, executions, metrics, tables; and what to do about each. Reads only."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from core.declarations import load
from core.errors import Terminal
from core.lake import Lake, Settings
from core.status import overdue, status
from handlers.cli.aws import session

LOOK_BACK: Final = timedelta(hours=24)
OLDEST: Final = timedelta(minutes=15)
"""A message that waits longer than this is worth a word: an ordinary batch takes seconds."""

TELLING: Final = {
    "Undone": ("loads or transforms could not be done", "look for `undone` in the function's log"),
    "ObjectsRejected": ("files were set aside", "read the reports: rejected/<reason>/<dataset>/*.report.json in the raw bucket"),
    "ObjectsRefused": (
        "objects older than the replay window were refused",
        "if they were never loaded: lakelet ingest --behind-window KEY",
    ),
    "ObjectsUnknown": ("objects belong to no dataset", "declare one, or put them elsewhere"),
    "Violations": ("expectations were broken", "look for `violated` in the function's log, or type `lakelet status`"),
}
"""What the stack's own metrics may have to tell, and what to do about it."""

Severity = Literal["well", "look", "act"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: `well`, worth a `look`, or time to `act`."""

    severity: Severity
    area: str
    what: str
    todo: str = ""


@dataclass(frozen=True)
class Aws:
    """The AWS clients of one account and region, by service."""

    client: Callable[[str], Any]
    stack: str

    def named(self, name: str) -> bool:
        return name.startswith(f"{self.stack}-")


def connect(stack: str) -> Aws:
    return Aws(session().client, stack)


def examine(aws: Aws, project: str | None = None) -> list[Finding]:
    """Look at everything at once, at the tables by the declarations in `project`. Raises Terminal where there is no such stack."""
    lake = _lake(project, _environment(aws))
    looks: tuple[Callable[[], Iterator[Finding]], ...] = (
        lambda: _alarms(aws),
        lambda: _queues(aws),
        lambda: _executions(aws),
        lambda: _counted(aws),
        lambda: _tables(lake),
    )
    with ThreadPoolExecutor(len(looks)) as pool:
        return [finding for found in pool.map(lambda look: list(look()), looks) for finding in found]


def _environment(aws: Aws) -> Mapping[str, str]:
    """Return the settings that the stack's own functions have."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        found: dict[str, Any] = aws.client("lambda").get_function_configuration(FunctionName=f"{aws.stack}-ingest")
    except (BotoCoreError, ClientError) as error:
        raise Terminal(
            f"stack {aws.stack}",
            expected=f"a function {aws.stack}-ingest in this account and region",
            found=str(error),
            remedy="Check --stack, AWS_PROFILE and AWS_REGION.",
        ) from error
    settings: dict[str, str] = found.get("Environment", {}).get("Variables", {})
    return settings


def _alarms(aws: Aws) -> Iterator[Finding]:
    pages = aws.client("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNamePrefix=f"{aws.stack}-")
    alarms = [alarm for page in pages for alarm in page.get("MetricAlarms", ())]
    ringing = [alarm for alarm in alarms if alarm["StateValue"] == "ALARM"]
    for alarm in ringing:
        name = alarm["AlarmName"].removeprefix(f"{aws.stack}-")
        yield Finding("act", "alarms", f"{name}: {alarm.get('StateReason', '')}".rstrip(": "), alarm.get("AlarmDescription", ""))
    if not ringing:
        yield Finding("well" if alarms else "look", "alarms", f"none of {len(alarms)} rings", "" if alarms else "this stack has no alarms")


def _queues(aws: Aws) -> Iterator[Finding]:
    sqs = aws.client("sqs")
    for url in sqs.list_queues(QueueNamePrefix=f"{aws.stack}-").get("QueueUrls", ()):
        name = url.rpartition("/")[2].removeprefix(f"{aws.stack}-")
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        waiting, busy = int(found["ApproximateNumberOfMessages"]), int(found["ApproximateNumberOfMessagesNotVisible"])
        if name.endswith("dlq"):
            again = f"mend the cause, then: aws sqs start-message-move-task --source-arn {found['QueueArn']}"
            yield (
                Finding("act", "queues", f"{name}: {waiting} messages that nobody could settle", again) if waiting else _well(name, "empty")
            )
        else:
            age = _oldest(aws, url.rpartition("/")[2])
            late = age is not None and age > OLDEST.total_seconds()
            what = f"{name}: {waiting} waiting, {busy} in work" + (f", the oldest for {age / 60:.0f} minutes" if age and late else "")
            yield (
                Finding("look", "queues", what, "see the ingest function's log and its concurrency")
                if late
                else _well(name, what[len(name) + 2 :])
            )


def _well(name: str, what: str) -> Finding:
    return Finding("well", "queues", f"{name}: {what}")


def _oldest(aws: Aws, queue: str) -> float | None:
    now = datetime.now(UTC)
    found = aws.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SQS",
        MetricName="ApproximateAgeOfOldestMessage",
        Dimensions=[{"Name": "QueueName", "Value": queue}],
        StartTime=now - timedelta(minutes=10),
        EndTime=now,
        Period=300,
        Statistics=["Maximum"],
    )
    newest = max(found["Datapoints"], key=lambda point: point["Timestamp"], default=None)
    return float(newest["Maximum"]) if newest else None


def _executions(aws: Aws) -> Iterator[Finding]:
    states = aws.client("stepfunctions")
    machines = [machine for machine in states.list_state_machines()["stateMachines"] if aws.named(machine["name"])]
    for machine in machines:
        name = machine["name"].removeprefix(f"{aws.stack}-")
        last = states.list_executions(stateMachineArn=machine["stateMachineArn"], maxResults=10)["executions"]
        failed = [one for one in last if one["status"] in ("FAILED", "TIMED_OUT", "ABORTED") and _is_recent(one["startDate"])]
        if not failed:
            running = sum(one["status"] == "RUNNING" for one in last)
            yield Finding(
                "well", "executions", f"{name}: " + (f"{running} running" if running else "no failure in a day" if last else "never run")
            )
            continue
        why = states.describe_execution(executionArn=failed[0]["executionArn"])
        cause = " ".join(f"{why.get('error', '')} {why.get('cause', '')}".split())[:300]
        todo = f"aws stepfunctions get-execution-history --reverse-order --execution-arn {failed[0]['executionArn']}"
        yield Finding("act", "executions", f"{name}: {len(failed)} of the last {len(last)} failed: {cause or failed[0]['status']}", todo)


def _is_recent(moment: datetime) -> bool:
    return moment >= datetime.now(UTC) - LOOK_BACK


def _counted(aws: Aws) -> Iterator[Finding]:
    """Ask the stack's own metrics what went wrong in a day."""
    watch, now = aws.client("cloudwatch"), datetime.now(UTC)
    quiet = True
    for metric, (what, todo) in TELLING.items():
        found = watch.get_metric_statistics(
            Namespace="Lakelet",
            MetricName=metric,
            Dimensions=[{"Name": "service", "Value": aws.stack}],
            StartTime=now - LOOK_BACK,
            EndTime=now + timedelta(minutes=1),
            Period=int(LOOK_BACK.total_seconds()),
            Statistics=["Sum"],
        )
        if count := int(sum(point["Sum"] for point in found["Datapoints"])):
            quiet = False
            yield Finding("act" if metric == "Undone" else "look", "a day's work", f"{count} {what}", todo)
    if quiet:
        yield Finding("well", "a day's work", "nothing was set aside, refused or left undone")


def _lake(project: str | None, environment: Mapping[str, str]) -> Lake:
    """Open the stack's own lake through the declarations at hand."""
    settings = replace(Settings.read(project, environment["LAKELET_LAKE"]), raw=environment["LAKELET_RAW"])
    return Lake(load(settings.project), settings)


def _tables(lake: Lake) -> Iterator[Finding]:
    late = overdue(lake)
    for one in late:
        since = f"none for {one.hours:.0f} hours" if one.hours is not None else "none ever"
        yield Finding("act", "freshness", f"{one.dataset}: no data within {one.window}: {since}", "ask its producer; then `lakelet run`")
    if not late:
        windows = sum(dataset.fresh_within is not None for dataset in lake.project.datasets.values())
        yield Finding(
            "well", "freshness", f"{windows} datasets have a window, all have data in it" if windows else "no dataset declares fresh_within"
        )
    for table in status(lake):
        if table.kind == "dataset" and table.due:
            yield Finding(
                "look", "tables", f"{table.name}: {table.state}", "nothing, if it came within the hour; else see the queues above"
            )
        elif table.due:
            yield Finding(
                "look", "tables", f"{table.name}: {table.state}", "the next hourly run does it; or start the state machine refresh"
            )
