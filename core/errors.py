"""What can go wrong, typed by what the caller must do about it.

A `Terminal` error will be the same tomorrow: reject the object, tell the user, never retry. A `Transient` one may pass: try again.
"""

from dataclasses import dataclass

from core.telling import safe


class LakeError(Exception):
    """Every error that Lakelet raises on purpose: what it concerns, what was expected, what was found, what to do. Never a credential."""

    def __init__(self, subject: str, *, expected: str = "", found: str = "", remedy: str = "") -> None:
        self.subject, self.expected, self.found, self.remedy = safe(subject), safe(expected), safe(found), safe(remedy)
        super().__init__(str(self))

    def __str__(self) -> str:
        parts = [self.subject]
        if self.expected or self.found:
            parts.append("; ".join(filter(None, [self.expected and f"expected {self.expected}", self.found and f"found {self.found}"])))
        sentence = ": ".join(parts)
        return f"{sentence}. {self.remedy}" if self.remedy else f"{sentence}."


class Terminal(LakeError):
    """It will fail the same way again; nobody should retry it."""


class Transient(LakeError):
    """It may succeed when tried again from the beginning."""


class Rejected(Terminal):
    """One whole object cannot be loaded; `reason` names the folder below `rejected/` where it is set aside."""

    def __init__(self, reason: str, subject: str, *, expected: str = "", found: str = "", remedy: str = "") -> None:
        self.reason = reason
        super().__init__(subject, expected=expected, found=found, remedy=remedy)


class OutOfTime(Transient):
    """The time that was granted is nearly over; what was not committed was not done. Trying again at once would not help."""


class Conflict(Transient):
    """Another writer committed first; open the table again and decide anew."""


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong in a declaration: where (file, line, path inside the file) and what."""

    file: str
    line: int
    path: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.path}: {self.message}" if self.path else f"{where}: {self.message}"

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", safe(self.message))


class InvalidProject(Terminal):
    """The declarations do not hold together; carries every problem of every file."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__(f"{len(problems)} problem{'s'[: len(problems) != 1]} in the declarations", remedy="\n".join(map(str, problems)))
