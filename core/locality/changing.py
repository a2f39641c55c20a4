"""What says something else in each run although its inputs are the same, or depends on rows that nobody follows. Pure."""

from typing import Any, Final

from core.statements import FILES

VOLATILE: Final = {
    "ago", "current_catalog", "current_connection_id", "current_database", "current_date", "current_localtime", "current_localtimestamp",
    "current_query", "current_query_id", "current_schema", "current_schemas", "current_time", "current_timestamp",
    "current_transaction_id", "currval", "gen_random_uuid", "get_current_time", "get_current_timestamp", "in_search_path", "localtime",
    "localtimestamp", "nextval", "now", "random", "setseed", "sleep_ms", "stats", "today", "transaction_timestamp", "txid_current",
    "uuid", "uuidv4", "uuidv7", "write_log",
}  # fmt: skip
"""Functions of which DuckDB does not promise that they say the same of the same."""

BARE: Final = {
    "current_date", "current_localtime", "current_localtimestamp", "current_time", "current_timestamp", "localtime", "localtimestamp",
}  # fmt: skip
"""Those of them that need no parentheses."""


def refuse_changing(query: str, parsed: Any) -> None:
    """Raise ValueError for what a later run, or one over fewer rows, would say differently. By names: however a function is called."""
    import sqlglot
    from sqlglot import exp

    tokens = sqlglot.tokenize(query, read="duckdb")
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        name, called = token.text.lower(), following is not None and following.text == "("
        if token.token_type == sqlglot.TokenType.STRING:
            continue
        if (name in VOLATILE and called) or (name in BARE and token.token_type != sqlglot.TokenType.IDENTIFIER):
            raise ValueError(f"{name} says something else in each run; take it from a column")
        if name in FILES and called:
            raise ValueError(f"{name} reads files whose changes nobody follows; declare them as a dataset")
    if any(node.name.lower() == "age" and len(node.expressions) < 2 for node in parsed.find_all(exp.Anonymous)):
        raise ValueError("age of one moment says something else each day; give it two")
    for kind, told in ((exp.Limit, "limit"), (exp.Fetch, "fetch"), (exp.Offset, "offset"), (exp.TableSample, "a sample")):
        if parsed.find(kind):
            raise ValueError(f"{told} takes some rows of all; rank them (qualify row_number() over ...) instead")
