"""Raw objects in S3 or in a folder, behind a handful of verbs. Tables are not its business: `delta` and `engine` write those in place."""

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, cast

import obstore
from obstore.store import LocalStore, S3Store

from core.errors import LakeError, Terminal, Transient

CHUNK = 4 << 20
GONE = ("404", "NoSuchKey", "NoSuchVersion", "412", "PreconditionFailed")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, order=True)
class ObjectRef:
    """One version of one object. `version` is S3's VersionId, else its ETag, else a content hash (folder); None before it was looked up."""

    key: str
    version: str | None = None
    size: int = 0
    modified: datetime = EPOCH

    @property
    def source(self) -> str:
        """The object as rows carry it in `_source`."""
        return f"{self.key}@{self.version}"


class ObjectGone(Terminal):
    """The object, or this version of it, is not there (any more)."""


class Store(Protocol):
    """What Lakelet needs of an object store. Every verb can be repeated after a crash."""

    uri: str
    lanes: int
    """How many requests at once are worth while."""

    def list(self, prefix: str) -> Iterator[ObjectRef]:
        """Yield the objects below a prefix, without their versions."""

    def fetch(self, ref: ObjectRef, to: Path) -> ObjectRef:
        """Copy exactly one version to a local file and return its full identity; raises ObjectGone."""

    def intact(self, ref: ObjectRef, local: Path, /) -> bool:
        """Whether a fetched file still is that version: in a folder it may be the object itself."""

    def put(self, key: str, body: Path | bytes) -> None:
        """Write an object by one atomic put."""

    def get(self, key: str) -> bytes | None:
        """Return a small object's bytes, None if there is none."""

    def move(self, ref: ObjectRef, to: str) -> None:
        """Copy this version, then delete it; nothing happens where it has gone already."""

    def delete(self, key: str) -> None:
        """Delete an object if it is there."""


class Folder:
    """A folder as an object store: the version of a file is the hash of its content."""

    lanes = 1  # more threads only wait for each other: measured half as fast with 16

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.root.mkdir(parents=True, exist_ok=True)
        self.uri = str(self.root)
        self._store = LocalStore(self.root, mkdir=True)

    def _path(self, key: str) -> Path:
        if key.startswith("/") or ".." in PurePosixPath(key).parts:
            raise Terminal(f"object {key!r}", expected="a key inside the lake", found="one that leads out of it")
        return self.root / key

    def list(self, prefix: str) -> Iterator[ObjectRef]:
        folder = self._path(prefix)
        for directory, _, names in sorted(os.walk(folder)):
            for name in sorted(names):
                path = Path(directory, name)
                try:
                    status = path.stat()
                except FileNotFoundError:  # gone since, or a link to nowhere
                    continue
                yield ObjectRef(path.relative_to(self.root).as_posix(), None, status.st_size, _instant(status.st_mtime))

    def fetch(self, ref: ObjectRef, to: Path) -> ObjectRef:
        """Link the file instead of copying it, where one disk holds both; `intact` tells later whether somebody wrote into it meanwhile."""
        source = self._path(ref.key)
        try:
            _link_or_copy(source.resolve(), to)
            status = to.stat()
            found = ObjectRef(ref.key, _content_hash(to), status.st_size, _instant(status.st_mtime))
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise _gone(ref) from error
        except PermissionError as error:
            raise Terminal(f"object {ref.key}", expected="access", found=str(error), remedy="Check the file's permissions.") from error
        if ref.version not in (None, found.version):
            raise _gone(ref)
        return found

    def intact(self, ref: ObjectRef, local: Path, /) -> bool:
        return _untouched(local, ref)

    def put(self, key: str, body: Path | bytes) -> None:
        target = self._path(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        waiting = target.with_name(f".{hashlib.sha256(key.encode()).hexdigest()[:16]}.{os.getpid()}.part")
        if isinstance(body, bytes):
            waiting.write_bytes(body)
        else:
            shutil.copyfile(body, waiting)
        waiting.replace(target)

    def get(self, key: str) -> bytes | None:
        path = self._path(key)
        return path.read_bytes() if path.is_file() else None

    def move(self, ref: ObjectRef, to: str) -> None:
        source, target = self._path(ref.key), self._path(to)
        if not source.is_file() or not _is_still(source, ref):
            return  # moved by an earlier try, or overwritten since: what is there now is another version with its own fate
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)

    def delete(self, key: str) -> None:
        self._path(key).unlink(missing_ok=True)


