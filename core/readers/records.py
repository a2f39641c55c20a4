"""JSON and JSON Lines: each record's text as it came, its values as exact text. A record that is no JSON object is bad, not NULL.

A column is one top-level key, whatever characters it holds; `from` is a dotted path into nested objects.
"""

import json
import re
import shutil
from collections.abc import Collection, Iterator, Sequence
from mmap import mmap
from pathlib import Path

import duckdb

from core.contract import Column, Dataset
from core.errors import Rejected
from core.quoting import identifier, literal, texts
from core.readers import depth, numbers, proof
from core.readers.files import CHUNK, Prepared, RawFile, as_utf8, check_lines, mapped, record_exceeded, refused, unpacked
from core.readers.paths import Paths, pointer, values
from core.source import JsonlOptions, JsonOptions
from core.units import size

FORMATS = {"lines": "newline_delimited", "array": "array", "concatenated": "unstructured"}
SPACE = " \t\r\n\v\f"
"""What DuckDB takes for blank around a record: two characters more than the standard."""
TOLERATED = r",\s*[}\]]|[:,\[]\s*-?(?:[nN][aA]|[iI])"
"""What DuckDB's parser takes and the standard does not: trailing commas, NaN, Infinity."""


def prepare(dataset: Dataset, file: RawFile, work: Path) -> Prepared:
    """Check the encoding; whether it is JSON shows when it is read."""
    options = dataset.source.options
    assert isinstance(options, JsonOptions | JsonlOptions)
    path = as_utf8(dataset, file, unpacked(dataset, file, work, "json"), options.encoding)
    with mapped(path) as data:
        if not re.search(rb"[^%s]" % SPACE.encode(), data):
            raise refused(dataset, file.name, "empty", "the file is empty", found="nothing but blank space")
        if _layout(dataset) == "array" and _is_cut(data):
            raise refused(
                dataset, file.name, "unreadable", "the JSON cannot be read", expected=_EXPECTED["array"], found="no bracket at its end"
            )
        if _layout(dataset) == "lines":
            check_lines(dataset, file.name, data)
        ended = data[-1:] == b"\n"
    if _layout(dataset) == "lines" and not ended:
        _end_line(path)
    return Prepared(file.number, path, file.name)


def _is_cut(data: mmap) -> bool:
    """Tell whether an array lacks its end: DuckDB 1.5.5 takes one that was cut behind a comma for whole."""
    opened, end = re.match(rb"[%s]*\[" % SPACE.encode(), data), data.rfind(b"]") + 1
    return bool(opened and (not end or re.compile(rb"[^%s]" % SPACE.encode()).search(data, end)))


def _end_line(path: Path) -> None:
    """Give the last line its newline, in a copy: the file itself may be the raw object.

    Without one DuckDB 1.5.5 finds no line at all in a file of one byte, and misreads the last one of a file of about 16 or 32 MB.
    """
    ended = path.with_name(f"{path.stem}.ended{path.suffix}")
    shutil.copyfile(path, ended)
    with ended.open("ab") as copy:
        copy.write(b"\n")
    ended.replace(path)


