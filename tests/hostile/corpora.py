"""The corpora of odd files that others collected: where they are, unpacked, and what a contract made of each of their files.

They are not part of the repository: LAKELET_CORPORA names the folder that holds their archives.
"""

import os
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.page import PAGE
from tests.world import World

FOLDER = Path(os.environ.get("LAKELET_CORPORA") or PAGE.parents[2] / "shared" / "corpora")


def unpacked(archive: str) -> dict[str, bytes]:
    """Return the files of one of the corpora by their paths; the test is skipped where it is not there."""
    if not (FOLDER / archive).is_file():
        pytest.skip(f"there is no {archive} in {FOLDER}: LAKELET_CORPORA names the folder that holds it")
    with tarfile.open(FOLDER / archive) as source:
        return {member.name: source.extractfile(member).read() for member in source if member.isfile()}  # type: ignore[union-attr]


@dataclass(frozen=True)
class Found:
    """What became of one file: rejected for a reason, or rows and refused records, each by its ordinal in the file."""

    rejected: str
    rows: Mapping[int, tuple[str | None, ...]]
    refused: Mapping[int, str]


def ingest(
    home: Path, source: Mapping[str, Any], columns: Sequence[str | Mapping[str, Any]], files: Mapping[str, bytes]
) -> dict[str, Found]:
    """Load files by a contract of these columns (text by default), all in one run, and return what became of each.

    Each is settled, each of its records is in the table or in the quarantine, once, and no record is in both.
    """
    declared = [{"name": column} if isinstance(column, str) else dict(column) for column in columns]
    contract = {"dataset": "odd", "source": {"path": "raw/odd/", **source}, "columns": declared, "target": {"path": "processed/odd/"}}
    world = World(home, str(home / "lake")).declare(yaml.safe_dump(contract))
    names = {f"raw/odd/{number:06d}": name for number, name in enumerate(files)}
    for key, name in names.items():
        world.put(key, files[name])
    outcomes = [outcome for done in world.ingested() for outcome in done.objects]
    assert sorted(outcome.object.key for outcome in outcomes) == sorted(names)
    assert not world.keys("raw/")
    rows, refused = _rows(world), _refused(world)
    found = {}
    for outcome in outcomes:
        told = Found(outcome.reason, rows.get(outcome.object.source, {}), refused.get(outcome.object.source, {}))
        assert outcome.fate == ("rejected" if outcome.reason else "loaded")
        assert sorted([*told.rows, *told.refused]) == list(range(1, outcome.rows.get("read", 0) + 1)), outcome
        found[names[outcome.object.key]] = told
    assert sum(key.endswith(".report.json") for key in world.keys("rejected/")) == sum(bool(told.rejected) for told in found.values())
    return found


def _rows(world: World) -> dict[str, dict[int, tuple[str | None, ...]]]:
    if world.lake.named_table("odd") is None:
        return {}
    found: dict[str, dict[int, tuple[str | None, ...]]] = {}
    for row in world.rows("select * exclude (_source_time) from odd order by _source, _row"):
        source, ordinal = row.pop("_source"), row.pop("_row")
        of_file = found.setdefault(source, {})
        assert ordinal not in of_file
        of_file[ordinal] = tuple(row.values())
    return found


def _refused(world: World) -> dict[str, dict[int, str]]:
    if world.lake.named_table("quarantine.odd") is None:
        return {}
    found: dict[str, dict[int, str]] = {}
    for row in world.rows("select _source, _row, raw from quarantine.odd order by _source, _row"):
        of_file = found.setdefault(row["_source"], {})
        assert row["_row"] not in of_file
        of_file[row["_row"]] = row["raw"]
    return found
