"""Hostile tests count their cases, and a long run that passes writes them down; those of the HTTP API share a lake behind a gateway."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.figures import LONG
from tests.hostile.figures import FIGURES

if TYPE_CHECKING:
    from tests.hostile.served import Served


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, s3_endpoint: str) -> "Iterator[Served]":
    """A lake behind two processes that take requests; a module's tests share it, and the last of them looks at what became of it."""
    from tests.hostile.served import served

    with served(tmp_path_factory.mktemp("api"), s3_endpoint) as started:
        yield started


def pytest_sessionfinish(exitstatus: int) -> None:
    """Keep what a long run counted in which nothing failed."""
    if LONG and exitstatus == 0:
        FIGURES.keep()
