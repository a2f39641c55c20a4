"""Tables: what the log says of a file never hides its rows, and no table is read or written as what it is not."""

from typing import Final

from tests.guards.guard import Guard

BAD_INPUT: Final = "conformance/test_bad_input.py::"
OPENED: Final = "unit/test_opened.py::"
CATALOG: Final = "unit/test_catalog.py::"
MAINTENANCE: Final = "unit/test_maintenance.py::"
MERGE: Final = "property/test_merge.py::"
MINE: Final = "faults/test_guards.py::"
PRUNING: Final = "unit/test_pruning.py::"
STATISTICS: Final = "unit/test_statistics.py::"
IN_THE_FILE: Final = STATISTICS + "test_the_log_s_statistics_enclose_what_is_in_the_file"
UNCERTAIN: Final = PRUNING + "test_what_is_less_than_certain_prunes_nothing_that_counts"

GUARDS: Final = (
    Guard(
        "cut-maximum-encloses",
        "A maximum that is cut is made greater than all that begin like it; otherwise its row is never found.",
        "core/statistics.py",
        "return cut + LAST_CHARACTER if text < cut + LAST_CHARACTER else None",
        "return cut",
        (IN_THE_FILE,),
    ),
    Guard(
        "cut-maximum-is-left-out-where-nothing-is-greater",
        "A text of last characters has no maximum that could be cut.",
        "core/statistics.py",
        "return cut + LAST_CHARACTER if text < cut + LAST_CHARACTER else None",
        "return cut + LAST_CHARACTER",
        (STATISTICS + "test_a_maximum_of_last_characters_is_not_cut",),
    ),
    Guard(
        "nan-leaves-no-bounds",
        "A column with a NaN has no bounds: NaN is greater than any number, and the bounds do not tell of it.",
        "core/statistics.py",
        'if found.get("has_nan") != "true" and None not in bounds:',
        "if None not in bounds:",
        (PRUNING + "test_a_nan_is_found_whatever_the_bounds_of_the_others",),
    ),
    Guard(
        "infinity-leaves-no-bounds",
        "Infinity is no JSON number: a log that holds it is read by nobody.",
        "core/statistics.py",
        "return value if math.isfinite(value := float(text)) else None",
        "return float(text)",
        (STATISTICS + "test_numbers_that_are_none_leave_no_bounds",),
    ),
    Guard(
        "wide-decimals-leave-no-bounds",
        "A decimal of more digits than a double holds has no bounds: rounded ones could lie inside.",
        "core/statistics.py",
        "return float(text) if kind.precision <= 15 else None",
        "return float(text)",
        (IN_THE_FILE,),
    ),
    Guard(
        "bounds-count-in-utc",
        "A moment's bounds are UTC, whatever zone the session writes them in.",
        "core/statistics.py",
        "datetime.fromisoformat(text).astimezone(UTC).strftime",
        "datetime.fromisoformat(text).strftime",
        (STATISTICS + "test_a_moment_s_bounds_are_utc_in_whatever_zone_they_are_told",),
    ),
    Guard(
        "a-file-without-bounds-is-opened",
        "A query opens a file of whose column the log has no bounds.",
        "core/pruning.py",
        'return f"({low} is null or {high} is null or {held})"',
        'return f"({held})"',
        (PRUNING + "test_a_nan_is_found_whatever_the_bounds_of_the_others",),
    ),
    Guard(
        "a-table-that-stands-twice-is-not-pruned",
        "A condition on a table that a query names twice is nobody's.",
        "core/pruning.py",
        "if lowered.count(name.lower()) == 1",
        "if True",
        (PRUNING + "test_a_condition_on_a_table_that_stands_there_twice_is_nobodys",),
    ),
    Guard(
        "only-and-is-pruned",
        "Only what holds for every wanted row prunes: a part of an `or` does not.",
        "core/pruning.py",
        'if where and where.this.key == "and" else',
        'if where and where.this.key in ("and", "or") else',
        (UNCERTAIN,),
    ),
    Guard(
        "a-key-without-statistics-is-looked-for",
        "A merge opens every file where the log tells nothing of its key.",
        "core/change.py",
        "    if not tests:\n        return snapshot.files\n",
        "    if not tests:\n        return ()\n",
        (STATISTICS + "test_a_merge_by_a_key_that_has_no_bounds_misses_none",),
    ),
    Guard(
        "files-that-lack-a-column-are-read",
        "Files from before a column was added read as NULL there.",
        "core/engine.py",
        'options = ["union_by_name = true"] if evolved else []',
        "options: list[str] = []",
        (MERGE + "test_an_added_column_reaches_the_table_and_older_rows_have_null_there[bigint-append]",),
    ),
    Guard(
        "partitions-keep-their-types",
        "A partition's value is read as its column's type: a text of digits stays a text.",
        "core/engine.py",
        'options += ["hive_partitioning = true", f"hive_types = {{{types}}}"]',
        'options += ["hive_partitioning = true"]',
        (STATISTICS + "test_a_partition_s_text_that_looks_like_a_number_stays_a_text",),
    ),
    Guard(
        "paths-are-decoded-once",
        "The log's paths are percent-encoded, the files' names are not.",
        "core/delta/snapshot.py",
        'DataFile(unquote(row["path"])',
        'DataFile(row["path"]',
        ("conformance/test_places.py::test_odd_partition_values_come_back_as_they_were[folder]",),
    ),
    Guard(
        "booleans-are-partitions-as-written",
        "A boolean partition is `true` to Delta and `True` to Python.",
        "core/delta/snapshot.py",
        "return str(value).lower() if isinstance(value, bool) else str(value)",
        "return str(value)",
        (STATISTICS + "test_a_boolean_partition_stays_what_it_is",),
    ),
    Guard(
        "lake-folder-is-no-partition",
        "A lake whose path holds `=` would add a column to each of its tables.",
        "core/lake.py",
        'if "=" in settings.lake:',
        "if False:",
        (BAD_INPUT + "test_a_lake_s_folder_that_delta_or_duckdb_would_read_otherwise_is_refused",),
    ),
    Guard(
        "lake-folder-holds-no-escape",
        "A lake whose path holds %20 would have its tables created in one place and looked for in another.",
        "core/lake.py",
        'if not settings.lake.startswith("s3://") and ESCAPE.search(settings.lake):',
        "if False:",
        (BAD_INPUT + "test_a_lake_s_folder_that_delta_or_duckdb_would_read_otherwise_is_refused",),
    ),
    Guard(
        "tables-follow-safely",
        "A declaration whose table could not follow without bending values is refused before anything is written.",
        "core/delta/tables.py",
        "    _refuse_unsafe(snapshot, wanted, partition_by)\n    new",
        "    new",
        (MERGE + "test_a_change_that_cannot_be_made_safely_is_refused_before_anything_is_written",),
    ),
    Guard(
        "unknown-readers-features-are-refused",
        "A table whose files do not say all by themselves is not read: deleted rows would come back.",
        "core/delta/snapshot.py",
        "    refuse_unreadable(uri, held.table.protocol())\n",
        "",
        (CATALOG + "test_a_table_that_must_not_be_read_as_its_files_say_is_refused",),
    ),
    Guard(
        "unknown-writers-features-are-refused",
        "A table that asks of its writers what ours does not do is not written: delta-rs would commit our files all the same.",
        "core/delta/tables.py",
        "    refuse_unwritable(snapshot.uri, snapshot._table.protocol())\n    _refuse_unsafe",
        "    _refuse_unsafe",
        (CATALOG + "test_a_table_that_asks_more_of_its_writers_is_read_but_not_written",),
    ),
    Guard(
        "older-versions-do-not-know-the-future",
        "An older version of a table is not asked by a checkpoint that came after it.",
        "core/delta/log.py",
        "if first > version + 1 or version - first > longest:",
        "if version - first > longest:",
        (MAINTENANCE + "test_all_identities_are_read_at_once_and_are_those_that_delta_rs_tells",),
    ),
    Guard(
        "a-log-with-a-hole-is-asked-one-by-one",
        "Where commits are missing from the log, identities are not taken for unknown.",
        "core/delta/log.py",
        "    if None in tail:\n        return None  # cleaned up since, or behind a checkpoint that is not announced\n",
        "",
        (MAINTENANCE + "test_where_the_log_was_cleared_too_far_for_them_the_identities_are_asked_for_one_by_one",),
    ),
    Guard(
        "an-open-table-is-known-again",
        "A table that stayed open is used again only where its log still holds the commit that it was read up to.",
        "core/delta/opened.py",
        "        if held is None or log.seal(held) != self.seal:\n",
        "        if held is None:\n",
        (OPENED + "test_a_table_that_was_deleted_and_made_again_is_another_one[2]",),
    ),
    Guard(
        "an-open-table-follows-one-log",
        "What an open table is to follow has to be of the log that it was read from, also where that was replaced meanwhile.",
        "core/delta/opened.py",
        'if not since or b"" in since or log.seal(held) != self.seal:',
        'if not since or b"" in since:',
        (OPENED + "test_a_table_that_is_made_again_while_it_is_followed_is_another_one",),
    ),
    Guard(
        "an-open-table-has-one-holder",
        "An open table is lent to one snapshot at a time: another one's commit would change it under its holder.",
        "core/delta/opened.py",
        "found = _kept.pop(_key(uri, options), None)",
        "found = _kept.get(_key(uri, options))",
        (OPENED + "test_a_snapshot_stays_what_it_was",),
    ),
    Guard(
        "a-snapshot-is-spent-by-its-commit",
        "What a snapshot says after its commit would be of another version than what was decided on it.",
        "core/delta/snapshot.py",
        "if self._opened.table.version() != self.version:",
        "if False:",
        (OPENED + "test_a_snapshot_is_spent_by_its_commit",),
    ),
    Guard(
        "only-ones-own-commit-is-not-read",
        "What a rival committed between is read before the open table is used again.",
        "core/delta/changes.py",
        "    if newest == snapshot.version + 1:",
        "    if True:",
        (OPENED + "test_what_a_rival_committed_just_before_is_known_next_time",),
    ),
)
