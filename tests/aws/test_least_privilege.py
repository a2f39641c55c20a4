"""What the functions really call, recorded in the emulator, against what their roles allow: nothing is missing, nothing is left over."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import parse_qs, unquote
from urllib.request import Request, urlopen

import pytest

from core.sample import sample
from infra.local.emulator import Emulator
from tests.aws.emulated import PIPELINES, Deployed, deployment
from tests.aws.policies import listed, role
from tests.aws.translated import ACCOUNT, REGION

Call = Mapping[str, str]

FUNCTIONS: Final = {"ingest": "IngestRole", "api": "ApiRole", "schedule": "ScheduleRole", "task": "TaskRole", "large": "LargeRole"}
LOADING: Final = ("ingest", "schedule", "task", "large")

NOT_BY_OUR_CODE: Final = {
    "kms": "S3, SNS and Lambda use the key for the function",
    "logs": "Lambda writes what a function prints",
    "xray": "only sampled requests of a real Lambda are traced",
    "sqs": "Lambda polls the queue, and leaves failed events in the dead-letter queue",
}
"""Services whose actions a role needs although no call of the function's code shows them."""

SELDOM: Final = {
    "glue:UpdateTable": "a declaration that gained a column",
    "s3:DeleteObject": "vacuum, a week after a file was replaced; an export of a partition that is gone",
    "s3:AbortMultipartUpload": "an upload in parts that fails is cleaned up",
    "s3:GetObjectTagging": "copying an object that somebody tagged",
    "s3:GetObjectVersionTagging": "copying an object that somebody tagged",
    "s3:PutObjectTagging": "copying an object that somebody tagged",
    "states:StartExecution": "only when a scheduled run's time is up",
}
"""Actions that this run had no occasion for, and when there is one."""

READING: Final = {"source": "s", "data": {"device_id": "d", "timestamp": "2026-11-20T10:00:00Z"}, "metadata": {}}


@pytest.fixture(scope="module")
def worked(processes: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """A stack that has done everything once: arrivals, refusals, a refresh, a large object, records, an hour, a day, an upkeep."""
    with deployment(processes, tmp_path_factory.mktemp("worked")) as made:
        for pipeline in ("transactions", "commerce", "iot"):
            put = lambda key, file: made.put(key, file)  # noqa: E731
            sample(PIPELINES / pipeline, rows=50, owner=made.lake.project.match, put=put, work=made.work / pipeline)
            made.settle()
        large = {"bucket": made.raw, "key": "raw/products/p.csv", "version": None, "size": 1}
        body = "product_id,department_id,department,product_name\n1,1,produce,Apples\n"
        states = made.aws("stepfunctions")
        made.aws("events").disable_rule(Name=f"{made.name}-arrivals")
        large |= {"version": made.put(large["key"], body), "size": len(body)}
        states.start_execution(stateMachineArn=made.stack.outputs["IngestLargeStateMachine"], input=json.dumps({"object": large}))
        states.start_execution(stateMachineArn=made.stack.outputs["RefreshStateMachine"], input="{}")
        made.settle()
        url = f"{made.stack.outputs['ApiUrl']}/v1/datasets"
        for address, data in (
            (url, None),
            (f"{url}/sensor_readings", None),
            (f"{url}/sensor_readings/records", json.dumps(READING).encode()),
            (f"{made.stack.outputs['ApiUrl']}/health", None),
        ):
            headers = {"Content-Type": "application/json", "Idempotency-Key": "once"}
            for _ in range(2):
                with urlopen(Request(address, data, headers), timeout=60) as answer:
                    assert answer.status in (200, 202)
        made.tick("hourly")
        processes.let_pass(24 * 8)
        made.put("raw/products/q.csv", body)
        made.tick("daily")
        yield made


def actions_of(call: Call, made: Deployed) -> Iterator[tuple[str, str]]:
    """Return the IAM actions that a call needs, with the resource as the template's roles name it."""
    if call["service"] == "s3":
        yield from _s3(call, made)
    elif call["service"] == "glue":
        database = made.stack.outputs["Database"]
        yield f"glue:{call['operation']}", f"arn:aws:glue:{REGION}:{ACCOUNT}:table/{database}/any"
    elif call["service"] == "sns":
        yield "sns:Publish", "<SuccessTopic>"
    elif call["service"] == "states":
        yield "states:StartExecution", "<RefreshStateMachine>"
    else:
        yield f"{call['service']}:{call['operation']}", "unknown"


def _s3(call: Call, made: Deployed) -> Iterator[tuple[str, str]]:
    bucket, _, key = unquote(call["path"]).lstrip("/").partition("/")
    names = {made.raw: "<RawBucket.Arn>", made.stack.outputs["LakeBucket"]: "<LakeBucket.Arn>"}
    query = parse_qs(call["query"], keep_blank_values=True)
    where = f"{names[bucket]}/{key}"
    match call["method"]:
        case "GET" | "HEAD" if not key:
            yield "s3:ListBucketVersions" if "versions" in query else "s3:ListBucket", names[bucket]
        case "GET" | "HEAD":
            yield "s3:GetObjectVersion" if "versionId" in query else "s3:GetObject", where
        case "DELETE" if "uploadId" in query:
            yield "s3:AbortMultipartUpload", where
        case "DELETE":
            yield "s3:DeleteObjectVersion" if "versionId" in query else "s3:DeleteObject", where
        case _:
            yield "s3:PutObject", where
            if call["copies"]:
                source, _, version = unquote(call["copies"]).lstrip("/").partition("?versionId=")
                bucket, _, key = source.partition("/")
                yield "s3:GetObjectVersion" if version else "s3:GetObject", f"{names[bucket]}/{key}"


def made_by(function: str, worked: Deployed) -> set[tuple[str, str]]:
    calls = [call for call in worked.emulator.calls() if call["who"] == f"{worked.name}-{function}"]
    assert calls, f"{function} called nothing: this would prove nothing"
    return {found for call in calls for found in actions_of(call, worked)}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_role_allows_whatever_its_function_does(worked: Deployed, function: str) -> None:
    may = role(FUNCTIONS[function], {"Database": worked.stack.outputs["Database"]}).may
    assert {done for done in made_by(function, worked) if not may(*done)} == set()


def test_the_roles_allow_nothing_that_no_function_does(worked: Deployed) -> None:
    done = {FUNCTIONS[name]: {action for action, _ in made_by(name, worked)} for name in FUNCTIONS}
    loaded = set[str]().union(*(done[FUNCTIONS[name]] for name in LOADING))
    for name in FUNCTIONS.values():
        # the functions that load share one policy: which of them compacts, sweeps or loads first is chance
        needed = done[name] | (loaded if name != "ApiRole" else set())
        allowed = {action for found in role(name).statements if found["Effect"] == "Allow" for action in listed(found["Action"])}
        spare = {action for action in allowed - needed if not re.match("|".join(NOT_BY_OUR_CODE), action) and action not in SELDOM}
        assert spare == set(), name


def test_no_function_writes_where_it_would_be_triggered(worked: Deployed) -> None:
    for function in LOADING:
        written = {where for action, where in made_by(function, worked) if action == "s3:PutObject"}
        assert not [where for where in written if re.match("<RawBucket.Arn>/(?!archived/|rejected/)", where)]


def test_every_call_was_made_by_somebody_known(worked: Deployed) -> None:
    known = {f"{worked.name}-{function}" for function in FUNCTIONS}
    assert {call["who"] for call in worked.emulator.calls() if call["who"].startswith(worked.name)} <= known
