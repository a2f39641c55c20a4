"""What becomes of an object once its fate is committed: archived, or set aside with its report. Every step can be repeated."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath
from typing import Final, Literal

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from core.contract import Dataset
from core.errors import Transient
from core.lake import Lake
from core.storage import ObjectRef, side_by_side

REPORT: Final = ".report.json"
"""The end of the name of the report that lies beside each rejected object."""

LONGEST_NAME: Final = 255 - len(REPORT)
"""Bytes that a file's name may have on every file system, beside its report."""

LONGEST_PLACE: Final = 800
"""Bytes of an object's name below archived/ and rejected/. S3's keys have 1,024, and what stands before this is longer than `raw/` was."""

PERSISTENT: Final = Retrying(
    retry=retry_if_exception_type(Transient), stop=stop_after_attempt(3), wait=wait_random_exponential(0.2, 2), reraise=True
)
"""Does a step again: what is loaded is not called failed at the first refusal. Shared: as a decorator it is made anew for each object."""

Fate = Literal["loaded", "already loaded", "undone", "rejected", "gone", "refused"]
"""undone: it was loaded, and taken out again on purpose. refused: it may have been loaded, and nobody can tell any more."""


@dataclass(frozen=True)
class ObjectOutcome:
    """What became of one object. `rows` holds read, accepted, quarantined and the fates of the accepted ones, for a loaded object."""

    object: ObjectRef
    fate: Fate
    rows: dict[str, int] = field(default_factory=dict)
    reason: str = ""
    report: str = ""


def settle(lake: Lake, dataset: Dataset, outcomes: Sequence[ObjectOutcome]) -> None:
    """Bring every object to its place: archived when loaded, beside its report when rejected. Can be repeated."""
    side_by_side(lake.raw, partial(PERSISTENT, _bring, lake, dataset), outcomes)


def _bring(lake: Lake, dataset: Dataset, outcome: ObjectOutcome) -> None:
    ref = outcome.object
    if outcome.fate == "rejected":
        to = f"rejected/{outcome.reason}/{place(dataset, ref)}"
        lake.raw.put(f"{to}{REPORT}", outcome.report.encode())
        lake.raw.move(ref, to)
    elif outcome.fate in ("loaded", "already loaded", "undone") and dataset.after == "archive":
        lake.raw.move(ref, f"archived/{place(dataset, ref)}")


def place(dataset: Dataset, ref: ObjectRef) -> str:
    """Return an object's name below archived/ and rejected/: its dataset, its path below the source, and a tag of its version."""
    folder, _, name = f"{dataset.name}/{ref.key.removeprefix(dataset.source.prefix)}".rpartition("/")  # never a Path: it drops `//` and `.`
    tag = hashlib.sha256(ref.source.encode()).hexdigest()[:8]
    endings = PurePosixPath(name).suffixes
    suffixes = "".join(endings[-2:] if endings[-1:] == [".gz"] else endings[-1:])
    name = name.removesuffix(suffixes)
    room = LONGEST_NAME - len(f".{tag}{suffixes}".encode())
    name = f"{_cut(name, max(room, 0))}.{tag}{suffixes[-60:]}"  # the tag keeps it apart from others
    return f"{_cut(folder, LONGEST_PLACE - len(name.encode()))}/{name}"


def _cut(text: str, length: int) -> str:
    """Return the beginning of a text, at most so many bytes of it."""
    return text.encode()[:length].decode("utf-8", "ignore")
