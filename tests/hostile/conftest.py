"""What several hostile tests start once."""

from collections.abc import Iterator

import pytest

from tests.hostile.alone import Loader, loader


@pytest.fixture(scope="session")
def alone() -> Iterator[Loader]:
    """A process that forks others, each for a load of its own."""
    with loader() as started:
        yield started
