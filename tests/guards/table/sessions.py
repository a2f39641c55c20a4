"""Sessions: a declaration's SQL is trusted with the data, not with the machine; names and values reach SQL quoted."""

from typing import Final

from tests.guards.guard import Guard

BAD_INPUT: Final = "conformance/test_bad_input.py::"
SESSION: Final = "unit/test_session.py::"
STATEMENTS: Final = SESSION + "test_no_statement_reaches_beyond_the_lake"

GUARDS: Final = (
    Guard(
        "no-external-access",
        "A statement reads and writes the lake and the work folder; left open it reads the function's credentials.",
        "core/session.py",
        '        "enable_external_access = false",\n',
        "",
        (STATEMENTS,),
    ),
    Guard(
        "no-extension-signed-or-not",
        "In S3 a session asks for no signature: that nothing but its own extension is loaded rests on this alone.",
        "core/session.py",
        "enable_external_access = false",
        "enable_external_access = true",
        (SESSION + "test_a_session_loads_no_extension_but_its_own_signed_or_not[s3]",),
    ),
    Guard(
        "the-configuration-is-locked",
        "A statement cannot set any of this back.",
        "core/session.py",
        '        "lock_configuration = true",\n',
        "",
        (STATEMENTS,),
    ),
    Guard(
        "only-the-lake-s-folders",
        "Of the machine's folders only the lake's and the work folder can be reached.",
        "core/session.py",
        'f"allowed_directories = {texts(allowed)}"',
        "\"allowed_directories = ['/']\"",
        (STATEMENTS,),
    ),
    Guard(
        "extensions-do-not-load-themselves",
        "No extension is fetched from the internet because a statement names something of it.",
        "core/session.py",
        '**dict.fromkeys(OFF, "false"), ',
        "",
        (SESSION + "test_no_session_fetches_extensions",),
    ),
    Guard(
        "a-query-reads-from-no-function-of-the-engine",
        "DuckDB's functions about itself hide SQL in a text, and some end the process.",
        "core/project.py",
        "        refuse_harmful(statements[0])\n",
        "",
        ("hostile/test_session.py::test_no_query_leaves_the_lake",),
    ),
    Guard(
        "an-address-in-s3-has-no-parameters",
        "`?s3_endpoint=` in a path sends the request, signed as the lake's, to any host.",
        "core/session.py",
        '    connection.execute("set s3_url_compatibility_mode = true")',
        "    pass",
        ("hostile/test_session.py::test_a_lake_in_s3_is_all_that_a_session_reads_of_s3",),
    ),
    Guard(
        "an-address-does-not-climb",
        "A path in S3 that goes on with `..` leads out of the lake, because DuckDB only compares how it begins.",
        "core/statements.py",
        'return "://" in address and ".." in address.split("/")',
        "return False",
        ("hostile/test_session.py::test_a_lake_in_s3_is_all_that_a_query_or_a_transform_reads_of_s3",),
    ),
    Guard(
        "memory-is-limited",
        "DuckDB spills before the function is killed for its memory.",
        "core/session.py",
        '        f"memory_limit = {literal(memory)}",\n',
        "",
        (SESSION + "test_a_session_has_the_memory_and_the_threads_that_it_was_given",),
    ),
    Guard(
        "it-spills-where-it-may",
        "What spills goes to the work folder; DuckDB's own choice is a folder that Lambda cannot write.",
        "core/session.py",
        """        f"temp_directory = {literal(str(work / 'spill'))}",\n""",
        "",
        (SESSION + "test_the_session_counts_in_utc_and_spills_where_it_may",),
    ),
    Guard(
        "only-one-select-is-run",
        "A query is one SELECT: nothing that was asked can change anything.",
        "core/project.py",
        "if len(statements) != 1 or not isinstance(statements[0], exp.Query):",
        "if not statements:",
        ("unit/test_project.py::test_a_transform_s_sql_is_one_select_over_what_is_declared",),
    ),
    Guard(
        "names-are-quoted",
        "A name with a quote in it is a name.",
        "core/quoting.py",
        """return '"' + name.replace('"', '""') + '"'""",
        """return '"' + name + '"'""",
        (BAD_INPUT + "test_names_that_need_quoting_work_as_key_order_partition_check_and_in_exports",),
    ),
    Guard(
        "values-are-quoted",
        "A value with a quote in it is a value.",
        "core/quoting.py",
        """return "'" + text.replace("'", "''") + "'\"""",
        """return "'" + text + "'\"""",
        (BAD_INPUT + "test_names_that_need_quoting_work_as_key_order_partition_check_and_in_exports",),
    ),
    Guard(
        "expressions-stay-in-their-parentheses",
        "A declared expression that would reach beyond its parentheses is refused.",
        "core/project.py",
        "    except sqlglot.errors.SqlglotError as error:\n"
        "        raise ValueError(str(error).splitlines()[0]) from error\n\n\ndef suggest",
        "    except sqlglot.errors.SqlglotError:\n        pass\n\n\ndef suggest",
        (SESSION + "test_a_check_that_would_break_out_of_its_parentheses_is_refused",),
    ),
    Guard(
        "a-comment-ends-with-its-line",
        "A comment at the end of a declared expression hides nothing of what follows.",
        "core/sql.py",
        r'''return f"({sql}\n)" if "--" in sql else f"({sql})"''',
        'return f"({sql})"',
        (BAD_INPUT + "test_a_check_may_end_in_a_comment",),
    ),
    Guard(
        "a-long-list-is-no-join",
        "DuckDB makes a join of `in` with five values and more, and a join loses the order by which rows know their records.",
        "core/session.py",
        "\"disabled_optimizers = 'in_clause'\",",
        "",
        (SESSION + "test_a_long_list_is_no_join[x in ({})]",),
    ),
    Guard(
        "other-rules-look-anew",
        "SQL that older rules found sound is held against the rules of today.",
        "core/remembered.py",
        "[_rules(), rule.__name__, args, kwargs]",
        "[rule.__name__, args, kwargs]",
        ("unit/test_remembered.py::test_other_rules_answer_anew",),
    ),
)
