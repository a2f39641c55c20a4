"""Records -> one immutable raw object, durable before the answer; or nothing, and every reason. What follows is ingest's business."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import uuid4

from core.contract import Dataset
from core.lake import Lake
from core.land import claims
from core.land.bodies import Record
from core.land.claims import Claim, Reused
from core.land.names import key_of, laid_out, token_of, unpostable
from core.land.verdicts import Verdict, judge

Keep = Literal["all", "good"]
"""What is to land where some records are refused: all or nothing, or those that are good."""


@dataclass(frozen=True)
class Landed:
    """What was said of each record, and the key of the object that the good ones became; None where nothing landed.

    `unchecked` are the checks that could not be asked yet, because a table that they look into was never loaded.
    """

    dataset: str
    key: str | None
    verdicts: tuple[Verdict, ...]
    unchecked: tuple[str, ...] = ()

    @property
    def accepted(self) -> int:
        """How many records are in raw now."""
        return sum(not verdict.violations for verdict in self.verdicts) if self.key else 0


def land(lake: Lake, dataset: Dataset, records: Sequence[Record], *, keep: Keep = "all", once: str | None = None) -> Landed:
    """Judge records and write the good ones as one raw object.

    With `once`, an idempotency key, the same records again are the same object and the same answer, whatever happened to the first
    request and whatever became of its object, for 30 days; without, each call is an object of its own. Refused records (nothing
    landed) claim nothing, so that the same key may come with mended ones. Raises Unpostable, Reused, Underway, Transient.
    """
    if refusal := unpostable(lake.project, dataset):
        raise refusal
    if once is None:
        claim = _judged(lake, dataset, records, keep, uuid4().hex)
        if _lands(claim, keep):
            lake.raw.claim(claim.key, _object(dataset, records, claim))  # False only where our own first try had landed
        return _landed(dataset, claim, keep)
    return _land_once(lake, dataset, records, keep, once)


def _land_once(lake: Lake, dataset: Dataset, records: Sequence[Record], keep: Keep, once: str) -> Landed:
    folder = claims.folder_of(dataset, once)
    claim = claims.newest(lake, folder)
    if claim is None:
        wanted = _judged(lake, dataset, records, keep, hashlib.sha256(once.encode()).hexdigest()[:32])
        if not _lands(wanted, keep):
            return _landed(dataset, wanted, keep)
        claim = claims.make(lake, folder, wanted)
        if claim == wanted:
            return _finish(lake, dataset, records, keep, claim, folder)
        claim = claims.newest(lake, folder, claim) or claim
    if claim.fingerprint != _fingerprint(records, keep):
        remedy = "Take a new key for every new request."
        raise Reused(f"the idempotency key of {dataset.name}", expected="the records it was first used with", found="others", remedy=remedy)
    if claims.is_done(lake, dataset, folder, claim):
        return _landed(dataset, claim, keep)
    return _finish(lake, dataset, records, keep, claims.successor(lake, folder, claim), folder)


def _finish(lake: Lake, dataset: Dataset, records: Sequence[Record], keep: Keep, claim: Claim, folder: str) -> Landed:
    """Do what a claim is for: every step may have been done by a maker before us, and is not done twice."""
    lake.raw.claim(claim.key, _object(dataset, records, claim))
    claims.done(lake, folder, claim)
    return _landed(dataset, claim, keep)


def _judged(lake: Lake, dataset: Dataset, records: Sequence[Record], keep: Keep, name: str) -> Claim:
    """Judge records; where only the good ones are to land, judge these once more by themselves, as they will lie there."""
    verdicts, unchecked = _verdicts(lake, dataset, records)
    good, asked = _good(verdicts), len(records)
    while keep == "good" and 0 < len(good) < asked:
        again, unchecked = _verdicts(lake, dataset, [records[number] for number in good])
        for number, verdict in zip(good, again, strict=True):
            verdicts[number] = verdict
        good, asked = _good(verdicts), len(good)
    moment = lake.now()
    return Claim(
        fingerprint=_fingerprint(records, keep),
        key=key_of(dataset, moment, name),
        token=token_of(moment, name),
        moment=moment.isoformat(),
        records=len(records),
        violations={n: verdict.violations for n, verdict in enumerate(verdicts) if verdict.violations},
        warnings={n: verdict.warnings for n, verdict in enumerate(verdicts) if verdict.warnings},
        unchecked=unchecked,
    )


def _good(verdicts: Sequence[Verdict]) -> list[int]:
    return [number for number, verdict in enumerate(verdicts) if not verdict.violations]


def _verdicts(lake: Lake, dataset: Dataset, records: Sequence[Record]) -> tuple[list[Verdict], tuple[str, ...]]:
    sound = [record.text for record in records if not record.problem]
    judged, unchecked = judge(lake, dataset, sound) if sound else ([], ())
    following = iter(judged)
    return [Verdict((record.problem,)) if record.problem else next(following) for record in records], unchecked


def _lands(claim: Claim, keep: Keep) -> bool:
    return len(claim.violations) < claim.records if keep == "good" else not claim.violations


def _object(dataset: Dataset, records: Sequence[Record], claim: Claim) -> bytes:
    return laid_out(dataset, [record.text for number, record in enumerate(records) if number not in claim.violations])


def _fingerprint(records: Sequence[Record], keep: Keep) -> str:
    """Return what makes two requests the same: their records, in their order, and what is to become of them."""
    return hashlib.sha256("\n".join([keep, *(record.text for record in records)]).encode()).hexdigest()


def _landed(dataset: Dataset, claim: Claim, keep: Keep) -> Landed:
    verdicts = (Verdict(claim.violations.get(n, ()), claim.warnings.get(n, ())) for n in range(claim.records))
    return Landed(dataset.name, claim.key if _lands(claim, keep) else None, tuple(verdicts), claim.unchecked)
