"""Makes inputs once and keeps them: a pipeline's sample objects, under a folder named by what they are made from."""

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness import CACHE, python, workspace


def scaled(size: int, scale: float) -> int:
    """Return a size for a run that only tries what is there."""
    return max(int(size * scale), 100)


def samples(project: Path, pipeline: str, rows: int) -> Path:
    """Return a folder with a pipeline's sample objects, bad ones included, laid out as a lake's raw; makes them the first time.

    What is made appears by one rename, so an interrupted run leaves nothing half done. Another text of a sample is another folder.
    """
    digest = hashlib.sha256()
    for source in sorted(path for path in (project / pipeline / "samples").rglob("*") if path.is_file()):
        digest.update(source.relative_to(project).as_posix().encode() + source.read_bytes())
    folder = CACHE / f"{pipeline}-{rows}-{digest.hexdigest()[:8]}"
    if not folder.is_dir():
        with workspace() as making:
            python("benchmarks.inputs", str(project), pipeline, str(rows), str(making / "raw"))
            (making / "raw").rename(folder)
    return folder


def link_all(lake: Path, to: Path) -> None:
    """Give a lake of links to all that one holds: whatever writes into a lake puts a new file in the old one's place."""
    for folder, _, names in os.walk(lake):
        target = to / Path(folder).relative_to(lake)
        target.mkdir(parents=True, exist_ok=True)
        for name in names:
            os.link(Path(folder, name), target / name)


def link(source: Path, lake: Path, keys: Sequence[str] = ()) -> None:
    """Put objects into a lake's raw: all of a folder, or some by key. Links, as Lakelet moves and never writes what it archives."""
    for path in [source / key for key in keys] or sorted(path for path in source.rglob("*") if path.is_file()):
        target = lake / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(path, target)


def _make(project: str, pipeline: str, rows: str, target: str) -> None:
    from core.lake import open_lake
    from core.sample import sample

    def put(key: str, file: Path) -> None:
        path = Path(target, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, path)

    lake = open_lake(project, target)
    with tempfile.TemporaryDirectory(dir=Path(target).parent) as work:
        sample(Path(project, pipeline), rows=int(rows), owner=lake.project.match, put=put, work=Path(work))


def generated(name: str, query: str, options: str) -> Path:
    """Return the file that a query's rows become by one `copy`; makes it the first time. `name` says what it is, and ends as files do."""
    digest = hashlib.sha256(f"{query} {options}".encode()).hexdigest()[:8]
    file = CACHE / f"{Path(name).stem}-{digest}{Path(name).suffix}"
    if not file.is_file():
        with workspace() as making:
            python("benchmarks.inputs", query, options, str(making / "made"))
            (making / "made").rename(file)
    return file


def _copy(query: str, options: str, target: str) -> None:
    import duckdb

    duckdb.execute("set TimeZone = 'UTC'; set preserve_insertion_order = false")
    duckdb.execute(f"copy ({query}) to '{target}' ({options})")


if __name__ == "__main__":
    (_make if len(sys.argv) == 5 else _copy)(*sys.argv[1:])
