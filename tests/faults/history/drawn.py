"""What is drawn at random: objects, the order in which they are delivered, faults, newer contracts."""

from typing import Any, Final

from hypothesis import strategies as st

from tests.faults.history.faults import Fault
from tests.faults.history.model import COLUMNS

KEYS: Final = ("raw/orders/a.csv", "raw/orders/b.csv", "raw/orders/b2.csv")
HEADERS: Final = {"wrong": ("id", "amont", "placed", "shop"), "narrow": COLUMNS, "wide": (*COLUMNS, "note")}
"""Beside those that fit the contract; `again` is an object that was put before."""

good = st.tuples(
    st.sampled_from("12345"), st.sampled_from(["1", "7", "", "-1"]), st.sampled_from(["", "2025-01-01", "2025-01-02"]),
    st.sampled_from(["a", "b", ""]), st.sampled_from(["", "n"]),
)  # fmt: skip
bad = st.sampled_from(
    [("x", "1", "", "a", ""), ("1", "z", "", "b", ""), ("", "z", "", "", "n"), ("2", "20", "", "a", ""), ("3", "99", "", "", "")]
)
records = st.one_of(
    st.lists(good, max_size=3), st.lists(st.one_of(good, bad), min_size=1, max_size=4), st.lists(bad, min_size=1, max_size=2)
)
headers = st.sampled_from(["fit"] * 9 + ["again"] * 2 + [*HEADERS])
times = st.integers(0, 6)
puts = st.lists(st.tuples(st.sampled_from(KEYS), headers, records, times), min_size=1, max_size=3, unique_by=lambda put: put[0])
deliveries = st.lists(st.tuples(st.sampled_from(KEYS), st.booleans()), min_size=1, max_size=4)
turns = st.sampled_from([1, 1, 1, 2, 2, 3])
faults = st.one_of(
    st.builds(Fault, st.just("commit"), st.sampled_from(["crash", "lie"]), turns, st.booleans()),
    st.builds(Fault, st.sampled_from(["fetch", "move", "put"]), st.just("crash"), turns, st.booleans()),
)
upkeep_faults = st.one_of(
    st.builds(Fault, st.just("commit"), st.sampled_from(["crash", "lie"]), turns, st.booleans()),
    st.builds(Fault, st.just("delete"), st.just("crash"), turns, st.booleans()),
)
amend_faults = st.one_of(
    st.none(),
    st.builds(Fault, st.just("commit"), st.sampled_from(["crash", "crash", "lie"]), st.sampled_from([1, 2]), st.booleans()),
    st.builds(Fault, st.sampled_from(["fetch", "move", "put", "delete"]), st.just("crash"), turns, st.booleans()),
)
changes = st.sampled_from([{"wide": True}, {"limit": 5}, {"limit": 50}, {"limit": 100}, {"strict": True}, {"strict": False}])

Put = tuple[str, str, tuple[Any, ...], int]
Delivery = tuple[str, bool]
