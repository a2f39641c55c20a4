"""Faults around a real call: it is done, or not, and then the process dies, or the answer is a lie, or somebody else was there before."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from core.delta import Change, Snapshot
from core.errors import Conflict
from core.storage import ObjectRef
from core.storage.folder import Folder


class Killed(BaseException):
    """What a SIGKILL looks like from the inside: nothing catches it."""


@dataclass(frozen=True)
class Fault:
    """What happens at the call number `at` of a verb: a crash, a lie (Conflict, for a commit), before or `after` the real thing."""

    verb: Literal["commit", "move", "fetch", "put", "delete"]
    how: Literal["crash", "lie", "rival"] = "crash"
    at: int = 1
    after: bool = False


@dataclass
class Told:
    """What truly happened between arming and disarming: the commits that landed, and whether the process died."""

    fault: Fault | None = None
    rival: Callable[[], None] | None = None
    calls: Counter[str] = field(default_factory=Counter)
    landed: list[tuple[str, Change]] = field(default_factory=list)
    crashed: bool = False
    dead: bool = False

    def strikes(self, verb: str) -> bool:
        self.calls[verb] += 1
        return self.fault is not None and self.fault.verb == verb and self.calls[verb] == self.fault.at

    def error(self, fault: Fault) -> BaseException:
        self.dead = fault.how == "crash"
        return Killed() if self.dead else Conflict("commit", found="no answer")


class Trouble:
    """Stands around the real calls of one lake; what is armed inside of what is armed is a rival's, and undisturbed."""

    def __init__(self, commit: Callable[..., int]) -> None:
        self._commit = commit
        self._told = [Told()]

    @contextmanager
    def armed(self, fault: Fault | None = None, rival: Callable[[], None] | None = None) -> Iterator[Told]:
        told = Told(fault, rival)
        self._told.append(told)
        try:
            yield told
        except Killed:
            told.crashed = True
        finally:
            self._told.pop()

    def around(self, verb: str, real: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        told = self._told[-1]
        if told.dead:  # whoever else was at work in that process
            raise Killed
        fault = told.fault if told.strikes(verb) else None
        if fault and fault.how == "rival" and told.rival:
            told.rival()
        elif fault and not fault.after:
            raise told.error(fault)
        result = real(*arguments, **options)
        if verb == "commit":
            told.landed.append((arguments[0].uri, arguments[1]))
        if fault and fault.how != "rival" and fault.after:
            raise told.error(fault)
        return result

    def commit(self, snapshot: Snapshot, change: Change, **options: Any) -> int:
        version: int = self.around("commit", self._commit, snapshot, change, **options)
        return version


class Unsteady(Folder):
    """A folder whose requests may fail."""

    def __init__(self, root: Path, trouble: Trouble) -> None:
        super().__init__(root)
        self._trouble = trouble

    def fetch(self, ref: ObjectRef, to: Path, *, most: int | None = None) -> ObjectRef:
        found: ObjectRef = self._trouble.around("fetch", super().fetch, ref, to, most=most)
        return found

    def move(self, ref: ObjectRef, to: str, *, was: ObjectRef | None = None) -> None:
        self._trouble.around("move", super().move, ref, to, was=was)

    def put(self, key: str, body: Path | bytes) -> None:
        self._trouble.around("put", super().put, key, body)

    def delete(self, key: str) -> None:
        self._trouble.around("delete", super().delete, key)
