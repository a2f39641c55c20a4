"""The emulator's own paths beside AWS's: the HTTP APIs below /_api/, and below /_lakelet/ what only an emulator can be asked."""

import json
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any, Final

from werkzeug.wrappers import Request, Response

from infra.local import gateway, mappings, schedules, steps
from infra.local.cloud import Cloud
from infra.local.streams import Streams

API: Final = "/_api/"
OURS: Final = "/_lakelet/"


class Control:
    """A WSGI application that answers for our paths and leaves the rest to moto."""

    def __init__(self, cloud: Cloud, moto: Callable[[dict[str, Any], Any], Iterable[bytes]]) -> None:
        self._cloud, self._moto, self._streams = cloud, moto, Streams(cloud)
        self._streams.start()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path.startswith(API):
            api, _, rest = path.removeprefix(API).partition("/")
            response = gateway.answer(self._cloud, api, f"/{rest}", Request(environ))
        elif path.startswith(OURS):
            response = self._answer(path.removeprefix(OURS), Request(environ))
        else:
            return self._moto(environ, start_response)
        return response(environ, start_response)

    def _answer(self, what: str, request: Request) -> Response:
        match what, request.method:
            case "activity", "GET":
                return _json(self._activity())
            case "schedules", "GET":
                return _json([schedule.name for schedule in schedules.schedules(self._cloud)])
            case "flush", "POST":
                return _json(self._streams.flush())
            case "hours", "POST":
                schedules.let_pass(self._cloud, timedelta(hours=request.args.get("hours", 1.0, float)))
                return _json("passed")
        if what.startswith("schedules/") and request.method == "POST":
            return self._tick(what.removeprefix("schedules/"), request.args.get("hours", 1.0, float))
        return _json("the emulator knows no such path", 404)

    def _tick(self, name: str, hours: float) -> Response:
        """Fire a schedule as if so many hours had passed."""
        if name not in {schedule.name for schedule in schedules.schedules(self._cloud)}:
            return _json(f"there is no schedule {name}", 404)
        schedules.let_pass(self._cloud, timedelta(hours=hours))
        schedules.tick(self._cloud, name)
        return _json("fired")

    def _activity(self) -> dict[str, Any]:
        """Tell what is under way, and a number that grows with all that ever was."""
        cloud = self._cloud
        queues = [queue for mapping in mappings.mappings(cloud) if (queue := mappings.queue_of(cloud, mapping))]
        under_way = {
            "deliveries": cloud.courier.pending,
            "messages": sum(len(queue._messages) for queue in queues),
            "invocations": cloud.functions.running,
            "records": self._streams.waiting(),
            "executions": steps.running(cloud.account, cloud.region),
        }
        return {"under_way": under_way, "ever": cloud.courier.carried + cloud.functions.invocations}


def _json(value: Any, status: int = 200) -> Response:
    return Response(json.dumps(value), status, content_type="application/json")
