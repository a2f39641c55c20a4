"""A handler imported and ready, in a process that is new each time."""

import sys
from collections.abc import Iterator
from typing import Final

from benchmarks.harness import ROOT, Benchmark, Contestant

READY: Final = {
    "Python": "",
    "duckdb, deltalake and pyarrow imported": "import duckdb, deltalake, pyarrow",
    "the ingest handler imported": "import handlers.ingest",
    "the ingest handler ready": "from handlers.work import opened; import handlers.ingest; opened()",
    "the API's handler ready": "from handlers.work import opened; import handlers.api; opened()",
}
ENVIRONMENT: Final = {"LAKELET_PROJECT": str(ROOT / "pipelines"), "LAKELET_LAKE": "lake", "POWERTOOLS_SERVICE_NAME": "lakelet"}


def benchmarks(_scale: float) -> Iterator[Benchmark]:
    """Give the one benchmark."""
    yield Benchmark(
        "start",
        "From a new process to a handler that is ready",
        "Ready: all is imported, and the lake is opened, which reads and checks the five example pipelines. Its files are in the page "
        "cache, its bytecode is compiled. docs/image.md has the same inside the image, at each size of memory.",
        tuple(Contestant(name, (sys.executable, "-c", code), (), ENVIRONMENT) for name, code in READY.items()),
    )
