"""XLSX: one sheet's cells as text, laid out in Parquet once, with a bad record wherever a cell holds an error.

Numbers: the sheet's reader rounds its text to 9 decimals, so where that could matter the numbers are read as such, too. A float or
double column takes them whole, any other to the 15 digits that a spreadsheet itself shows, and none beyond 2^53, where they are not the
digits that were typed. A time of day, a duration and the 29th of February 1900 are no dates. Rows without any cell are no records.
"""

import json
import re
from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from core.contract import Column, Dataset
from core.errors import Rejected
from core.quoting import identifier, literal
from core.readers import header as headers
from core.readers import package
from core.readers.cells import Cells, Odd, parsed
from core.readers.files import Prepared, RawFile, refused, too_large, unpacked
from core.readers.layout import lay_out
from core.source import XlsxOptions

if TYPE_CHECKING:
    import pyarrow as pa

FALSE_DIGITS = r"-?[1-9][0-9]{6,}\.[0-9]{9}"
LARGE = r"^-?[0-9]{16,}$"
LARGEST = 1 << 53
EARLY = r"^(189|190[0-4])[0-9]?-"
NUMBER = r"-?[0-9]+(\.[0-9]+)?"


def prepare(dataset: Dataset, file: RawFile, work: Path) -> Prepared:
    """Read the sheet, check its header, and lay its rows out as text."""
    import fastexcel
    import pyarrow as pa

    options = _options(dataset)
    path = unpacked(dataset, file, work, "xlsx")
    whole = path.with_name(f"{path.stem}.whole.xlsx")
    sheet, part, held = _checked(dataset, file, path, whole)
    try:
        workbook = fastexcel.read_excel(whole)
        cells, places, errors = _cells(workbook, sheet, options)
        if sum(len(column) - column.null_count for column in cells.columns) + len(errors) < held.values:
            held = parsed(whole, part)  # perhaps two cells stand in one place
        errors |= _unvalued(held, options)
        names, columns = _columns(dataset, file, cells)
        numbers = _numbers(workbook, sheet, dataset, names, columns, places)
        errors = _misread(workbook, sheet, dataset, names, columns, places) | errors
    except (Odd, fastexcel.FastExcelError, pa.ArrowException) as error:
        raise unreadable(dataset, Prepared(file.number, path, file.name), error) from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # fastexcel's, and no Exception
            raise
        raise unreadable(dataset, Prepared(file.number, path, file.name), Odd("a sheet that its reader stumbles over")) from error
    finally:
        whole.unlink(missing_ok=True)
    target = path.with_name(f"{path.stem}.sheet.parquet")
    rows = lay_out(target, list(columns.values()), numbers, errors, options)
    return Prepared(file.number, target, file.name, names, sheet=sheet, rows=rows, numbers=tuple(sorted(numbers)))


def relation(_: duckdb.DuckDBPyConnection, dataset: Dataset, files: Sequence[Prepared], *, careful: bool = False) -> str:  # noqa: ARG001
    """Return one select over all the sheets; those whose columns lie alike share one scan."""
    groups: dict[tuple[object, ...], list[Prepared]] = {}
    for file in files:
        groups.setdefault((file.header, file.numbers), []).append(file)
    return "\nunion all\n".join(_select(dataset, group) for group in groups.values())


def raw_records(_: Dataset, file: Prepared, ordinals: Collection[int]) -> dict[int, str]:
    """Return rows as JSON arrays of their cells' text."""
    import pyarrow.parquet as pq

    cells = pq.read_table(file.path, columns=[f"f{place}" for place in range(len(file.header))], use_threads=False)
    known = [ordinal for ordinal in sorted(set(ordinals)) if 1 <= ordinal <= cells.num_rows]
    rows = cells.take([ordinal - 1 for ordinal in known]).to_pylist()
    return {ordinal: json.dumps(list(row.values()), ensure_ascii=False) for ordinal, row in zip(known, rows, strict=True)}


def position(_: Dataset, file: Prepared, ordinal: int) -> str:
    """Return sheet and row as the spreadsheet shows them."""
    since, row = file.rows[bisect_right(file.rows, (ordinal, 1 << 62)) - 1] if file.rows else (1, 1)
    return f"{file.sheet}!{row + ordinal - since}"


def unreadable(dataset: Dataset, file: Prepared, error: Exception) -> Rejected:
    """Translate what the libraries say; fastexcel's own words are about its insides."""
    found = str(error) if isinstance(error, Odd) else "XML that is no sheet's"
    return refused(dataset, file.name, "unreadable", "the workbook cannot be read", expected="a whole .xlsx file", found=found)


