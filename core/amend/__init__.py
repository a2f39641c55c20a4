"""What was loaded is taken out again, or run again under the present contract: undo, replay, backfill.

`plans` says which objects are meant, `commits` does a batch of them in one commit, `restore` finds in the `archive` what they had hidden.
"""
