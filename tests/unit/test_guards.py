"""The table of guards does not rot: what it takes out stands in the code, once; the tests that it names exist."""

import subprocess
import sys

import pytest

from tests.guards.guard import ROOT, Guard, problems
from tests.guards.removal import WITHOUT, _seen
from tests.guards.table import GUARDS
from tests.page import with_part

SOME = Guard("some", "why", "core/quoting.py", "replace(", "", ("unit/test_guards.py::test_x",))


def test_every_guard_stands_in_the_code_once() -> None:
    assert problems(GUARDS) == []


def test_the_code_without_a_guard_is_still_python() -> None:
    for guard in GUARDS:
        compile(guard.without((ROOT / guard.file).read_text("utf-8")), guard.file, "exec")


def test_every_test_that_a_guard_names_exists() -> None:
    ids = sorted({test for guard in GUARDS for test in guard.ids})
    options = ["--collect-only", "-q", "--no-header", *WITHOUT]
    found = subprocess.run([sys.executable, "-m", "pytest", *options, *ids], cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, "\n".join(line for line in (found.stdout + found.stderr).splitlines() if line.startswith("ERROR"))


def test_an_entry_that_no_longer_fits_is_told() -> None:
    (twice,) = problems((SOME,))
    assert twice == "some: core/quoting.py holds this 2 times instead of once: 'replace('"
    gone = Guard("gone", "why", "core/nowhere.py", "a", "b", SOME.tests)
    assert problems((gone,)) == ["gone: there is no core/nowhere.py"]
    assert problems((gone, gone))[0] == "gone: it stands in the table 2 times"


@pytest.mark.parametrize(
    ("code", "output", "verdict"),
    [
        (0, "3 passed", "green"),
        (1, "FAILED tests/a.py::test_b[c d] - AssertionError: assert 1 == 2", "red"),
        (1, "FAILED tests/a.py::test_b - NameError: name 'x' is not defined", "broken"),
        (1, "ERROR tests/a.py::test_b - AssertionError", "broken"),
        (4, "ERROR: not found: tests/a.py::test_b", "broken"),
        (-9, "", "broken"),
        (-11, "", "red"),
    ],
)
def test_only_a_failed_test_says_that_a_guard_is_missed(code: int, output: str, verdict: str) -> None:
    assert _seen(SOME.ids, code, output, 1.0).verdict == verdict


def test_each_writer_of_the_page_leaves_the_others_part() -> None:
    page = "a\n<!-- one -->\nold\n<!-- /one -->\nb\n<!-- two -->\n<!-- /two -->\n"
    written = with_part(with_part(page, "two", ["2"]), "one", ["1", "\\1"])
    assert written == "a\n<!-- one -->\n1\n\\1\n<!-- /one -->\nb\n<!-- two -->\n2\n<!-- /two -->\n"
