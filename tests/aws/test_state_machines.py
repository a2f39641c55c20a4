"""The state machines as written: every state is reached, every failure is told, every task is one that the task function knows."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest
from samtranslator.yaml_helper import yaml_parse

from tests.aws.translated import ROOT, TEMPLATE

FILES: Final = sorted((ROOT / "infra" / "state_machines").glob("*.asl.json"))
TASKS: Final[Mapping[str, set[str]]] = {
    "sweep": set(),
    "plan": set(),
    "transform": {"name"},
    "maintain": {"name"},
    "check": {"object"},
    "load": {"dataset", "object"},
    "archive": {"dataset", "outcomes"},
    "register": {"dataset"},
    "notify": {"machine", "execution", "outcome", "detail"},
}
"""What the task function can do, and with what."""
NEVER_AGAIN: Final = {"Terminal", "Rejected", "InvalidProject", "States.ALL", "States.TaskFailed"}
State = Mapping[str, Any]


@pytest.fixture(params=FILES, ids=lambda file: file.name.partition(".")[0])
def machine(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(request.param.read_text("utf-8"))
    return found


def scopes(definition: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield a definition and those within its Map states."""
    yield definition
    for state in definition["States"].values():
        if "ItemProcessor" in state:
            yield from scopes(state["ItemProcessor"])


def states(definition: Mapping[str, Any]) -> Iterator[tuple[str, State]]:
    for scope in scopes(definition):
        yield from scope["States"].items()


def nexts(state: State) -> set[str]:
    choices = (choice["Next"] for choice in state.get("Choices", ()))
    caught = (catcher["Next"] for catcher in state.get("Catch", ()))
    return {*choices, *caught, *(state[key] for key in ("Next", "Default") if key in state)}


def test_every_state_is_reached_and_every_next_one_is_there(machine: dict[str, Any]) -> None:
    for scope in scopes(machine):
        reached, waiting = set(), [scope["StartAt"]]
        while waiting:
            name = waiting.pop()
            reached.add(name)
            waiting += nexts(scope["States"][name]) - reached
        assert reached == scope["States"].keys()


def test_every_way_ends(machine: dict[str, Any]) -> None:
    for name, state in states(machine):
        ends = state.get("End") or state["Type"] in ("Succeed", "Fail")
        assert bool(ends) != bool({"Next", "Default"} & state.keys()), name
    assert 0 < machine["TimeoutSeconds"] <= 86400, "without it an execution may stand for a year"


def test_what_fails_is_told_and_then_fails(machine: dict[str, Any]) -> None:
    for name, state in machine["States"].items():
        if state["Type"] in ("Task", "Map"):
            (catcher,) = state["Catch"]
            assert catcher["ErrorEquals"] == ["States.ALL"]
            assert catcher["Next"] == ("Failed" if name == "TellFailure" else "TellFailure"), name
    assert machine["States"]["TellFailure"]["Next"] == "Failed"
    assert machine["States"]["Failed"]["Type"] == "Fail"


def test_the_first_error_is_the_one_that_is_kept(machine: dict[str, Any]) -> None:
    for name, state in machine["States"].items():
        for catcher in state.get("Catch", ()):
            assert catcher["ResultPath"] == (None if name == "TellFailure" else "$.failure"), name
    assert machine["States"]["Failed"]["ErrorPath"] == "$.failure.Error"


def test_a_task_is_one_that_the_function_knows_with_what_it_needs(machine: dict[str, Any]) -> None:
    for name, state in states(machine):
        if state["Type"] == "Task":
            payload = {key.removesuffix(".$"): value for key, value in state["Parameters"]["Payload"].items()}
            assert payload.keys() - {"task"} == TASKS[payload["task"]], name
            assert state["Resource"] == "arn:${Partition}:states:::lambda:invoke"


def test_the_tasks_are_those_of_the_function() -> None:
    from handlers import tasks

    assert tasks.TASKS.keys() == TASKS.keys()


def test_every_task_is_tried_again_in_the_same_way() -> None:
    every = [state["Retry"] for file in FILES for _, state in states(json.loads(file.read_text("utf-8"))) if state["Type"] == "Task"]
    assert all(retry == every[0] for retry in every)


def test_a_notification_names_its_machine(machine: dict[str, Any], request: pytest.FixtureRequest) -> None:
    name = request.node.callspec.id
    told = {
        state["Parameters"]["Payload"]["outcome"]: state for _, state in states(machine) if "execution.$" in str(state.get("Parameters"))
    }
    assert told.keys() == {"succeeded", "failed"}
    for state in told.values():
        assert state["Parameters"]["Payload"]["machine"] == name
        assert state["Parameters"]["Payload"]["execution.$"] == "$$.Execution.Id"


def test_what_may_pass_is_tried_again_with_growing_and_scattered_pauses(machine: dict[str, Any]) -> None:
    for name, state in states(machine):
        if state["Type"] == "Task":
            tried = {error for retrier in state["Retry"] for error in retrier["ErrorEquals"]}
            assert {"Transient", "Conflict", "OutOfTime", "Lambda.TooManyRequestsException", "Lambda.ServiceException"} <= tried, name
            assert not tried & NEVER_AGAIN, name
            for retrier in state["Retry"]:
                assert retrier["BackoffRate"] >= 2
                assert (retrier["JitterStrategy"], retrier["MaxDelaySeconds"] <= 300) == ("FULL", True)


def test_only_the_step_that_loads_a_large_object_has_the_large_function() -> None:
    used = {
        state["Parameters"]["Payload"]["task"]
        for file in FILES
        for _, state in states(json.loads(file.read_text("utf-8")))
        if state["Type"] == "Task" and state["Parameters"]["FunctionName"] == "${LargeFunction}"
    }
    assert used == {"load"}


def test_every_verdict_of_the_check_has_its_way() -> None:
    machine = json.loads((ROOT / "infra/state_machines/ingest-large.asl.json").read_text("utf-8"))
    text = json.dumps(machine["States"]["IsItToBeLoaded"])
    assert set(re.findall(r'"StringEquals": "(\w+)"', text)) == {"load", "rejected", "unknown", "scheduled", "gone"}
    assert machine["States"]["IsItToBeLoaded"]["Default"] == "UnknownVerdict"


def test_levels_follow_each_other_and_the_transforms_of_one_run_side_by_side() -> None:
    machine = json.loads((ROOT / "infra/state_machines/refresh.asl.json").read_text("utf-8"))
    levels = machine["States"]["TransformLevels"]
    assert (levels["ItemsPath"], levels["MaxConcurrency"]) == ("$.plan.levels", 1)
    assert levels["ItemProcessor"]["States"]["TransformLevel"]["MaxConcurrency"] > 1
    assert machine["States"]["IsThereMore"]["Choices"] == [{"Variable": "$.sweep.more", "BooleanEquals": True, "Next": "Sweep"}]


def test_every_substitution_is_defined_and_used() -> None:
    resources = yaml_parse(TEMPLATE.read_text("utf-8"))["Resources"].values()
    machines = [found["Properties"] for found in resources if found["Type"] == "AWS::Serverless::StateMachine"]
    assert sorted(found["DefinitionUri"] for found in machines) == [file.relative_to(ROOT).as_posix() for file in FILES]
    for found in machines:
        text = (ROOT / found["DefinitionUri"]).read_text("utf-8")
        assert set(re.findall(r"\$\{(\w+)\}", text)) == found["DefinitionSubstitutions"].keys()
        assert found["Tracing"] == {"Enabled": True}
        assert found["Logging"]["Destinations"]
