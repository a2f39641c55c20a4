"""Random histories of one lake: a model in plain Python, faults that do the real thing, and a machine that holds one against the other."""

import pytest

pytest.register_assert_rewrite("tests.faults.history.machine", "tests.faults.history.amended")