def _checked(dataset: Dataset, file: RawFile, path: Path, target: Path) -> tuple[str, str, Cells]:
    """Copy the workbook, if it is whole, harmless and fits into memory; return its sheet, that sheet's part, and what it holds."""
    try:
        sheets = package.sheets(path)
        sheet = _sheet(dataset, file, list(sheets))
        return sheet, sheets[sheet], package.repacked(path, sheets[sheet], target, file.memory)
    except Odd as odd:
        raise unreadable(dataset, Prepared(file.number, path, file.name), odd) from odd
    except package.TooLarge as large:
        expected = f"what fits into {file.memory >> 20:,} MiB of memory"
        raise too_large(dataset, file.name, "the workbook is too large", expected, str(large)) from large


def _options(dataset: Dataset) -> XlsxOptions:
    options = dataset.source.options
    assert isinstance(options, XlsxOptions)
    return options


def _sheet(dataset: Dataset, file: RawFile, names: Sequence[str]) -> str:
    wanted = _options(dataset).sheet
    if wanted is not None and wanted not in names:
        expected, found = f"sheet {wanted}", f"sheets [{', '.join(names)}]"
        raise refused(dataset, file.name, "invalid_schema", "its sheet is missing", expected=expected, found=found)
    return wanted if wanted is not None else names[0]


def _cells(workbook: Any, sheet: str, options: XlsxOptions) -> tuple["pa.RecordBatch", list[int], dict[int, str]]:
    """Return the sheet from its first row on as text, its columns' places, and the rows (from 0) in which a cell holds an error."""
    import fastexcel
    import pyarrow as pa

    # skip_rows counts from the sheet's own first row only when it is given: without it the empty rows above are cut off.
    try:
        loaded = workbook.load_sheet(sheet, header_row=None, skip_rows=options.first_row - 1, dtypes="string")
    except fastexcel.InvalidParametersError:  # fewer rows than that
        return pa.record_batch({}), [], {}
    batch, errors = loaded.to_arrow_with_errors()
    found: dict[int, str] = {}
    for error in errors.errors if errors else ():
        row, column = error.offset_position
        found.setdefault(row, f"column {column + 1} holds an error instead of a value")
    return batch, [column.absolute_index for column in loaded.selected_columns], found


def _unvalued(held: Cells, options: XlsxOptions) -> dict[int, str]:
    """Return the rows (from 0) in which a formula stands without its value, which only a spreadsheet can work out."""
    first = options.first_row + options.header
    return {
        row - options.first_row: f"column {column} holds a formula without its value: open the workbook in a spreadsheet and save it"
        for row, column in reversed(held.unvalued)
        if row >= first
    }


def _columns(dataset: Dataset, file: RawFile, cells: "pa.RecordBatch") -> tuple[tuple[str, ...], dict[int, "pa.Array"]]:
    """Return the names, and the columns (header included) by their place in the sheet; columns without any cell are none."""
    columns = {place: column for place, column in enumerate(cells.columns) if column.null_count < len(column)}
    if not _options(dataset).header:
        names = tuple(column.source_name for column in dataset.read_columns)
        if any(place >= len(names) for place in columns):
            raise headers.mismatch(dataset, file.name, f"{max(columns) + 1} columns instead of {len(names)}")
        return names, {place: cells.column(place) if place < cells.num_columns else _nothing(cells) for place in range(len(names))}
    names = tuple(column[0].as_py() or "" for column in columns.values())
    headers.check_header(dataset, file.name, names)
    return names, columns


def _nothing(cells: "pa.RecordBatch") -> "pa.Array":
    import pyarrow as pa

    return pa.nulls(cells.num_rows, pa.string())


def _numbers(
    workbook: Any, sheet: str, dataset: Dataset, names: Sequence[str], columns: Mapping[int, "pa.Array"], places: Sequence[int]
) -> dict[int, "pa.Array"]:
    """Return those columns as doubles whose text may have lost digits. It reads the sheet again, twice the time: only if it must."""
    import pyarrow.compute as pc

    declared = {column.source_name: column for column in dataset.read_columns}
    suspects = {
        places[place]: names.index(name)
        for name, place in zip(names, columns, strict=True)
        if (column := declared.get(name)) and pc.any(pc.match_substring_regex(columns[place], _suspicious(column))).as_py()
    }
    if not suspects:
        return {}
    loaded = workbook.load_sheet(
        sheet, header_row=None, skip_rows=_options(dataset).first_row - 1, dtypes="float", use_columns=list(suspects)
    ).to_arrow()
    return dict(zip(suspects.values(), loaded.columns, strict=True))


