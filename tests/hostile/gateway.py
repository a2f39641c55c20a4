"""The API behind real HTTP, in a process of its own: a server reads requests, the emulator makes events of them, the real functions answer.

`python -m tests.hostile.gateway` prints its port and serves until its input ends. A function does one thing at a time, and so does this.
"""

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final
from uuid import uuid4

ROOT: Final = Path(__file__).parents[2]
KEY: Final = "s3cr3t-key-of-the-api"
EVENTS: Final = "/_event/"
STAGE: Final = SimpleNamespace(
    api=SimpleNamespace(api_id="api"), route=SimpleNamespace(route_key="$default", target="integrations/it"), variables={}
)
SLOW: Final = 60


# --- the process ---------------------------------------------------------------------------------------------------------------------


def serve() -> None:
    """Answer requests as the template's gateway does: 401 without a key, then the authorizer, then the function."""
    from werkzeug.serving import WSGIRequestHandler, make_server
    from werkzeug.wrappers import Request, Response

    from handlers import api, authorize
    from infra.local import gateway
    from tests.functions import Context

    one = threading.Lock()

    def called(handler: Callable[[Any, Any], Any], event: Mapping[str, Any]) -> Any:
        """Call a handler as Lambda does: what goes in and comes out is JSON, what it raises is its failure."""
        with one:
            return json.loads(json.dumps(handler(json.loads(json.dumps(event)), Context(29, aws_request_id=str(uuid4())))))

    handlers = {"api": api.handler, "authorize": authorize.handler}
    journal = Path(os.environ["JOURNAL"])

    def invoked(name: str, event: Any) -> Response:
        """Give what a function answers to an event that a test made up, or the name of what it raised."""
        try:
            return Response(json.dumps(called(handlers[name], event)))
        except Exception as error:
            return Response(json.dumps({"raised": type(error).__name__}))

    @Request.application
    def application(request: Request) -> Response:
        if request.path.startswith(EVENTS):
            return invoked(request.path.removeprefix(EVENTS), json.loads(request.get_data()))
        try:
            request.get_data()
        except OSError:  # pieces that are none
            return gateway._message(400, "Bad Request")
        response = answer(request)
        entry = {"method": request.method, "path": request.path, "body": request.get_data().decode("latin-1")}
        line = json.dumps({**entry, "status": response.status_code, "answer": response.get_data(as_text=True)})
        with one, journal.open("a", encoding="utf-8") as told:
            print(line, file=told)
        return response

    def answer(request: Request) -> Response:
        if (request.content_length or 0) > gateway.LARGEST:
            return gateway._message(413, "Request Entity Too Large")
        event = gateway.event_of(STAGE, request, request.path, "111122223333")  # type: ignore[arg-type]
        if not event["headers"].get("x-api-key"):
            return gateway._message(401, "Unauthorized")
        try:
            if not called(authorize.handler, {**event, "type": "REQUEST", "body": None})["isAuthorized"]:
                return gateway._message(403, "Forbidden")
            event["requestContext"]["authorizer"] = {"lambda": {}}
            said = called(api.handler, event)
        except Exception:
            traceback.print_exc()
            return gateway._message(500, "Internal Server Error")
        return Response(said["body"] or "", said["statusCode"], headers=said["headers"])

    class Quiet(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 5

        def log(self, *_: Any) -> None:
            """A line a request is nobody's interest."""

    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Quiet)
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    print(f"port {server.server_port}", file=sys.__stderr__, flush=True)
    server.serve_forever()


# --- who asks it ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Told:
    """An answer, as it came over the wire."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)

    @property
    def code(self) -> str:
        return str(self.body["error"]["code"])


@dataclass(frozen=True)
class Gateway:
    """A running process and what it said."""

    port: int
    pid: int
    work: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def send(self, request: bytes) -> Told:
        """Send bytes and nothing else, and read one answer."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=SLOW) as connection:
            try:
                connection.sendall(request)
                connection.shutdown(socket.SHUT_WR)
            except OSError:  # it has answered and does not read on
                pass
            response = http.client.HTTPResponse(connection, method=request.partition(b" ")[0].decode("latin-1"))
            response.begin()
            return Told(response.status, dict(response.getheaders()), response.read().decode())

    def ask(self, method: str, target: str | bytes, headers: Sequence[tuple[str, str | bytes]] = (), body: bytes = b"") -> Told:
        """Send a request with the key, framed rightly unless its own headers say otherwise."""
        names = {name.lower() for name, _ in headers}
        usual = [("Host", "lake"), ("x-api-key", KEY), ("Connection", "close"), ("Content-Length", str(len(body)))]
        lines = [(name, value) for name, value in usual if name.lower() not in names] + list(headers)
        head = b"".join(name.encode("latin-1") + b": " + _bytes(value) + b"\r\n" for name, value in lines)
        return self.send(method.encode("latin-1") + b" " + _bytes(target) + b" HTTP/1.1\r\n" + head + b"\r\n" + body)

    def invoke(self, name: str, event: Any) -> Any:
        """Call a function with an event of the test's own making: what it answers, or {"raised": ...}."""
        return self.ask("POST", EVENTS + name, (), json.dumps(event).encode()).body

    def journal(self) -> list[dict[str, Any]]:
        """Return every request that arrived, and what was answered."""
        return [json.loads(line) for line in self.work.with_suffix(".journal").read_text("utf-8").splitlines()]

    def most_memory(self) -> int:
        """Return the most bytes that the process ever held."""
        (line,) = [line for line in Path(f"/proc/{self.pid}/status").read_text().splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


@contextmanager
def running(work: Path, settings: Mapping[str, str]) -> Iterator[Gateway]:
    """Give a gateway for the time of a block; all that it may write into is the lake and `work`, its current and its temporary folder."""
    work.mkdir()
    log = work.with_suffix(".log")
    work.with_suffix(".journal").touch()
    with log.open("ab") as told:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.hostile.gateway"], cwd=work, stdin=subprocess.PIPE, stdout=told, stderr=subprocess.PIPE,
            env={**os.environ, **settings, "PYTHONPATH": str(ROOT), "TMPDIR": str(work),
                 "JOURNAL": str(work.with_suffix(".journal")), "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip
        assert process.stdin
        assert process.stderr
        try:
            line = process.stderr.readline()
            assert line.startswith(b"port "), line + process.stderr.read()
            threading.Thread(target=_copy, args=(process.stderr, log), daemon=True).start()
            yield Gateway(int(line.split()[1]), process.pid, work)
        finally:
            process.kill()
            process.wait()
            process.stdin.close()


def _copy(source: Any, log: Path) -> None:
    with source, log.open("ab") as told:
        for line in source:
            told.write(line)
            told.flush()


if __name__ == "__main__":
    serve()
