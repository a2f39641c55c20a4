"""A folder as an object store: the version of a file is the hash of its content."""

import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from uuid import uuid4

from core.errors import Terminal, Transient
from core.storage.ahead import Ahead
from core.storage.objects import ObjectGone, ObjectRef, bounded, gone

WORTH_WHILE: Final = 1 << 20
"""Bytes from which a file is hashed ahead: of a smaller one the other thread would take longer to say so."""

UNREAD: Final = "unread"
"""The version of a file that is too large to be read: which one it is tell its size and time."""


class Folder:
    """A folder as an object store: the version of a file is the hash of its content."""

    lanes = 1  # more threads only wait for each other: measured half as fast with 16
    keeps_time = True

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.root.mkdir(parents=True, exist_ok=True)
        self.uri = str(self.root)
        self._ahead = Ahead(_content_hash)

    def _path(self, key: str) -> Path:
        if key.startswith("/") or ".." in key.split("/"):
            raise Terminal(f"object {key!r}", expected="a key inside the lake", found="one that leads out of it")
        return self.root / key

    def list(self, prefix: str) -> Iterator[ObjectRef]:
        for directory, _, names in sorted(os.walk(self._path(prefix))):
            below = f"{Path(directory).relative_to(self.root).as_posix()}/".removeprefix("./")
            for name in sorted(names):
                try:
                    status = os.stat(f"{directory}/{name}")  # noqa: PTH116 - a Path for each of very many names costs twice as much
                except OSError as error:
                    if error.errno in (errno.ENOENT, errno.ELOOP):  # gone since, or a link to nowhere or to itself
                        continue
                    raise
                yield ObjectRef(f"{below}{name}", None, status.st_size, _instant(status.st_mtime))

    def foretell(self, refs: Iterable[ObjectRef]) -> None:
        self._ahead.begin(self._path(ref.key) for ref in refs if ref.size >= WORTH_WHILE)

    def fetch(self, ref: ObjectRef, to: Path, *, most: int | None = None) -> ObjectRef:
        """Link the file instead of copying it, where one disk holds both; `intact` tells later whether somebody wrote into it meanwhile."""
        source = self._path(ref.key)
        try:
            status = _file_status(source, ref)
            bounded(ObjectRef(ref.key, UNREAD, status.st_size, _instant(status.st_mtime)), most)
            _link_or_copy(source.resolve() if source.is_symlink() else source, to)
            status = to.stat()
            digest = (self._ahead.take(source) if status.st_size >= WORTH_WHILE else None) or _content_hash(to)
            found = ObjectRef(ref.key, digest, status.st_size, _instant(status.st_mtime))
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise gone(ref) from error
        except PermissionError as error:
            raise Terminal(f"object {ref.key}", expected="access", found=str(error), remedy="Check the file's permissions.") from error
        if ref.version not in (None, found.version):
            raise gone(ref)
        return found

    def head(self, ref: ObjectRef, length: int) -> tuple[ObjectRef, bytes]:
        path = self._path(ref.key)
        try:
            status = _file_status(path, ref)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise gone(ref) from error
        found = ObjectRef(ref.key, _content_hash(path), status.st_size, _instant(status.st_mtime))
        if ref.version not in (None, found.version):
            raise gone(ref)
        with path.open("rb") as file:
            return found, file.read(length)

    def intact(self, ref: ObjectRef, local: Path, /) -> bool:
        return _is_still(local, ref)

    def put(self, key: str, body: Path | bytes) -> None:
        target = self._path(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        waiting = target.with_name(f".{hashlib.sha256(key.encode()).hexdigest()[:16]}.{os.getpid()}.part")
        if isinstance(body, bytes):
            waiting.write_bytes(body)
        else:
            shutil.copyfile(body, waiting)
        waiting.replace(target)

    def claim(self, key: str, body: bytes) -> bool:
        target = self._path(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        waiting = target.with_name(f".{uuid4().hex}.part")
        waiting.write_bytes(body)
        try:
            os.link(waiting, target)  # unlike a rename it never replaces, and unlike an exclusive open it is whole at once
        except FileExistsError:
            return False
        finally:
            waiting.unlink()
        return True

    def get(self, key: str) -> bytes | None:
        path = self._path(key)
        return path.read_bytes() if path.is_file() else None

    def move(self, ref: ObjectRef, to: str, *, was: ObjectRef | None = None) -> None:  # noqa: ARG002
        source, target = self._path(ref.key), self._path(to)
        if not source.is_file() or not _is_still(source, ref):
            return  # moved by an earlier try, or overwritten since: what is there now is another version with its own fate
        try:
            source.replace(target)
        except FileNotFoundError:  # the first of its folder
            target.parent.mkdir(parents=True, exist_ok=True)
            source.replace(target)

    def origin(self, ref: ObjectRef) -> tuple[str, datetime] | None:
        """A file that is moved keeps its content and its time."""
        found, _ = self.head(ref, 0)
        return str(found.version), found.modified

    def delete(self, key: str) -> None:
        self._path(key).unlink(missing_ok=True)


def _file_status(path: Path, ref: ObjectRef) -> os.stat_result:
    """Return what a file, or the one that a link leads to, is; ObjectGone for a pipe, a socket or a device, which may have no end."""
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(path)
    if not stat.S_ISREG(status.st_mode):
        kinds = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
        found = kinds.get(stat.S_IFMT(status.st_mode), "a device")
        raise ObjectGone(f"object {ref.key}", expected="a file", found=found, remedy="Take it out of raw.")
    return status


def _is_still(path: Path, ref: ObjectRef) -> bool:
    """Whether a file is the version that was read: untouched since, or else of the same content."""
    return _untouched(path, ref) or _content_hash(path) == ref.version


def _untouched(path: Path, ref: ObjectRef) -> bool:
    status = path.stat()
    return (status.st_size, _instant(status.st_mtime)) == (ref.size, ref.modified)


def _link_or_copy(source: Path, to: Path) -> None:
    try:
        os.link(source, to)
    except OSError:  # another disk, or one without links
        before = source.stat()
        shutil.copy2(source, to)
        after = source.stat()
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise Transient(
                f"object {source}", expected="it to rest while it is copied", found="that it changed", remedy="Try again."
            ) from None


def _content_hash(path: Path) -> str:
    with path.open("rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
