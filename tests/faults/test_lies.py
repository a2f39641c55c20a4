"""A store that lies, at every request that writes: the answer is lost, an error is told after the effect, or before it, or nothing at all.

What landed is never reported as failed, nothing is done twice, and what did not land is done again within the same run.
"""

from collections.abc import Iterator

import pytest

from tests.faults.figures import FIGURES, LONG
from tests.faults.proxy import CREATING, LIES, MUTATING, Plan
from tests.faults.scenarios import SCENARIOS
from tests.faults.stage import Case, Stage

SOON_GIVEN_UP = r"^PUT \S*/part-\S*\.parquet$|^PUT .* copy$|^DELETE"
"""What is asked for 4 times (by httpfs) or 5 times (by boto3) and then given up; delta-rs and obstore ask 11 times."""


def lies(stage: Stage) -> Iterator[Plan]:
    """Yield each lie at each request that it can be told at; in the short run at the one that decides."""
    seen = stage.undisturbed()
    for lie in LIES:
        asked = CREATING if lie == "409 before" else MUTATING
        if LONG:
            yield from (Plan(lie, nth, asked) for nth in range(1, len(seen.matching(asked)) + 1))
        elif any(request in seen.matching(asked) for request in seen.matching(stage.scenario.decisive)):
            yield Plan(lie, 1, stage.scenario.decisive)
    outages = len(seen.matching(SOON_GIVEN_UP)) if LONG else stage.name in ("append", "transform")
    yield from (Plan("503 before", nth, SOON_GIVEN_UP, times=6) for nth in range(1, outages + 1))


def lied_to(case: Case, plan: Plan) -> None:
    """Have a worker lied to. What lands only after it was looked for is found by the next try, and told as loaded already."""
    said = case.play(plan).said
    case.assert_no_failure(said) if plan.fault == "silence" else case.assert_true(said)
    case.assert_done()


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_lie_at_any_request_loses_nothing_doubles_nothing_and_is_no_failure(stages: dict[str, Stage], name: str) -> None:
    FIGURES.count("lies", name, stages[name].assert_each(lies(stages[name]), lied_to))
