"""How things look in a terminal: words, plain tables, progress, errors. Decides nothing and reads no lake."""

import json
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from core.errors import InvalidProject, LakeError, Problem
from core.query import json_value
from core.run import Step
from handlers.wording import plural, sentence

PIPE_WIDTH: Final = 10_000
"""Nothing is folded where nobody looks: a line in a log or a pipe stays a line."""


def console(*, stderr: bool = False) -> Console:
    made = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not made.is_terminal:
        made.width = PIPE_WIDTH
    return made


class Place:
    """Where the lake and its raw objects are, as a person would type it, and the commands that go on from here."""

    def __init__(self, lake: str, raw: str, flags: Sequence[str]) -> None:
        self.lake, self.raw, self._flags = _short(lake), _short(raw), list(flags)

    def path(self, key: str) -> str:
        return f"{self.lake}/{key}"

    def raw_path(self, key: str) -> str:
        return f"{self.raw}/{key}"

    def command(self, *words: str) -> str:
        """Return a command with the options that this one was given; a word that starts with `"` is taken as it stands."""
        given = [word if word.startswith('"') else shlex.quote(word) for word in (*words, *self._flags)]
        return " ".join(["lakelet", *given])


def _short(location: str) -> str:
    here = str(Path.cwd())
    return location.removeprefix(f"{here}/") if location != here else "."


# --- small things --------------------------------------------------------------------------------------------------------------------


def size(count: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def ago(moment: datetime, now: datetime) -> str:
    seconds = (now - moment).total_seconds()
    for length, unit in ((86400 * 2, "day"), (3600 * 2, "hour"), (60 * 2, "minute")):
        if seconds >= length:
            return f"{plural(int(seconds // (length // 2)), unit)} ago"
    return "just now" if seconds < 60 else "a minute ago"


def as_json(value: Any) -> str:
    """Return one JSON document; what JSON lacks is written as `core.query.json_value` says."""

    def other(found: Any) -> Any:
        return asdict(found) if is_dataclass(found) and not isinstance(found, type) else json_value(found)

    return json.dumps(value, default=other, indent=2, ensure_ascii=False, allow_nan=False)


def plain_table(*headers: str, left: int = 1, show_header: bool = True) -> Table:
    """Return a table without lines; all but the first columns are right-aligned numbers."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", show_header=show_header)
    for n, header in enumerate(headers):
        made.add_column(header, justify="left" if n < left else "right", no_wrap=True)
    return made


def heading(to: Console, text: str, style: str = "bold") -> None:
    to.print()
    to.print(text, style=style)


def count(number: int, style: str = "") -> Text:
    return Text(f"{number:,}", style=style) if number else Text("0", style="dim")


# --- progress ------------------------------------------------------------------------------------------------------------------------


@contextmanager
def progress(to: Console) -> Iterator[Callable[[Step], None]]:
    """Show what is being done: one line that changes on a terminal, a line a step in a log."""
    if not to.is_terminal:
        yield lambda step: to.print(sentence(step))
        return
    with to.status("looking for work") as status:
        yield lambda step: status.update(Text(sentence(step)))


# --- errors --------------------------------------------------------------------------------------------------------------------------


def show_error(to: Console, error: LakeError) -> None:
    """Say what went wrong: the subject in red, then what was expected and found, and what to do."""
    if isinstance(error, InvalidProject):
        show_problems(to, error.problems)
        return
    to.print(error.subject, style="bold red")
    for word, text in (("expected", error.expected), ("found", error.found)):
        if text:
            to.print(f"\n{text}" if "\n" in text else f"  {word} {text}")
    if error.remedy:
        to.print(error.remedy if "\n" in error.found else f"  {error.remedy}")


def show_problems(to: Console, problems: Sequence[Problem], folder: Path | None = None) -> None:
    """Say what is wrong in the declarations, a line each, as editors and terminals can follow it: file:line."""
    for problem in problems:
        to.print(f"{_short(str(folder))}/{problem}" if folder else str(problem), soft_wrap=True)
    to.print(f"{plural(len(problems), 'problem')} in the declarations", style="bold red")


def error_as_json(error: LakeError) -> str:
    said = {
        "kind": type(error).__name__,
        "subject": error.subject,
        "expected": error.expected,
        "found": error.found,
        "remedy": error.remedy,
    }
    problems = {"problems": list(error.problems)} if isinstance(error, InvalidProject) else {}
    return as_json({"error": {**said, **problems}})
