"""A fourth reader agrees, too; in the long run it reads every table of the tests that have a model."""

import pytest

from core.maintenance import maintain
from tests.faults import sail
from tests.faults.model import EVENTS, HEADER, STATES, assert_model, line, put
from tests.world import World

WHY = "not a long run (LAKELET_FAULTS=long), or no Sail here: pip install pysail pyspark-client"


@pytest.mark.skipif(not sail.AVAILABLE, reason=WHY)
@pytest.mark.parametrize(("name", "declared"), [("events", EVENTS), ("states", STATES)], ids=["append", "merge"])
def test_sail_reads_the_same_rows(anywhere: World, name: str, declared: str) -> None:
    anywhere.declare(declared)
    objects = []
    for n in range(6):
        objects.append(put(anywhere, f"raw/{name}/{n}.csv", HEADER + line(1, n, n) + line(n, n, None) + line("x", 1, 1)))
        anywhere.run()
    assert_model(anywhere, name, objects)
    assert maintain(anywhere.lake, anywhere.lake.project.named(name)).compacted
    assert_model(anywhere, name, objects)
