"""Incremental transforms: what is run by partition says the same as what is run in full."""

from typing import Final

from tests.guards.guard import Guard

INCREMENTAL: Final = "unit/test_incremental.py::"
REFUSED: Final = ("unit/test_locality.py::test_a_query_that_may_not_keep_to_its_partitions_is_refused_by_its_clause",)

GUARDS: Final = (
    Guard(
        "a-row-of-another-partition-is-not-committed",
        "Rows of partitions that are not replaced would be there twice: such a result is an error.",
        "core/transform.py",
        "        _refuse_others(connection, transform, target, added, part)\n",
        "",
        (INCREMENTAL + "test_a_row_of_another_partition_than_those_that_changed_is_never_committed",),
    ),
    Guard(
        "an-increment-is-of-one-version-of-its-table",
        "What was decided on a version of the target that another run has replaced meanwhile is decided anew.",
        "core/transform.py",
        "    if part.partial and now.version != before.version:\n",
        "    if False:\n",
        (INCREMENTAL + "test_a_run_whose_query_was_changed_by_another_one_does_not_mix_the_two",),
    ),
    Guard(
        "a-changed-query-is-run-in-full",
        "Partitions that a new query made do not stand beside those that the old one made.",
        "core/increment.py",
        "    if target.identity(QUERY) != fingerprint(transform):\n",
        "    if False:\n",
        (INCREMENTAL + "test_a_changed_query_is_run_in_full",),
    ),
    Guard(
        "a-changed-dimension-is-run-in-full",
        "A row of an input that is read whole may matter to any partition.",
        "core/increment.py",
        "    return None if unchanged else ",
        "    return None if True else ",
        (INCREMENTAL + "test_an_input_that_is_read_whole_runs_everything_when_it_changed_and_only_then",),
    ),
    Guard(
        "a-new-column-is-run-in-full",
        "A query over all columns says something else of every row once there is one more.",
        "core/increment.py",
        "    if not done.plain:\n",
        "    if False:\n",
        (INCREMENTAL + "test_a_column_that_an_input_gained_is_read_in_full",),
    ),
    Guard(
        "the-same-partitions-on-both-sides",
        "Partitions of another type or of other columns cannot be told by the target's.",
        "core/increment.py",
        "not (set(columns) <= set(table.partition_by) and columns == target.partition_by):\n",
        "False:\n",
        (INCREMENTAL + "test_a_table_that_is_partitioned_otherwise_than_declared_is_read_in_full",),
    ),
    Guard(
        "windows-keep-to-their-partition",
        "A window that looks into other partitions would see only those that changed.",
        "core/locality/queries.py",
        "    clauses.refuse_windows(select, carried)\n",
        "",
        REFUSED,
    ),
    Guard(
        "groups-keep-to-their-partition",
        "A group over several partitions would hold only those that changed.",
        "core/locality/queries.py",
        "    clauses.refuse_groups(select, carried)\n",
        "",
        REFUSED,
    ),
    Guard(
        "subqueries-read-nothing-sliced",
        "A subquery in an expression would see only the partitions that changed.",
        "core/locality/queries.py",
        "    clauses.refuse_subqueries(select, known)\n",
        "",
        REFUSED,
    ),
    Guard(
        "joins-keep-to-their-partition",
        "A row that meets rows of other partitions would miss those that did not change.",
        "core/locality/queries.py",
        "            _refuse_unless_equal(join, sources, {alias: right}, known, equal if kind in INNER else [])\n",
        "            pass\n",
        REFUSED,
    ),
    Guard(
        "rows-without-a-partner-have-their-partition",
        "What a full or right join adds is of no partition, and the right side of a left join may be NULL.",
        "core/locality/queries.py",
        "        sources[alias] = right if kind in INNER else Relation(right.sliced)\n",
        "        sources[alias] = right\n",
        REFUSED,
    ),
    Guard(
        "what-changes-by-itself-is-not-incremental",
        "A function of the moment says of old partitions what it said then.",
        "core/locality/__init__.py",
        "        refuse_changing(query, parsed)\n",
        "",
        REFUSED,
    ),
    Guard(
        "sql-that-is-not-understood-is-not-incremental",
        "A part of a query that is not known here is refused, never taken for harmless.",
        "core/locality/known.py",
        "    if unknown := [name for name, value in node.args.items() if value and name not in allowed]:\n",
        "    if unknown := []:\n",
        REFUSED,
    ),
)
