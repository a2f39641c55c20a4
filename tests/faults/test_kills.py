"""A worker killed by SIGKILL before and after every storage request of everything it does; what it was doing is delivered again.

Killed before a request that reads, a lake is as it is after the last one that wrote: of those the long run takes one in four, others
in each round. Requests come in another order in each run, so the n-th of a kind is another one now and then.
"""

from collections.abc import Iterator
from signal import SIGKILL

import pytest

from tests.faults.figures import FIGURES, LONG
from tests.faults.proxy import KILLS, MUTATING, READING, Plan
from tests.faults.scenarios import SCENARIOS
from tests.faults.stage import Stage, staged

ROUNDS = 2 if LONG else 1
READS = 4
"""One in so many reads is killed before, in each round others."""


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory, s3_endpoint: str) -> Iterator[dict[str, Stage]]:
    with staged(tmp_path_factory.mktemp("kills"), s3_endpoint) as found:
        yield found


def boundaries(stage: Stage) -> Iterator[Plan]:
    """Yield a plan for each boundary of an undisturbed run; in the short run for the request that decides, and one more of each kind."""
    seen = stage.play(stage.case()).seen
    writes, reads = len(seen.matching(MUTATING)), len(seen.matching(READING))
    assert seen.matching(stage.scenario.decisive), seen.requests
    if not LONG:
        yield from (Plan(kill, 1, stage.scenario.decisive) for kill in KILLS)
        yield Plan(KILLS[len(stage.name) % 2], 1 + len(stage.name) % writes, MUTATING)
        return
    for turn in range(ROUNDS):
        yield from (Plan(kill, nth, MUTATING) for nth in range(1, writes + 1) for kill in KILLS)
        yield from (Plan(KILLS[0], nth, READING) for nth in range(1 + turn * READS // ROUNDS, reads + 1, READS))


def killed(stage: Stage, plan: Plan) -> bool:
    """Kill a worker and let another one do the same again; whether the plan's request came at all."""
    world = stage.case()
    ended = stage.play(world, plan)
    if ended.seen.hit is None:
        stage.assert_done(world)
        return False
    assert ended.status == -SIGKILL
    (stage.home / "later").touch()
    stage.assert_no_failure(stage.play(world).said)
    stage.assert_done(world)
    return True


@pytest.mark.parametrize("name", SCENARIOS)
def test_what_is_killed_at_any_request_is_finished_by_the_next_delivery(stages: dict[str, Stage], name: str) -> None:
    wrong, cases = {}, 0
    for plan in boundaries(stages[name]):
        try:
            cases += killed(stages[name], plan)
        except AssertionError as error:
            wrong[f"{plan.fault} {plan.nth} of {plan.match}: {stages[name].workers.proxy.seen().hit}"] = str(error)[:2000]
    assert not wrong, "\n".join(f"{case}\n{error}" for case, error in wrong.items())
    FIGURES.count("kills", name, cases)


def test_the_work_of_a_worker_is_killed_where_it_was_planned(stages: dict[str, Stage]) -> None:
    stage = stages["append"]
    world = stage.case()
    ended = stage.play(world, Plan("kill before", 1, stage.scenario.decisive))
    assert ended.said is None
    assert len(world.keys("raw/")) == 1
    with pytest.raises(AssertionError):
        stage.assert_done(world)
