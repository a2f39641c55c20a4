"""`sam build` and `sam local invoke`, as a user types them: every function with its events, against a server that speaks AWS."""

import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.engine import ROOT, Engine
from tests.aws.engine import LAKE, RAW, Cloud, arrive, engine_environment

UNREACHED = "Timed out while attempting to establish a connection to the container"


@dataclass(frozen=True)
class Sam:
    """A built template, and how its functions are invoked."""

    command: str
    template: Path
    variables: Path
    environment: Mapping[str, str]
    options: tuple[str, ...]

    def invoke(self, function: str, text: str) -> Any:
        given = self.template.with_name("event.json")
        given.write_text(text, "utf-8")
        files = ["--template", self.template, "--event", given, "--env-vars", self.variables]
        words = ("local", "invoke", function, *files, "--skip-pull-image", *self.options)
        ran = self._run(*words)
        if UNREACHED in ran.stderr:  # the engine's doing: no function has seen the event yet
            ran = self._run(*words)
        assert ran.stdout, ran.stderr
        answer = json.loads(ran.stdout)
        assert not (isinstance(answer, dict) and "errorType" in answer), f"{answer}\n{ran.stderr[-4000:]}"
        return answer

    def _run(self, *words: object) -> subprocess.CompletedProcess[str]:
        command = [self.command, *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, timeout=300, env=dict(self.environment), check=False)


@pytest.fixture(scope="module")
def built(sam: str, engine: Engine, image: str, cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Sam:
    """Build the template, and let its functions find the server.

    SAM hands on no variable that the template does not name, so the built template gets the one that says where AWS is.
    """
    assert image, "what it built is what SAM finds in the engine's cache"
    place = tmp_path_factory.mktemp("sam")
    environment = engine_environment(engine)
    folders = ["--build-dir", place / "build", "--cache-dir", place / "cache"]
    words = [sam, "build", "--template", ROOT / "sam-template.yaml", *folders]
    ran = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=900, env=environment, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    template = place / "build" / "template.yaml"
    found = yaml.safe_load(template.read_text("utf-8"))
    found["Globals"]["Function"]["Environment"]["Variables"]["AWS_ENDPOINT_URL"] = ""
    template.write_text(yaml.safe_dump(found, sort_keys=False), "utf-8")
    (place / "variables.json").write_text(json.dumps({"Parameters": dict(cloud.variables)}), "utf-8")
    options = ("--add-host", f"{engine.host}:host-gateway") if engine.host == "host.docker.internal" else ()
    return Sam(sam, template, place / "variables.json", environment, options)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("s3-test-event", {"batchItemFailures": []}),
        ("sqs-s3-notification", {"batchItemFailures": []}),
        ("sqs-eventbridge", {"batchItemFailures": []}),
        ("sqs-sns-s3", {"batchItemFailures": []}),
        ("s3-notification", {"objects": 1}),
        ("eventbridge-object-created", {"objects": 1}),
    ],
)
def test_ingest_settles_what_an_event_announces(built: Sam, cloud: Cloud, name: str, answer: Any) -> None:
    text, keys = arrive(cloud, name)
    assert built.invoke("IngestFunction", text) == answer
    for key in keys:
        assert cloud.keys(RAW, key) == [], "it is archived"
    assert bool(keys) == (name != "s3-test-event")


@pytest.mark.parametrize("name", ["schedule-hourly", "schedule-daily"])
def test_schedules_leave_nothing_undone(built: Sam, cloud: Cloud, name: str) -> None:
    answer = built.invoke("ScheduleFunction", arrive(cloud, name)[0])
    assert answer["undone"] == 0
    assert answer["handed_over"] is None


def test_the_api_lands_records_and_answers_with_receipts(built: Sam, cloud: Cloud) -> None:
    answer = built.invoke("ApiFunction", arrive(cloud, "api-post-records")[0])
    assert answer["statusCode"] == 202, answer
    assert cloud.keys(RAW, "raw/iot/")


@pytest.mark.parametrize(("name", "says"), [("api-get-health", ""), ("api-get-datasets", "sensor_readings")])
def test_the_api_tells_how_things_are(built: Sam, cloud: Cloud, name: str, says: str) -> None:
    answer = built.invoke("ApiFunction", arrive(cloud, name)[0])
    assert answer["statusCode"] == 200, answer
    assert says in answer["body"]


def test_the_authorizer_knows_the_key_from_another(built: Sam, cloud: Cloud) -> None:
    text = arrive(cloud, "authorize-key")[0]
    assert built.invoke("AuthorizeFunction", text)["isAuthorized"] is True
    assert built.invoke("AuthorizeFunction", text.replace("lakelet-example-key", "another"))["isAuthorized"] is False


TASKS: dict[str, Callable[[Any], bool]] = {
    "sweep": lambda answer: answer["more"] is False and answer["undone"] == 0,
    "plan": lambda answer: "trusted_transactions" in answer["levels"][0] and "transactions" in answer["tables"],
    "check": lambda answer: answer["verdict"] == "load" and answer["dataset"] == "transactions",
    "archive": lambda answer: answer["archived"] == 1,
    "transform": lambda answer: answer["name"] == "trusted_transactions",
    "maintain": lambda answer: answer["name"] == "transactions",
    "register": lambda answer: answer["dataset"] == "transactions",
    "notify": lambda answer: answer == {},
}


@pytest.mark.parametrize("task", TASKS)
def test_tasks_do_a_step_each(built: Sam, cloud: Cloud, task: str) -> None:
    assert TASKS[task](built.invoke("TaskFunction", arrive(cloud, f"task-{task}")[0]))


def test_the_large_function_loads(built: Sam, cloud: Cloud) -> None:
    answer = built.invoke("LargeFunction", arrive(cloud, "task-load")[0])
    assert answer["balance"]["read"] == 2
    assert answer["outcomes"][0]["fate"] == "loaded"
    assert cloud.keys(LAKE, "curated/transactions/_delta_log/")
