"""ScheduleFunction: what no event triggers. Objects whose schedule ticked or that nobody announced, due transforms, freshness, upkeep."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from core import run
from core.errors import OutOfTime, Terminal
from core.lake import Lake
from core.loading import Ingested
from core.maintenance import Maintained, maintain
from core.run import Step, Undone
from core.status import overdue
from core.transform import Transformed
from handlers.observe import count, logger, observed
from handlers.work import lake_for, watch

RUNS: Final = ("hourly", "daily")


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Do an `hourly` or `daily` run and say what it came to; what it has no time for is handed to the state machine."""
    kind = event.get("run")
    if kind not in RUNS:
        raise Terminal("a scheduled run", expected=f'{{"run": one of {", ".join(RUNS)}}}', found=f"keys {sorted(event)}")
    lake = lake_for(context)
    steps = watch(lake, run.run(lake, ready=run.by_trigger))
    _tell_freshness(lake)
    maintained = list(upkeep(lake)) if kind == "daily" else []
    late = any(isinstance(step, Undone) and step.late for step in steps) or None in maintained
    return {**summary(steps), "maintained": len(maintained) - maintained.count(None), "handed_over": _hand_over(lake) if late else None}


def summary(steps: Sequence[Step]) -> dict[str, int]:
    """Add up the steps of a run."""
    ingested = [step for step in steps if isinstance(step, Ingested)]
    return {
        "loaded": sum(step.count("loaded") for step in ingested),
        "rejected": sum(step.count("rejected") for step in ingested),
        "transformed": sum(isinstance(step, Transformed) for step in steps),
        "undone": sum(isinstance(step, Undone) for step in steps),
    }


def upkeep(lake: Lake) -> Iterator[Maintained | None]:
    """Maintain every table, each by its policy; None for one that was left because time ran out."""
    for declaration in lake.project.order:
        try:
            lake.in_time(f"maintenance of {declaration.name}")
            yield maintain(lake, declaration)
        except OutOfTime:
            yield None


def _tell_freshness(lake: Lake) -> None:
    found = overdue(lake)
    count({"DatasetsOverdue": len(found)})
    for one in found:
        logger.warning(f"{one.dataset}: no data in its freshness window", extra={"dataset": one.dataset, "hours": one.hours})
        count({"Overdue": 1}, dataset=one.dataset)


def _hand_over(lake: Lake) -> str | None:
    """Start the state machine that gives each step a time limit of its own. One at a time: a second in the same minute is the same."""
    machine = lake.settings.refresh
    if not machine:
        return None
    import boto3

    aws = lake.settings.aws
    client = boto3.client("stepfunctions", endpoint_url=aws.get("aws_endpoint_url"), region_name=aws.get("aws_region"))
    name = f"schedule-{datetime.now(UTC):%Y%m%dT%H%M}"
    try:
        started: str = client.start_execution(stateMachineArn=machine, name=name, input="{}")["executionArn"]
    except client.exceptions.ExecutionAlreadyExists:
        return name
    return started
