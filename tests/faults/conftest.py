"""Fault tests count their cases; a whole long run that passes writes them down."""

from tests.faults.figures import FIGURES, LONG, PAGE, ROWS


def pytest_sessionfinish(exitstatus: int) -> None:
    """Write docs/reliability.md after a long run in which every row was met and nothing failed."""
    met = {row for row, _ in FIGURES.cases}
    if LONG and exitstatus == 0 and met == set(ROWS):
        PAGE.write_text(FIGURES.page(), "utf-8")
