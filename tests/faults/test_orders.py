"""Versions of keys, in any order of arrival and in any batches, doubled, with ties: the table is always the same one."""

import random
from collections.abc import Iterator, Sequence

import pytest

from core.delta import Snapshot
from core.ingest import ingest
from core.storage import ObjectRef
from tests.faults.figures import FIGURES, LONG
from tests.faults.model import HEADER, STATES, Given, assert_model, chance, line, put
from tests.faults.oracle import assert_places
from tests.world import World

KEYS, VERSIONS, FILES = 1000, 10, 40
SHUFFLES = 12 if LONG else 2
PARTITIONED = STATES.replace("mode: merge", "mode: merge, partition_by: [n]")


def bodies(rng: random.Random) -> list[str]:
    """Return files with ten versions of each key, everything twice, in ever other neighbourhoods.

    Of a key's versions some are equal in `seen`, and some have none: then the object's time decides, its name, the row.
    """
    moments = [None, 0, 1, 1, 2, 3, 4, 5, 5, 5]
    rows = [line(key, rng.randrange(4), moments[version]) for key in range(KEYS) for version in range(VERSIONS)] * 2
    rng.shuffle(rows)
    size = len(rows) // FILES
    return [HEADER + "".join(rows[start : start + size]) for start in range(0, len(rows), size)]


def arrivals(rng: random.Random, objects: Sequence[Given]) -> Iterator[list[ObjectRef]]:
    """Deliver each object twice, in any order, in batches of any size, alone or all at once."""
    refs = [one.ref if rng.random() < 0.5 else ObjectRef(one.ref.key) for one in objects for _ in range(2)]
    rng.shuffle(refs)
    most = rng.choice([4, 16, len(refs)])
    while refs:
        size = rng.randint(most // 2, most)
        yield refs[:size]
        refs = refs[size:]


def loaded(world: World, rng: random.Random, texts: Sequence[str]) -> list[Given]:
    """Put the same files at the same times, several at one, and have them arrive by chance."""
    start = int(world.lake.now().timestamp()) - 900
    objects = [put(world, f"raw/states/{n}.csv", text, start + n % 7) for n, text in enumerate(texts)]
    for batch in arrivals(rng, objects):
        ingest(world.lake, world.lake.project.datasets["states"], batch)
    return objects


@pytest.mark.parametrize("declared", [STATES, PARTITIONED], ids=["whole", "partitioned"])
@pytest.mark.parametrize("shuffle", range(SHUFFLES))
def test_ten_versions_of_a_thousand_keys_give_the_same_table_in_every_order(world: World, declared: str, shuffle: int) -> None:
    rng = chance()
    texts = bodies(rng)
    objects = loaded(world.declare(declared), random.Random(f"{shuffle} of {rng.random()}"), texts)
    assert_model(world, "states", objects)
    assert_places(world, [one.body.encode() for one in objects])
    assert world.run() == []
    FIGURES.count("versions of keys", f"shuffles of {KEYS * VERSIONS:,} versions")


def test_late_older_versions_change_nothing(world: World) -> None:
    rng = chance()
    objects = loaded(world.declare(STATES), rng, [HEADER + "".join(line(key, 1, 5) for key in range(KEYS))])
    late = list(range(KEYS))
    rng.shuffle(late)
    before, now = opened(world), int(world.lake.now().timestamp())
    for n, seen in enumerate((None, 0, 4)):
        text = HEADER + "".join(line(key, 2, seen) for key in late[n * 300 : (n + 1) * 300])
        objects.append(put(world, f"raw/states/late-{n}.csv", text, now))
    objects.append(put(world, "raw/states/older.csv", objects[0].body, now - 86_400))
    for done in world.ingested():
        assert done.count("loaded") == 4
        assert (done.balance["superseded"], done.balance["duplicate"], done.balance["inserted"], done.balance["updated"]) == (
            900,
            KEYS,
            0,
            0,
        )
    after = opened(world)
    assert after.version == before.version + 1
    assert after.files == before.files
    assert_model(world, "states", objects)
    FIGURES.count("versions of keys", "late files", 4)


def opened(world: World) -> Snapshot:
    snapshot = world.lake.named_table("states")
    assert snapshot is not None
    return snapshot
