"""What a function tells of itself: its cold start once, and a trace of what happens inside where Lambda samples the request."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FUNCTION = """
import sys
from handlers.observe import observed, segment
from tests.functions import Context

@observed
def handler(event, context):
    with segment("load orders"):
        return 1

handler({}, Context()), handler({}, Context())
print("x-ray" if "aws_xray_sdk" in sys.modules else "nothing")
"""


@pytest.mark.parametrize("sampled", [0, 1])
def test_a_sampled_request_is_traced_and_another_loads_no_library_for_it(sampled: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        daemon.settimeout(1)
        settings = {
            "LAMBDA_TASK_ROOT": "/var/task",
            "AWS_XRAY_DAEMON_ADDRESS": f"127.0.0.1:{daemon.getsockname()[1]}",
            "_X_AMZN_TRACE_ID": f"Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled={sampled}",
            "POWERTOOLS_SERVICE_NAME": "shop",
        }
        done = subprocess.run(
            [sys.executable, "-c", FUNCTION], env={**os.environ, **settings}, cwd=ROOT, capture_output=True, text=True, check=True
        )
        traced = set(_segments(daemon))
    *metrics, library = done.stdout.splitlines()
    assert [json.loads(line)["ColdStart"] for line in metrics] == [[1.0]]
    assert library == ("x-ray" if sampled else "nothing")
    assert traced == ({"load orders", "## __main__"} if sampled else set())


def _segments(daemon: socket.socket) -> list[str]:
    found = []
    while True:
        try:
            found.append(json.loads(daemon.recv(65535).split(b"\n", 1)[1])["name"])
        except TimeoutError:
            return found
