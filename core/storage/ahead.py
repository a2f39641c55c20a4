"""Hashes files before they are fetched, in a thread of its own: beside DuckDB's work it costs little time. Nothing hangs on it.

A daemon, and no pool: a pool's threads are waited for when the process ends, and Ctrl-C must not take as long as gigabytes do.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from pathlib import Path
from threading import Thread

Looks = tuple[int, ...]
"""What tells that a file was touched: where it lies, its size, its time."""


class Ahead:
    """Hashes of files that somebody will ask for soon."""

    def __init__(self, digest: Callable[[Path], str]) -> None:
        self._digest = digest
        self._coming: dict[Path, Future[tuple[Looks, str]]] = {}

    def begin(self, paths: Iterable[Path]) -> None:
        """Start on these files, one after another."""
        coming: dict[Path, Future[tuple[Looks, str]]] = {path: Future() for path in paths if path not in self._coming}
        self._coming |= coming
        if coming:
            Thread(target=self._work, args=(coming,), name="hashes ahead", daemon=True).start()

    def take(self, path: Path) -> str | None:
        """Return a file's hash, for which it may have to wait; None where nobody began on it, it failed, or the file was touched since."""
        coming = self._coming.pop(path, None)
        if coming is None or coming.cancel():
            return None
        try:
            looked, digest = coming.result()
            return digest if looked == _looks(path) else None
        except Exception:  # whatever it is, reading the file again will say it
            return None

    def _work(self, coming: dict[Path, Future[tuple[Looks, str]]]) -> None:
        for path, future in coming.items():
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result((_looks(path), self._digest(path)))
            except Exception as error:
                future.set_exception(error)


def _looks(path: Path) -> Looks:
    status = path.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
