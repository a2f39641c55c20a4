"""What an object that lands is called, so that its dataset's source covers it, and how its records lie in it. Pure."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from core.contract import Dataset
from core.errors import Terminal
from core.project import Project
from core.source import GLOB, JsonlOptions, JsonOptions

SUFFIX: Final = {"json": ".json", "jsonl": ".jsonl"}
FILLER: Final = "api"


class Unpostable(Terminal):
    """Records cannot be posted to this dataset."""


def unpostable(project: Project, dataset: Dataset) -> Unpostable | None:
    """Say why records cannot be posted to a dataset, None where they can."""
    subject, source = f"dataset {dataset.name}", dataset.source
    if not isinstance(source.options, JsonOptions | JsonlOptions):
        expected = "a dataset of format json or jsonl"
        return Unpostable(subject, expected=expected, found=f"format {source.format}", remedy="Put a file into raw instead.")
    if source.options.encoding != "utf-8":
        return Unpostable(subject, expected="encoding utf-8", found=source.options.encoding, remedy="Put a file into raw instead.")
    if not _is_its_own(project, dataset, key_of(dataset, datetime(2000, 1, 1), "0" * 32)):
        expected = "a source path in which any number of objects can be named"
        return Unpostable(subject, expected=expected, found=source.path, remedy="Put a file into raw instead.")
    return None


def _is_its_own(project: Project, dataset: Dataset, key: str) -> bool:
    try:
        return project.match(key) is dataset
    except Terminal:  # two datasets claim it
        return False


def key_of(dataset: Dataset, moment: datetime, name: str) -> str:
    """Return the key of an object by the day on which it arrives: below the source's folder, or for a glob where its last `*` is."""
    path, suffix = dataset.source.path, SUFFIX.get(dataset.source.format, "")
    dated = f"{moment:%Y/%m/%d}/{token_of(moment, name)}"
    if not any(mark in path for mark in GLOB):
        return f"{path}{dated}{suffix}"
    head, _, tail = path.rpartition("*")
    return f"{_filled(head)}{dated}{_filled(tail) or suffix}"


def token_of(moment: datetime, name: str) -> str:
    """Return the part of a key that no other object's key holds, wherever the object is moved to."""
    return f"{moment:%Y%m%dT%H%M%S%fZ}-{name}"


def _filled(pattern: str) -> str:
    """Return a text that a piece of a glob matches; where it does not (a negated set), the dataset cannot be posted to."""
    return re.sub(r"\[!?(.)[^]]*\]", r"\1", pattern.replace("*", FILLER).replace("?", "0"))


def laid_out(dataset: Dataset, texts: Sequence[str]) -> bytes:
    """Return an object's bytes: the records as they came, one a line, inside an array where the dataset's layout is one."""
    options = dataset.source.options
    if isinstance(options, JsonOptions) and options.layout == "array":
        return ("[\n" + ",\n".join(texts) + "\n]\n").encode()
    return ("\n".join(texts) + "\n").encode()
