"""What the functions have in common: the lake, opened once a container; a deadline before Lambda's; and each step told as it happens."""

from collections.abc import Iterable
from datetime import timedelta
from functools import cache
from typing import Any, Final

from core.errors import Transient
from core.lake import Lake, open_lake
from core.run import Step
from handlers import notify
from handlers.observe import logger, record

MARGIN: Final = 0.1
"""The share of a function's time that is kept for what follows a commit (archive, exports, the answer): 3 to 30 seconds."""


@cache
def opened() -> Lake:
    """Open the lake once for all invocations of this container."""
    return open_lake()


def lake_for(context: Any) -> Lake:
    """Return the lake with a deadline that leaves time to settle what was committed before Lambda's own."""
    left = context.get_remaining_time_in_millis() / 1000
    margin = min(max(left * MARGIN, 3), 30)
    lake = opened()
    return lake.until(lake.now() + timedelta(seconds=left - margin))


def watch(lake: Lake, steps: Iterable[Step]) -> list[Step]:
    """Do the steps; log, count and notify each as it happens."""
    done = []
    for step in steps:
        record(step)
        try:
            notify.tell(lake, step)
        except Transient as error:  # what was loaded is loaded: a message less must not load it again
            logger.error("nobody could be told", extra={"error": str(error)})
        done.append(step)
    return done
