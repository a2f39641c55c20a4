"""How deep JSON is nested, found out by patterns and not by recursion; only texts that are long enough to be too deep are asked. Pure."""

from typing import Final

from core.contract import Dataset
from core.quoting import identifier, literal
from core.readers.numbers import nested

DEEPEST: Final = 1_000
"""Levels of nesting. DuckDB 1.5.5 parses any number, but json_contains and json_merge_patch recurse: at 74,500 and 131,000 levels they have
used up a thread's 8 MB of stack, and the process dies. Whoever reads the table next gives up near 1,000: Python's json, Jackson, Spark."""

TOO_DEEP: Final = f"nested deeper than {DEEPEST:,} levels"
STEP: Final = 100
STRINGS: Final = r'"(?:[^"\\]|\\.)*"'


def too_deep(text: str) -> str:
    """Return the condition that a valid JSON text is nested deeper than DEEPEST: exact, and next to free for short or flat texts.

    `case` because it asks the next question only of those rows that the one before left open; `and` would ask each of all.
    """
    openings = f"len(string_split({text}, '[')) + len(string_split({text}, '{{')) - 2"  # counts eight times as fast as replace does
    short, flat = f"strlen({text}) <= {2 * DEEPEST}", f"{openings} <= {DEEPEST}"
    return f"case when {text} is null or {short} then false when {flat} then false else {_left(text)} <> '' end"


def bounded(dataset: Dataset, relation: str) -> str:
    """Return the relation of a format other than JSON with those cells bounded that will be read as JSON: theirs is a bad record."""
    cells = [column.name for column in dataset.read_columns if nested(column.type)]
    if not cells:
        return relation
    deep = {name: f"case when {too_deep(identifier(name))} then json_valid({identifier(name)}) end" for name in cells}
    problems = " ".join(f"when {deep[name]} then {literal(f'{name}: {TOO_DEEP}')}" for name in cells)
    replaced = [f"case when {deep[name]} then null else {identifier(name)} end as {identifier(name)}" for name in cells]
    selected = ",\n    ".join([f"coalesce(_problem, case {problems} end) as _problem", *replaced])
    return f"select * replace (\n    {selected}\n)\nfrom (\n{relation}\n)"


def _left(text: str) -> str:
    """Return what is left of a text's brackets when everything up to DEEPEST levels high is taken away, STEP levels a time."""
    brackets = f"regexp_replace(regexp_replace({text}, {literal(STRINGS)}, '', 'g'), '[^\\[\\]{{}}]+', '', 'g')"
    texts = f"list_resize([translate({brackets}, '{{}}', '[]')], {1 + DEEPEST // STEP}, '')"
    return f"list_reduce({texts}, lambda rest, _: regexp_replace(rest, {literal(_tree())}, '', 'g'))"


def _tree() -> str:
    """Return the pattern of brackets that are at most STEP levels high: RE2 matches it in linear time and without a stack."""
    pattern = r"\[\]"
    for _ in range(STEP - 1):
        pattern = rf"\[(?:{pattern})*\]"
    return pattern
