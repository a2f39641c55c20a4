"""Fault tests count their cases; a long run that passes writes them down."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.conftest import reach
from tests.faults.figures import FIGURES, LONG
from tests.faults.workers import Processes, processes

if TYPE_CHECKING:
    from tests.faults.stage import Stage


@pytest.fixture(scope="session")
def workers() -> Iterator[Processes]:
    """Processes that are started once: to start one costs more than what most tests have it do."""
    with processes(8 if LONG else 4) as started:
        yield started


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory, s3_endpoint: str) -> "Iterator[dict[str, Stage]]":
    from tests.faults.stage import staged

    with staged(tmp_path_factory.mktemp("stages"), s3_endpoint) as stages:
        yield stages


@pytest.fixture
def stages(prepared: "dict[str, Stage]", s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> "dict[str, Stage]":
    """The scenarios by name, ready to be played and disturbed."""
    reach(s3_endpoint, monkeypatch)
    return prepared


def pytest_sessionfinish(exitstatus: int) -> None:
    """Keep what a long run counted in which nothing failed."""
    if LONG and exitstatus == 0:
        FIGURES.keep()
