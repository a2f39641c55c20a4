"""One environment of a function where there is no container: imports the handler and answers invocations, one after another.

Speaks as the Runtime Interface Emulator does, on a socket that it inherits, and ends when its parent does. Knows no project and no moto.
"""

import importlib
import json
import os
import resource
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Final
from uuid import uuid4

PATH: Final = "/2015-03-31/functions/function/invocations"
MEBIBYTE: Final = 1 << 20

Handler = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Context:
    """What a handler is told of its invocation: Lambda's context object."""

    aws_request_id: str
    deadline: float
    function_name: str = field(default_factory=lambda: os.environ["AWS_LAMBDA_FUNCTION_NAME"])
    memory_limit_in_mb: str = field(default_factory=lambda: os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"])
    invoked_function_arn: str = field(default_factory=lambda: os.environ["LAMBDA_ARN"])
    log_group_name: str = field(default_factory=lambda: os.environ["AWS_LAMBDA_LOG_GROUP_NAME"])
    log_stream_name: str = field(default_factory=lambda: os.environ["AWS_LAMBDA_LOG_STREAM_NAME"])
    function_version: str = "$LATEST"
    identity: None = None
    client_context: None = None

    def get_remaining_time_in_millis(self) -> int:
        return max(int((self.deadline - time.monotonic()) * 1000), 0)


class Runtime(HTTPServer):
    """The function's endpoint. What the import of the handler raises is every invocation's answer, as on Lambda."""

    def __init__(self, listening: socket.socket) -> None:
        super().__init__(("127.0.0.1", 0), Invocation, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        started = time.perf_counter()
        self.handler, self.broken = load(os.environ["_HANDLER"])
        self.initialised: float | None = time.perf_counter() - started

    def invoke(self, payload: bytes) -> bytes:
        request, started = str(uuid4()), time.perf_counter()
        say(f"START RequestId: {request} Version: $LATEST")
        context = Context(request, time.monotonic() + float(os.environ["AWS_LAMBDA_FUNCTION_TIMEOUT"]))
        answer = self.broken or answered(self.handler, payload, context)
        say(f"END RequestId: {request}")
        say(self._report(request, (time.perf_counter() - started) * 1000))
        return answer

    def _report(self, request: str, milliseconds: float) -> str:
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) // MEBIBYTE
        parts = [
            f"REPORT RequestId: {request}",
            f"Duration: {milliseconds:.2f} ms",
            f"Billed Duration: {milliseconds:.0f} ms",
            f"Memory Size: {os.environ['AWS_LAMBDA_FUNCTION_MEMORY_SIZE']} MB",
            f"Max Memory Used: {used} MB",
        ]
        if self.initialised is not None:
            parts.append(f"Init Duration: {self.initialised * 1000:.2f} ms")
            self.initialised = None
        return "\t".join(parts)


class Invocation(BaseHTTPRequestHandler):
    """One request to the endpoint."""

    server: Runtime

    def do_POST(self) -> None:
        if self.path != PATH:
            self.send_error(404)
            return
        answer = self.server.invoke(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        """Standard error is the function's."""


def load(name: str) -> tuple[Handler, bytes]:
    """Return a handler by its dotted name, and the error that its import raised as an answer."""
    module, _, function = name.rpartition(".")
    try:
        found: Handler = getattr(importlib.import_module(module), function)
    except (Exception, SystemExit) as error:
        traceback.print_exc()
        said = {"errorType": "Runtime.ImportModuleError", "errorMessage": f"Unable to import module '{module}': {error}"}
        return _nothing, json.dumps(said).encode()
    return found, b""


def _nothing(_event: Any, _context: Any) -> None:
    """Stand in for a handler that could not be imported."""


def answered(handler: Handler, payload: bytes, context: Context) -> bytes:
    """Run the handler; what it raises is its answer, in the words of Lambda's Python runtime."""
    try:
        return json.dumps(handler(json.loads(payload or b"{}"), context)).encode()
    except Exception as error:
        trace = traceback.format_list(traceback.extract_tb(error.__traceback__)[1:])
        say(f"[ERROR] {type(error).__name__}: {error}\r{''.join(trace)}".replace("\n", "\r"))
        said = {"errorMessage": str(error), "errorType": type(error).__name__, "requestId": context.aws_request_id, "stackTrace": trace}
        return json.dumps(said).encode()


def say(line: str) -> None:
    print(line, flush=True)


def end_with_parent() -> None:
    """Leave when standard input closes: the parent is gone, however it went."""
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=end_with_parent, daemon=True).start()
    Runtime(socket.socket(fileno=int(sys.argv[1]))).serve_forever()
