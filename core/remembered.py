"""What was found out about SQL by parsing it, remembered beside the project: to import the parser takes a third of a cold start.

Only what was found sound is remembered, by its text and by the rules that it was held against; what is wrong is found again each time. Who
can write this file can write the declarations, too.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, wraps
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar
from uuid import uuid4

Asked = ParamSpec("Asked")
Found = TypeVar("Found")

FILE: Final = Path(".lakelet", "sql.json")
"""Where it lies in a project's folder. It may be deleted at any time; an image's build writes it."""

MOST: Final = 10_000
"""Answers that are remembered; questions that somebody types come on top of the declarations'."""

HERE: Final = Path(__file__).parent

_answers: Final[dict[str, Any]] = {}
_asked: Final[set[str]] = set()


def remembered(rule: Callable[Asked, Found]) -> Callable[Asked, Found]:
    """Let a pure function of texts answer from what is known. Its answers are what JSON can say; tuples may come back as lists."""

    @wraps(rule)
    def answer(*args: Asked.args, **kwargs: Asked.kwargs) -> Found:
        question = sha256(json.dumps([_rules(), rule.__name__, args, kwargs]).encode()).hexdigest()
        if question not in _answers:
            found = rule(*args, **kwargs)
            if len(_answers) >= MOST:
                return found
            _answers[question] = found
        _asked.add(question)
        known: Found = _answers[question]
        return known

    return answer


@contextmanager
def beside(folder: Path) -> Iterator[None]:
    """Remember from one process to the next what is asked meanwhile, in a file of this folder, where it can be written."""
    kept = _read(folder / FILE)
    _answers.update(kept)
    _asked.clear()
    yield
    answers = {question: _answers[question] for question in sorted(_asked)}
    if answers.keys() != kept.keys():
        with suppress(OSError):
            _write(folder / FILE, answers)


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(file: Path, answers: dict[str, Any]) -> None:
    file.parent.mkdir(exist_ok=True)
    (file.parent / ".gitignore").write_text("*\n", "utf-8")
    waiting = file.with_name(f"{uuid4().hex}.part")
    waiting.write_text(json.dumps(answers), "utf-8")
    waiting.replace(file)


@cache
def _rules() -> str:
    """Return a digest of everything that an answer depends on beside the question: the rules as they are written, and the parser."""
    parser = find_spec("sqlglot")
    version = Path(parser.origin).with_name("_version.py") if parser and parser.origin else HERE
    files = [HERE / name for name in ("project.py", "pruning.py", "statements.py")]
    texts = [path.read_bytes() for path in (*files, *sorted((HERE / "locality").glob("*.py")), version) if path.is_file()]
    return sha256(b"\0".join(texts)).hexdigest()
