"""What a client is told: one shape for every error, a receipt for each record, and never a stack trace, a path or a credential."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from traceback import extract_tb
from typing import Any, Final

from aws_lambda_powertools.event_handler import Response

from core.errors import LakeError, Transient
from core.land import Landed, Malformed, Reused, TooMuch, Underway, Unpostable, Verdict
from handlers.http import BadRequest
from handlers.observe import logger

ERRORS: Final[Mapping[type[LakeError], tuple[int, str]]] = {
    Malformed: (400, "malformed_body"),
    Underway: (409, "request_underway"),
    TooMuch: (413, "too_much"),
    Unpostable: (415, "unpostable_dataset"),
    Reused: (422, "idempotency_key_reused"),
    Transient: (503, "unavailable"),
}
"""What the core raises -> the status and code by which a client hears of it; anything else is ours to mend, and 500."""

REFUSED: Final = "records_refused"
TOLD_BYTES: Final = 2_000_000
"""What all violations of an answer may take: a function's answer is 6 MB at most."""

HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
RETRY_LATER: Final = 5


@dataclass(frozen=True)
class Answer:
    """What is answered, and what of it is logged: counts, names and keys."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)
    told: Mapping[str, Any] = field(default_factory=dict)


def sent(answer: Answer) -> Response[str]:
    """Turn an answer into a response, and log it: one line a request."""
    level = logger.error if answer.status >= 500 else logger.info
    level("answered", extra={"status": answer.status, **answer.told})
    headers = {**HEADERS, **answer.headers}
    if not answer.body:
        return Response(answer.status, headers=headers)
    return Response(answer.status, "application/json", json.dumps(answer.body, separators=(",", ":")), headers=headers)


def to_landed(landed: Landed, request_id: str) -> Answer:
    """Answer a request whose records were judged: 202 where an object landed, 422 where nothing did."""
    told = {"dataset": landed.dataset, "key": landed.key, "records": len(landed.verdicts), "accepted": landed.accepted}
    if landed.key:
        unchecked = {"unchecked": list(landed.unchecked)} if landed.unchecked else {}
        return Answer(202, {**told, "receipts": receipts(enumerate(landed.verdicts)), **unchecked}, told=told)
    refused = [(number, verdict) for number, verdict in enumerate(landed.verdicts) if verdict.violations]
    error = shape(
        REFUSED,
        f"records of {landed.dataset}",
        request_id,
        expected="every record to keep the contract",
        found=f"{len(refused)} of {len(landed.verdicts)} that do not",
        remedy=f"Nothing landed. Mend them{'' if len(refused) == len(landed.verdicts) else ', or send ?partial=true to land the others'}.",
    )
    body = {"error": error, "dataset": landed.dataset, "records": len(landed.verdicts), "accepted": 0, "receipts": receipts(refused)}
    return Answer(422, body, told={**told, "code": REFUSED})


def receipts(verdicts: Iterable[tuple[int, Verdict]]) -> list[dict[str, Any]]:
    """Return a receipt for each record, as many violations told as an answer has room for; `omitted` counts the others."""
    room, found = TOLD_BYTES, []
    for number, verdict in verdicts:
        receipt: dict[str, Any] = {"record": number, "accepted": not verdict.violations}
        if verdict.violations:
            receipt["violations"] = _fitting(verdict.violations, room)
            room -= sum(_size(text) for text in receipt["violations"])
            if omitted := len(verdict.violations) - len(receipt["violations"]):
                receipt["omitted"] = omitted
        elif verdict.warnings:
            receipt["warnings"] = _fitting(verdict.warnings, room)
            room -= sum(_size(text) for text in receipt["warnings"])
        found.append(receipt)
    return found


def _fitting(texts: Sequence[str], room: int) -> list[str]:
    fitting = []
    for text in texts:
        room -= _size(text)
        if room < 0:
            break
        fitting.append(text)
    return fitting


def _size(text: str) -> int:
    return len(json.dumps(text)) + 1


def to_error(error: Exception, request_id: str) -> Answer:
    """Answer a request that failed. What is the client's to mend is told in full; what is ours is logged, and told by its request id."""
    if isinstance(error, BadRequest):
        return Answer(error.status, {"error": _told(error, error.code, request_id)}, error.headers, {"code": error.code})
    status, code = next((told for kind, told in ERRORS.items() if isinstance(error, kind)), (500, "internal_error"))
    if status >= 500:
        return _ours(error, status, code, request_id)
    assert isinstance(error, LakeError)
    headers = {"Retry-After": str(error.seconds)} if isinstance(error, Underway) else {}
    return Answer(status, {"error": _told(error, code, request_id)}, headers, {"code": code})


def _ours(error: Exception, status: int, code: str, request_id: str) -> Answer:
    """Log what a LakeError says, of any other error its kind and place only: its text may hold a row's values."""
    passing = status == 503
    subject = "the lake does not answer" if passing else "the request could not be done"
    remedy = "Send it again, with an Idempotency-Key." if passing else "Tell the operator the request_id: the log knows more."
    told = {
        "code": code,
        "error": type(error).__name__,
        "where": _place(error),
        "said": str(error) if isinstance(error, LakeError) else "",
    }
    headers = {"Retry-After": str(RETRY_LATER)} if passing else {}
    return Answer(status, {"error": shape(code, subject, request_id, remedy=remedy)}, headers, {k: v for k, v in told.items() if v})


def _place(error: Exception) -> str:
    frames = extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""


def _told(error: LakeError, code: str, request_id: str) -> dict[str, str]:
    return shape(code, error.subject, request_id, expected=error.expected, found=error.found, remedy=error.remedy)


def shape(code: str, message: str, request_id: str, *, expected: str = "", found: str = "", remedy: str = "") -> dict[str, str]:
    """Return the one shape of an error; what there is nothing to say of is left out."""
    told = {"code": code, "message": message, "expected": expected, "found": found, "remedy": remedy, "request_id": request_id}
    return {name: text for name, text in told.items() if text or name in ("code", "message", "request_id")}
