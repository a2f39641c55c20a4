"""What functions say goes where AWS puts it: to their log group, embedded metrics to CloudWatch; and to a file, for whoever looks on."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

from infra.local.cloud import Clients
from infra.local.patching import put_in_place

EMBEDDED: Final = '"CloudWatchMetrics"'


def install() -> None:
    """Let statistics be of the dimensions that were asked for: moto adds those of every metric that has some more."""
    from moto.cloudwatch.models import MetricDatumBase

    matches = MetricDatumBase.filter

    def exactly(datum: Any, namespace: str | None, name: str | None, dimensions: Any, **others: Any) -> bool:
        statistics = namespace is None and name is None  # only GetMetricStatistics asks like this; ListMetrics may ask for a part
        if statistics and dimensions and len(dimensions) != len(datum.dimensions):
            return False
        return matches(datum, namespace, name, dimensions, **others)

    put_in_place(MetricDatumBase, filter=exactly)


class Heard:
    """One file of lines a function below a folder, moto's log group, moto's metrics."""

    def __init__(self, folder: Path, account: str, client: Clients) -> None:
        self._folder, self._account, self._client = folder, account, client
        self._files: dict[str, IO[str]] = {}
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)

    def listen(self, function: str, line: str) -> None:
        """Keep a line; a metric that it holds is counted before the invocation is answered."""
        with self._lock:
            if function not in self._files:
                self._files[function] = (self._folder / f"{function}.log").open("a", encoding="utf-8", buffering=1)
            self._files[function].write(f"{line}\n")
            try:
                self._log(function, line)
                if EMBEDDED in line:
                    self._count(line)
            except Exception as error:  # whoever reads a function's output must go on, or the function stops
                self._files[function].write(f"the emulator could not count this: {error}\n")

    def _log(self, function: str, line: str) -> None:
        from moto.logs.models import logs_backends

        backend, group, stream = logs_backends[self._account][self._client.region], f"/aws/lambda/{function}", "local/[$LATEST]"
        backend.ensure_log_group(group)
        if stream not in backend.groups[group].streams:
            backend.create_log_stream(group, stream)
        backend.put_log_events(group, stream, [{"timestamp": int(time.time() * 1000), "message": line}])

    def _count(self, line: str) -> None:
        try:
            document = json.loads(line)
        except ValueError:
            return
        counted: dict[str, list[dict[str, Any]]] = {}
        for namespace, data in metrics(document):
            counted.setdefault(namespace, []).append(data)
        for namespace, all_data in counted.items():
            self._client("cloudwatch").put_metric_data(Namespace=namespace, MetricData=all_data)


def metrics(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what CloudWatch reads in a log line in the embedded metric format: a value for each dimension set of each metric. Pure."""
    about = document.get("_aws", {})
    for directive in about.get("CloudWatchMetrics", ()):
        for dimensions in directive["Dimensions"] or [[]]:
            named = [{"Name": name, "Value": str(document[name])} for name in dimensions]
            for metric in directive["Metrics"]:
                values = document[metric["Name"]]
                data = {
                    "MetricName": metric["Name"],
                    "Unit": metric.get("Unit", "None"),
                    "Dimensions": named,
                    "Timestamp": about["Timestamp"] / 1000,
                }
                yield directive["Namespace"], data | {"Values": values if isinstance(values, list) else [values]}
