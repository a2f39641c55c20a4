"""Records that do not come as files: through the stream, by the hour, to the daily table; and over HTTP, with a receipt."""

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from core import run
from core.declarations import load
from core.lake import Lake, Settings
from core.sample import sample
from handlers.cli.produce import records
from infra.local.emulator import Emulator
from tests.aws.emulated import PIPELINES, Deployed, deployment, rows

READING = {
    "source": "iot_sensors",
    "data": {"device_id": "sensor-0042", "timestamp": "2026-11-20T10:14:58Z", "temperature": 21.5, "humidity": 48.0},
    "metadata": {"location": "hall-3", "firmware_version": "2.1.0"},
}
RECORDS = "/v1/datasets/sensor_readings/records"


def events(work: Path) -> list[str]:
    """Return the records of the sample of Firehose's kind, one by one."""
    lake = Lake(load(PIPELINES), Settings.read(PIPELINES, str(work / "unused")))
    found: list[str] = []

    def put(key: str, file: Path) -> None:
        if not key.endswith(".gz"):
            found.extend(records(file.read_bytes()))

    sample(PIPELINES / "events", rows=300, owner=lake.project.match, put=put, work=work / "sample")
    return found


def test_what_goes_into_the_stream_is_in_the_daily_table_after_the_hour_and_the_day(shared: Deployed, tmp_path: Path) -> None:
    given, kinesis = events(tmp_path), shared.aws("kinesis")
    assert len(given) > 100
    stream = shared.stack.outputs["StreamName"]
    for start in range(0, len(given), 100):
        kinesis.put_records(
            StreamName=stream, Records=[{"Data": text.encode(), "PartitionKey": "one"} for text in given[start : start + 100]]
        )
    shared.settle()

    keys = shared.keys("raw/events/")
    assert keys
    for key in keys:
        assert key.split("/")[2].isdigit(), key
        assert key.split("/")[-1].startswith(f"{shared.name}-events-1-20"), key
    assert shared.rows("learning_events") == [], "it waits for its hour"

    shared.tick("hourly")
    shared.tick("daily")

    local = Lake(load(PIPELINES), Settings.read(PIPELINES, str(tmp_path / "lake")))
    local.raw.put("raw/events/2026/11/20/10/stream-1", "".join(given).encode())
    list(run.run(local))
    names = ("daily_events", "event_counts")
    assert rows(shared.lake, *names) == rows(local, *names)
    assert len(shared.rows("learning_events")) == len(rows(local, "learning_events")["learning_events"])
    assert shared.rows("daily_events")


def post(deployed: Deployed, path: str, body: Any, **headers: str) -> tuple[int, Any]:
    """Send a request to the stack's API."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else None
    given = {"Content-Type": "application/json", **{name.replace("_", "-"): text for name, text in headers.items()}}
    asked = urllib.request.Request(deployed.stack.outputs["ApiUrl"] + path, data, given)
    try:
        with urllib.request.urlopen(asked) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def reading(sensor: str, **data: Any) -> dict[str, Any]:
    return {**READING, "data": {**READING["data"], "device_id": sensor, **data}}


def readings(deployed: Deployed, sensor: str) -> list[dict[str, Any]]:
    return [found for row in deployed.rows("sensor_readings") if (found := json.loads(row))["device_id"] == sensor]


def test_what_is_posted_is_durable_in_raw_and_then_a_row(shared: Deployed) -> None:
    status, answer = post(shared, RECORDS, [reading("sensor-1"), {**reading("sensor-1"), "source": "gateways"}])
    assert status == 202, answer
    shared.settle()
    assert {row["source"] for row in readings(shared, "sensor-1")} == {"iot_sensors", "gateways"}
    assert shared.keys("raw/iot/") == set()
    assert shared.keys("archived/sensor_readings/")


def test_the_same_post_with_its_key_twice_is_a_row_once(shared: Deployed) -> None:
    for _ in range(2):
        status, answer = post(shared, RECORDS, reading("sensor-2"), idempotency_key="once")
        assert status == 202, answer
        shared.settle()
    assert len(readings(shared, "sensor-2")) == 1


def test_what_breaks_the_contract_is_told_at_once_and_lands_nowhere(shared: Deployed) -> None:
    before = shared.keys()
    assert post(shared, RECORDS, [reading("sensor-3"), reading("sensor-3", temperature="warm")])[0] == 422
    assert post(shared, "/v1/datasets/nobody/records", READING)[0] == 404
    shared.settle()
    assert shared.keys() == before


def test_with_a_key_only_its_holder_gets_in(emulator: Emulator, tmp_path: Path) -> None:
    with deployment(emulator, tmp_path, ApiAuthorization="key") as deployed:
        secret = deployed.aws("secretsmanager").get_secret_value(SecretId=deployed.stack.outputs["ApiKeySecret"])["SecretString"]
        assert post(deployed, "/health", None)[0] == 401
        assert post(deployed, "/health", None, x_api_key="guessed")[0] == 403
        assert post(deployed, "/health", None, x_api_key=secret)[0] == 200


def test_what_can_be_read_over_http_can_be_read(shared: Deployed) -> None:
    for path in ("/health", "/v1/datasets", "/v1/datasets/transactions", "/openapi.json"):
        assert post(shared, path, None)[0] == 200, path
