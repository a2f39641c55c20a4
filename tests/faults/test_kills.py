"""A worker killed by SIGKILL before and after every storage request of everything it does; what it was doing is delivered again.

Killed before a request that reads, a lake is as it is after the last one that wrote: of those the long run takes one in four. Requests come
in another order in each run, so the n-th of a kind is another one now and then.
"""

from collections.abc import Iterator
from signal import SIGKILL

import pytest

from tests.faults.figures import FIGURES, LONG
from tests.faults.proxy import KILLS, MUTATING, READING, Plan
from tests.faults.scenarios import SCENARIOS
from tests.faults.stage import Case, Stage

READS = 4
"""One in so many reads is killed before."""


def boundaries(stage: Stage) -> Iterator[Plan]:
    """Yield a plan for each boundary of an undisturbed run; in the short run for the request that decides, and one more of each kind."""
    seen = stage.undisturbed()
    writes, reads = len(seen.matching(MUTATING)), len(seen.matching(READING))
    assert seen.matching(stage.scenario.decisive), seen.requests
    if not LONG:
        yield from (Plan(kill, 1, stage.scenario.decisive) for kill in KILLS)
        yield Plan(KILLS[len(stage.name) % 2], 1 + len(stage.name) % writes, MUTATING)
        return
    yield from (Plan(kill, nth, MUTATING) for nth in range(1, writes + 1) for kill in KILLS)
    yield from (Plan(KILLS[0], nth, READING) for nth in range(1, reads + 1, READS))


def killed(case: Case, plan: Plan) -> None:
    """Kill a worker, and let another one do the same again."""
    ended = case.play(plan)
    if ended.seen.hit:
        assert ended.status == -SIGKILL
        (case.world.home / "later").touch()
        case.assert_no_failure(case.play().said)
    case.assert_done()


@pytest.mark.parametrize("name", SCENARIOS)
def test_what_is_killed_at_any_request_is_finished_by_the_next_delivery(stages: dict[str, Stage], name: str) -> None:
    FIGURES.count("kills", name, stages[name].assert_each(boundaries(stages[name]), killed))


def test_the_work_of_a_worker_is_killed_where_it_was_planned(stages: dict[str, Stage]) -> None:
    with stages["append"].case() as case:
        ended = case.play(Plan("kill before", 1, case.scenario.decisive))
        assert ended.said is None
        assert len(case.world.keys("raw/")) == 1
        with pytest.raises(AssertionError):
            case.assert_done()
