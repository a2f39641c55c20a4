"""Random histories of a lake: deliveries, changes, amends, crashes, lies, rivals, upkeep, newer contracts in any order: a model tells."""

import traceback
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from multiprocessing import get_context

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.faults.figures import FIGURES, LONG
from tests.faults.history.amended import Amended
from tests.faults.history.place import MODES

SHORT_RUNS, SHORT_STEPS = 3, 25
SEEDS, RUNS, STEPS = 5, 25, 50
"""The long run, of each mode: so many seeds of so many runs, two seeds at a time."""


@pytest.mark.parametrize("mode", MODES)
def test_any_history_leaves_the_tables_that_the_model_tells(mode: str) -> None:
    if LONG:
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:  # deltalake panics after a fork
            found = list(pool.map(attempted, repeat(mode), range(SEEDS), repeat(RUNS), repeat(STEPS)))
    else:
        found = [(*histories(mode, 0, SHORT_RUNS, SHORT_STEPS), "")]
    failures = [failure for *_, failure in found if failure]
    assert not failures, failures[0]
    FIGURES.count("histories", "runs", sum(runs for runs, _, _ in found))
    FIGURES.count("histories", f"steps {mode}", sum(steps for _, steps, _ in found))


def histories(mode: str, number: int, runs: int, steps: int) -> tuple[int, int]:
    """Try random histories, the same ones for the same number; return how many there were, and their steps."""
    machine = type(f"{mode.title()}Histories", (Amended,), {"mode": mode, "runs": 0, "steps": 0})
    run_state_machine_as_test(
        seed(f"{mode} {number}")(machine),
        settings=settings(
            max_examples=runs,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            report_multiple_bugs=False,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
    return machine.runs, machine.steps


def attempted(mode: str, number: int, runs: int, steps: int) -> tuple[int, int, str]:
    """The same in another process: what went wrong comes back as a text, with the history that leads there."""
    try:
        return (*histories(mode, number, runs, steps), "")
    except Exception as error:
        return 0, 0, "".join(traceback.format_exception(error))
