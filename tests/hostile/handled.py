"""Handlers and commands in a process of their own: (name, event or arguments) pairs on standard input, answers into a file.

What else they say goes to standard output and standard error, as it would to the log.
"""

import json
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from infra.local.runtime import Context, answered, load


def command(arguments: list[str]) -> bytes:
    """Run a command of `lakelet`; what it does not catch is printed, as Python would."""
    from handlers.cli import app

    try:
        app(arguments)
    except SystemExit as end:
        return json.dumps({"code": end.code}).encode()
    except Exception:
        traceback.print_exc()
        return json.dumps({"code": "traceback"}).encode()
    return b"{}"


def function(name: str, event: Any, number: int) -> bytes:
    handler, broken = load(name)
    return broken or answered(handler, json.dumps(event).encode(), Context(f"request-{number}", time.monotonic() + 300))


if __name__ == "__main__":
    with Path(sys.argv[1]).open("wb") as answers:
        for number, (name, event) in enumerate(json.load(sys.stdin)):
            answers.write((command(event) if name == "lakelet" else function(name, event, number)) + b"\n")
