"""Limits: what would take the memory, the disk or the time of others is stopped before it does."""

from typing import Final

from tests.guards.guard import Guard

BAD_INPUT: Final = "conformance/test_bad_input.py::"
PACKED: Final = "hostile/test_files_compressed.py::"
TEXT: Final = "hostile/test_files_text.py::"
NO_FILES: Final = "hostile/test_files_odd.py::"
ENDLESS: Final = TEXT + "test_what_has_no_end_is_loaded_or_set_aside_and_stays_within_its_memory"
WIDE: Final = TEXT + "test_what_is_wide_is_loaded_or_set_aside_and_stays_within_its_memory"

GUARDS: Final = (
    Guard(
        "bombs-are-stopped-by-their-ratio",
        "A gzip of 10 MB that unpacks to 10 GB is stopped after the first 64 MiB.",
        "core/readers/packed.py",
        "if written > FREE and written > limits.ratio * source.tell():",
        "if False:",
        (PACKED + "test_a_bomb_is_stopped_by_a_limit[10 GB in one line]",),
    ),
    Guard(
        "what-is-unpacked-has-a-size",
        "A gzip that stays within its ratio is stopped where it is more than a file may be.",
        "core/readers/packed.py",
        "if written > most:",
        "if False:",
        (PACKED + "test_a_bomb_is_stopped_by_a_limit[1 GB where the contract allows 100 MB]",),
    ),
    Guard(
        "a-gzip-ends-with-its-trailer",
        "A gzip that ends before its checksum is refused, though all of its text may be there.",
        "core/readers/packed.py",
        '                    raise Damaged("it ends early")\n',
        "                    return\n",
        (PACKED + "test_a_damaged_gzip_is_set_aside_with_what_is_wrong",),
    ),
    Guard(
        "all-members-are-read",
        "What follows a gzip's first member is read, or refused where it is none.",
        "core/readers/packed.py",
        'packed = member.unused_data.lstrip(b"\\0")',
        'packed = b""',
        (PACKED + "test_an_odd_gzip_that_is_whole_is_loaded",),
    ),
    Guard(
        "other-packers-are-no-text",
        "A zip or zstd is refused by its name: in latin-1 each of its bytes is a letter, and it would be loaded.",
        "core/readers/files.py",
        "if packer := packed.packer(begins):",
        'if packer := "":',
        (PACKED + "test_another_packer_is_told_by_name[a dialect that takes any bytes]",),
    ),
    Guard(
        "a-file-that-is-larger-than-the-disk-is-refused",
        "What is unpacked leaves as much of the disk as it takes.",
        "core/readers/packed.py",
        "    if free >= written:\n",
        "    if True:\n",
        (PACKED + "test_a_file_that_does_not_fit_onto_the_disk_is_too_large",),
    ),
    Guard(
        "a-batch-that-is-larger-than-the-disk-blames-no-file",
        "A file that fits by itself is not refused because its neighbours took the disk.",
        "core/readers/packed.py",
        "    if free + others < written:\n",
        "    if True:\n",
        (PACKED + "test_a_file_for_which_its_batch_leaves_no_room_is_not_to_blame",),
    ),
    Guard(
        "headers-have-a-width",
        "A header of 100,000 columns is refused; to read it DuckDB would take all memory, and the batch with it.",
        "core/readers/header.py",
        "    if found > most:\n",
        "    if False:\n",
        (WIDE + "[10,000 columns to ignore]",),
    ),
    Guard(
        "headers-have-an-end",
        "A header that does not end within a MiB is refused, not taken for a name.",
        "core/readers/delimited.py",
        "if record.end(1) == start + LONGEST_HEADER < len(data):",
        "if False:",
        (ENDLESS + "[a header]",),
    ),
    Guard(
        "lines-of-json-have-an-end",
        "A line that is longer than a record may be is refused before DuckDB takes several times its size.",
        "core/readers/records.py",
        "            check_lines(dataset, file.name, data)\n",
        "            pass\n",
        (ENDLESS + "[a line of JSON]",),
    ),
    Guard(
        "records-have-keys-that-can-be-counted",
        "A record of 100,000 keys is set aside before each is compared with each.",
        "core/readers/records.py",
        'return f"len(keys) > {_most_keys(dataset)}"',
        'return "false"',
        (WIDE + "[100,000 keys to rescue]",),
    ),
    Guard(
        "refused-records-can-be-counted",
        "A file of millions of bad records is set aside whole: to set each aside with its text would take all memory.",
        "core/enforce.py",
        "for find in (_crowded, partial(_broken, connection)):",
        "for find in (partial(_broken, connection),):",
        (ENDLESS + "[a bad record too many]",),
    ),
    Guard(
        "files-have-a-size",
        "A file of a TB is refused before it is hashed, copied or read.",
        "core/storage/folder.py",
        "            bounded(ObjectRef(",
        "            print(ObjectRef(",
        (NO_FILES + "test_a_file_of_a_tb_that_holds_nothing_is_set_aside_unread",),
    ),
    Guard(
        "only-files-are-read",
        "A pipe, a socket or a device in a folder is not opened: it may never end.",
        "core/storage/folder.py",
        "    if not stat.S_ISREG(status.st_mode):\n",
        "    if False:\n",
        (NO_FILES + "test_what_is_no_file_stays_where_it_is_and_is_named",),
    ),
    Guard(
        "a-link-to-itself-is-passed-over",
        "A link that leads to itself is passed over where a folder is listed, and does not end the run.",
        "core/storage/folder.py",
        "if error.errno in (errno.ENOENT, errno.ELOOP):",
        "if error.errno in (errno.ENOENT,):",
        (NO_FILES + "test_links_and_folders_cost_nobody_anything",),
    ),
    Guard(
        "row-groups-fit-into-memory",
        "Where memory is too small for a row group of long rows, smaller ones are written; else the dataset would be held up.",
        "core/engine.py",
        "except duckdb.OutOfMemoryException:  # a row group",
        "except ZeroDivisionError:  # a row group",
        (BAD_INPUT + "test_long_rows_are_written_in_small_groups_where_memory_is_small",),
    ),
    Guard(
        "refused-texts-are-written-by-pieces",
        "However much text was refused, it is written so much at a time.",
        "core/quality.py",
        "    if (size or 0) <= WRITTEN:\n",
        "    if True:\n",
        (BAD_INPUT + "test_refused_records_are_written_piece_by_piece",),
    ),
)
