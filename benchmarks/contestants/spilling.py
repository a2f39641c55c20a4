"""Lakelet as it is, and its last line tells how much it spilled at most. Arguments: the project's folder, the lake."""

import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

from benchmarks.contestants import lakelet


def main(project: str, lake: str) -> None:
    """Do all that waits in the lake; fail where something stays undone."""
    over, most = Event(), [0]

    def look() -> None:
        while not over.wait(0.1):
            most[0] = max(most[0], spilled(Path(os.environ["LAKELET_WORK"])))

    watch = Thread(target=look)
    watch.start()
    try:
        lakelet.main(project, lake)
    finally:
        over.set()
        watch.join()
    print(json.dumps({"MB spilled": most[0] / 1e6}))


def spilled(work: Path) -> int:
    """Return the bytes that lie in the folders of a session's spilled rows."""
    found = 0
    with suppress(FileNotFoundError):  # files go while they are counted
        for file in work.glob("*/spill/*"):
            found += file.stat().st_size
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
