"""Fault tests count their cases; a whole long run that passes writes them down."""

from collections.abc import Iterator

import pytest

from tests.faults.figures import FIGURES, LONG, PAGE, ROWS
from tests.faults.workers import Processes, processes


@pytest.fixture(scope="session")
def workers() -> Iterator[Processes]:
    """Processes that are started once: to start one costs more than what most tests have it do."""
    with processes(8 if LONG else 4) as started:
        yield started


def pytest_sessionfinish(exitstatus: int) -> None:
    """Write docs/reliability.md after a long run in which every row was met and nothing failed."""
    met = {row for row, _ in FIGURES.cases}
    if LONG and exitstatus == 0 and met == set(ROWS):
        PAGE.write_text(FIGURES.page(), "utf-8")
