"""S3 as an object store. Reads go through obstore; whatever names one version, and keys that obstore would bend, through boto3."""

import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final, cast

import obstore
from obstore.store import S3Store
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from core.errors import LakeError, Terminal, Transient
from core.storage.objects import ObjectRef, bounded, gone
from core.telling import first_line

CHUNK: Final = 4 << 20
GONE: Final = ("404", "NoSuchKey", "NoSuchVersion", "412", "PreconditionFailed")
SAID: Final = ("ContentType", "ContentEncoding", "ContentLanguage", "ContentDisposition", "CacheControl")
WAS_VERSION: Final = "lakelet-version"
WAS_MODIFIED: Final = "lakelet-modified"
METADATA_BYTES: Final = 1800
"""Of a producer's own metadata: S3 takes 2 KB in all, and an object that can't be archived for its sake would stay in raw for good."""

COPIED_AT_ONCE: Final = 64 << 20
"""Bytes that one request copies; what is larger is copied in parts, side by side."""

DENIED: Final = (obstore.exceptions.PermissionDeniedError, obstore.exceptions.UnauthenticatedError)

AGAIN: Final = retry(
    retry=retry_if_exception_type(Transient), stop=stop_after_attempt(3), wait=wait_random_exponential(0.1, 1), reraise=True
)
"""For what obstore does not repeat when there was no answer, because it may have been done: what finds it done is content."""


class Bucket:
    """S3. Reads go through obstore; copies and deletes of one version through boto3, because obstore cannot name the version."""

    lanes = 16
    keeps_time = False

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
        from botocore.config import Config

        limits = {name: int(self._options[name].removesuffix("s")) for name in ("connect_timeout", "read_timeout") if name in self._options}
        return boto3.client(
            "s3",
            config=Config(max_pool_connections=self.lanes, **limits),
            endpoint_url=self._options.get("aws_endpoint_url"),
            region_name=self._options.get("aws_region"),
            aws_access_key_id=self._options.get("aws_access_key_id"),
            aws_secret_access_key=self._options.get("aws_secret_access_key"),
            aws_session_token=self._options.get("aws_session_token"),
        )

    def list(self, prefix: str) -> Iterator[ObjectRef]:
        """Through boto3: obstore lists no versions, and refuses a whole listing for one key such as `a//b`."""
        pages = self._client.get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=self._full(prefix))
        with _translated(f"{self.uri}/{prefix}"):
            for page in pages:
                for found in page.get("Versions", ()):
                    if found["IsLatest"]:
                        meta = {"path": found["Key"].removeprefix(self._full("")), "version": found["VersionId"], "e_tag": found["ETag"]}
                        yield _identified({**meta, "size": found["Size"], "last_modified": found["LastModified"]})

    def foretell(self, refs: Iterable[ObjectRef]) -> None:
        """S3 names its versions: there is nothing to work out."""

    def fetch(self, ref: ObjectRef, to: Path, *, most: int | None = None) -> ObjectRef:
        try:
            with _translated(f"object {ref.key}"):
                found = (self._fetch_plain if _is_plain(self._full(ref.key)) else self._fetch_odd)(ref, to, most)
        except FileNotFoundError:
            raise gone(ref) from None
        if ref.version not in (None, found.version):
            raise gone(ref)
        return replace(found, key=ref.key)

    def _fetch_plain(self, ref: ObjectRef, to: Path, most: int | None) -> ObjectRef:
        wanted: Any = {"version": ref.version} if ref.version and not _is_etag(ref.version) else {}
        got = obstore.get(self._store, ref.key, options=wanted)
        found = _identified(got.meta)
        bounded(replace(found, key=ref.key), most)
        with to.open("wb") as copy:
            for chunk in got.stream(min_chunk_size=CHUNK):
                copy.write(chunk)
        return found

    def _fetch_odd(self, ref: ObjectRef, to: Path, most: int | None) -> ObjectRef:
        """A key that obstore would normalise into another one (`a//b`, `../a`)."""
        wanted = {"VersionId": ref.version} if ref.version and not _is_etag(ref.version) else {}
        got = self._client.get_object(Bucket=self.bucket, Key=self._full(ref.key), **wanted)
        meta = {"path": ref.key, "version": got.get("VersionId"), "e_tag": got["ETag"], "size": got["ContentLength"]}
        found = _identified({**meta, "last_modified": got["LastModified"]})
        with closing(got["Body"]) as body, to.open("wb") as copy:
            bounded(found, most)
            shutil.copyfileobj(body, copy, CHUNK)
        return found

    def head(self, ref: ObjectRef, length: int) -> tuple[ObjectRef, bytes]:
        """Through boto3, which takes any key."""
        which = {"IfMatch": ref.version} if ref.version and _is_etag(ref.version) else {"VersionId": ref.version} if ref.version else {}
        try:
            with _translated(f"object {ref.key}"):
                got = self._client.get_object(Bucket=self.bucket, Key=self._full(ref.key), **which)
                meta = {"path": ref.key, "version": got.get("VersionId"), "e_tag": got["ETag"], "last_modified": got["LastModified"]}
                with closing(got["Body"]) as body:  # a Range would refuse an empty object
                    return _identified({**meta, "size": got["ContentLength"]}), bytes(body.read(length))
        except FileNotFoundError:
            raise gone(ref) from None

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

    @AGAIN
    def claim(self, key: str, body: bytes) -> bool:
        try:
            with _translated(f"object {key}"):
                if _is_plain(self._full(key)):
                    obstore.put(self._store, key, body, mode="create")
                else:
                    self._client.put_object(Bucket=self.bucket, Key=self._full(key), Body=body, IfNoneMatch="*")
        except FileExistsError:
            if _is_plain(self._full(key)) and self.get(key) is None:  # obstore 0.12 says so of a 409 too: another write is under way
                raise Transient(f"object {key}", expected="it to be there", found="a write under way", remedy="Try again.") from None
            return False
        except FileNotFoundError as error:
            raise Transient(f"object {key}", expected=f"the bucket {self.bucket}", found="none") from error
        return True

    def get(self, key: str) -> bytes | None:
        try:
            with _translated(f"object {key}"):
                if _is_plain(self._full(key)):
                    return bytes(obstore.get(self._store, key).bytes())
                with closing(self._client.get_object(Bucket=self.bucket, Key=self._full(key))["Body"]) as body:
                    return bytes(body.read())
        except FileNotFoundError:
            return None

    def move(self, ref: ObjectRef, to: str, *, was: ObjectRef | None = None) -> None:
        if ref.version is None:
            raise Terminal(f"object {ref.key}", expected="a version", found="none", remedy="Fetch it first.")
        bare = _is_etag(ref.version)  # a bucket without versions: only what is still the same may go
        versioned = {} if bare else {"VersionId": ref.version}
        unchanged, same = ({"CopySourceIfMatch": ref.version}, {"IfMatch": ref.version}) if bare else ({}, {})
        source = {"Bucket": self.bucket, "Key": self._full(ref.key), **versioned}
        try:
            with _translated(f"object {ref.key}"):
                self._copy(source, to, {**self._told({**source, **same}, was or ref), **unchanged}, ref.size)
                copied = self._client.head_object(Bucket=self.bucket, Key=self._full(to))
                if copied["ContentLength"] != ref.size:
                    raise Transient(f"copy of {ref.key} to {to}", expected=f"{ref.size} bytes", found=str(copied["ContentLength"]))
                which = {"IfMatch": ref.version} if bare else versioned
                self._client.delete_object(Bucket=self.bucket, Key=self._full(ref.key), **which)
        except FileNotFoundError:
            return  # moved by an earlier try, or overwritten since

    def _told(self, which: Mapping[str, str], was: ObjectRef) -> dict[str, Any]:
        """Return what a copy says of itself: all that its producer said, and which version it was at which time."""
        head = self._client.head_object(**which)
        said = {name: head[name] for name in SAID if name in head}
        ours = {WAS_VERSION: str(was.version), WAS_MODIFIED: was.modified.isoformat()}
        theirs = head["Metadata"] if sum(map(len, (*head["Metadata"], *head["Metadata"].values()))) < METADATA_BYTES else {}
        return {**said, "Metadata": {**theirs, **ours}, "MetadataDirective": "REPLACE"}

    def _copy(self, source: Mapping[str, str], to: str, extra: Mapping[str, Any], size: int) -> None:
        if size <= COPIED_AT_ONCE:
            self._client.copy_object(CopySource=source, Bucket=self.bucket, Key=self._full(to), **extra)
        else:
            self._client.copy(source, self.bucket, self._full(to), ExtraArgs=extra)

    def origin(self, ref: ObjectRef) -> tuple[str, datetime] | None:
        try:
            with _translated(f"object {ref.key}"):
                told = self._client.head_object(Bucket=self.bucket, Key=self._full(ref.key))["Metadata"]
        except FileNotFoundError:
            raise gone(ref) from None
        if WAS_VERSION not in told or WAS_MODIFIED not in told:
            return None
        return told[WAS_VERSION], datetime.fromisoformat(told[WAS_MODIFIED])

    @AGAIN
    def delete(self, key: str) -> None:
        with _translated(f"object {key}"):
            if _is_plain(self._full(key)):
                obstore.delete(self._store, key)
            else:
                self._client.delete_object(Bucket=self.bucket, Key=self._full(key))


