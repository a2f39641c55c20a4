"""CSV by its declared dialect: DuckDB splits what is regular, everything else becomes a bad record in its place. Never sniffs.

Blank lines are no records, so a NULL in a file of one column is a quoted empty field.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import duckdb

from core.contract import Dataset
from core.errors import Rejected
from core.quoting import identifier, literal
from core.readers import header as headers
from core.readers import joined
from core.readers.dialect import Buffer, Dialect
from core.readers.files import CHUNK, Prepared, RawFile, as_utf8, check_lines, mapped, record_exceeded, refused, too_large, unpacked
from core.source import CsvOptions
from core.units import size, spoken

LONGEST_HEADER = 1 << 20
"""Bytes in which a header must end."""
NUMBER = "cast(left(parse_filename(filename), 6) as integer)"
MISPLACED_QUOTE = "a quote stands out of place"


def prepare(dataset: Dataset, file: RawFile, work: Path) -> Prepared:
    """Check encoding, header and quoting; write a mended copy where DuckDB could not be sure of what it reads."""
    options = _options(dataset)
    path = as_utf8(dataset, file, unpacked(dataset, file, work, "csv"), options.encoding)
    with mapped(path) as data:
        check_lines(dataset, file.name, data)
        quoted = bool(options.quote) and data.find(options.quote.encode()) >= 0
        dialect = Dialect.of(options, quoted=quoted)
        start = dialect.first(data, options.first_row)
        if start == len(data):
            raise refused(
                dataset,
                file.name,
                "empty",
                "the file is empty",
                found="nothing but blank lines" if options.first_row == 1 else f"nothing from line {options.first_row} on",
            )
        names, start, skip = (
            _header(dataset, file, data, start) if options.header else (_contract(dataset), start, 0 if options.first_row == 1 else -1)
        )
        parallel = not quoted or dialect.regular(data, newlines=False)
        regular = parallel or dialect.regular(data, newlines=True)
        if skip < 0 or not regular or not dialect.one_newline(data) or dialect.escapes_outside(data):
            mended = path.with_name(f"{path.stem}.mended.csv")
            _mend(data, mended, dialect, start, len(names))
            return Prepared(file.number, mended, file.name, names, original=path, start=start, quoted=quoted, multiline=not parallel)
    return Prepared(file.number, path, file.name, names, start=start, skip=skip, quoted=quoted, multiline=not parallel)


def relation(connection: duckdb.DuckDBPyConnection, dataset: Dataset, files: Sequence[Prepared], *, careful: bool = False) -> str:
    """Return one select over all the files; those that are laid out alike share one scan.

    Executing it raises where a file holds the header once more; `careful` finds the end of its first table.
    """
    if careful:
        again = _with_header_again(connection, dataset, files)
        dialects = {quoted: Dialect.of(_options(dataset), quoted=quoted) for quoted in (False, True)}
        files = [joined.first_table(file, dialects[file.quoted]) if file.number in again else file for file in files]
    return "\nunion all\n".join(_select(dataset, group, careful) for group in _alike(files))


def _alike(files: Sequence[Prepared]) -> Collection[list[Prepared]]:
    groups: dict[tuple[object, ...], list[Prepared]] = {}
    for file in files:
        alike = (file.header, file.skip, file.quoted, file.multiline, file.original is not None)
        groups.setdefault(alike, []).append(file)
    return groups.values()


def _with_header_again(connection: duckdb.DuckDBPyConnection, dataset: Dataset, files: Sequence[Prepared]) -> set[int]:
    """Return the files in which a record says the columns' names."""
    found: set[int] = set()
    for group in _alike(files):
        if repeated := joined.is_header(dataset, group[0].header):
            scan = _scan(dataset, group, careful=True)
            found |= {number for (number,) in connection.execute(f"select distinct {NUMBER} from {scan} where {repeated}").fetchall()}
    return found


def raw_records(dataset: Dataset, file: Prepared, ordinals: Collection[int]) -> Iterator[tuple[int, str]]:
    """Yield the text of the given records as it came, without its line end."""
    dialect, wanted, left = Dialect.of(_options(dataset), quoted=file.quoted), set(ordinals), len(set(ordinals))
    with mapped(file.original or file.path) as data, closing(dialect.records(data, file.start, len(file.header))) as records:
        for ordinal, piece in enumerate(records, 1):
            if ordinal in wanted:
                yield ordinal, bytes(data[piece.start : piece.end]).decode()
                left -= 1
            if not left:
                break


def position(_: Dataset, __: Prepared, ordinal: int) -> str:
    """Return where a person finds the record: its count from the first one after the header."""
    return f"record {ordinal}"


def unreadable(dataset: Dataset, file: Prepared, error: Exception) -> Rejected:
    """Translate DuckDB's error, without the line that it quotes."""
    line = re.search(r"CSV Error on Line: (\d+)", str(error))
    where = f" (line {line[1]})" if line else ""
    if "maximum line size" in str(error).lower():
        return record_exceeded(dataset, file.name, where)
    return refused(dataset, file.name, "unreadable", "the CSV cannot be read", found=f"a file that DuckDB cannot split{where}")


def _options(dataset: Dataset) -> CsvOptions:
    options = dataset.source.options
    assert isinstance(options, CsvOptions)
    return options


def _contract(dataset: Dataset) -> tuple[str, ...]:
    return tuple(column.source_name for column in dataset.read_columns)


