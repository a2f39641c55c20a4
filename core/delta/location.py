"""How a table's place is named: to us by a path or an s3:// prefix, to delta-rs by an address. Pure."""

from pathlib import Path
from urllib.parse import unquote


def address(uri: str) -> str:
    """Return a table's address as delta-rs takes it: it reads a bare path as if it were percent-encoded."""
    return uri if "://" in uri else Path(uri).as_uri()


def location(address: str) -> str:
    """Return the path or s3:// prefix of an address."""
    address = address.rstrip("/")
    return unquote(address.removeprefix("file://")) if address.startswith("file://") else address
