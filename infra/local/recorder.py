"""Who called what: a line of JSON for each AWS call, told apart by the access key, which here is the function's name."""

import json
import re
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

CREDENTIAL: Final = re.compile(r"Credential=([^/]+)/\d+/[^/]+/([^/]+)/aws4_request")

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


def recorded(application: Application, file: Path) -> Application:
    """Return the application that writes each signed call to a file before it answers."""
    lock, out = threading.Lock(), file.open("a", encoding="utf-8", buffering=1)

    def record(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if call := call_of(environ):
            with lock:
                out.write(f"{json.dumps(call)}\n")
        return application(environ, start_response)

    return record


def call_of(environ: dict[str, Any]) -> dict[str, str] | None:
    """Say who calls which service how; the operation of those that name it, else method, path and query."""
    signed = CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    if not signed:
        return None
    return {
        "who": signed[1],
        "service": signed[2],
        "operation": environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2],
        "method": environ["REQUEST_METHOD"],
        "path": environ.get("PATH_INFO", ""),
        "query": environ.get("QUERY_STRING", ""),
        "copies": environ.get("HTTP_X_AMZ_COPY_SOURCE", ""),
    }
