"""What the tests of the HTTP API share: a lake behind a gateway, and what must be true of it however it was asked."""

from collections.abc import Iterator

import pytest

from tests.hostile.served import Served, served


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, s3_endpoint: str) -> Iterator[Served]:
    """A lake behind two processes that take requests; a module's tests share it, and the last of them looks at what became of it."""
    with served(tmp_path_factory.mktemp("api"), s3_endpoint) as started:
        yield started
