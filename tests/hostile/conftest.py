"""Hostile tests count their cases; a long run that passes writes them down."""

from tests.figures import LONG
from tests.hostile.figures import FIGURES


def pytest_sessionfinish(exitstatus: int) -> None:
    """Keep what a long run counted in which nothing failed."""
    if LONG and exitstatus == 0:
        FIGURES.keep()