@contextmanager
def _translated(subject: str) -> Iterator[None]:
    """Translate what obstore and boto3 raise.

    FileNotFoundError for what is gone, FileExistsError for what was to be new, Terminal for refused access, Transient for the rest.
    """
    try:
        yield
    except (FileNotFoundError, LakeError):
        raise
    except Exception as error:
        code = (getattr(error, "response", None) or {}).get("Error", {}).get("Code", "")  # a time-out has a response that is None
        is_put = getattr(error, "operation_name", "") == "PutObject"  # what fails its condition there is there already
        if isinstance(error, obstore.exceptions.AlreadyExistsError) or (is_put and code in GONE):
            raise FileExistsError(subject) from error
        if isinstance(error, obstore.exceptions.NotFoundError) or code in GONE:
            raise FileNotFoundError(subject) from error
        if isinstance(error, DENIED) or code in ("403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"):
            remedy = "Check the credentials and the bucket's policy."
            raise Terminal(subject, expected="access", found=first_line(error), remedy=remedy) from None
        if isinstance(error, obstore.exceptions.BaseError) or type(error).__module__.startswith("botocore"):
            raise Transient(subject, found=first_line(error), remedy="Try again.") from None
        raise


def _is_plain(key: str) -> bool:
    """Whether obstore takes a key as it is."""
    return key.isprintable() and all(part not in ("", ".", "..") for part in key.split("/"))


def _identified(meta: Mapping[str, Any]) -> ObjectRef:
    version = meta["version"] if meta["version"] not in (None, "null") else meta["e_tag"]
    return ObjectRef(meta["path"], version, meta["size"], meta["last_modified"])


def _is_etag(version: str) -> bool:
    return version.startswith('"')
