"""What may be told of an error: its kind, names and places; never a credential, and a row's value only where it is allowed. Pure, but
for the secrets that it is told to keep.
"""

import re
from typing import Final
from urllib.parse import quote, quote_plus

HIDDEN: Final = "***"
SHORTEST_SECRET: Final = 8
"""Characters: anything shorter is no secret, and would be found in half of all words."""

LONGEST_QUOTE: Final = 200
LONGEST_VALUE: Final = 80
VALUE_MARK: Final = "\x1f"
"""Stands, inside a session, between a reason and the value that it quotes."""

_secrets: set[str] = set()

CREDENTIALS: Final = (
    r"(?P<kept>\b[a-z][a-z0-9+.-]{0,20}://)[^\s/?#]+(?=@)",  # a URL's user and password
    r"(?P<kept>[?&;](?:x-amz-(?:signature|credential|security-token)|awsaccesskeyid|signature|sig|\w*token|api[_-]?key|password)=)[^&\s\"'<>]+",
    r"(?P<kept><(?P<tag>awsaccesskeyid|signatureprovided|stringtosign(?:bytes)?|canonicalrequest(?:bytes)?|token[-\w]*)>).*?(?=</(?P=tag)>|$)",
    r"(?P<kept>\b(?:proxy-)?authorization\b[\"']?\s*[:=]\s*)[^\r\n]+",
    r"(?P<kept>\b(?:x-amz-security-token|x-api-key|api[_-]?key|(?:aws_)?secret(?:_access_key)?|(?:aws_)?session_token|password|passwd)"
    r"\b[\"']?(?:\s*[:=]\s*|\s+(?=['\"]))[\"']?)[^\s,;\"'}&<>]+",
    r"(?P<kept>\bBearer\s+)\S+",
    r"(?P<kept>)(?-i:\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b)",
)
"""How credentials look where they are quoted: in addresses, in S3's errors (they send back what was signed, token included), in SQL.

As texts: `re` makes patterns of them when a message is told, and keeps them. At the start they would be four milliseconds.
"""

CLASSES: Final = {
    "ConversionException": "a value that cannot be converted",
    "InvalidInputException": "a value that a function refuses",
    "OutOfRangeException": "a value out of range",
    "OutOfMemoryException": "out of memory",
    "ConstraintException": "a value that breaks a constraint",
    "NotImplementedException": "what DuckDB cannot do",
}
STATIC: Final = ("BinderException", "CatalogException", "ParserException", "SyntaxException")
"""DuckDB's errors about SQL and names, told before a row is read; all others may quote what a row holds."""

STORAGE: Final = ("IOException", "HTTPException", "PermissionException")

KIND: Final = (
    r"(?:VARCHAR|JSON|BOOL(?:EAN)?|U?INT(?:8|16|32|64|128)|U?(?:TINY|SMALL|BIG|HUGE)?INT(?:EGER)?|FLOAT|DOUBLE|UUID|BLOB|DATE|TIME"
    r"|TIMESTAMP(?:_\w+)?(?: WITH TIME ZONE)?|INTERVAL|DECIMAL\(\d+,\d+\))"
)
KNOWN: Final = (
    (rf"Conversion Error: Could not convert \w+ .* to (?P<to>{KIND})", "a value that is no {to}"),
    (rf"Conversion Error: Casting value .* to type (?P<to>{KIND}) failed: value is out of range!", "a value that is no {to}"),
    (rf"Conversion Error: Type {KIND} with value .* destination type (?P<to>{KIND})", "a value that is no {to}"),
    (r"Conversion Error: invalid (?P<to>date|timestamp|time) field format: .*", "a value that is no {to}"),
    (rf"Out of Range Error: Overflow in (?P<to>\w+ of {KIND}) .*", "an overflow in {to}"),
    (r"Invalid Input Error: (?P<to>More than one row returned by a subquery) used as .*", "{to}"),
    (
        r"Invalid Input Error: (?P<to>column [^\n]+: a (?:moment finer than microseconds|date or moment outside the years 1 to 9999))",
        "{to}",
    ),
)
"""What DuckDB says, and what is told of it; the whole message has to be so, or else a value could pass itself off as a type."""

OF_COLUMN: Final = re.compile(r" when casting from source column (?P<column>\w+)$")
EXCERPT: Final = re.compile(r"\n\s*LINE (\d+): ([^\n]*)(?:\n\s*\^\s*)?$")
PARTITION: Final = re.compile(r"(?<=[/\\])([^/\\=\s]+)=[^/\\\n]*(?=[/\\])")


def keep_secret(*values: str) -> None:
    """Let no message hold these from now on, in whatever form it quotes them."""
    _secrets.update(form for value in values if len(value) >= SHORTEST_SECRET for form in (value, quote(value, safe=""), quote_plus(value)))


def safe(text: str) -> str:
    """Return a message without the credentials in it."""
    for secret in sorted(_secrets, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    for pattern in CREDENTIALS:
        text = re.sub(pattern, lambda found: f"{found['kept']}{HIDDEN}", text, flags=re.IGNORECASE | re.DOTALL)
    return text


def is_of_sql(error: BaseException) -> bool:
    """Whether an error was raised before a row was read, and names only what stands in the SQL."""
    return type(error).__name__ in STATIC


def told(error: BaseException, *, sql: str = "", values: bool = False) -> str:
    """Return, in one line, what DuckDB's error says without the values that it quotes; with `values` its own words, shortened.

    An excerpt of `sql` is told where it really is one, and so is a message that stands in it (`error('no such day')`).
    """
    name, message = type(error).__name__, str(error)
    if is_of_sql(error):
        return " ".join(message.split())
    if name in STORAGE:
        return first_line(error)
    if values:
        return shortened(" ".join(message.split()), LONGEST_QUOTE)
    message, place = _without_excerpt(message, sql)
    column = OF_COLUMN.search(message) if name == "ConversionException" else None
    message = message[: column.start()] if column else message
    found = (says.format(to=match["to"]) for pattern, says in KNOWN if (match := re.fullmatch(pattern, message, re.DOTALL)))
    said = next(found, None) or _written(message, sql) or CLASSES.get(name, f"an error of the engine ({name})")
    where = f" in column {column['column']}" if column else ""
    return f"{said}{where}{place}"


def _written(message: str, sql: str) -> str:
    body = message.removeprefix("Invalid Input Error: ")
    return body if body != message and f"'{body.replace(chr(39), chr(39) * 2)}'" in sql else ""


def _without_excerpt(message: str, sql: str) -> tuple[str, str]:
    found = EXCERPT.search(message)
    if found is None:
        return message, ""
    excerpt = found[2].strip().removeprefix("...").removesuffix("...").strip()
    return message[: found.start()].rstrip(), f", at: {excerpt}" if excerpt and excerpt in sql else ""


def first_line(error: BaseException) -> str:
    """Return the first line of what storage says. Paths of a table's files hold the values of its partitions: those are left out."""
    return without_partitions((str(error).splitlines() or [type(error).__name__])[0])


def without_partitions(text: str) -> str:
    return PARTITION.sub(r"\1=...", text)


def shortened(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length]}..."
