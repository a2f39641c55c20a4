"""Objects that somebody names, one by one: which dataset each belongs to, and the steps that load them."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from core.contract import Dataset
from core.errors import LakeError, Terminal
from core.ingest import ingest
from core.lake import Lake
from core.run import Begun, Step, Undone, batches, judge, publish
from core.storage import ObjectRef


def key_of(lake: Lake, name: str) -> str:
    """Return an object's key: the name itself, or what it is below the raw store."""
    root = lake.settings.raw
    if name.startswith("s3://"):
        return name.removeprefix(f"{root}/")
    path = Path(name).absolute()
    return path.relative_to(root).as_posix() if path.is_file() and path.is_relative_to(root) else name


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


def ingest_named(lake: Lake, refs: Mapping[str, Sequence[ObjectRef]], *, behind_window: bool) -> Iterator[Step]:
    """Load the objects by dataset, what is read by others first, and bring up to date what hangs on the tables."""
    for dataset in (declaration for declaration in lake.project.order if declaration.name in refs):
        try:
            yield from _ingest_dataset(lake, lake.project.datasets[dataset.name], refs[dataset.name], behind_window=behind_window)
        except LakeError as error:
            yield Undone(dataset.name, str(error))


def _ingest_dataset(lake: Lake, dataset: Dataset, refs: Sequence[ObjectRef], *, behind_window: bool) -> Iterator[Step]:
    for batch in batches(refs):
        yield Begun(dataset.name, f"ingesting {len(batch)} object{'s'[: len(batch) != 1]}")
        yield ingest(lake, dataset, batch, behind_window=behind_window)
    yield from publish(lake, dataset)
    yield from judge(lake, dataset)
