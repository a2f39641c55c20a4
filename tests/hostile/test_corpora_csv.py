"""CSV that others bent on purpose (Pollock) or collected (csv-spectrum): what is loaded stands in the clean table, nothing vanishes."""

import csv
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from tests.figures import LONG
from tests.hostile.corpora import Found, ingest, unpacked
from tests.page import HOSTILE, write

COLUMNS = ("DATE", "TIME", "Qty", "PRODUCTID", "Price", "ProductType", "ProductDescription", "URL", "Comments")
PLAIN = {"delimiter": ",", "quote": '"', "escape": '"', "header": True, "first_row": 1}
BENT = re.compile(r"row_(more_sep|less_sep|extra_quote|field_delimiter)_?(?:row)?(\d+)_.*")
KINDS = {
    "more_sep": "one separator too many in a row",
    "less_sep": "one separator too few in a row",
    "extra_quote": "a stray quote in a row",
    "field_delimiter": "another separator in a row",
    "header": "one of these in the header",
    "file": "the whole file in another dialect or layout",
}
EQUAL_BY_ITS_OWN = {
    "source.csv", "file_double_trailing_newline.csv", "file_field_delimiter_0x2C_0x20.csv", "file_field_delimiter_0x3B.csv",
    "file_field_delimiter_0x9.csv", "file_header_multirow_2.csv", "file_header_multirow_3.csv", "file_header_only.csv",
    "file_no_header.csv", "file_no_trailing_newline.csv", "file_one_data_row.csv", "file_preamble.csv",
    "file_record_delimiter_0xA.csv", "file_record_delimiter_0xD.csv",
}  # fmt: skip
"""Files that come out whole once their dialect is declared."""

REJECTED_BY_ITS_OWN = {"file_no_payload.csv"}
"""Files, of those whose rows are good, of which nothing can be loaded even then."""

KEPT = {"more_sep": 0.98, "less_sep": 0.98, "field_delimiter": 0.98, "extra_quote": 0.9}
"""What part of a file's good rows is loaded at least where one row is bent."""

Row = tuple[str | None, ...]


@dataclass(frozen=True)
class Polluted:
    """One file of Pollock, with the table that it should be."""

    name: str
    content: bytes
    table: str
    parameters: Mapping[str, Any]

    @cached_property
    def dialect(self) -> dict[str, Any]:
        """The file's own dialect, as far as a contract can declare it."""
        told = self.parameters
        quote, escape = told["quotechar"], told["escapechar"]
        first = max(told["preamble_lines"] + told["header_lines"], 1)
        return {
            "delimiter": told["delimiter"] or ",",
            "quote": quote,
            "escape": escape,
            "header": told["header_lines"] > 0,
            "first_row": first,
        }

    @cached_property
    def clean(self) -> list[Row]:
        """The rows that the clean table holds; an empty text is a NULL by the contract."""
        rows = [tuple(field or None for field in row) for row in csv.reader(StringIO(self.table, newline=""))]
        return rows[1:] if self.parameters["header_lines"] else rows

    @cached_property
    def bent(self) -> tuple[str, int | None]:
        """What is bent, and which row (from 1), where it is one."""
        found = BENT.fullmatch(self.name)
        if not found:
            return "file", None
        return (found[1], int(found[2])) if int(found[2]) else ("header", None)


@pytest.fixture(scope="module")
def pollock() -> list[Polluted]:
    files = unpacked("pollock.tar.xz")

    def one(name: str) -> Polluted:
        told = json.loads(files[f"polluted_files/parameters/{name}_parameters.json"])
        return Polluted(name, files[f"polluted_files/csv/{name}"], files[f"polluted_files/clean/{name}"].decode(), told)

    return [one(Path(path).name) for path in sorted(files) if path.startswith("polluted_files/csv/")]


def test_a_polluted_file_is_loaded_in_part_or_not_at_all_but_never_bent(pollock: list[Polluted], tmp_path: Path) -> None:
    """By the plain dialect, as if the producer had promised that; and by the file's own."""
    whole = [file for number, file in enumerate(pollock) if LONG or number % 20 == 0 or file.bent[0] == "file"]
    plain = judged(tmp_path / "plain", PLAIN, whole)
    own = dict(plain)
    for number, dialect in enumerate(different(whole)):
        own |= judged(tmp_path / str(number), dialect, [file for file in whole if file.dialect == dialect])
    files = {file.name: file for file in whole}
    assert {name for name, told in own.items() if fate(files[name], told) == "equal"} == EQUAL_BY_ITS_OWN
    assert {name for name, told in own.items() if told.rejected and files[name].bent[0] == "file"} == REJECTED_BY_ITS_OWN
    if LONG:
        assert len(plain) == len(own) == 2_290
        write(HOSTILE, "pollock", table(files, plain))
        write(HOSTILE, "layouts", layouts(files, plain, own))


def different(files: Iterable[Polluted]) -> Iterator[dict[str, Any]]:
    """Yield each dialect that is not the plain one."""
    seen: list[dict[str, Any]] = [PLAIN]
    for file in files:
        if file.dialect not in seen:
            seen.append(file.dialect)
            yield file.dialect


