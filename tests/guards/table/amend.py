"""Undo, replay and backfill: a table is what its objects make it, less those that were taken out."""

from typing import Final

from tests.guards.guard import Guard

AMEND: Final = "faults/test_amend.py::"
STAYS_OUT: Final = AMEND + "test_what_was_taken_out_does_not_come_back_where_another_one_leaves[append]"

GUARDS: Final = (
    Guard(
        "older-version-comes-back",
        "Where the newest version of an object leaves, the older one that it had replaced comes back.",
        "core/amend/commits.py",
        "    back, forgotten = restore.objects(lake, dataset, target, out)\n",
        "    back, forgotten = [], {}\n",
        (AMEND + "test_what_a_commit_had_hidden_comes_back[append]",),
    ),
    Guard(
        "uncovered-keys-come-back",
        "Where a row is refused that had won its key, the row that it had beaten comes back.",
        "core/amend/commits.py",
        "            restore.rows(lake, connection, dataset, target, out, work, beside=True)\n",
        "            pass\n",
        (AMEND + "test_a_row_that_the_contract_refuses_now_uncovers_the_one_that_it_had_hidden",),
    ),
    Guard(
        "refused-rows-leave-with-their-object",
        "The quarantined rows of an object that is taken out leave too: they would be loaded by the next replay.",
        "core/amend/commits.py",
        "        refused = loading.take_back(lake, connection, dataset, tuple(out))\n",
        "        refused = 0\n",
        (AMEND + "test_an_object_that_is_taken_out_leaves_the_others[folder]",),
    ),
    Guard(
        "what-was-taken-out-does-not-come-back",
        "An object that was taken out before does not come back where another one leaves.",
        "core/amend/restore.py",
        "if entry.source not in out and not ledger.is_undone(target, entry.source)]",
        "if entry.source not in out]",
        (STAYS_OUT,),
    ),
    Guard(
        "backfill-leaves-out-what-was-taken-out",
        "A backfill does not load again what was taken out on purpose.",
        "core/amend/plans.py",
        "[entry for entry in objects if table is None or not ledger.is_undone(table, entry.source)]",
        "list(objects)",
        (STAYS_OUT,),
    ),
    Guard(
        "half-a-replay-is-not-done",
        "A replay that was killed between the table and the quarantine is done again: what is done is asked of both.",
        "core/amend/plans.py",
        "tables = [table, quarantine] if entry.source in refused else [table]",
        "tables = [table]",
        (AMEND + "test_a_crash_around_a_commit_of_replay_loses_no_row_and_doubles_none",),
    ),
    Guard(
        "archived-copies-tell-what-they-were",
        "A copy in S3 is a new version; it tells which one it was, or a table that is lost could not be made again.",
        "core/storage/bucket.py",
        '"Metadata": {**theirs, **ours}',
        '"Metadata": theirs',
        (AMEND + "test_a_table_that_is_lost_is_made_again_from_the_archive[s3]",),
    ),
    Guard(
        "reports-tell-when-an-object-came",
        "The report of a rejected object tells when it arrived: by that it takes its place among versions when it is loaded after all.",
        "core/enforce.py",
        '        "modified": ref.modified.isoformat(),\n',
        "",
        (AMEND + "test_replay_loads_a_rejected_object_once_its_contract_fits[folder]",),
    ),
    Guard(
        "amendments-go-all-the-way-down",
        "A transform that ran because its input was amended amends its own table: those that wait for all of theirs run, too.",
        "core/transform.py",
        "return {**counts, **(amended(target) if since else {})}",
        "return counts",
        (AMEND + "test_what_was_made_of_an_amended_table_is_due_whatever_else_it_waits_for",),
    ),
)
