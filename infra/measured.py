"""What measuring the image gives, as values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

MEMORY: Final = (512, 1024, 1769, 3008)
"""MB of a function at which cold starts are measured."""


@dataclass(frozen=True)
class Weights:
    """Bytes: of each package in the image and as its wheel brings it, of all that we add, of the base; and what the base is."""

    kept: Mapping[str, int]
    brought: Mapping[str, int]
    added: int
    whole: int
    base: int
    system: str


@dataclass(frozen=True)
class Start:
    """Seconds: until the container runs, of its initialisation, until its first answer in all; and those of its processor."""

    container: float
    init: float
    answer: float
    processor: float

    @property
    def asked(self) -> float:
        """Return the seconds from the container's start to the first answer."""
        return self.answer - self.container
