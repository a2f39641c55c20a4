"""Measures the image: what each package weighs, how long a cold start takes, where its time goes; writes docs/image.md.

    python -m infra.measure_image            # prints it
    python -m infra.measure_image --write

Needs a container engine, and the machine to itself: a neighbour's work is measured as ours.
"""

import argparse
import json
import re
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from infra.engine import ROOT, Engine, aws_server, find_engine
from infra.image_page import page
from infra.measured import MEMORY, Start, Weights

IMAGE: Final = "lakelet:measured"
BASE: Final = "public.ecr.aws/lambda/python:3.13"
PAGE: Final = ROOT / "docs" / "image.md"
REGION: Final = "eu-west-1"
INIT: Final = re.compile(r"INIT REPORT\(durationMs: ([0-9.]+)\)")

OBJECT: Final = "product_id,department_id,department,product_name\n1,4,produce,Bananas\n"


# --- sizes -------------------------------------------------------------------------------------------------------------------------------

WEIGH: Final = """
import csv, json, os
from importlib.metadata import distributions
from pathlib import Path
task = Path("/var/task")
def weigh(path):
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
owners, brought = {}, {}
for found in distributions(path=[str(task)]):
    name = found.metadata["Name"]
    rows = list(csv.reader(found.read_text("RECORD").splitlines()))
    brought[name] = sum(int(size) for _, _, size in rows if size)
    for file, _, _ in rows:
        owners.setdefault(file.split("/")[0], name)
weights = {}
for path in task.iterdir():
    if path.name != "__pycache__":
        name = owners.get(path.name, "Lakelet")
        weights[name] = weights.get(name, 0) + weigh(path)
system = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
print(json.dumps({"weights": weights, "brought": brought, "whole": weigh(task), "system": system["PRETTY_NAME"].strip('"')}))
"""


def weigh(engine: Engine) -> Weights:
    found = json.loads(engine.read(IMAGE, "python3", "-c", WEIGH).splitlines()[-1])
    whole, base = (int(engine.client.images.get(name).attrs["Size"]) for name in (IMAGE, BASE))
    return Weights(found["weights"], found["brought"], found["whole"], whole, base, found["system"])


# --- cold starts -------------------------------------------------------------------------------------------------------------------------


Prepare = Callable[[], Any]


def cold_start(engine: Engine, handler: str, memory: int, variables: Mapping[str, str], prepare: Prepare) -> Start:
    """Start a function that nobody has started, and ask it once. The event is made before the clock starts."""
    event, begun = prepare(), time.perf_counter()
    with engine.function(IMAGE, handler, memory=memory, variables=variables) as function:
        ready = time.perf_counter()
        answer = function.invoke(event)
        answered = time.perf_counter()
        if isinstance(answer, dict) and ("errorType" in answer or answer.get("batchItemFailures")):
            raise SystemExit(f"{handler} answered {answer}\n{function.logs()}")
        init = INIT.search(function.logs())
        return Start(ready - begun, float(init[1]) / 1000 if init else 0.0, answered - begun, function.processor_seconds())


def cold_starts(engine: Engine, rounds: int) -> dict[tuple[str, int], list[Start]]:
    """Measure each function at each size, in turns, so that a slow minute falls on all alike."""
    with aws_server() as port:
        bucket = _Bucket(port)
        variables = bucket.variables(engine.host)
        functions: dict[str, tuple[str, Prepare]] = {
            "health": ("handlers.api.handler", lambda: json.loads(_event("api-get-health"))),
            "commit": ("handlers.ingest.handler", bucket.arrive),
        }
        found: dict[tuple[str, int], list[Start]] = {}
        for _ in range(rounds + 1):  # the first round reads the image from disk, and doesn't count
            for memory in MEMORY:
                for name, (handler, prepare) in functions.items():
                    found.setdefault((name, memory), []).append(cold_start(engine, handler, memory, variables, prepare))
        return {key: starts[1:] for key, starts in found.items()}


class _Bucket:
    """The buckets of a lake that is measured; each object that arrives is a new one."""

    def __init__(self, port: int) -> None:
        import boto3

        credentials = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        self.port, self.arrived = port, 0
        self.s3 = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", region_name=REGION, **credentials)
        for name in ("lakelet-raw", "lakelet-lake"):
            self.s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
            self.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})

    def variables(self, host: str) -> dict[str, str]:
        credentials = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}
        places = {"LAKELET_RAW": "s3://lakelet-raw", "LAKELET_LAKE": "s3://lakelet-lake", "POWERTOOLS_SERVICE_NAME": "lakelet"}
        return {**credentials, **places, "AWS_ENDPOINT_URL": f"http://{host}:{self.port}"}

    def arrive(self) -> Any:
        self.arrived += 1
        key = f"raw/products/measured-{self.arrived}.csv"
        version = self.s3.put_object(Bucket="lakelet-raw", Key=key, Body=OBJECT.encode())["VersionId"]
        event = json.loads(_event("s3-notification"))
        event["Records"][0]["s3"]["object"].update({"key": key, "versionId": version, "size": len(OBJECT)})
        body = {"messageId": f"m-{self.arrived}", "body": json.dumps(event), "attributes": {"ApproximateReceiveCount": "1"}}
        return {"Records": [{**body, "eventSource": "aws:sqs"}]}


def _event(name: str) -> str:
    return (ROOT / "infra" / "events" / f"{name}.json").read_text("utf-8")


# --- where the time goes -----------------------------------------------------------------------------------------------------------------

IMPORT: Final = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \|\s*(\S+)")


def import_times(engine: Engine, module: str, rounds: int) -> dict[str, float]:
    """Return milliseconds that each package's own modules take to import, the median of a few starts, the largest first."""
    runs = [_import_times(engine, module) for _ in range(rounds)]
    medians = {name: statistics.median(run.get(name, 0.0) for run in runs) for name in runs[0]}
    return dict(sorted(medians.items(), key=lambda item: -item[1]))


def _import_times(engine: Engine, module: str) -> dict[str, float]:
    text = engine.read(IMAGE, "python3", "-X", "importtime", "-c", f"import {module}", environment={"AWS_REGION": REGION})
    found: dict[str, float] = {}
    for own, _, name in IMPORT.findall(text):
        package = name.partition(".")[0]
        found[package] = found.get(package, 0.0) + int(own) / 1000
    return found


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m infra.measure_image", description="Measure the image and write docs/image.md.")
    options.add_argument("--write", action="store_true", help="write docs/image.md instead of printing it")
    options.add_argument("--rounds", type=int, default=5, help="cold starts of each function at each size [5]")
    chosen = options.parse_args()
    engine = find_engine()
    if engine is None:
        raise SystemExit("No container engine answers: start Docker or Podman, or set DOCKER_HOST.")
    engine.build(IMAGE)
    imports = {module: import_times(engine, module, chosen.rounds) for module in ("handlers.ingest", "handlers.api")}
    text = page(weigh(engine), cold_starts(engine, chosen.rounds), imports, rounds=chosen.rounds)
    if chosen.write:
        PAGE.write_text(text, "utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
