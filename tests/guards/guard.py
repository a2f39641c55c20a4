"""What a guard is: a line or two without which data would be lost, doubled or bent; and what the code says without it. Pure."""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Guard:
    """A guard, the code with and without it, and the narrowest tests that fail without it (ids below tests/).

    `more` are further replacements in the same file, where the guard is an order of two steps.
    """

    name: str
    why: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    more: tuple[tuple[str, str], ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """The tests as pytest takes them."""
        return tuple(f"tests/{test}" for test in self.tests)

    def names(self, test: str) -> bool:
        """Whether a test is one of those, or one of their cases."""
        return any(test == name or test.startswith((f"{name}[", f"{name}::")) for name in self.ids)

    def problems(self, text: str) -> list[str]:
        """Say what is wrong with the entry, given its file's text: each old text has to stand there exactly once."""
        counts = [(old, text.count(old)) for old, _ in self.edits]
        found = [f"{self.name}: {self.file} holds this {count} times instead of once: {old!r}" for old, count in counts if count != 1]
        found += [f"{self.name}: nothing changes" for old, new in self.edits if old == new]
        return found if found else [] if self.tests else [f"{self.name}: it names no test"]

    @property
    def edits(self) -> tuple[tuple[str, str], ...]:
        return ((self.old, self.new), *self.more)

    def without(self, text: str) -> str:
        """Return the file's text without the guard."""
        for old, new in self.edits:
            text = text.replace(old, new)
        return text


def problems(guards: tuple[Guard, ...], root: Path = ROOT) -> list[str]:
    """Say what is wrong with a table of guards: names that stand twice, texts that no longer stand in the code."""
    names = [guard.name for guard in guards]
    found = [f"{name}: it stands in the table {names.count(name)} times" for name in dict.fromkeys(names) if names.count(name) > 1]
    for guard in guards:
        path = root / guard.file
        found += guard.problems(path.read_text("utf-8")) if path.is_file() else [f"{guard.name}: there is no {guard.file}"]
    return found