def relation(_: duckdb.DuckDBPyConnection, dataset: Dataset, files: Sequence[Prepared], *, careful: bool = False) -> str:
    """Return one select over all the files; `careful` takes lines that are no JSON one by one."""
    exact = numbers.guard(dataset)
    paths = Paths(dataset.read_columns, values(dataset))
    proven = proof.rewriting([file.path for file in files], paths.text_at)
    if proven == proof.NEVER:  # then no value of the parser's could be believed
        paths = Paths(dataset.read_columns)
    said = Paths([column for column in dataset.read_columns if column.name in paths.typed])
    structure, spelling = (literal(json.dumps(found.structure)) for found in (paths, said))
    steps = [
        f"json_transform(json, {structure}) as parsed",
        f"{proven} as proven",
        f"case when proven then false else regexp_matches(json, {literal(f'{exact}|{TOLERATED}' if exact else TOLERATED)}) end as suspect",
        "case when proven then null else json_keys(json) end as keys",
    ]
    if exact:
        steps += [
            f"case when suspect then regexp_matches(json, {literal(exact)}) else false end as bent",
            f"case when bent then {numbers.marked('json')} else json end as exact",
        ]
    else:
        steps.append("json as exact")
    scan = _scan_lines(files) if careful and _layout(dataset) == "lines" else _scan(dataset, files)
    query = f"(\nselect *, {depth.too_deep('json')} as deep\nfrom (\n    {scan}\n))"
    query = f"(\nselect * replace (case when deep then null else json end as json)\nfrom {query})"
    for step in steps:
        query = f"(\nselect *, {step}\nfrom {query})"
    if exact:
        query = f"(\nselect * replace (case when bent then json_transform(exact, {structure}) else parsed end as parsed)\nfrom {query})"
    if paths.typed:
        query = f"(\nselect *, case when proven then null else json_transform(exact, {spelling}) end as said\nfrom {query})"
    return "select\n    " + ",\n    ".join(_selected(dataset, paths, said, exact)) + f"\nfrom {query}"


def _selected(dataset: Dataset, paths: Paths, said: Paths, exact: str) -> Iterator[str]:
    """Yield what the relation gives. Of a column that the parser may value there is a value where the record is proven, else a text."""
    given = values(dataset)
    yield from ("_file", f"{_problem(dataset, paths, exact)} as _problem", "_raw")
    if dataset.source.unknown_columns == "rescue":
        yield f"{_rescued(dataset, paths, exact)} as _rescued"
    for column in dataset.read_columns:
        text = _text(said, column, exact, "said") if column.name in paths.typed else _text(paths, column, exact)
        yield f"{text} as {identifier(column.name)}"
        if column.name in given:
            value = f"case when proven then {paths.expression(column)} end" if column.name in paths.typed else f"null::{column.type}"
            yield f"{value} as {identifier(given[column.name])}"


def raw_records(_: Dataset, __: Prepared, ___: Collection[int]) -> dict[int, str]:
    """Return nothing: every record came with its text."""
    return {}


def position(_: Dataset, __: Prepared, ordinal: int) -> str:
    """Return where a person finds the record."""
    return f"record {ordinal}"


def unreadable(dataset: Dataset, file: Prepared, error: Exception) -> Rejected:
    """Translate DuckDB's error: where it stopped, and why."""
    if "maximum_object_size" in str(error):
        return record_exceeded(dataset, file.name)
    said = re.search(r"at byte (\d+) in (line|record/value) (\d+): ([a-z -]+)", str(error))
    found = f"{said[4].strip()} at byte {said[1]} of {said[2]} {said[3]}" if said else "text that is not"
    return refused(dataset, file.name, "unreadable", "the JSON cannot be read", expected=_EXPECTED[_layout(dataset)], found=found)


_EXPECTED = {"lines": "one JSON object a line", "array": "one JSON array of objects", "concatenated": "JSON objects one after another"}


def _layout(dataset: Dataset) -> str:
    options = dataset.source.options
    return options.layout if isinstance(options, JsonOptions) else "lines"


def _text(paths: Paths, column: Column, exact: str, parsed: str = "parsed") -> str:
    found = paths.expression(column, parsed)
    return f"case when bent then {numbers.unmarked(found)} else {found} end" if exact else found


