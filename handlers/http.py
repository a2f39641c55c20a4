"""What an HTTP request of API Gateway (payload 2.0) asks for, read strictly: a body within bounds, a media type, parameters. Pure."""

import base64
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from core.errors import Terminal
from core.land import Keep

MOST_BYTES: Final = 5_000_000
"""A function is handed 6 MB at most, of which quoting or base64 takes its share."""

KINDS: Final[Mapping[str, str]] = {
    "application/json": "json",
    "application/x-ndjson": "jsonl",
    "application/ndjson": "jsonl",
    "application/jsonl": "jsonl",
}
"""Media types -> how their records are cut."""

UTF_8: Final = ("utf-8", "utf8")
CHARSET: Final = re.compile(r';\s*charset\s*=\s*"?([^\s;"]*)', re.IGNORECASE)
KEY: Final = r"[!-~]{1,255}"
PARTIAL: Final[Mapping[str, Keep]] = {"true": "good", "false": "all"}

Event = Mapping[str, Any]


def _is_text(part: object) -> bool:
    return isinstance(part, str)


def _is_texts(part: object) -> bool:
    return part is None or (isinstance(part, dict) and all(isinstance(text, str) for pair in part.items() for text in pair))


PARTS: Final[Mapping[str, Callable[[object], bool]]] = {
    "rawPath": _is_text,
    "requestContext.stage": _is_text,
    "requestContext.http.method": _is_text,
    "requestContext.authorizer": lambda part: part is None or isinstance(part, dict),
    "requestContext.authorizer.iam": lambda part: part is None or isinstance(part, dict),
    "headers": _is_texts,
    "queryStringParameters": _is_texts,
    "body": lambda part: part is None or isinstance(part, str),
    "isBase64Encoded": lambda part: part is None or isinstance(part, bool),
}
"""What is looked at of an event, and whether it is what an HTTP API sends there."""

EVENT: Final = "what an HTTP API sends there, payload format 2.0"
CALL: Final = "Call the API by its address."


class BadRequest(Terminal):
    """The request is refused before anything is looked at; `status`, `code` and `headers` say how."""

    def __init__(
        self,
        status: int,
        code: str,
        subject: str,
        *,
        expected: str = "",
        found: str = "",
        remedy: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status, self.code, self.headers = status, code, dict(headers or {})
        super().__init__(subject, expected=expected, found=found, remedy=remedy)


def checked(event: Any) -> Event:
    """Return an event whose every part that is looked at is of its kind; raises BadRequest where no HTTP API sent it, or to no path."""
    for name, kind in PARTS.items():
        part = event
        for step in name.split("."):
            part = part.get(step) if isinstance(part, dict) else None
        if not kind(part):
            raise BadRequest(400, "no_such_event", f"the event's {name}", expected=EVENT, found=f"{type(part).__name__}", remedy=CALL)
    if "\n" in event["rawPath"]:  # a pattern's end is before it as well as behind it, to Powertools
        raise BadRequest(404, "no_such_path", "the path", expected="no line break", found=shown(event["rawPath"]))
    return cast("Event", event)


def kind_of(event: Event) -> str:
    """Return how the body's records are to be cut; raises BadRequest (415) for what is neither JSON nor JSON Lines, in UTF-8 and plain."""
    stated = _header(event, "content-type")
    kind = KINDS.get(stated.partition(";")[0].strip().lower())
    if kind is None:
        remedy = "State it in Content-Type."
        raise _unsupported("unsupported_media_type", "the body", " or ".join(KINDS), shown(stated) or "no Content-Type", remedy)
    charset = CHARSET.search(stated)
    if charset and charset[1].lower() not in UTF_8:
        raise _unsupported("unsupported_charset", "the body's charset", "utf-8", shown(charset[1]))
    coding = _header(event, "content-encoding")
    if coding.strip().lower() not in ("", "identity"):
        raise _unsupported("unsupported_encoding", "the body's encoding", "a plain body", shown(coding))
    return kind


def _unsupported(code: str, subject: str, expected: str, found: str, remedy: str = "") -> BadRequest:
    headers = {"Accept-Encoding": "identity"} if code == "unsupported_encoding" else {"Accept-Post": ", ".join(KINDS)}
    return BadRequest(415, code, subject, expected=expected, found=found, remedy=remedy, headers=headers)


def text_of(event: Event) -> str:
    """Return the body's text, without a byte order mark; raises BadRequest: 413 where it is too large, 400 where it is not UTF-8."""
    body = event.get("body") or ""
    if len(body) > 2 * MOST_BYTES:
        raise _too_large("more")
    try:
        data = base64.b64decode(body, validate=True) if event.get("isBase64Encoded") else body.encode()
        if len(data) > MOST_BYTES:
            raise _too_large(f"{len(data):,}")
        text = str(data, "utf-8").removeprefix("\ufeff")
    except UnicodeError as error:
        found = f"what is none at offset {getattr(error, 'start', 0)}"
        raise BadRequest(400, "malformed_body", "the body", expected="UTF-8", found=found) from None
    except ValueError:
        raise BadRequest(400, "malformed_body", "the body", expected="base64, as it is marked", found="something else") from None
    if "\ufffd" in text and len(data) != _length(event, len(data)):
        found = "another length than Content-Length, and characters that stand for bytes which are none"
        raise BadRequest(400, "malformed_body", "the body", expected="UTF-8", found=found)
    return text


def _length(event: Event, otherwise: int) -> int:
    """Return how many bytes the client sent; a gateway that took them for text puts U+FFFD, three bytes, where it could not read them."""
    stated = _header(event, "content-length")
    return int(stated) if re.fullmatch("[0-9]{1,9}", stated) else otherwise


def _too_large(found: str) -> BadRequest:
    return BadRequest(
        413, "body_too_large", "the body", expected=f"at most {MOST_BYTES:,} bytes", found=found, remedy="Send it in several requests."
    )


def keep_of(event: Event) -> Keep:
    """Return what is to land where some records are refused, by the parameter `partial`."""
    stated = (event.get("queryStringParameters") or {}).get("partial", "false")
    if stated not in PARTIAL:
        raise BadRequest(400, "bad_parameter", "the parameter partial", expected="true or false", found=shown(stated) or "nothing")
    return PARTIAL[stated]


def once_of(event: Event) -> str | None:
    """Return the idempotency key as its caller's own, None where the client sent none."""
    if "idempotency-key" not in _headers(event):
        return None
    stated = _header(event, "idempotency-key")
    if not re.fullmatch(KEY, stated):
        expected = "1 to 255 printable ASCII characters without spaces"
        raise BadRequest(400, "bad_parameter", "the header Idempotency-Key", expected=expected, found=f"{len(stated)} characters")
    caller = caller_of(event)
    return f"{caller}\n{stated}" if caller else stated  # a key holds no line break


def caller_of(event: Event) -> str:
    """Return who calls, '' where the gateway does not say: all who share a secret key are one caller.

    It is the user or the role, never the session of a role, which is another one whenever a caller starts anew and sends a request again.
    """
    said = ((event["requestContext"].get("authorizer") or {}).get("iam") or {}).get("userId") or ""
    return str(said).partition(":")[0]


def shown(text: str) -> str:
    """Return what a client sent so that it can be shown to it again: short."""
    return text if len(text) <= 100 else text[:100] + "..."


def _header(event: Event, name: str) -> str:
    return str(_headers(event).get(name, ""))


def _headers(event: Event) -> Mapping[str, str]:
    return {name.lower(): value for name, value in (event.get("headers") or {}).items()}
