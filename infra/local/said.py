"""What an environment says: its output, line by line, to whoever listens; and how many invocations it has ended."""

import threading
from collections.abc import Callable, Iterable

LONGEST_WAIT = 2.0


class Said:
    """The lines of one environment's output, read in a thread of its own."""

    def __init__(self, function: str, listen: Callable[[str, str], None]) -> None:
        self.function, self._listen = function, listen
        self.ended = 0
        self._more = threading.Condition()

    def read(self, chunks: Iterable[bytes]) -> None:
        """Hear all that is said until the end; chunks need not be lines."""
        threading.Thread(target=self._read, args=(chunks,), daemon=True, name=f"said-{self.function}").start()

    def _read(self, chunks: Iterable[bytes]) -> None:
        rest = b""
        for chunk in chunks:
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._hear(line.decode("utf-8", "replace").rstrip("\r"))
        if rest:
            self._hear(rest.decode("utf-8", "replace"))

    def _hear(self, line: str) -> None:
        if line:
            self._listen(self.function, line)
        if line.startswith("REPORT RequestId:"):  # the last line of an invocation, here and in the Runtime Interface Emulator
            with self._more:
                self.ended += 1
                self._more.notify_all()

    def wait_for_end(self, count: int) -> None:
        """Wait until what the invocations said has been heard: the answer overtakes it."""
        with self._more:
            self._more.wait_for(lambda: self.ended >= count, LONGEST_WAIT)
