"""The machine: everything that may happen to a lake, in any order, each step held against the model."""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from core import delta, maintenance
from core.delta import Snapshot
from core.loading import Ingested
from core.run import Published, Transformed
from core.storage import ObjectRef
from tests.faults.history.drawn import HEADERS, KEYS, Delivery, Put, changes, deliveries, faults, puts, upkeep_faults
from tests.faults.history.faults import Fault, Told, Trouble
from tests.faults.history.model import File, Model, Row
from tests.faults.history.place import Place, counts, refused, totals, values
from tests.faults.oracle import assert_books, assert_log, assert_readers, rows_of


class Histories(RuleBasedStateMachine):
    """One lake whose dataset is of one mode."""

    mode: ClassVar[str] = "append"
    runs: ClassVar[int] = 0
    steps: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self._home = TemporaryDirectory(ignore_cleanup_errors=True)
        self._patch = pytest.MonkeyPatch()
        self.trouble = Trouble(delta.commit)
        self._patch.setattr(delta, "commit", self.trouble.commit)
        self._patch.setattr(maintenance, "FEW", 2)
        self.place = Place(Path(self._home.name), self.mode, self.trouble)
        self.model = Model(self.mode)
        self.seen: dict[str, int] = {}
        self.reader: tuple[Snapshot, Counter[Row]] | None = None
        self.news = False
        self.untidy = False
        self.taken = -1  # the first look is before the first step

    # --- what happens ----------------------------------------------------------------------------------------------------------------

    @rule(puts=puts)
    def put(self, puts: list[Put]) -> None:
        """New objects, or other versions under a name that is there, or was."""
        self._put_all(puts)

    @rule(puts=puts, deliveries=deliveries)
    def deliver(self, puts: list[Put], deliveries: list[Delivery]) -> None:
        """A batch in any order, with doubles, with objects that are there no more."""
        keys = self._put_all(puts, deliveries)
        expected = self.model.fates(keys)
        done: list[Ingested] = []
        self._load(keys, lambda: done.append(self._ingest(deliveries, keys)))
        fates = {(o.object.key, o.reason if o.fate == "rejected" else o.fate) for o in done[0].objects}
        assert fates == expected
        self._hold_balance(done[0])

    @rule(puts=puts, deliveries=deliveries, fault=faults)
    def deliver_in_trouble(self, puts: list[Put], deliveries: list[Delivery], fault: Fault) -> None:
        keys = self._put_all(puts, deliveries)
        self._load(keys, lambda: self._ingest(deliveries, keys), fault)

    @rule(puts=puts, mine=deliveries, newer=st.one_of(st.just([]), puts), theirs=deliveries, at=st.integers(1, 2))
    def deliver_beside_a_rival(self, puts: list[Put], mine: list[Delivery], newer: list[Put], theirs: list[Delivery], at: int) -> None:
        """Another writer comes between the decision and the commit, perhaps with other versions of the same objects, and does upkeep."""

        def rival() -> None:
            keys, offset = self._put_all(newer, theirs), self.place.offset
            self.place.turn(timedelta())
            self._load(keys, lambda: self._ingest(theirs, keys))
            self._maintain()
            self.place.turn(offset)

        keys = self._put_all(puts, mine)
        self._load(keys, lambda: self._ingest(mine, keys), Fault("commit", "rival", at), rival)

    @precondition(lambda self: self.news)
    @rule()
    def run(self) -> None:
        self._load(list(KEYS), self.place.run)
        self._hold_downstream()
        self.news = False

    @precondition(lambda self: self.news)
    @rule(fault=faults)
    def run_in_trouble(self, fault: Fault) -> None:
        self._load(list(KEYS), self.place.run, fault)

    @rule(change=changes)
    def change_contract(self, change: dict[str, Any]) -> None:
        """What was loaded stays as it was judged; what comes is judged by the newer one."""
        self._declare(change)

    @precondition(lambda self: self.untidy)
    @rule(aged=st.booleans())
    def maintain(self, aged: bool) -> None:
        """Compaction, checkpoint, vacuum; with or without all time gone by."""
        if aged:
            self.place.age()
        with self.trouble.armed():
            self._maintain()

    @precondition(lambda self: self.untidy)
    @rule(fault=upkeep_faults)
    def maintain_in_trouble(self, fault: Fault) -> None:
        if fault.verb == "delete":
            self.place.age()
        with self.trouble.armed(fault):
            self._maintain()
        self.seen.clear()

    @precondition(lambda self: self.untidy)
    @rule()
    def checkpoint(self) -> None:
        self.place.checkpoint()

    @precondition(lambda self: self.model.archived and not self.reader)
    @rule()
    def read_on(self) -> None:
        """A reader opens the table, and goes on with what it opened."""
        if snapshot := self.place.opened("orders"):
            self.place.turn(timedelta())
            self.reader = snapshot, self.model.table()

    # --- how -------------------------------------------------------------------------------------------------------------------------

    def _declare(self, change: dict[str, Any]) -> None:
        self.model.contract = replace(self.model.contract, **change)
        self.place.declare(self.model.contract)

    def _put_all(self, puts: list[Put], deliveries: Iterable[Delivery] = ()) -> list[str]:
        """Put objects, and return the keys that are to be delivered: these, and those that were drawn."""
        for key, header, rows, time in puts:
            names = HEADERS.get(header, self.model.contract.header)
            known = [version.file for version in self.model.versions.values() if version.key == key]
            again = known[time % len(known)] if header == "again" and known else None
            self._put(key, again or File(names, tuple(rows)), time)
        return [key for key, *_ in (*deliveries, *puts)]

    def _put(self, key: str, file: File, time: int) -> None:
        self.news = True
        self.model.put(key, file, time)
        self.place.put(key, file.body, time)

    def _ingest(self, deliveries: Iterable[Delivery], keys: Iterable[str]) -> Ingested:
        """Ingest objects named as events do: some with the version that lies there now."""
        pinned = {key for key, with_version in deliveries if with_version}
        sources = [(key, self.model.raw.get(key) if key in pinned else None) for key in keys]
        return self.place.ingest([ObjectRef(key, source.rpartition("@")[2] if source else None) for key, source in sources])

    def _load(
        self, keys: Sequence[str], action: Callable[[], object], fault: Fault | None = None, rival: Callable[[], None] | None = None
    ) -> None:
        """Do what may load these objects, then find out what it did and whether it was allowed to."""
        due = self._lying(keys)
        wanted = set(due)

        def before() -> None:
            if rival:
                rival()
            due.update(self._lying(keys))  # whoever has to look again may find other versions

        with self.trouble.armed(fault, before) as told:
            action()
        self._learn(due, told)
        for source, key in due.items():
            if self.model.raw.get(key) != source:
                continue  # the rival settled it, or put another version in its place
            if source in wanted and not told.crashed:
                version = self.model.versions[source]
                assert version.loaded or self.model.rejection(source), f"{source} was not loaded"
                self.model.settle(key)
            elif key not in self.place.raw():
                self.model.settle(key)

    def _lying(self, keys: Iterable[str]) -> dict[str, str]:
        """Return the versions that lie in raw under some keys, by their source."""
        return {self.model.raw[key]: key for key in keys if key in self.model.raw}

    def _learn(self, due: dict[str, str], told: Told) -> None:
        """Take from the commits that landed which objects were loaded."""
        self.untidy = self.untidy or bool(told.landed)
        ingests = [change for uri, change in told.landed if uri.endswith("/processed/orders") and change.record["kind"] == "ingest"]
        assert len(ingests) <= 1, "one batch, two commits"
        for change in ingests:
            sources = [entry["source"] for entry in change.record["objects"]]
            assert set(sources) <= due.keys(), f"{sources} were not asked for"
            for source in sources:
                self.model.load(source)
        if any(change.record["kind"] == "quarantine" for _, change in told.landed):
            open_ = [source for source in due if not self.model.versions[source].loaded and not self.model.rejection(source)]
            self.model.interrupted.update(open_)

    def _maintain(self) -> None:
        self.untidy = False
        before = self.place.news()
        self.place.maintain()
        assert self.place.news() == before, "upkeep is news to those who follow the table"
        self.seen.clear()
        if self.reader:
            snapshot, rows = self.reader
            assert values(snapshot) == rows, "a reader lost what it had opened"

    # --- what must hold --------------------------------------------------------------------------------------------------------------

    @invariant()
    def everything_is_where_it_belongs(self) -> None:
        self.taken += 1
        model = self.model
        assert self.place.raw() == {key: model.versions[source].file.body for key, source in model.raw.items()}
        settled = [("archived/orders", source) for source in model.archived]
        settled += [(f"rejected/{reason}/orders", source) for reason, source in model.rejected]
        assert self.place.settled() == Counter((place, model.versions[source].file.body) for place, source in settled)

    @invariant()
    def the_tables_are_the_models(self) -> None:
        for name, hold in (("orders", self._hold_table), ("quarantine.orders", self._hold_quarantine)):
            if (version := self.place.version(name)) != self.seen.get(name, 0):
                snapshot = self.place.opened(name)
                assert snapshot is not None
                hold(snapshot)
                self.seen[name] = version

    def _hold_table(self, snapshot: Snapshot) -> None:
        _same(values(snapshot), self.model.table())

    def _hold_quarantine(self, snapshot: Snapshot) -> None:
        held = refused(snapshot)
        _same(Counter({row: n for row, n in held.items() if not self.model.is_open(row[0])}), self.model.quarantine())

    def _hold_balance(self, done: Ingested) -> None:
        for outcome in done.objects:
            if outcome.fate == "loaded":
                version = self.model.versions[outcome.object.source]
                assert version.loaded is not None
                assert outcome.rows["read"] == len(version.file.records)
                assert outcome.rows["quarantined"] == len(version.file.refused(version.loaded))

    def _hold_downstream(self) -> None:
        """After a run that was let finish, whatever hangs on the tables says what they say."""
        table = self.model.table()
        loaded = any(version.loaded for version in self.model.versions.values())
        if snapshot := self.place.opened("totals"):
            _same(totals(snapshot), self.model.totals())
            _same(self.place.exported_totals(), self.model.totals())
        assert snapshot or not loaded, "the transform did not run"
        _same(self.place.exported(), Counter(row[:5] for row in table.elements()))
        held = self.place.opened("quarantine.orders")
        if refusing := self.place.opened("refused"):
            assert held is not None
            _same(Counter(counts(refusing)), Counter(row["_source"] for row in rows_of(held)))
        assert refusing or not self.model.quarantine(), "the transform of what was refused did not run"

    def teardown(self) -> None:
        try:
            if not sys.exc_info()[0]:  # or else it would hide what went wrong
                steps = self.taken
                self._end()
                type(self).runs += 1
                type(self).steps += steps
        finally:
            self._patch.undo()
            self._home.cleanup()

    def _end(self) -> None:
        """Let what was interrupted come again, run until nothing is to be done, and hold everything against the oracle."""
        for source in sorted(self.model.interrupted):
            version = self.model.versions[source]
            self._put(version.key, version.file, version.time)
            Histories.run(self)
        Histories.run(self)
        for rest in (lambda: None, self._maintain):
            rest()
            assert not [step for step in self.place.run() if isinstance(step, Ingested | Transformed | Published)]
        self.seen.clear()
        self.everything_is_where_it_belongs()
        self.the_tables_are_the_models()
        for name in ("orders", "quarantine.orders", "totals", "refused"):
            if snapshot := self.place.opened(name):
                assert_log(snapshot)
                assert_readers(snapshot)
        if not self.model.interrupted:  # a file that was rejected when it came again leaves rows behind that no commit counts
            assert_books(self.place.world, "orders")


def _same(found: Counter[Any], wanted: Counter[Any]) -> None:
    """Hold rows against the model's, and tell the difference only."""
    assert found == wanted, f"too many: {found - wanted}, missing: {wanted - found}"
