"""An HTTP proxy before the S3 server, in a process of its own: at the n-th request of a kind it kills the client, or lies to it.

All that a worker sends goes through it (boto3, obstore, delta-rs, DuckDB's httpfs): plain HTTP, addressed by AWS_ENDPOINT_URL. A `Plan` is
posted to it before each run; what it has seen of the run is asked of it afterwards.
"""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Final

MUTATING: Final = "^(PUT|POST|DELETE)"
READING: Final = "^(GET|HEAD)"
CREATING: Final = " create$"
"""A PUT that asks for there to be nothing yet."""

KILLS: Final = ("kill before", "kill after")
LIES: Final = ("drop", "500 after", "503 after", "503 before", "409 before", "silence")
ANSWERS: Final = {
    "409": ("Conflict", "ConditionalRequestConflict"),
    "500": ("Internal Server Error", "InternalError"),
    "503": ("Slow Down", "SlowDown"),
}
CONTROL: Final = "/_fault/"
LONGEST_SILENCE: Final = 90.0


@dataclass(frozen=True)
class Plan:
    """What happens to the client `pid` at the request number `nth` (from 1) of those that `match`, and at those behind it, `times` in all.

    Nothing by default.
    """

    fault: str = ""
    nth: int = 0
    match: str = ""
    times: int = 1
    pid: int = 0


@dataclass(frozen=True)
class Seen:
    """The requests of a run, in the order in which they came, and which of them the plan was carried out at."""

    requests: tuple[str, ...]
    hit: str | None

    def matching(self, pattern: str) -> list[str]:
        return [request for request in self.requests if re.search(pattern, request)]


@dataclass(frozen=True)
class Proxy:
    """The way to a proxy that runs."""

    endpoint: str

    def plan(self, plan: Plan) -> None:
        self._ask("plan", json.dumps(asdict(plan)).encode())

    def seen(self) -> Seen:
        found = self._ask("seen", b"")
        return Seen(tuple(found["requests"]), found["hit"])

    def _ask(self, what: str, body: bytes) -> Any:
        with urllib.request.urlopen(f"{self.endpoint}{CONTROL}{what}", data=body, timeout=10) as answer:
            return json.load(answer)


@contextmanager
def proxy_before(upstream: str, port: int = 0) -> Iterator[Proxy]:
    """Run a proxy before a server; at a port of its own where none is named."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        port = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-m", "tests.faults.proxy", upstream.removeprefix("http://"), str(port)])
    try:
        _wait_for(port)
        yield Proxy(f"http://127.0.0.1:{port}")
    finally:
        process.kill()
        process.wait()


def _wait_for(port: int) -> None:
    for _ in range(200):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("the proxy did not start")


# --- in the proxy's own process --------------------------------------------------------------------------------------------------------


@dataclass
class Request:
    """One request as it came, whole."""

    line: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def name(self) -> str:
        method, target, _ = self.line.split(" ", 2)
        kind = " create" if "if-none-match" in self.headers else " copy" if "x-amz-copy-source" in self.headers else ""
        return f"{method} {target}{kind}"

    def forwarded(self) -> bytes:
        left_out = ("connection", "expect", "transfer-encoding", "content-length")
        kept = [f"{name}: {value}" for name, value in self.headers.items() if name not in left_out]
        head = "\r\n".join([self.line, *kept, f"content-length: {len(self.body)}", "connection: close"])
        return head.encode("latin-1") + b"\r\n\r\n" + self.body


class Server:
    """Forwards, counts, and does once what the plan says."""

    def __init__(self, upstream: str) -> None:
        self.host, _, port = upstream.partition(":")
        self.port = int(port)
        self.start(Plan())

    def start(self, plan: Plan) -> None:
        self.plan, self.matched, self.requests = plan, 0, list[str]()
        self.hit: str | None = None

    async def client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until either side has enough of it."""
        try:
            while request := await read_request(reader, writer):
                answer = await self.answer(request, reader)
                if answer is None:
                    break
                writer.write(answer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def answer(self, request: Request, reader: asyncio.StreamReader) -> bytes | None:
        """Return what the client is told; None to hang up."""
        if CONTROL in request.line:
            return self.control(request)
        fault, plan = self.due(request), self.plan
        when = fault.rpartition(" ")[2]
        if when == "before":
            return self.instead(fault, plan)
        answer = await self.forward(request)
        if fault == "drop":
            return None
        if fault == "silence":
            with_patience = asyncio.wait_for(reader.read(1), LONGEST_SILENCE)  # until the client hangs up
            await asyncio.gather(with_patience, return_exceptions=True)
            return None
        return self.instead(fault, plan) if when == "after" else answer

    def due(self, request: Request) -> str:
        """Count a request; return the fault where it is its turn."""
        self.requests.append(request.name)
        if not self.plan.fault or not re.search(self.plan.match, request.name):
            return ""
        self.matched += 1
        if not 0 <= self.matched - self.plan.nth < self.plan.times:
            return ""
        self.hit = self.hit or request.name
        return self.plan.fault

    def instead(self, fault: str, plan: Plan) -> bytes | None:
        what = fault.partition(" ")[0]
        if what == "kill":
            os.kill(plan.pid, signal.SIGKILL)
            return None
        reason, code = ANSWERS[what]
        body = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{reason}</Message></Error>'
        return f"HTTP/1.1 {what} {reason}\r\ncontent-type: application/xml\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()

    def control(self, request: Request) -> bytes:
        if "plan" in request.line:
            self.start(Plan(**json.loads(request.body)))
        body = json.dumps({"requests": self.requests, "hit": self.hit})
        return f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()

    async def forward(self, request: Request) -> bytes:
        reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            writer.write(request.forwarded())
            await writer.drain()
            return persistent(await reader.read(-1), request)
        finally:
            writer.close()


def persistent(answer: bytes, request: Request) -> bytes:
    """Return an answer that ended with its connection as one that leaves it open."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *headers = head.decode("latin-1").split("\r\n")
    named = [(line.partition(":")[0].lower(), line) for line in headers]
    kept = [line for name, line in named if name not in ("connection", "transfer-encoding")]
    if not any(name == "content-length" for name, _ in named) and not request.line.startswith("HEAD") and " 204 " not in status:
        kept.append(f"content-length: {len(body)}")
    return "\r\n".join(["HTTP/1.1 " + status.partition(" ")[2], *kept]).encode("latin-1") + b"\r\n\r\n" + body


async def read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request | None:
    """Read the next request whole, or find that there is none."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    line, *lines = head.decode("latin-1").rstrip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return Request(line, headers, await _chunks(reader))
    return Request(line, headers, await reader.readexactly(int(headers.get("content-length", 0))))


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int((await reader.readline()).split(b";")[0], 16):
        body += await reader.readexactly(size)
        await reader.readline()
    while (await reader.readline()).strip():
        pass
    return body


async def serve(upstream: str, port: int) -> None:
    server = await asyncio.start_server(Server(upstream).client, "127.0.0.1", port, limit=1 << 20)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