def _misread(
    workbook: Any, sheet: str, dataset: Dataset, names: Sequence[str], columns: Mapping[int, "pa.Array"], places: Sequence[int]
) -> dict[int, str]:
    """Return the rows (from 0) in which a cell is not what its text says. Texts of cells are told from numbers by reading them as such."""
    import pyarrow as pa
    import pyarrow.compute as pc

    declared = {column.source_name: column.type for column in dataset.read_columns}
    found: dict[int, str] = {}
    for name, place in zip(names, columns, strict=True):
        kind = declared.get(name, "double")
        dated = kind in ("date", "timestamptz")
        if kind in ("float", "double") or not pc.any(pc.match_substring_regex(columns[place], EARLY if dated else LARGE)).as_py():
            continue
        loaded = workbook.load_sheet(
            sheet,
            header_row=None,
            skip_rows=_options(dataset).first_row - 1,
            dtypes="duration" if dated else "boolean",
            use_columns=[places[place]],
        ).to_arrow()
        cells = loaded.column(0).cast(pa.duration("us")).cast(pa.int64()) if dated else loaded.column(0)
        pairs = enumerate(zip(columns[place].to_pylist(), cells.to_pylist(), strict=True))
        problem = _no_date if dated else _no_integer
        found |= {row: f"column {places[place] + 1} holds {said}" for row, (text, cell) in pairs if (said := problem(text, cell))}
    return found


def _no_date(text: str | None, microseconds: int | None) -> str:
    """Say what a cell holds whose days do not count from a date: 1900 was no leap year, but spreadsheets have its day 60."""
    day = None if microseconds is None else microseconds / 86_400_000_000
    if day is None or not text or not re.match(EARLY, text):
        return ""
    if 60 <= day < 61 and text.startswith("1900"):
        return "the 29th of February 1900"
    return "a time and no date" if day < 1 and not (day == 0 and text.startswith("1904")) else ""


def _no_integer(text: str | None, cell: bool | None) -> str:
    large = cell is not None and text and re.match(LARGE, text) and abs(int(text)) >= LARGEST
    return "a number beyond 2^53, of which a spreadsheet keeps no more than 15 digits" if large else ""


def _suspicious(column: Column) -> str:
    """Return the pattern of texts that may be a rounded number: fractions finer than the column's own scale, and tiny ones.

    Within that scale 9 decimals are enough: what is lost is the noise of the spreadsheet's own arithmetic.
    """
    if column.type in ("float", "double"):
        return r"^-?[0-9]+\.[0-9]+$|^-?0$"
    scale = int(column.type[:-1].split(",")[1]) if column.type.startswith("decimal") and not column.type.endswith("]") else 0
    return rf"^-?[0-9]+\.[0-9]{{{scale + 1 if scale <= 8 else 0},}}$|^-?0$" if scale > 8 else rf"^-?[0-9]+\.[0-9]{{{scale + 1},}}$"


def _select(dataset: Dataset, files: Sequence[Prepared]) -> str:
    options, names, exact = _options(dataset), files[0].header, files[0].numbers
    columns = [
        f"{_text(place, column, options.null, place in exact)} as {identifier(column.name)}"
        for column in dataset.read_columns
        for place in [names.index(column.source_name)]
    ]
    if not options.header:
        columns = [
            f"{_text(n, column, options.null, n in exact)} as {identifier(column.name)}" for n, column in enumerate(dataset.read_columns)
        ]
    rescued = [headers.rescued(dataset, names)] if dataset.source.unknown_columns == "rescue" else []
    selected = ",\n    ".join(
        [
            "cast(left(parse_filename(filename), 6) as integer) as _file",
            "problem as _problem",
            "cast(null as varchar) as _raw",
            *rescued,
            *columns,
        ]
    )
    paths = ", ".join(literal(str(file.path)) for file in files)
    return f"select\n    {selected}\nfrom read_parquet([{paths}], filename = true, hive_partitioning = false)"


def _text(place: int, column: Column, null: str, exact: bool) -> str:
    text = f"f{place}"
    if exact:
        binary = column.type in ("float", "double")
        number = f"cast(n{place} as varchar)" if binary else f"printf('%.15g', n{place})"
        bent = f"regexp_full_match(f{place}, {literal(NUMBER)}) and try_cast(f{place} as double) <> n{place}"
        if not binary:  # 123456789.123456 is given as 123456789.123456001
            bent = f"({bent}) or (regexp_full_match(f{place}, {literal(FALSE_DIGITS)}) and try_cast({number} as double) = n{place})"
        text = f"case when {bent} then {number} else f{place} end"
    return f"nullif({text}, {literal(null)})"
