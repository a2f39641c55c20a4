"""Handlers in a process of their own, as Lambda runs them: (handler, event) pairs on standard input, answers into a file.

What else they say goes to standard output and standard error, as it would to the log.
"""

import json
import sys
import time
from pathlib import Path

from infra.local.runtime import Context, answered, load

if __name__ == "__main__":
    with Path(sys.argv[1]).open("wb") as answers:
        for number, (name, event) in enumerate(json.load(sys.stdin)):
            handler, broken = load(name)
            answer = broken or answered(handler, json.dumps(event).encode(), Context(f"request-{number}", time.monotonic() + 300))
            answers.write(answer + b"\n")