def _problem(dataset: Dataset, paths: Paths, exact: str) -> str:
    """Return why a record is no good. The cheapest question that clears a record comes first: its keys are the contract's, in order."""
    stripped = r"""regexp_replace(json, '"(?:[^"\\]|\\.)*"', '""', 'g')"""
    known = texts(paths.tops)
    cases = [
        f"when deep then {literal(depth.TOO_DEEP)}",
        "when proven then null",
        "when json is null then 'not valid JSON'",
        "when not starts_with(json, '{') and json_type(json) <> 'OBJECT' then 'not a JSON object'",
        f"when suspect and regexp_matches({stripped}, {literal(TOLERATED)}) then 'not valid JSON: a trailing comma, NaN or Infinity'",
    ]
    if exact:
        cases.append(rf"when bent and contains(json, '{numbers.MARK_IN_JSON}') then 'a text holds \u0001\u0002, which is reserved'")
    for way in paths.objects:
        at, named = literal(pointer(way)), ".".join(way)
        cases.append(f"when json_type(json, {at}) not in ('OBJECT', 'NULL') then {literal(named + ': not an object')}")
        cases.append(f"when {_repeats(f'json_keys(json, {at})')} then {literal(named + ': a key stands there twice')}")
    cases += [f"when keys = {known} then null", f"when {_many(dataset)} then {literal(f'more than {_most_keys(dataset):,} keys')}"]
    cases += [f"when {_repeats('keys')} then 'a key stands there twice'"]
    if dataset.source.unknown_columns == "reject":
        unknown = f"list_filter(keys, lambda key: not list_contains({known}, key))"
        cases.append(f"when not list_has_all({known}, keys) then left('unknown key(s): ' || array_to_string({unknown}, ', '), 300)")
    return "case\n        " + "\n        ".join(cases) + "\n    end"


def _most_keys(dataset: Dataset) -> int:
    return max(dataset.source.limits.columns, len(dataset.read_columns))


def _many(dataset: Dataset) -> str:
    """Return the condition that a record has more keys than it may: to compare each with each would take all memory."""
    return f"len(keys) > {_most_keys(dataset)}"


def _repeats(keys: str) -> str:
    return f"len({keys}) <> len(list_distinct({keys}))"


def _rescued(dataset: Dataset, paths: Paths, exact: str) -> str:
    """Return the unknown keys as an object: a merge patch of NULLs (RFC 7396) takes the known ones away."""
    patch = literal(json.dumps(dict.fromkeys(paths.tops)))
    rest = f"cast(json_merge_patch(exact, {patch}) as varchar)"
    if exact:
        rest = f"case when bent then {numbers.unmarked(rest)} else {rest} end"
    unknown = f"json_type(json) = 'OBJECT' and not list_has_all({texts(paths.tops)}, keys)"
    return f"case when {_many(dataset)} then null when {unknown} then {rest} end"


def _scan(dataset: Dataset, files: Sequence[Prepared]) -> str:
    paths = ", ".join(literal(str(file.path)) for file in files)
    largest = size(dataset.source.limits.record)
    return (
        "select cast(left(parse_filename(filename), 6) as integer) as _file, cast(json as varchar) as _raw, json\n"
        f"    from read_json_objects([{paths}], format = '{FORMATS[_layout(dataset)]}', filename = true,"
        f" compression = 'uncompressed', maximum_object_size = {largest}, hive_partitioning = false)"
    )


def _scan_lines(files: Sequence[Prepared]) -> str:
    """Lay each file's lines out in Parquet, where a line is a text whatever it holds, and leave it to the query which are JSON."""
    targets = []
    for file in files:
        target = file.path.with_name(f"{file.path.stem}.lines.parquet")
        _write_lines(file.path, target)
        targets.append(literal(str(target)))
    return (
        "select cast(left(parse_filename(filename), 6) as integer) as _file, _raw,\n"
        "        case when json_valid(_raw) then cast(_raw as json) end as json"
        f"\n    from read_parquet([{', '.join(targets)}], filename = true, hive_partitioning = false)"
    )


def _write_lines(source: Path, target: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([("_raw", pa.string())])
    with pq.ParquetWriter(target, schema, compression="none", use_dictionary=False) as sink:
        for lines in _batches(source):
            sink.write_table(pa.table({"_raw": pa.array(lines, pa.string())}, schema=schema))


def _batches(source: Path) -> Iterator[list[str]]:
    with source.open("r", encoding="utf-8", newline=None) as file:
        while lines := file.readlines(8 * CHUNK):
            yield [record for line in lines if (record := line.strip(SPACE))]
