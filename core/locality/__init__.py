"""Whether a query may be run partition by partition: each row of its result depends only on its sliced inputs' rows of its own. Pure.

A sliced input is one that has the partition columns; all others are whole, and say the same in each run. A column *carries* a partition
column where it is one, as it came out of a sliced input. Conservative: what cannot be proven, and what is not known here, is refused.
What holds of partition columns holds of the columns of a key.
"""

from collections.abc import Collection

from core.locality.changing import refuse_changing
from core.locality.known import Known
from core.locality.queries import relation
from core.remembered import remembered

__all__ = ["refuse_unless_local"]


@remembered
def refuse_unless_local(query: str, sliced: Collection[str], partition_by: tuple[str, ...]) -> None:
    """Raise ValueError, naming the clause and what to do, where it cannot be shown that a query (known to be one SELECT) is local."""
    import sqlglot

    columns = tuple(column.lower() for column in partition_by)  # SQL does not tell Date from date
    try:
        parsed = sqlglot.parse_one(query, read="duckdb")
        refuse_changing(query, parsed)
        result = relation(parsed, Known(frozenset(name.lower() for name in sliced), columns))
    except RecursionError:
        raise ValueError("it is nested too deeply to be looked through; use fewer levels") from None
    for column in columns:
        if column not in result.carried(column):
            raise ValueError(f"the result has no plain column {column} out of a sliced input; select it under this name")
