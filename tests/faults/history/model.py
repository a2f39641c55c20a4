"""What a lake must say: a pure function of the object versions that stand loaded. Plain Python that shares no code with the real thing."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

COLUMNS: Final = ("id", "amount", "placed", "shop")
REASONS: Final = {"id": "id: not bigint", "amount": "amount: not decimal(12,2)", "required": "id: required", "check": "check small"}
Cells = tuple[str, ...]
Row = tuple[Any, ...]


@dataclass(frozen=True)
class Contract:
    """What is declared by now: `wide` has a column more, `limit` is the greatest amount, `strict` rejects files with a negative one."""

    wide: bool = False
    limit: int = 50
    strict: bool = False

    @property
    def header(self) -> tuple[str, ...]:
        return (*COLUMNS, "note") if self.wide else COLUMNS


@dataclass(frozen=True)
class File:
    """The content of an object: its header and its records, as texts."""

    header: tuple[str, ...]
    records: tuple[Cells, ...]

    @property
    def lines(self) -> list[str]:
        return [",".join(cells[: len(self.header)]) for cells in self.records]

    @property
    def body(self) -> bytes:
        return "".join(f"{line}\n" for line in [",".join(self.header), *self.lines]).encode()

    def accepted(self, contract: Contract) -> dict[int, Row]:
        """Return the rows that are loaded under a contract, by their place: id, amount, placed, shop, note."""
        return {place: _typed(cells, self.header) for place, cells in enumerate(self.records, 1) if not _reasons(cells, contract)}

    def refused(self, contract: Contract) -> dict[int, tuple[str, tuple[str, ...]]]:
        """Return the rows that are set aside, by their place: their text and the reasons."""
        judged = (
            (place, line, _reasons(cells, contract)) for place, (line, cells) in enumerate(zip(self.lines, self.records, strict=True), 1)
        )
        return {place: (line, reasons) for place, line, reasons in judged if reasons}

    def rejection(self, contract: Contract) -> str:
        """Return why the whole file is set aside, nothing where it is loaded."""
        if self.header != contract.header:
            return "invalid_schema"
        return "failed_check" if contract.strict and any(cells[1].startswith("-") for cells in self.records) else ""


def _reasons(cells: Cells, contract: Contract) -> tuple[str, ...]:
    identifier, amount = cells[:2]
    found = {
        "id": not (identifier.isdigit() or not identifier),
        "required": not identifier,
        "amount": not (_is_number(amount) or not amount),
        "check": _is_number(amount) and Decimal(amount) > contract.limit,
    }
    return tuple(sorted(REASONS[name] for name, holds in found.items() if holds))


def _is_number(text: str) -> bool:
    return text.removeprefix("-").isdigit()


def _typed(cells: Cells, header: tuple[str, ...]) -> Row:
    identifier, amount, *others = cells[: len(header)]
    number = f"{Decimal(amount):.2f}" if amount else None
    return (int(identifier), number, *(cell or None for cell in others), *[None] * (5 - len(header)))


@dataclass
class Version:
    """One version of an object: its content, its time, and the contract under which it was loaded, None where it is not."""

    key: str
    file: File
    time: int
    loaded: Contract | None = None
    undone: bool = False

    @property
    def source(self) -> str:
        return f"{self.key}@{hashlib.sha256(self.file.body).hexdigest()[:32]}"

    @property
    def stands(self) -> bool:
        return self.loaded is not None and not self.undone

    @property
    def rows(self) -> list[Row]:
        """Return the rows that it brings: its five values, then its time, its source and their place."""
        accepted = self.file.accepted(self.loaded) if self.loaded else {}
        return [(*row, self.time, self.source, place) for place, row in accepted.items()]


@dataclass
class Model:
    """Every version that ever was, where it lies, and what follows from that for the tables."""

    mode: str
    contract: Contract = Contract()
    versions: dict[str, Version] = field(default_factory=dict)
    raw: dict[str, str] = field(default_factory=dict)
    """The source that lies under each key in raw."""
    archived: set[str] = field(default_factory=set)
    rejected: dict[tuple[str, str], int] = field(default_factory=dict)
    """The time of each rejected object, by its reason and source."""
    interrupted: set[str] = field(default_factory=set)
    """Sources whose refused rows were committed by a try that did not come to load them: what the quarantine holds of them is open."""

    def put(self, key: str, file: File, time: int) -> Version:
        """Put an object: the version under its name is replaced, and the same content is the same version."""
        version = Version(key, file, time)
        version = self.versions.setdefault(version.source, version)
        if not version.loaded:
            version.time = time
        self.raw[key] = version.source
        return version

    def load(self, source: str) -> None:
        """Take a version for loaded under the present contract."""
        version = self.versions[source]
        assert version.loaded is None, f"{source} was loaded twice"
        assert not self.rejection(source), f"{source} was loaded, and should have been rejected"
        version.loaded = self.contract
        self.interrupted.discard(source)

    def settle(self, key: str) -> None:
        """Take a version out of raw, to where it belongs."""
        source = self.raw.pop(key)
        if self.versions[source].loaded:
            self.archived.add(source)
        else:
            assert self.rejection(source), f"{source} left raw, and was not loaded"
            self.rejected[self.rejection(source), source] = self.versions[source].time

    def rejection(self, source: str) -> str:
        return self.versions[source].file.rejection(self.contract)

    def fates(self, keys: Iterable[str]) -> set[tuple[str, str]]:
        """Return what is to become of objects: loaded, already loaded, gone, or the reason for which each is rejected."""
        return {(key, self._fate(self.raw[key]) if key in self.raw else "gone") for key in keys}

    def _fate(self, source: str) -> str:
        version = self.versions[source]
        known = "undone" if version.undone else "already loaded"
        return known if version.loaded else self.rejection(source) or "loaded"

    def standing(self) -> list[Version]:
        """Return the versions whose rows may be in the table: of a replaced object, or an overwritten table, the newest."""
        loaded = sorted((v for v in self.versions.values() if v.stands), key=lambda version: (version.time, version.source))
        if self.mode == "append":
            return list({version.key: version for version in loaded}.values())
        return loaded[-1:] if self.mode == "overwrite" else loaded

    def table(self) -> Counter[Row]:
        rows = [row for version in self.standing() for row in version.rows]
        if self.mode == "merge":
            rows.sort(key=lambda row: (row[2] is not None, row[2] or "", *row[5:]))
            rows = list({row[0]: row for row in rows}.values())
        return Counter(rows)

    def quarantine(self) -> Counter[Row]:
        """Return the rows set aside, but for what is open: source, place, text, reasons."""
        versions = self.standing() if self.mode == "append" else [v for v in self.versions.values() if v.stands]
        found = ((v.source, place, *told) for v in versions if v.loaded for place, told in v.file.refused(v.loaded).items())
        return Counter(row for row in found if not self.is_open(row[0]))

    def is_open(self, source: str) -> bool:
        """Whether what the quarantine holds of a version, or of its object where one version replaces another, cannot be told."""
        if self.mode != "append":
            return source in self.interrupted
        return _key(source) in map(_key, self.interrupted)

    def totals(self) -> Counter[Row]:
        """Return what the transform makes of the table: shop, rows, sum of amounts."""
        return Counter((shop, *told) for shop, told in _by_shop(self.table()).items())

    # --- what was loaded is amended ---------------------------------------------------------------------------------------------------

    def meant(self, order: str, source: str) -> set[str]:
        """Return the sources that an order is to run again, whatever their contract makes of them now; for an undo, that it takes out."""
        if order in ("undo", "replay"):
            return {source}
        standing = {version.source for version in self.versions.values() if version.stands and version.source in self.archived}
        if order == "backfill":
            return standing
        aside = {source for _, source in self.rejected if not self.versions[source].undone}
        return aside | (standing & {row[0] for row in self.quarantine()})

    def amends(self, order: str, source: str) -> bool:
        """Whether an order leaves what can be told: what comes back stands under the present contract as it stood, and is archived."""
        meant = self.meant(order, source)
        if order != "undo":
            meant = {one for one in meant if not self.rejection(one)}
        if order == "redrive" and not all(self._is_same(version) for version in self.versions.values()):
            return False
        if self.mode == "merge":
            lost = {row[0] for row in self.table() if row[6] in meant}
            others = [version for version in self.versions.values() if version.stands and version.source not in meant]
            return all(self._is_steady(version, lost) for version in others)
        back = set(self._standing_without(meant)) - {version.source for version in self.standing()} if order == "undo" else set()
        return all(one in self.archived and not self.rejection(one) for one in back)

    def _is_steady(self, version: Version, ids: set[int]) -> bool:
        """Whether the present contract gives the same rows of some ids of a version."""
        assert version.loaded
        stood = {place: row for place, row in version.file.accepted(version.loaded).items() if row[0] in ids}
        accepted = {} if self.rejection(version.source) else version.file.accepted(self.contract)
        stands = {place: row for place, row in accepted.items() if row[0] in ids}
        return stood == stands and (not stood or version.source in self.archived)

    def _is_same(self, version: Version) -> bool:
        """Whether it is nothing to the tables if a version is run again: of what is open, nobody can tell whether it will be."""
        if not version.stands or not self.is_open(version.source):
            return True
        assert version.loaded
        return all(told(version.loaded) == told(self.contract) for told in (version.file.accepted, version.file.refused))

    def _standing_without(self, sources: set[str]) -> list[str]:
        taken = [self.versions[source] for source in sources if self.versions[source].stands]
        for version in taken:
            version.undone = True
        found = [version.source for version in self.standing()]
        for version in taken:
            version.undone = False
        return found

    def amend(self, order: str, source: str) -> None:
        """Take an order for done: versions leave, and what they had hidden comes back; or they stand under the present contract."""
        meant = self.meant(order, source)
        if order == "undo":
            stood = {version.source for version in self.standing()}
            self.versions[source].undone = True
            if self.mode != "merge":
                for version in self.standing():
                    version.loaded = version.loaded if version.source in stood else self.contract
            return
        aside: dict[str, int] = {}
        for entry in [entry for entry in self.rejected if entry[1] in meant and order != "backfill"]:
            time = self.rejected.pop(entry)
            aside[entry[1]] = min(time, aside.get(entry[1], time))
        for version in (self.versions[one] for one in meant):
            one = version.source
            if one in aside and not version.loaded:
                version.time = aside[one]
            if reason := self.rejection(one):
                self.rejected |= {(reason, one): version.time} if one in aside else {}
            else:
                version.loaded, version.undone = self.contract, False
                self.archived |= {one} & aside.keys()
                self.interrupted.discard(one)

    def objects(self) -> Iterable[bytes]:
        """Return the content of each object that lies somewhere, once for each place."""
        sources = [*self.raw.values(), *self.archived, *(source for _, source in self.rejected)]
        return [self.versions[source].file.body for source in sources]


def _by_shop(rows: Counter[Row]) -> dict[str | None, tuple[int, str | None]]:
    found: dict[str | None, list[str | None]] = {}
    for row in rows.elements():
        found.setdefault(row[3], []).append(row[1])
    return {shop: (len(amounts), _sum(amounts)) for shop, amounts in found.items()}


def _sum(amounts: Iterable[str | None]) -> str | None:
    known = [Decimal(amount) for amount in amounts if amount is not None]
    return str(sum(known, Decimal("0.00"))) if known else None


def _key(source: str) -> str:
    return source.rpartition("@")[0]