def judged(home: Path, dialect: Mapping[str, Any], files: list[Polluted]) -> dict[str, Found]:
    """Load the files by a contract of nine text columns and this dialect; none may come out other than its clean table says."""
    found = ingest(home, {"format": "csv", "options": dict(dialect)}, COLUMNS, {file.name: file.content for file in files})
    for file in files:
        told, (kind, row) = found[file.name], file.bent
        assert is_part(told.rows.values(), file.clean), f"{file.name} came out bent"
        if told.rejected:
            assert row is None, f"{file.name} was rejected for one bent row"
            continue
        above = dialect["first_row"] - (not dialect["header"])
        assert lines(file.content.decode()) == above + len(told.rows) + sum(map(lines, told.refused.values())), file.name
        if row is not None:
            good = [clean for number, clean in enumerate(file.clean, 1) if number != row]
            assert is_part(good, file.clean)
            assert len(told.rows) >= KEPT[kind] * len(good), f"{file.name}: {len(told.rows)} of {len(good)} good rows"
    return found


def lines(text: str) -> int:
    """Count a text's lines that are not blank: none of this corpus' cells holds a line break."""
    return sum(bool(line) for line in re.split(r"\r\n|\r|\n", text))


def is_part(rows: Iterable[Row], clean: Iterable[Row]) -> bool:
    """Tell whether the rows stand in the clean table, in this order, each once."""
    rest = iter(clean)
    return all(any(row == candidate for candidate in rest) for row in rows)


def fate(file: Polluted, told: Found) -> str:
    if told.rejected:
        return "rejected"
    return "partial" if told.refused or list(told.rows.values()) != file.clean else "equal"


def table(files: Mapping[str, Polluted], plain: Mapping[str, Found]) -> list[str]:
    """Return what became of the files by the plain dialect, one line a kind."""
    lines = [
        "| what is bent | files | equal | partial | rejected | silently different | good rows loaded |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    fates: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    kept: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for name, told in plain.items():
        kind, row = files[name].bent
        fates[kind][fate(files[name], told)] += 1
        kept[kind] += [len(told.rows) / (len(files[name].clean) - 1)] if row else []
    for kind, told in [*fates.items(), ("all", sum(fates.values(), Counter()))]:
        part = f"{min(kept[kind]):.1%} at least, {sum(kept[kind]) / len(kept[kind]):.2%} in all" if kept.get(kind) else ""
        counts = " | ".join(f"{told[name]:,}" for name in ("equal", "partial", "rejected"))
        lines.append(f"| {KINDS.get(kind, 'all')} | {told.total():,} | {counts} | 0 | {part} |")
    return lines


def layouts(files: Mapping[str, Polluted], plain: Mapping[str, Found], own: Mapping[str, Found]) -> list[str]:
    """Return what became of the files that are odd as a whole, by the plain dialect and by their own."""
    lines = ["| file | by the plain dialect | by its own | declared |", "|---|---|---|---|"]
    for name, file in sorted(files.items()):
        if file.bent[0] == "file":
            declared = ", ".join(f"`{key}: {json.dumps(value)}`" for key, value in file.dialect.items() if value != PLAIN[key])
            again = said(file, own[name]) if declared else ""
            lines.append(f"| `{name.removesuffix('.csv')}` | {said(file, plain[name])} | {again} | {declared} |")
    return lines


def said(file: Polluted, told: Found) -> str:
    found = fate(file, told)
    if found == "partial":
        return f"partial: {len(told.rows)} of {len(file.clean)} rows, {len(told.refused)} records set aside"
    return f"{found}: {told.rejected}" if told.rejected else found


SPECTRUM_QUOTED_NOT = "location_coordinates"
"""A quote stands inside an unquoted field, for seconds of arc; and the expected telephone number is another than the file's."""


@pytest.fixture(scope="module")
def spectrum() -> dict[str, tuple[bytes, list[dict[str, str]]]]:
    """Each file of csv-spectrum with its records. The line ends by which the archive was stored are those of the file's name again."""
    files, found = unpacked("csv-spectrum.tar.xz"), {}
    for name in sorted(Path(path).stem for path in files if path.endswith(".csv")):
        content, records = files[f"csv-spectrum/csvs/{name}.csv"], json.loads(files[f"csv-spectrum/json/{name}.json"])
        ended = content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") if name.endswith("_crlf") else content
        found[name] = (ended, records if isinstance(records, list) else [records])
    return found


def test_csv_spectrum_comes_out_as_it_should(spectrum: dict[str, tuple[bytes, list[dict[str, str]]]], tmp_path: Path) -> None:
    assert len(spectrum) == 12
    lines = ["| file | dialect | rows | |", "|---|---|---:|---|"]
    for name, (content, records) in spectrum.items():
        declared = {"quote": ""} if name == SPECTRUM_QUOTED_NOT else {}
        told = ingest(tmp_path / name, {"format": "csv", "options": declared}, list(records[0]), {name: content})[name]
        expected = [tuple(value or None for value in record.values()) for record in records]
        if name == SPECTRUM_QUOTED_NOT:
            assert expected[0][0] == "1234567890"
            expected = [("2095257564", *expected[0][1:])]
        assert not told.refused
        assert list(told.rows.values()) == expected, name
        dialect = '`quote: ""`' if declared else "plain"
        lines.append(f"| `{name}` | {dialect} | {len(told.rows)} | equal |")
    if LONG:
        write(HOSTILE, "csv-spectrum", lines)


def test_a_quote_inside_an_unquoted_field_is_refused_by_the_plain_dialect(
    spectrum: dict[str, tuple[bytes, list[dict[str, str]]]], tmp_path: Path
) -> None:
    content, records = spectrum[SPECTRUM_QUOTED_NOT]
    told = ingest(tmp_path, {"format": "csv"}, list(records[0]), {"it": content})["it"]
    assert (len(told.rows), len(told.refused)) == (0, 1)
