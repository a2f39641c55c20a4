"""A body's text -> the text of each of its records as it was sent. Cuts and bounds; what a record is worth, the readers say. Pure.

Python's JSON scanner only finds where a record ends: its values are thrown away, so that no number goes through a float.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from core.errors import Terminal

MOST_RECORDS: Final = 10_000
DEEPEST: Final = 100
"""Levels of nesting: readers that recurse (a merge patch, a proof) are never asked for more."""

SPACE: Final = re.compile(r"[ \t\n\r]*")
NO_JSON: Final = "not valid JSON"  # as the readers say it


class Malformed(Terminal):
    """The body is not the JSON that it says to be: its records cannot be told apart."""


class TooDeep(Malformed):
    """A record holds more levels than any reader is asked to follow."""


class TooMuch(Terminal):
    """More than one request may bring: records, or what it takes to judge them."""


@dataclass(frozen=True)
class Record:
    """One record's text, on one line; `problem` where it is no JSON that could be shown to a reader."""

    text: str
    problem: str = ""


def cut_json(text: str) -> tuple[Record, ...]:
    """Cut one JSON object, or an array of records. Raises Malformed with the place where it breaks, TooMuch."""
    at = _past_space(text, 0)
    if text[at : at + 1] == "{":
        record, at = _cut(text, at, 0)
        records = [record]
    elif text[at : at + 1] == "[":
        records, at = _cut_array(text, at + 1)
    else:
        found = "a JSON value that is neither" if at < len(text) else "nothing"
        raise Malformed("the body", expected="one JSON object or an array of objects", found=found)
    at = _past_space(text, at)
    if at < len(text):
        remedy = "Send records in an array, or one a line as application/x-ndjson."
        raise Malformed("the body", expected=f"its end at {_place(text, at)}", found="more text", remedy=remedy)
    return tuple(records)


def cut_lines(text: str) -> tuple[Record, ...]:
    """Cut JSON Lines: a line that is no JSON is a record with a problem, a blank one is none. Raises Malformed for no line, TooMuch."""
    lines = [line.strip(" \t\r") for line in text.split("\n")]
    lines = [line for line in lines if line]
    if not lines:
        raise Malformed("the body", expected="one JSON object a line", found="nothing")
    if len(lines) > MOST_RECORDS:
        raise _too_much(f"{len(lines):,}")
    return tuple(_line(line) for line in lines)


CUTTERS: Final[Mapping[str, Callable[[str], tuple[Record, ...]]]] = {"json": cut_json, "jsonl": cut_lines}


def _cut_array(text: str, at: int) -> tuple[list[Record], int]:
    records: list[Record] = []
    at = _past_space(text, at)
    if text[at : at + 1] == "]":
        raise Malformed("the body", expected="at least one record", found="an empty array")
    while True:
        if len(records) == MOST_RECORDS:
            raise _too_much("more")
        record, at = _cut(text, at, len(records))
        records.append(record)
        at = _past_space(text, at)
        following = text[at : at + 1]
        if following == "]":
            return records, at + 1
        if following != ",":
            where = f"at {_place(text, at)}, behind record {len(records) - 1}"
            raise Malformed("the body", expected=f"a comma or the array's end {where}", found="something else" if following else "the end")
        at = _past_space(text, at + 1)


def _cut(text: str, at: int, number: int) -> tuple[Record, int]:
    try:
        value, end = SCANNER.raw_decode(text, at)
        if text.count("[", at, end) + text.count("{", at, end) > DEEPEST and _depth(value) > DEEPEST:
            raise RecursionError
    except json.JSONDecodeError as error:
        found = f"{error.msg} at {_place(text, error.pos)}"
        raise Malformed(f"the body's record {number}", expected="valid JSON", found=found) from None
    except _NoConstant as error:
        raise Malformed(f"the body's record {number}", expected="valid JSON", found=str(error)) from None
    except RecursionError:
        raise TooDeep(f"the body's record {number}", expected=f"at most {DEEPEST} levels of nesting", found="more") from None
    return Record(_on_one_line(text[at:end])), end


def _line(line: str) -> Record:
    try:
        record, end = _cut(line, 0, 0)
    except TooDeep:
        return Record(line, f"nested deeper than {DEEPEST} levels")
    except Malformed:
        return Record(line, NO_JSON)
    return record if end == len(line) else Record(line, NO_JSON)


def _on_one_line(text: str) -> str:
    """Break no line: inside JSON a line break only ever stands between tokens."""
    return text.replace("\n", " ").replace("\r", " ") if "\n" in text or "\r" in text else text


def _past_space(text: str, at: int) -> int:
    found = SPACE.match(text, at)
    return found.end() if found else at


def _place(text: str, at: int) -> str:
    """Say where, as editors count."""
    return f"line {text.count(chr(10), 0, at) + 1} column {at - text.rfind(chr(10), 0, at)}"


def _too_much(found: str) -> TooMuch:
    return TooMuch("the body", expected=f"at most {MOST_RECORDS:,} records", found=found, remedy="Send them in several requests.")


def _depth(value: Any) -> int:
    """Count the levels of lists; objects were read as lists of (key, value), so that a key that stands there twice hides nothing."""
    level, depth = [value], 0
    while level := [inner for inner in level if isinstance(inner, list)]:
        depth += 1
        level = [inner[1] if isinstance(inner, tuple) else inner for outer in level for inner in outer]
    return depth


class _NoConstant(ValueError):
    """NaN or Infinity, which JSON does not have."""


def _refuse_constant(name: str) -> NoReturn:
    raise _NoConstant(f"{name}, which JSON does not have")


SCANNER: Final = json.JSONDecoder(object_pairs_hook=list, parse_float=str, parse_int=str, parse_constant=_refuse_constant)
