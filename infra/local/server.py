"""The emulator's process: moto with what it lacks put in, and the functions. `python -m infra.local.server` prints its address.

moto has to have a process of its own: delta-rs holds Python's lock while it waits for S3.
"""

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from infra.engine import Engine, find_engine
from infra.local import containers, processes
from infra.local.cloud import ACCOUNT, Clients, Cloud
from infra.local.functions import Functions, Starter
from infra.local.heard import Heard
from infra.local.patching import put_in_place

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


def main(argv: list[str]) -> None:
    """Serve until the parent is gone or says so."""
    asked = _asked(argv)
    engine = find_engine() if asked.containers else None
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server(asked.host, asked.port, lambda *_: [], threaded=True, request_handler=_quiet_handler())
    os.environ["MOTO_PORT"] = str(server.server_port)  # where its Step Functions find its Lambda
    cloud = open_cloud(asked, server.server_port, engine)
    server.app = application(cloud, asked.state)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    print(cloud.endpoint, flush=True)
    try:
        server.serve_forever()
    finally:
        cloud.functions.stop()
        if engine:
            containers.remove_all(engine, str(os.getpid()))


def _asked(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--project", type=Path, required=True)
    parser.add_argument("--containers", action="store_true")
    return parser.parse_args(argv)


def open_cloud(asked: argparse.Namespace, port: int, engine: Engine | None) -> Cloud:
    """Put together the server's parts, and put in what moto lacks."""
    clients = Clients(f"http://127.0.0.1:{port}", asked.region, "emulator")
    listener = Heard(asked.state / "logs", ACCOUNT, clients)
    cloud = Cloud(
        Functions(_starter(asked, port, engine), listener.listen), clients, ACCOUNT, lambda said: listener.listen("emulator", said)
    )
    from infra.local import bridge, heard, lambdas, mappings, steps, streams

    _permit_everything()
    _save_time()
    for part in (bridge, lambdas, mappings):
        part.install(cloud)
    for piece in (heard, steps, streams):
        piece.install()
    return cloud


def _permit_everything() -> None:
    """Keep moto from judging buckets' policies, as it judges no others: ours would rightly deny us, who speak plain HTTP."""
    from moto.iam.access_control import PermissionResult
    from moto.s3.models import FakeBucket

    put_in_place(FakeBucket, get_permission=lambda *_: PermissionResult.NEUTRAL)


def _save_time() -> None:
    """Let moto look only once at what it looks at for every request and for every key of a listing: a quarter of its time."""
    from botocore.utils import parse_to_aware_datetime
    from moto import backends
    from moto.core import serialize

    modules = tuple(backends.list_of_moto_modules())
    put_in_place(backends, list_of_moto_modules=lambda: modules)
    put_in_place(serialize, parse_to_aware_datetime=lru_cache(4096)(parse_to_aware_datetime))


def _starter(asked: argparse.Namespace, port: int, engine: Engine | None) -> Starter:
    host = engine.host if engine else "127.0.0.1"
    variables = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_REGION": asked.region,
        "AWS_DEFAULT_REGION": asked.region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "POWERTOOLS_TRACE_DISABLED": "true",  # nobody collects traces here
    }
    if engine:
        return containers.starter(engine, variables, str(os.getpid()))
    return processes.starter(variables, asked.state / "work", asked.project)


def application(cloud: Cloud, state: Path) -> Application:
    """Return the whole: our own paths, then moto; every call is recorded with who made it."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    from infra.local.control import Control
    from infra.local.recorder import recorded

    return recorded(Control(cloud, DomainDispatcherApplication(create_backend_app)), state / "calls.jsonl")


def _quiet_handler() -> Any:
    from moto.moto_server.werkzeug_app import MotoRequestHandler

    class Quiet(MotoRequestHandler):
        protocol_version = "HTTP/1.1"  # connections are kept

        def log(self, *_: Any) -> None:
            """A line a request is nobody's interest; calls.jsonl has them."""

    return Quiet


def _end_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1):  # not through sys.stdin: its lock would be held when Python ends
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main(sys.argv[1:])
