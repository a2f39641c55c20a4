"""Workbooks and Parquet: what would crash their readers is not given to them, and what they would leave out or bend refuses the file."""

from typing import Final

from tests.guards.guard import Guard

PARQUET: Final = ("hostile/test_files_parquet.py::test_each_is_loaded_right_or_rejected_for_its_reason",)
WORKBOOKS: Final = ("hostile/test_files_workbook.py::test_each_is_loaded_right_or_rejected_for_its_reason",)

GUARDS: Final = (
    Guard(
        "workbook-keeps-its-checksums",
        "A workbook whose bytes were changed on the way is refused; its reader compares no checksum.",
        "core/readers/package.py",
        "with archive.open(entry) as source:  # to its end, where the checksum is compared",
        "with archive.open(entry) as source:\n            source._expected_crc = None",
        WORKBOOKS,
    ),
    Guard(
        "workbook-fits-into-memory",
        "A workbook of 2 kB with a cell in a sheet's last place is refused; its reader would make room for 17 billion and die.",
        "core/readers/package.py",
        "if text * BYTE > left:",
        "if memory == 0:",
        WORKBOOKS,
    ),
    Guard(
        "workbook-is-not-unpacked-without-end",
        "A part of a workbook is unpacked no further than memory reaches.",
        "core/readers/package.py",
        "if size * BYTE > memory:",
        "if size < 0:",
        WORKBOOKS,
    ),
    Guard(
        "workbook-counts-are-not-believed",
        "How many strings a workbook says that it shares is not told to its reader, which would make room for them all.",
        "core/readers/package.py",
        "_without_counts(chunk) if name == STRINGS and number == 0 else chunk",
        "chunk",
        WORKBOOKS,
    ),
    Guard(
        "workbook-has-one-part-of-a-name",
        "A workbook with two parts of one name is refused: readers differ on which is meant.",
        "core/readers/package.py",
        "if len(entries) > 1:",
        "if len(entries) > 9:",
        WORKBOOKS,
    ),
    Guard(
        "sheet-has-a-row-once",
        "A sheet in which a row stands twice is refused: the second would take the place of the first.",
        "core/readers/cells.py",
        "if not all(map(lt, [found.rows, *numbers], numbers)) or (numbers and numbers[-1] > LAST_ROW):",
        "if numbers and numbers[-1] > LAST_ROW:",
        WORKBOOKS,
        (("if row <= self.row or row > LAST_ROW:", "if row > LAST_ROW:"),),
    ),
    Guard(
        "sheet-has-a-cell-once",
        "A sheet in which a cell stands twice is refused: the second would take the place of the first.",
        "core/readers/workbook.py",
        "+ len(errors) < held.values:",
        "+ len(errors) < 0:",
        WORKBOOKS,
    ),
    Guard(
        "formulas-have-values",
        "A formula that was never worked out makes its row a bad one; it would be an empty cell, and a row of them none.",
        "core/readers/workbook.py",
        "        errors |= _unvalued(held, options)\n",
        "",
        ("hostile/test_files_workbook.py::test_rows_that_are_set_aside_say_why",),
    ),
    Guard(
        "row-groups-hold-what-their-columns-hold",
        "A Parquet file whose row group counts fewer rows than its columns is refused; the others would be left out.",
        "core/readers/parquet.py",
        "where num_values <> row_group_num_rows and",
        "where false and",
        PARQUET,
    ),
    Guard(
        "footers-agree-with-themselves",
        "A Parquet file whose row groups hold other rows than the file says is refused.",
        "core/readers/parquet.py",
        "for number in range(metadata.num_row_groups)) != metadata.num_rows:",
        "for number in range(metadata.num_row_groups)) < 0:",
        PARQUET,
    ),
)
