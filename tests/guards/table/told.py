"""What is told: no credential at all, and of a row's values none that the declaration keeps."""

from typing import Final

from tests.guards.guard import Guard

REPORTS: Final = "hostile/test_reports.py::"
CREDENTIALS: Final = "hostile/test_canaries_credentials.py::"
EXPORTS: Final = "hostile/test_exports.py::"

GUARDS: Final = (
    Guard(
        "errors-hold-no-credential",
        "Whatever becomes part of an error passes by one place that takes credentials out.",
        "core/errors.py",
        "safe(subject), safe(expected), safe(found), safe(remedy)",
        "subject, expected, found, remedy",
        (CREDENTIALS + "test_what_looks_like_a_credential_is_hidden_in_every_part_of_an_error",),
    ),
    Guard(
        "problems-hold-no-credential",
        "A declaration's problem may quote an address with a password in it.",
        "core/errors.py",
        'object.__setattr__(self, "message", safe(self.message))',
        "pass",
        (CREDENTIALS + "test_what_looks_like_a_credential_is_hidden_in_every_part_of_an_error",),
    ),
    Guard(
        "credentials-in-use-are-known",
        "The keys that a function works with are hidden wherever AWS sends them back, whatever they look like.",
        "core/lake.py",
        '        keep_secret(*(env.get(name, "") for name in SECRETS))\n',
        "",
        (CREDENTIALS + "test_the_credentials_in_use_are_hidden_however_they_are_quoted_and_settings_do_not_show_them",),
    ),
    Guard(
        "engine-errors-quote-nothing",
        "DuckDB quotes the value that it could not take; what is told of it is its kind, type, column and place.",
        "core/telling.py",
        "    if values:\n",
        "    if True:\n",
        (REPORTS + "test_an_error_at_a_row_quotes_it_only_where_it_may",),
    ),
    Guard(
        "a-message-is-known-as-a-whole",
        "A value that reads like one of DuckDB's sentences does not pass as a type or a column.",
        "core/telling.py",
        "re.fullmatch(pattern, message, re.DOTALL)",
        "re.match(pattern, message, re.DOTALL)",
        (REPORTS + "test_a_value_that_reads_like_a_sentence_of_the_engine_is_not_told",),
    ),
    Guard(
        "an-excerpt-is-of-the-sql",
        "What an error claims to quote of the SQL is told only if it stands there.",
        "core/telling.py",
        "if excerpt and excerpt in sql else",
        "if excerpt else",
        (REPORTS + "test_an_error_at_a_row_quotes_it_only_where_it_may",),
    ),
    Guard(
        "paths-do-not-tell-partitions",
        "The path of a table's file holds the values of its partition.",
        "core/telling.py",
        "return without_partitions((str(error).splitlines() or [type(error).__name__])[0])",
        "return (str(error).splitlines() or [type(error).__name__])[0]",
        (REPORTS + "test_storage_s_errors_do_not_tell_the_partitions_that_are_in_paths",),
    ),
    Guard(
        "sessions-translate-what-nobody-did",
        "An error of a statement of our own, which nobody thought could fail, does not leave the session with a value.",
        "core/session.py",
        'raise Terminal("a statement of Lakelet\'s own", expected="it to run", found=told(error), remedy=remedy) from None',
        "raise",
        (REPORTS + "test_no_statement_s_error_leaves_its_session_with_a_value",),
    ),
    Guard(
        "the-unforeseen-leaves-its-text",
        "Lambda logs what a function raises, and hands it on; an error that is not ours is named by kind and place only.",
        "handlers/observe.py",
        'raise Unforeseen(f"{type(error).__name__} at {frames[-1]}") from None',
        "raise",
        (REPORTS + "test_what_a_function_did_not_foresee_leaves_it_without_its_text",),
    ),
    Guard(
        "a-record-is-no-header",
        "Of a file without a header the first record is not told as a list of unexpected names.",
        "core/readers/header.py",
        "    named = _is_header(dataset, names, wanted)\n",
        "    named = True\n",
        (REPORTS + "test_a_first_line_that_is_like_no_header_is_not_told",),
    ),
    Guard(
        "reasons-are-quiet-by-default",
        "A reason in the quarantine holds a value only where the dataset says so.",
        "core/sql.py",
        '    if not dataset.reports.values:\n        return ""\n',
        "",
        (REPORTS + "test_a_reason_quotes_the_value_where_it_may_and_is_counted_without_it",),
    ),
    Guard(
        "reasons-are-counted-without-values",
        "Reasons are counted, logged and sent without the values that they quote.",
        "core/sql.py",
        'return f"split_part({reason}, {literal(VALUE_MARK)}, 1)"',
        "return reason",
        (REPORTS + "test_a_reason_quotes_the_value_where_it_may_and_is_counted_without_it",),
    ),
    Guard(
        "formulas-are-escaped",
        "A text that a spreadsheet would compute stands behind an apostrophe, where the export asks for it.",
        "core/export.py",
        'elif export.escape_formulas and kind == "VARCHAR":',
        "elif False:",
        (EXPORTS + "test_what_a_spreadsheet_would_compute_is_a_text_where_the_export_asks_for_it",),
    ),
    Guard(
        "headers-are-escaped",
        "A header is a cell, too.",
        "core/export.py",
        "if export.escape_formulas and name.startswith(FORMULAS):",
        "if False:",
        (EXPORTS + "test_a_header_is_a_cell_too",),
    ),
    Guard(
        "escaping-begins-at-once",
        "An export that asks for it from now on is written again, whole.",
        "core/export.py",
        'if state and state.get("escape_formulas", False) == export.escape_formulas else None',
        "if state else None",
        (EXPORTS + "test_nothing_is_escaped_that_nobody_asked_for_nor_in_the_table_nor_in_parquet",),
    ),
    Guard(
        "a-lonely-null-is-a-line",
        "A NULL that is alone in its line is no blank line, which readers skip.",
        "core/export.py",
        "    if len(kinds) == 1:\n",
        "    if False:\n",
        (EXPORTS + "test_a_null_that_is_alone_in_its_line_is_a_line",),
    ),
)
