"""The same request twice is one object: a claim, written before the object and only once, says under which key it lands and what was said.

A claim is an object of the lake, landing/<dataset>/<hash of the idempotency key>/<generation>. Who makes it writes the raw object. Who
finds it answers as its maker did, once the object has landed; if it has not, and its maker cannot be at work any more, who makes the
next generation writes the very same object. `landed` beside the claims says that it is done, whatever became of the object since.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Final
from uuid import uuid4

from core.contract import Dataset
from core.errors import Terminal, Transient
from core.lake import Lake

LEASE: Final = timedelta(seconds=60)
"""More than twice what a function that lands may run (29 s): the maker of a claim that is older is dead, and what it did was seen."""

TRIES: Final = 3


class Reused(Terminal):
    """The idempotency key was used for other records."""


class Underway(Transient):
    """The same request is being worked on, or was until its worker died; `seconds` until it is worth while to ask again."""

    def __init__(self, subject: str, *, seconds: int) -> None:
        self.seconds = seconds
        super().__init__(subject, expected="the first request with this idempotency key to be done", remedy="Send it again, unchanged.")


@dataclass(frozen=True)
class Claim:
    """Who lands what. `violations` and `warnings` are by record, of those that have any; `unchecked` are checks that were not asked."""

    fingerprint: str
    key: str
    token: str
    moment: str
    records: int
    violations: dict[int, tuple[str, ...]]
    warnings: dict[int, tuple[str, ...]]
    unchecked: tuple[str, ...]
    generation: int = 1
    maker: str = field(default_factory=lambda: uuid4().hex)

    @classmethod
    def read(cls, text: bytes) -> "Claim":
        data = json.loads(text)
        for name in ("violations", "warnings"):
            data[name] = {int(number): tuple(said) for number, said in data[name].items()}
        return cls(**{**data, "unchecked": tuple(data["unchecked"])})

    def write(self) -> bytes:
        return json.dumps(asdict(self), separators=(",", ":")).encode()


def folder_of(dataset: Dataset, once: str) -> str:
    return f"landing/{dataset.name}/{hashlib.sha256(once.encode()).hexdigest()}"


def newest(lake: Lake, folder: str, after: Claim | None = None) -> Claim | None:
    """Return the newest generation of a claim, None where there is none."""
    while text := lake.store.get(f"{folder}/{after.generation + 1 if after else 1}"):
        after = Claim.read(text)
    return after


def make(lake: Lake, folder: str, claim: Claim) -> Claim:
    """Write a claim, or return the one that was there before it; the one returned is ours if it equals the one given."""
    for _ in range(TRIES):  # a store may refuse both of two that come at once
        if lake.store.claim(f"{folder}/{claim.generation}", claim.write()):
            return claim
        if found := lake.store.get(f"{folder}/{claim.generation}"):
            return Claim.read(found)  # ours, where an answer was lost
    raise Transient(f"claim {folder}", expected="to make or to find it", found="neither", remedy="Try again.")


def successor(lake: Lake, folder: str, claim: Claim) -> Claim:
    """Take a claim over whose maker is gone; raises Underway where it may still be at work, or another is quicker."""
    age = lake.now() - datetime.fromisoformat(claim.moment)
    if age < LEASE:
        raise Underway(f"the request that lands {claim.key}", seconds=1 if age < LEASE / 12 else 10)
    wanted = replace(claim, generation=claim.generation + 1, moment=lake.now().isoformat(), maker=uuid4().hex)
    if make(lake, folder, wanted) != wanted:
        raise Underway(f"the request that lands {claim.key}", seconds=1)
    return wanted


def is_done(lake: Lake, dataset: Dataset, folder: str, claim: Claim) -> bool:
    """Whether a claim's object has landed, wherever it is by now. The note names it: one that outlived its claims is of another object."""
    return lake.store.get(f"{folder}/landed") == claim.key.encode() or _lies(lake, dataset, claim)


def done(lake: Lake, folder: str, claim: Claim) -> None:
    """Note that a claim's object has landed. Where a crash comes before it, the object itself is looked for."""
    lake.store.put(f"{folder}/landed", claim.key.encode())


def _lies(lake: Lake, dataset: Dataset, claim: Claim) -> bool:
    """Look for the object itself: in raw first, since it is moved from there and never back."""
    if lake.raw.get(claim.key) is not None:
        return True
    below = PurePosixPath(claim.key.removeprefix(dataset.source.prefix)).parent
    places = (f"archived/{PurePosixPath(dataset.name, below)}/", "rejected/")
    return any(claim.token in ref.key for place in places for ref in lake.raw.list(place))