def _header(dataset: Dataset, file: RawFile, data: Buffer, start: int) -> tuple[tuple[str, ...], int, int]:
    """Return the names, where the records begin, and how many lines DuckDB shall skip; -1: it cannot."""
    dialect = Dialect.of(_options(dataset))
    record = dialect.record.match(data, start, start + LONGEST_HEADER)
    if record is None:
        raise headers.mismatch(dataset, file.name, "a quote out of place in the header")
    if record.end(1) == start + LONGEST_HEADER < len(data):
        raise too_large(
            dataset, file.name, "the header is too long", f"a line of at most {spoken(LONGEST_HEADER)}", f"{_begins(record[1])} without end"
        )
    fields = dialect.split(record[1])
    headers.check_width(dataset, file.name, len(fields))
    names = tuple(dialect.text(field) for field in fields)
    headers.check_header(dataset, file.name, names)
    simple = start == 0 and not re.search(rb"[\r\n]", record[1])
    return names, record.end(), 1 if simple else -1


def _longest(dataset: Dataset) -> int:
    return size(dataset.source.limits.record)


def _begins(text: bytes) -> str:
    return repr(text[:20].decode(errors="replace"))


def _mend(data: Buffer, target: Path, dialect: Dialect, start: int, width: int) -> None:
    """Copy the records, each ended by LF, with a mark in the place of each bad one."""
    with target.open("wb") as sink:
        for piece in dialect.pieces(data, start, width):
            if piece.bad:
                sink.write(dialect.misplaced + b"\n")
                continue
            if dialect.copies(data, piece.start, piece.stop):
                for at in range(piece.start, piece.stop, CHUNK):
                    sink.write(data[at : min(at + CHUNK, piece.stop)])
                sink.write(b"" if data[piece.stop - 1 : piece.stop] == b"\n" else b"\n")
                continue
            for found in dialect.record.finditer(dialect.shielded(bytes(data[piece.start : piece.stop]))):
                if found[1]:
                    sink.write(found[1] + b"\n")


def _select(dataset: Dataset, files: Sequence[Prepared], careful: bool) -> str:
    options, names = _options(dataset), files[0].header
    marks = _marks(options, files[0])
    columns = [
        f"{_text(names.index(column.source_name) if options.header else place, options.null, marks)} as {identifier(column.name)}"
        for place, column in enumerate(dataset.read_columns)
    ]
    rescued = [headers.rescued(dataset, names)] if dataset.source.unknown_columns == "rescue" else []
    selected = ",\n    ".join(
        [
            f"{NUMBER} as _file",
            f"{_problem(dataset, files[0], careful)} as _problem",
            "cast(null as varchar) as _raw",
            *rescued,
            *columns,
        ]
    )
    return f"select\n    {selected}\nfrom {_scan(dataset, files, careful)}"


def _text(place: int, null: str, marks: dict[str, str]) -> str:
    text = f"nullif(f{place}, {literal(null)})"
    for mark in marks if place == 0 else ():
        text = f"nullif({text}, {literal(mark)})"
    return text


def _marks(options: CsvOptions, file: Prepared) -> dict[str, str]:
    """Return what stands in the place of the bad records of a mended copy, and why they are bad."""
    if file.original is None:
        return {}
    dialect = Dialect.of(options, quoted=file.quoted)
    return {dialect.misplaced.decode(): MISPLACED_QUOTE, dialect.second_table.decode(): joined.SECOND_TABLE}


def _problem(dataset: Dataset, file: Prepared, careful: bool) -> str:
    """Return the expression that finds a record of another width: a short one ends in NULL, a long one fills the overflow column."""
    options, width = _options(dataset), len(file.header)
    cases = [f"when f0 = {literal(mark)} and f1 is null then {literal(why)}" for mark, why in _marks(options, file).items()]
    cases.append(f"when f{width} is not null then 'too many fields: more than {width}'")
    if repeated := joined.is_header(dataset, file.header):
        again = literal(joined.HEADER_AGAIN if options.header else joined.NO_HEADER)
        cases.append(f"when {repeated} then {again if careful else f'error({again})'}")
    if width > 1:
        count = f"list_count([{', '.join(f'f{place}' for place in range(width))}])"  # a sum of 1,000 is deeper than DuckDB goes
        cases.append(f"when f{width - 1} is null then 'too few fields: ' || {count} || ' instead of {width}'")
    return f"case {' '.join(cases)} end"


def _scan(dataset: Dataset, files: Sequence[Prepared], careful: bool) -> str:
    options, file = _options(dataset), files[0]
    quote, escape = (options.quote, options.escape) if file.quoted else ("", "")
    impossible = Dialect.of(options).impossible.decode()
    columns = ", ".join(f"'f{place}': 'VARCHAR'" for place in range(len(file.header) + 1))
    # DuckDB 1.5 refuses null_padding with line breaks inside quotes unless the scan is sequential.
    longest = min(_longest(dataset), max(1 << 21, *(one.path.stat().st_size for one in files)))
    parallel = "false" if file.multiline or careful else "true"
    return (
        f"read_csv([{', '.join(literal(str(one.path)) for one in files)}], columns = {{{columns}}},\n"
        f"    auto_detect = false, compression = 'none', header = false, skip = {max(file.skip, 0)}, delim = {literal(options.delimiter)},"
        f" quote = {literal(quote)}, escape = {literal(escape)},\n"
        f"    null_padding = true, strict_mode = false, nullstr = {literal(impossible)}, filename = true,\n"
        f"    hive_partitioning = false, parallel = {parallel},\n"
        f"    max_line_size = {longest}, buffer_size = {2 * longest})"
    )
