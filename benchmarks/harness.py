"""Runs contestants in fresh processes, in interleaved rounds, and holds their results against each other. Imports no engine: a child
starts with its parent's peak memory on its account (Linux), so this process stays small.
"""

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
CACHE: Final = Path(tempfile.gettempdir()) / "lakelet-benchmarks"
PAGE: Final = os.sysconf("SC_PAGE_SIZE")
INTERVAL: Final = 0.05
"""Seconds between two looks at a process tree's memory; a single process's peak is the kernel's own, to the page."""

LONGEST: Final = 3600
"""Seconds after which a contestant that hangs is ended."""


class Defect(Exception):
    """A figure that must not be reported: a contestant failed, or did other work than the others."""


@dataclass(frozen=True)
class Contestant:
    """One way to do a benchmark's work: a process started in an empty folder that `setup` has filled, and what must be true afterwards.

    `check` are the arguments of `benchmarks.check`; its answer must be the same for all that leave anything. It runs in `most` rounds at
    most. Where `missing` says why it cannot run here, its row says so. One that `tells` prints figures in its last line, as JSON: seconds
    and cpu of the step that is measured, instead of the whole process', and others that get a column of their own. One that `may_fail`, a
    rival that may lack memory, has a row that says so; where any other fails there are no figures of anyone.
    """

    name: str
    argv: tuple[str, ...]
    check: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    setup: Callable[[Path], object] | None = None
    most: int = 99
    missing: str = ""
    tells: bool = False
    may_fail: bool = False


@dataclass(frozen=True)
class Benchmark:
    """Contestants that do the same work; ratios are to the first. `inputs` are read once before, so that no one pays for a cold disk, and
    counted by their bytes; those to `discard` are too large to be kept for the next time.
    """

    name: str
    title: str
    note: str
    contestants: tuple[Contestant, ...]
    inputs: tuple[Path, ...] = ()
    discard: tuple[Path, ...] = ()
    most: int = 99
    """How many rounds at most."""


@dataclass(frozen=True)
class Result:
    """One run: wall and processor seconds of the whole process tree, or as it `tells`, its peak bytes, what else it told, and what its
    check found.
    """

    seconds: float
    cpu: float
    peak: int
    told: Mapping[str, float] = field(default_factory=dict)
    answer: tuple[int, str] | None = None


@dataclass(frozen=True)
class Measured:
    """A contestant's rounds."""

    contestant: Contestant
    results: tuple[Result, ...] = ()


def measure(benchmark: Benchmark, rounds: int, tell: Callable[[str], None]) -> tuple[Measured, ...]:
    """Run every contestant once a round, in turns; raises Defect where one fails or their results differ."""
    for path in benchmark.inputs:
        _warm(path)
    rounds = min(rounds, benchmark.most)
    failed: dict[str, str] = {}
    runnable = [contestant for contestant in benchmark.contestants if not contestant.missing]
    found: dict[str, list[Result]] = {contestant.name: [] for contestant in benchmark.contestants}
    for number in range(rounds):
        for contestant in runnable:
            if number >= contestant.most or contestant.name in failed:
                continue
            try:
                result = run(contestant)
            except Defect as defect:
                if not contestant.may_fail:
                    raise
                failed[contestant.name] = str(defect).partition(":\n")[0].partition(": ")[2]
                tell(f"{benchmark.name} {number + 1}/{rounds}  {defect}")
                continue
            found[contestant.name].append(result)
            tell(f"{benchmark.name} {number + 1}/{rounds}  {contestant.name}: {result.seconds:.2f} s, {result.peak >> 20} MB")
    answers = {result.answer: name for name, results in found.items() for result in results if result.answer}
    if len(answers) > 1:
        raise Defect(f"{benchmark.name}: different results: " + "; ".join(f"{name} {answer}" for answer, name in answers.items()))
    return tuple(
        Measured(replace(c, missing=failed[c.name]) if c.name in failed else c, () if c.name in failed else tuple(found[c.name]))
        for c in benchmark.contestants
    )


