"""What becomes of objects, in plain Python: an append and a merge dataset of the same columns, and the tables that they have to give."""

import os
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from core.storage import ObjectRef
from tests.faults import sail
from tests.faults.figures import LONG
from tests.faults.oracle import assert_sound
from tests.world import World

COLUMNS: Final = """
columns: [{name: id, type: bigint, required: true}, {name: n, type: integer}, {name: seen, type: timestamp}]
checks:
  - {name: not_negative, sql: n >= 0, action: quarantine}
  - {name: not_poisonous, sql: n <> 666, action: fail}
"""
EVENTS: Final = f"dataset: events\nsource: {{path: raw/events/, format: csv}}\n{COLUMNS}target: {{path: processed/events/}}\n"
STATES: Final = (
    f"dataset: states\nsource: {{path: raw/states/, format: csv}}\n{COLUMNS}key: [id]\norder_by: [seen]\n"
    "target: {path: processed/states/, mode: merge}\n"
)
HEADER: Final = "id,n,seen\n"
START: Final = 1_750_000_000
"""The first moment (s) of `seen`."""

Row = tuple[int, int | None, int | None, str, int]
"""id, n, seen (s), _source, _row"""


@dataclass(frozen=True)
class Given:
    """An object as it was put."""

    ref: ObjectRef
    body: str

    @property
    def is_rejected(self) -> bool:
        """Whether it is set aside whole: its header is wrong, or it breaks the check that fails files."""
        return not self.body.startswith(HEADER) or any(cells[1] == "666" for _, cells in self._records())

    @property
    def accepted(self) -> list[Row]:
        return [_row(self.ref, number, cells) for number, cells in self._records() if _is_good(cells)] if not self.is_rejected else []

    @property
    def refused(self) -> list[tuple[str, int]]:
        """The source and the number of each row that goes to the quarantine."""
        return [(self.ref.source, number) for number, cells in self._records() if not _is_good(cells)] if not self.is_rejected else []

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        return ((number, line.split(",")) for number, line in enumerate(self.body.splitlines()[1:], 1))


def _is_good(cells: Sequence[str]) -> bool:
    return cells[0].isdigit() and not cells[1].startswith("-")


def _row(ref: ObjectRef, number: int, cells: Sequence[str]) -> Row:
    seen = int(datetime.fromisoformat(cells[2]).timestamp()) if cells[2] else None
    return int(cells[0]), int(cells[1]) if cells[1] else None, seen, ref.source, number


def line(key: int | str, n: int | str, seen: int | None) -> str:
    """Return a record; `seen` counts seconds from a fixed start."""
    return f"{key},{n},{datetime.fromtimestamp(START + seen, UTC).isoformat() if seen is not None else ''}\n"


def put(world: World, key: str, body: str, modified: float | None = None) -> Given:
    """Put an object; in a folder it may be given its time."""
    world.put(key, body)
    if modified is not None:
        os.utime(Path(world.uri, key), (modified, modified))
    return Given(world.lake.raw.head(ObjectRef(key), 0)[0], body)


def appended(objects: Iterable[Given]) -> list[Row]:
    """Return the table of an append dataset: every accepted row of every object."""
    return [row for given in objects for row in given.accepted]


def merged(objects: Iterable[Given]) -> list[Row]:
    """Return a merge dataset's table: of each key the greatest `seen` (none is least), then the newest object, its name, the later row."""
    held: dict[int, tuple[tuple[object, ...], Row]] = {}
    for given in objects:
        for row in given.accepted:
            version = (row[2] is not None, row[2] or 0, given.ref.modified, row[3], row[4])
            if row[0] not in held or version > held[row[0]][0]:  # type: ignore[operator]
                held[row[0]] = version, row
    return [row for _, row in held.values()]


MODELS: Final = {"events": appended, "states": merged}


def table(world: World, name: str) -> list[Row]:
    """Return a table's rows in the model's form."""
    query = f"select id, n, epoch_ms(seen) // 1000 as seen, _source, _row from {name}"
    return [(row["id"], row["n"], row["seen"], row["_source"], row["_row"]) for row in world.rows(query)]


def assert_model(world: World, name: str, objects: Sequence[Given]) -> None:
    """A dataset's table and quarantine hold what the model says, no row less and none twice, and the oracle finds them sound."""
    assert sorted(table(world, name), key=repr) == sorted(MODELS[name](objects), key=repr)
    refused = Counter(pair for given in objects for pair in given.refused)
    held = world.lake.named_table(f"quarantine.{name}")
    found = world.rows(f"select _source, _row from quarantine.{name}") if held else []
    assert Counter((row["_source"], row["_row"]) for row in found) == refused
    assert_sound(world, name)
    sail.assert_agrees(world, name)


def chance() -> random.Random:
    """Return a source of chance, another one with each long run; LAKELET_SEED brings one back."""
    seed = int(os.environ.get("LAKELET_SEED") or (random.SystemRandom().randrange(1 << 32) if LONG else 1))
    print(f"LAKELET_SEED={seed}")
    return random.Random(seed)