class Bucket:
    """S3. Reads go through obstore; copies and deletes of one version through boto3, because obstore cannot name the version."""

    lanes = 16

    def __init__(self, uri: str, options: Mapping[str, str]) -> None:
        self.uri = uri.rstrip("/")
        self.bucket, _, self.prefix = self.uri.removeprefix("s3://").partition("/")
        self._options = dict(options)
        self._store = S3Store(self.bucket, prefix=self.prefix or None, config=cast(Any, self._options))

    def _full(self, key: str) -> str:
        return f"{self.prefix}/{key}" if self.prefix else key

    @cached_property
    def _client(self) -> Any:
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self._options.get("aws_endpoint_url"),
            region_name=self._options.get("aws_region"),
            aws_access_key_id=self._options.get("aws_access_key_id"),
            aws_secret_access_key=self._options.get("aws_secret_access_key"),
            aws_session_token=self._options.get("aws_session_token"),
        )

    def list(self, prefix: str) -> Iterator[ObjectRef]:
        """Through boto3: obstore refuses a whole listing for one key such as `a//b`."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self._full(prefix))
        with _translated(f"{self.uri}/{prefix}"):
            for page in pages:
                for found in page.get("Contents", ()):
                    yield ObjectRef(found["Key"].removeprefix(self._full("")), None, found["Size"], found["LastModified"])

    def fetch(self, ref: ObjectRef, to: Path) -> ObjectRef:
        try:
            with _translated(f"object {ref.key}"):
                found = (self._fetch_plain if _is_plain(self._full(ref.key)) else self._fetch_odd)(ref, to)
        except FileNotFoundError:
            raise _gone(ref) from None
        if ref.version not in (None, found.version):
            raise _gone(ref)
        return replace(found, key=ref.key)

    def _fetch_plain(self, ref: ObjectRef, to: Path) -> ObjectRef:
        wanted: Any = {"version": ref.version} if ref.version and not _is_etag(ref.version) else {}
        got = obstore.get(self._store, ref.key, options=wanted)
        with to.open("wb") as copy:
            for chunk in got.stream(min_chunk_size=CHUNK):
                copy.write(chunk)
        return _identified(got.meta)

    def _fetch_odd(self, ref: ObjectRef, to: Path) -> ObjectRef:
        """A key that obstore would normalise into another one (`a//b`, `../a`)."""
        wanted = {"VersionId": ref.version} if ref.version and not _is_etag(ref.version) else {}
        got = self._client.get_object(Bucket=self.bucket, Key=self._full(ref.key), **wanted)
        with to.open("wb") as copy:
            shutil.copyfileobj(got["Body"], copy, CHUNK)
        meta = {"path": ref.key, "version": got.get("VersionId"), "e_tag": got["ETag"], "size": got["ContentLength"]}
        return _identified({**meta, "last_modified": got["LastModified"]})

    def intact(self, _: ObjectRef, __: Path, /) -> bool:
        return True

    def put(self, key: str, body: Path | bytes) -> None:
        with _translated(f"object {key}"):
            if _is_plain(self._full(key)):
                obstore.put(self._store, key, body)
            else:
                self._client.put_object(
                    Bucket=self.bucket, Key=self._full(key), Body=body if isinstance(body, bytes) else body.read_bytes()
                )

    def get(self, key: str) -> bytes | None:
        try:
            with _translated(f"object {key}"):
                return bytes(obstore.get(self._store, key).bytes())
        except FileNotFoundError:
            return None

    def move(self, ref: ObjectRef, to: str) -> None:
        if ref.version is None:
            raise Terminal(f"object {ref.key}", expected="a version", found="none", remedy="Fetch it first.")
        versioned = {} if _is_etag(ref.version) else {"VersionId": ref.version}
        unchanged = {"CopySourceIfMatch": ref.version} if _is_etag(ref.version) else {}
        source = {"Bucket": self.bucket, "Key": self._full(ref.key), **versioned}
        try:
            with _translated(f"object {ref.key}"):
                self._client.copy(source, self.bucket, self._full(to), ExtraArgs=unchanged)
                copied = self._client.head_object(Bucket=self.bucket, Key=self._full(to))
                if copied["ContentLength"] != ref.size:
                    raise Transient(f"copy of {ref.key} to {to}", expected=f"{ref.size} bytes", found=str(copied["ContentLength"]))
                self._client.delete_object(Bucket=self.bucket, Key=self._full(ref.key), **versioned)
        except FileNotFoundError:
            return  # moved by an earlier try, or overwritten since

    def delete(self, key: str) -> None:
        with _translated(f"object {key}"):
            obstore.delete(self._store, key)


@contextmanager
def _translated(subject: str) -> Iterator[None]:
    """Translate what obstore and boto3 raise: FileNotFoundError for what is gone, Terminal for refused access, Transient for the rest."""
    try:
        yield
    except (FileNotFoundError, LakeError):
        raise
    except Exception as error:
        code = getattr(error, "response", {}).get("Error", {}).get("Code", "")
        if isinstance(error, obstore.exceptions.NotFoundError) or code in GONE:
            raise FileNotFoundError(subject) from error
        if isinstance(error, DENIED) or code in ("403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"):
            remedy = "Check the credentials and the bucket's policy."
            raise Terminal(subject, expected="access", found=_first_line(error), remedy=remedy) from error
        if isinstance(error, obstore.exceptions.BaseError) or type(error).__module__.startswith("botocore"):
            raise Transient(subject, found=_first_line(error), remedy="Try again.") from error
        raise


DENIED = (obstore.exceptions.PermissionDeniedError, obstore.exceptions.UnauthenticatedError)


def _is_plain(key: str) -> bool:
    """Whether obstore takes a key as it is."""
    return key.isprintable() and all(part not in ("", ".", "..") for part in key.split("/"))


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def open_store(uri: str, options: Mapping[str, str]) -> Store:
    """Open `s3://bucket/prefix` or a folder."""
    return Bucket(uri, options) if uri.startswith("s3://") else Folder(Path(uri))


def _identified(meta: Mapping[str, Any]) -> ObjectRef:
    version = meta["version"] if meta["version"] not in (None, "null") else meta["e_tag"]
    return ObjectRef(meta["path"], version, meta["size"], meta["last_modified"])


def _is_etag(version: str) -> bool:
    return version.startswith('"')


def _is_still(path: Path, ref: ObjectRef) -> bool:
    """Whether a file is the version that was read: untouched since, or else of the same content."""
    return _untouched(path, ref) or _content_hash(path) == ref.version


def _untouched(path: Path, ref: ObjectRef) -> bool:
    status = path.stat()
    return (status.st_size, _instant(status.st_mtime)) == (ref.size, ref.modified)


def _link_or_copy(source: Path, to: Path) -> None:
    if source.is_dir():
        raise IsADirectoryError(source)
    try:
        os.link(source, to)
    except OSError:  # another disk, or one without links
        shutil.copy2(source, to)


def _content_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _gone(ref: ObjectRef) -> ObjectGone:
    return ObjectGone(
        f"object {ref.key}", expected=f"version {ref.version}" if ref.version else "it to be there", found="nothing, or another version"
    )
