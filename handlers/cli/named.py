"""What somebody names on the command line: objects and the dataset of each, a pipeline that has samples."""

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from core.errors import Terminal
from core.lake import Lake
from core.storage import ObjectRef


def key_of(lake: Lake, name: str) -> str:
    """Return an object's key: the name itself, or what it is below the raw store."""
    root = lake.settings.raw
    if name.startswith("s3://"):
        return name.removeprefix(f"{root}/")
    path = Path(name).absolute()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else name


def by_dataset(lake: Lake, keys: Sequence[str]) -> dict[str, list[ObjectRef]]:
    """Find each key's dataset; Terminal, before anything is moved, where one has none."""
    found: dict[str, list[ObjectRef]] = {}
    strangers = []
    for key in keys:
        dataset = lake.project.match(key)
        if dataset:
            found.setdefault(dataset.name, []).append(ObjectRef(key))
        else:
            strangers.append(key)
    if strangers:
        raise Terminal(
            f"{', '.join(strangers)}: no dataset declares this",
            expected=f"a key below one of {', '.join(sorted(dataset.source.path for dataset in lake.project.datasets.values()))}",
            remedy="Nothing was loaded.",
        )
    return found


def samples_of(lake: Lake, name: str) -> Path:
    """Return a pipeline's folder; Terminal with a suggestion where there is none, or where it has no samples."""
    pipelines = sorted({declaration.pipeline for declaration in lake.project.declarations.values()})
    if name not in pipelines:
        near = get_close_matches(name, pipelines, 1)
        raise Terminal(
            f"{name} is no pipeline of {lake.settings.project}",
            expected=f"one of {', '.join(pipelines)}",
            remedy=f"Did you mean {near[0]}?" if near else "",
        )
    folder = lake.settings.project / name
    if not (folder / "samples").is_dir():
        raise Terminal(f"pipeline {name} has no samples", expected=f"files in {folder / 'samples'}")
    return folder
