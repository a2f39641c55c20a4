"""EventBridge Scheduler: moto keeps schedules and never fires one. A tick fires one now; nothing here looks at the clock."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from infra.local.cloud import Cloud
from infra.local.targets import send


def schedules(cloud: Cloud) -> list[Any]:
    """Return every schedule that is on."""
    from moto.scheduler.models import scheduler_backends

    groups = scheduler_backends[cloud.account][cloud.region].schedule_groups.values()
    found = [schedule for group in groups for schedule in group.schedules.values()]
    return [schedule for schedule in found if schedule.state == "ENABLED"]


def tick(cloud: Cloud, name: str) -> None:
    """Fire a schedule; KeyError where there is none of this name."""
    _fire(cloud, {schedule.name: schedule for schedule in schedules(cloud)}[name])


def let_pass(cloud: Cloud, time: timedelta) -> None:
    """Let every object in S3 be older, as if time had passed: it is by their age that a run tells what its schedule is for."""
    from moto.s3.models import s3_backends

    for bucket in list(s3_backends[cloud.account]["aws"].buckets.values()):
        for versions in list(bucket.keys.lists()):
            for version in versions[1]:
                version.last_modified -= time


def _fire(cloud: Cloud, schedule: Any) -> None:
    target = schedule.target
    dead_letters = target.get("DeadLetterConfig", {}).get("Arn", "")
    send(cloud, target["Arn"], _input(schedule), dead_letters=dead_letters, options=target.get("SqsParameters"))


def _input(schedule: Any) -> str:
    """Return the target's input with what the Scheduler fills in."""
    facts = {
        "aws.scheduler.schedule-arn": schedule.arn,
        "aws.scheduler.scheduled-time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "aws.scheduler.execution-id": str(uuid4()),
        "aws.scheduler.attempt-number": "1",
    }
    return re.sub(r"<([\w.-]+)>", lambda match: facts.get(match[1], match[0]), schedule.target.get("Input") or "{}")
