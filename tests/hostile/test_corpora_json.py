"""JSONTestSuite: what every parser must accept is loaded with its value, what none may is set aside, what is left open crashes nothing.

Its files are single JSON texts of any kind, and a record is an object. So each text is the value of a key of a record; and, raw, a file.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.figures import LONG
from tests.hostile.corpora import Found, ingest, unpacked
from tests.page import HOSTILE, write

SEQUENCE: Final = "n_structure_object_with_trailing_garbage.json"
"""`{"a": true} "x"`: one text it is not, but two texts one after another."""

TWICE: Final = {"y_object_duplicated_key.json", "y_object_duplicated_key_and_value.json"}
"""Valid, and no records all the same: a key stands there twice."""

FATES: Final = ("loaded", "quarantined", "rejected", "no record")


@dataclass(frozen=True)
class Context:
    """Where a text stands in a file, and how many records stand around it."""

    told: str
    source: Mapping[str, Any]
    wrap: Callable[[bytes], bytes]
    before: int = 0
    after: int = 0


def layout(name: str) -> dict[str, Any]:
    return {"format": "json", "options": {"layout": name}}


WRAPPED: Final = (
    Context(
        "a record's value, among other lines",
        {"format": "jsonl"},
        lambda text: b'{"v":1}\n{"v":' + text.rstrip(b"\n") + b'}\n{"v":2}\n',
        1,
        1,
    ),
    Context("a record's value, in an array", layout("array"), lambda text: b'[{"v":' + text + b"}]"),
    Context("a record's value, concatenated", layout("concatenated"), lambda text: b'{"v":' + text + b"}"),
)
RAW: Final = (
    Context("a file of lines", {"format": "jsonl"}, bytes),
    Context("a file that is an array", layout("array"), bytes),
    Context("a file of texts one after another", layout("concatenated"), bytes),
)


@pytest.fixture(scope="module")
def suite() -> dict[str, bytes]:
    """The texts by their names, of which the first letter says what is to become of them: y, n or i."""
    return {Path(path).name: text for path, text in sorted(unpacked("json-test-suite.tar.xz").items())}


@pytest.fixture(scope="module")
def lines() -> Iterator[dict[str, str]]:
    """Lines of the page by context; a long run in which all were met writes them down."""
    told: dict[str, str] = {}
    yield told
    if LONG and len(told) == len(WRAPPED) + len(RAW):
        write(HOSTILE, "json", ["| a text is | must be accepted | must be refused | may be either |", "|---|---|---|---|", *told.values()])


@pytest.mark.parametrize("context", WRAPPED, ids=lambda context: context.told)
def test_a_valid_value_is_loaded_as_it_is_and_an_invalid_one_costs_its_record(
    context: Context, suite: dict[str, bytes], lines: dict[str, str], tmp_path: Path
) -> None:
    texts = {
        name: text for name, text in suite.items() if context.source["format"] == "json" or name[0] != "y" or b"\n" not in text.strip()
    }
    found = ingest(tmp_path, context.source, [{"name": "v", "type": "json"}], {name: context.wrap(text) for name, text in texts.items()})
    for name, told in found.items():
        values = [row[0] for row in told.rows.values()]
        if told.rejected:
            assert name[0] != "y", name
            continue
        around = context.before + context.after
        assert len(values) - around in {"y": (1,), "n": (0,), "i": (0, 1)}[name[0]], name
        assert values[: context.before] == ["1"] * context.before
        assert values[len(values) - context.after :] == ["2"] * context.after
        for value in values[context.before : len(values) - context.after]:
            assert exact(value or "null") == exact(texts[name].decode()), name
    lines[context.told] = line(context, found)


@pytest.mark.parametrize("context", RAW, ids=lambda context: context.told)
def test_a_text_that_is_no_object_is_no_record_and_an_invalid_file_gives_none(
    context: Context, suite: dict[str, bytes], lines: dict[str, str], tmp_path: Path
) -> None:
    found = ingest(tmp_path, {**context.source, "unknown_columns": "rescue"}, ["nothing"], suite)
    for name, told in found.items():
        records = [json.loads(rescued or "{}", object_pairs_hook=dict) for _, rescued in told.rows.values()]
        assert all(nothing is None for nothing, _ in told.rows.values())
        if name[0] == "n":
            assert records == ([{"a": True}] if name == SEQUENCE and "concatenated" in str(context.source) else []), name
        elif name[0] == "y":
            assert records == ([] if told.rejected else objects(name, suite[name].decode(), context)), name
    lines[context.told] = line(context, found)


def exact(text: str) -> Any:
    """Read a JSON text: numbers as they are written, objects as pairs in their order."""
    return json.loads(text, parse_float=str, parse_int=str, object_pairs_hook=tuple)


def objects(name: str, text: str, context: Context) -> list[Any]:
    """Return the records that a file of one valid text holds."""
    value = json.loads(text)
    if name in TWICE or (context.source["format"] == "jsonl" and "\n" in text.strip()):
        return []
    values = value if isinstance(value, list) and context is RAW[1] else [value]
    return [entry for entry in values if isinstance(entry, dict)]


def line(context: Context, found: Mapping[str, Found]) -> str:
    """Return the context's line of the page."""
    fates = Counter((name[0], fate(told, context.before + context.after)) for name, told in found.items())
    cells = (", ".join(f"{what} {fates[kind, what]}" for what in FATES if fates[kind, what]) for kind in "yni")
    return f"| {context.told} | {' | '.join(cells)} |"


def fate(found: Found, around: int) -> str:
    """Say what became of a text."""
    if found.rejected:
        return "rejected"
    return "loaded" if len(found.rows) > around else "quarantined" if found.refused else "no record"