def run(contestant: Contestant) -> Result:
    """Run a contestant once in a folder of its own, and check what it left there."""
    with workspace() as folder:
        if contestant.setup:
            contestant.setup(folder)
        log = folder / ".log"
        spent = _timed(contestant, folder, log)
        if spent.code:
            raise Defect(f"{contestant.name}: exit code {spent.code}:\n{log.read_text(errors='replace')[-2000:]}")
        answer = json.loads(python("benchmarks.check", *contestant.check, folder=folder)) if contestant.check else None
        told = json.loads(log.read_text().splitlines()[-1]) if contestant.tells else {}
    seconds, cpu = told.pop("seconds", spent.seconds), told.pop("cpu", spent.cpu)
    return Result(seconds, cpu, spent.peak, told, (answer["rows"], answer["checksum"]) if answer else None)


def python(module: str, *arguments: str, folder: Path | None = None) -> str:
    """Run a module of this package in a process of its own, and return what it prints."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, cwd=folder, env=surroundings({}), capture_output=True, text=True, check=False)
    if done.returncode:
        raise Defect(f"{module}:\n{done.stderr[-2000:]}")
    return done.stdout


def surroundings(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a process: this one without anything that would set Lakelet up, and what is asked for.

    Every contestant's modules are compiled once and kept, as in the image: some machines forbid it, and each run would compile them all.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LAKELET_")}
    compiled = {"PYTHONPYCACHEPREFIX": str(CACHE / "bytecode"), "PYTHONDONTWRITEBYTECODE": ""}
    return {**kept, **compiled, "PYTHONPATH": str(ROOT), **environment}


@contextmanager
def workspace() -> Iterator[Path]:
    """Give an empty folder beside the cached inputs, on the same file system: they can be linked instead of copied."""
    CACHE.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=CACHE))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def forget(benchmark: Benchmark) -> None:
    """Remove the inputs that are too large to be kept."""
    for path in benchmark.discard:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _warm(path: Path) -> None:
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            with file.open("rb") as data:
                while data.read(1 << 24):
                    pass


# --- one process ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spent:
    """What a process and its descendants took, and how it ended."""

    seconds: float
    cpu: float
    peak: int
    code: int


def _timed(contestant: Contestant, folder: Path, log: Path) -> Spent:
    """Run a contestant's process; nothing of it is left running, however it ends."""
    with log.open("wb") as out:
        started = time.perf_counter()
        process = subprocess.Popen(
            contestant.argv, cwd=folder, env=surroundings(contestant.environment), stdout=out, stderr=out, start_new_session=True
        )
        watch = Watch(process.pid)
        patience = threading.Timer(LONGEST, _end, (process.pid,))
        patience.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - started
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            patience.cancel()
            watch.stop()
            _end(process.pid)
    largest = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    cpu = usage.ru_utime + usage.ru_stime + watch.cpu_beside(process.pid)
    return Spent(seconds, cpu, max(watch.peak, largest), process.returncode)


def _end(session: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(session, signal.SIGKILL)


class Watch:
    """Looks at all processes of a session, over and over: the highest sum of their resident memory, and the processor time of each.

    Sees nothing where there is no /proc. A process's own account at its end is exact; this one is for those that it leaves behind.
    """

    def __init__(self, session: int) -> None:
        self.peak = 0
        self._session, self._over = session, threading.Event()
        self._ticks: dict[str, int] = {}
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def cpu_beside(self, pid: int) -> float:
        """Return the processor seconds of the processes beside this one, as last seen."""
        return sum(ticks for name, ticks in self._ticks.items() if name != str(pid)) / os.sysconf("SC_CLK_TCK")

    def _look(self) -> None:
        members: Sequence[str] = ()
        for turn in itertools.count():
            if self._over.wait(INTERVAL):
                return
            if turn % 10 == 0:
                members = _members(self._session)
            self.peak = max(self.peak, sum(map(_resident, members)))
            self._ticks |= {pid: int(found[11]) + int(found[12]) for pid in members if (found := _stat(pid))}


def _members(session: int) -> Sequence[str]:
    if not Path("/proc").is_dir():
        return []
    return [
        entry.name for entry in os.scandir("/proc") if entry.name.isdigit() and (found := _stat(entry.name)) and int(found[3]) == session
    ]


def _stat(pid: str) -> list[str]:
    """Return what /proc says of a process after its name, state first ([3]: session; [11], [12]: ticks); nothing if it is gone."""
    try:
        return Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _resident(pid: str) -> int:
    try:
        return int(Path("/proc", pid, "statm").read_text().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0
