"""Raw objects in S3 or in a folder, behind a handful of verbs. Tables are not its business: `delta` and `engine` write those in place."""

from collections.abc import Mapping
from pathlib import Path

from core.storage.objects import ObjectGone, ObjectRef, ObjectTooLarge, Store, side_by_side

__all__ = ["ObjectGone", "ObjectRef", "ObjectTooLarge", "Store", "open_store", "side_by_side"]


def open_store(uri: str, options: Mapping[str, str]) -> Store:
    """Open `s3://bucket/prefix` or a folder."""
    from core.storage.bucket import Bucket
    from core.storage.folder import Folder

    return Bucket(uri, options) if uri.startswith("s3://") else Folder(Path(uri))
