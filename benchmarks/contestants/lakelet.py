"""Lakelet as it is: `lakelet run` without its tables of output. Arguments: the project's folder, the lake."""

import sys

from core.lake import open_lake
from core.run import Undone, run


def main(project: str, lake: str) -> None:
    """Do all that waits in the lake; fail where something stays undone."""
    undone = [f"{step.name}: {step.error}" for step in run(open_lake(project, lake)) if isinstance(step, Undone)]
    if undone:
        sys.exit("\n".join(undone))


if __name__ == "__main__":
    main(*sys.argv[1:])
