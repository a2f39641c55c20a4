"""A proof that a JSON record was read exactly: written again from its values, it is the text that came.

A record that equals its own rewriting has no bent number, no unknown or repeated key, nothing that only a tolerant parser takes; it
needs no further question. The others (escapes, other spacing, absent keys) are asked one by one. Only speed hangs on it.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from core.quoting import literal

HEAD = 1 << 16
NEVER = "false"
"""The condition where nothing can be proven."""


class Text(NamedTuple):
    """The expression of what stands at a place of the record, whether it has to be there, and whether it may be any number.

    A whole number or a boolean is none that a tolerant parser takes: it has come from a value.
    """

    expression: str
    required: bool
    loose: bool = True


Place = Callable[[tuple[str, ...]], Text | None]
"""What is read at a place in the record; None where no column reads just that."""


class Pairs(list[tuple[str, Any]]):
    """An object's keys and values, in its order."""


class Unread(Exception):
    """The record holds what no column reads, or a key twice: nothing can be proven by writing it again."""


def rewriting(paths: Sequence[Path], place: Place) -> str:
    """Return the condition that a record, written again as the first of the largest file is, is what came; NEVER where none is told."""
    try:
        with max(paths, key=lambda path: path.stat().st_size).open("rb") as file:
            head = file.read(HEAD).decode("utf-8", "ignore").lstrip(" \t\r\n[")
        record, _ = json.JSONDecoder(object_pairs_hook=Pairs).raw_decode(head)
        comma, colon = (", ", ": ") if '": ' in head else (",", ":")
        pieces = list(_object(record, (), place, comma, colon)) if isinstance(record, Pairs) else []
    except (ValueError, Unread, RecursionError):  # a record may be nested deeper than Python's stack
        pieces = []
    if not pieces:
        return NEVER
    merged = [literal("".join(run)) if isinstance(run[0], _Literal) else run[0] for run in _runs(pieces)]
    exact = [f"_raw = concat({', '.join(merged)})"]
    exact += [_of_json(piece) for piece in pieces if isinstance(piece, _Bare)]
    return " and ".join(exact)


def _of_json(piece: str) -> str:
    """Return the condition that a value without quotes is no NaN or Infinity, which DuckDB reads in any case and writes as it came."""
    digits = f"({piece}) < '-:' or ({piece}) between '0' and ':'"  # behind a sign, too, letters come after digits
    return f"coalesce({digits} or ({piece}) in ('true', 'false'), true)"


class _Literal(str):
    """A piece that stands in every record, apart from pieces that are expressions."""


class _Bare(str):
    """The expression of a value without quotes, which may be a number that is none in JSON."""


def _runs(pieces: list[str]) -> Iterator[list[str]]:
    """Group neighbouring literals; every expression alone."""
    for _, run in groupby(enumerate(pieces), lambda piece: -1 if isinstance(piece[1], _Literal) else piece[0]):
        yield [piece for _, piece in run]


def _object(pairs: Pairs, way: tuple[str, ...], place: Place, comma: str, colon: str) -> Iterator[str]:
    if not pairs or len(dict(pairs)) < len(pairs):  # `{}` says nothing of who reads it, and a repeated key would be written twice, too
        raise Unread
    before = "{"
    for key, sample in pairs:
        yield _Literal(before + json.dumps(key, ensure_ascii=False) + colon)
        if isinstance(sample, Pairs):
            yield from _object(sample, (*way, key), place, comma, colon)
        else:
            yield from _value(sample, place((*way, key)))
        before = comma
    yield _Literal("}")


def _value(sample: Any, text: Text | None) -> Iterator[str]:
    """Yield a value as it stands in JSON. concat takes NULL for nothing, so that a required one costs no question."""
    if text is None or isinstance(sample, list):
        raise Unread
    quote = '"' if isinstance(sample, str) else ""
    value = _Bare(text.expression) if text.loose and not quote else text.expression
    if text.required:
        yield from (_Literal(quote), value, _Literal(quote))
    else:
        yield f"if({text.expression} is null, 'null', {literal(quote)})"
        yield value
        yield f"if({text.expression} is null, '', {literal(quote)})"
