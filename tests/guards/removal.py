"""Runs a guard's tests in a copy of the tree, with the guard and without it. The tree itself is never touched."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path
from typing import Final

from tests.guards.guard import ROOT, Guard

LIMIT: Final = 180
"""Seconds that the tests of one guard may take."""

LEFT_OUT: Final = shutil.ignore_patterns(".git", ".venv*", "lake", ".*_cache", ".aws-sam")
NOT_THE_GUARD: Final = ("NameError", "UnboundLocalError", "ImportError", "ModuleNotFoundError", "SyntaxError")
"""A test that fails by one of these found no guard missing but code that does not run."""

WITHOUT: Final = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest")
"""Plugins of pytest that nothing here needs; the second one takes longer to start than most tests to run."""

CRASHES: Final = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS)
"""What a process dies of whose reader was fed what it cannot bear."""


@dataclass(frozen=True)
class Seen:
    """What a guard's tests did: `verdict` is red, green or broken; `test` is the one that failed, `said` its error."""

    verdict: str
    seconds: float
    test: str = ""
    said: str = ""


class Copy:
    """A copy of the tree, and a folder for what its tests write."""

    def __init__(self, home: Path) -> None:
        self.tree, self.temporary = home / "tree", home / "temporary"
        shutil.copytree(ROOT, self.tree, ignore=LEFT_OUT)
        self.temporary.mkdir()

    def whole(self, tests: Sequence[str]) -> frozenset[str]:
        """Run tests with every guard in its place; return those that fail, all of them where they cannot even be collected."""
        code, output, _ = self._run(tests, limit=LIMIT * 10)
        if code == 0:
            return frozenset()
        return frozenset(re.findall(r"^(?:FAILED|ERROR) (tests/\S+?(?:::.+?)?)(?: - .*)?$", output, re.MULTILINE)) or frozenset(tests)

    def without(self, guard: Guard) -> Seen:
        """Run a guard's tests without it, and put it back."""
        path = self.tree / guard.file
        text = path.read_text("utf-8")
        try:
            _write(path, guard.without(text))
            return _seen(guard.ids, *self._run(["-x", *guard.ids], limit=LIMIT))
        finally:
            _write(path, text)

    def _run(self, arguments: Sequence[str], *, limit: float) -> tuple[int, str, float]:
        """Run pytest in the copy; return its exit code (negative where it did not end in time), what it said and the seconds."""
        shutil.rmtree(self.temporary)
        self.temporary.mkdir()
        options = ["-q", "--tb=no", "--no-header", *WITHOUT, f"--basetemp={self.temporary}/pytest"]
        started = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", *options, *arguments],
            cwd=self.tree, env=_environment(self.temporary), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,
        )  # fmt: skip
        try:
            output, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            output = ""
        finally:
            _end(process)
        return process.returncode, output, time.monotonic() - started


def _seen(tests: Sequence[str], code: int, output: str, seconds: float) -> Seen:
    failed = re.search(r"^FAILED (tests/\S+?::.+?)(?: - (.*))?$", output, re.MULTILINE)
    if code == 0:
        return Seen("green", seconds)
    if -code in CRASHES:
        return Seen("red", seconds, tests[0], f"the process died: {signal.Signals(-code).name}")
    if code != 1 or failed is None or (failed[2] or "").startswith(NOT_THE_GUARD):
        told = f"no end within {LIMIT} s" if code < 0 else " ".join(output.split()[-60:])
        return Seen("broken", seconds, said=f"exit code {code}: {told}")
    return Seen("red", seconds, failed[1], (failed[2] or "").strip())


def _end(process: "subprocess.Popen[str]") -> None:
    """End what is left of a run that hung or died: itself, and the servers that it started."""
    with suppress(ProcessLookupError):  # nothing is left of it: as it should be
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _write(path: Path, text: str) -> None:
    """Write a module, and forget what was compiled of it: a text of the same length in the same second would not be noticed."""
    path.write_text(text, "utf-8")
    Path(cache_from_source(str(path))).unlink(missing_ok=True)


def _environment(temporary: Path) -> Mapping[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LAKELET_", "AWS_", "PYTEST_"))}
    return {**kept, "TMPDIR": str(temporary), "COLUMNS": "300"}
