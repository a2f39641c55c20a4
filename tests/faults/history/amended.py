"""The machine's other half: what was loaded is taken out again, or run again, and an order that dies is given once more."""

from collections.abc import Iterable
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.faults.history.drawn import amend_faults
from tests.faults.history.faults import Fault, Told
from tests.faults.history.machine import Histories


class Amended(Histories):
    """Histories of a lake whose owner undoes, replays and backfills."""

    @precondition(lambda self: self._meant("undo"))
    @rule(which=st.integers(0, 9), fault=amend_faults, again=st.booleans())
    def take_out(self, which: int, fault: Fault | None, again: bool) -> None:
        """Undo a version; what it had hidden comes back. Perhaps its sender does not know, and sends it again."""
        version = self.model.versions[self._amend("undo", which, fault)]
        if again:
            self._put(version.key, version.file, version.time + 1)

    @precondition(lambda self: self._meant("replay"))
    @rule(which=st.integers(0, 9), fault=amend_faults)
    def bring_back(self, which: int, fault: Fault | None) -> None:
        """Replay a version that was taken out."""
        self._amend("replay", which, fault)

    @precondition(lambda self: self._meant("redrive"))
    @rule(fault=amend_faults, mended=st.booleans())
    def redrive(self, fault: Fault | None, mended: bool) -> None:
        """Run again what was set aside, perhaps under a contract that lets more pass."""
        if mended:
            self._declare({"limit": 100})
        if self._meant("redrive"):
            self._amend("redrive", 0, fault)

    @precondition(lambda self: self._meant("backfill"))
    @rule(fault=amend_faults)
    def backfill(self, fault: Fault | None) -> None:
        """Run everything again."""
        self._amend("backfill", 0, fault)

    # --- how -------------------------------------------------------------------------------------------------------------------------

    def _amend(self, order: str, which: int, fault: Fault | None) -> str:
        """Give an order; where the process dies of it, the same order once more. Return the source that it named."""
        meant = self._meant(order)
        source = meant[which % len(meant)]
        aside = self.place.set_aside()
        with self.trouble.armed(fault) as told:
            self.place.amend(order, source)
        if told.crashed:
            aside = set()
            with self.trouble.armed() as again:
                self.place.amend(order, source)
            told.landed += again.landed
        self.model.amend(order, source)
        self._hold_amended(told, aside)
        return source

    def _meant(self, order: str) -> list[str]:
        """Return the sources of which an order may mean one; one that names none stands for all that it means, or for nothing."""
        model = self.model
        if order in ("redrive", "backfill"):
            return sorted(model.meant(order, "")) if model.amends(order, "") else []
        versions = [version for version in model.versions.values() if version.loaded and version.undone == (order == "replay")]
        archived = [version.source for version in versions if order == "undo" or version.source in model.archived]
        return sorted(source for source in archived if model.amends(order, source))

    def _hold_amended(self, told: Told, aside: Iterable[Path]) -> None:
        """What hangs on an amended table is due, and the report of an object that is no longer set aside is gone with it."""
        self.news = self.untidy = True
        tables = {uri.rpartition("/processed/")[2] if "/processed/" in uri else "refused" for uri, _ in told.landed}
        expected = {"totals" if name == "orders" else name for name in tables}
        assert expected <= set(self.place.due()), f"{tables} were amended, due is {self.place.due()}"
        for path in aside:
            assert path.exists() or not path.with_name(f"{path.name}.report.json").exists(), f"the report of {path} is still there"
