"""How much SQL is understood here, and which functions a query may read from. DuckDB dies of some of the rest. Pure."""

from typing import Any, Final

LONGEST: Final = 50_000
"""Characters. Parsers take seconds for longer ones, and no deadline stops a parser."""

DEEPEST: Final = 1_000
"""Levels of an expression, DuckDB's own limit; of a chain `a.b.c` it keeps none, and 40,000 of them use up its stack (1.5.5)."""

FILES: Final = (
    *("glob", "parquet_scan", "read_blob", "read_csv", "read_csv_auto", "read_json", "read_json_auto", "read_json_objects"),
    *("read_json_objects_auto", "read_ndjson", "read_ndjson_auto", "read_ndjson_objects", "read_parquet", "read_text"),
)
READABLE: Final = ("generate_series", "json_each", "json_tree", "range", "repeat", "repeat_row", "unnest", *FILES)
"""What computes rows, or reads files (the session knows which). The others are about the engine itself: `pandas_scan(null)` and
`enable_logging(storage='file', ...)` end the process (1.5.5), `query` hides SQL in a text."""


def refuse_long(sql: str) -> None:
    """Raise ValueError for what is too long to look at."""
    if len(sql) > LONGEST:
        raise ValueError(f"it has {len(sql):,} characters, more than {LONGEST:,}; a long list of values is better a table of its own")


def refuse_harmful(tree: Any) -> None:
    """Raise ValueError for a parsed query that is nested too deeply, or that reads from a function that is none of READABLE."""
    from sqlglot import exp

    level = [tree]
    for _ in range(DEEPEST):
        for node in level:
            source = node.this if isinstance(node, exp.Table | exp.Lateral) else None
            if isinstance(source, exp.Func):
                _refuse_function(source)
            if isinstance(node, exp.Literal | exp.RawString | exp.ByteString | exp.Identifier) and _climbs(node.name):
                raise ValueError("an address with `..` in it leads out of the lake")
        level = [child for node in level for child in node.iter_expressions()]
        if not level:
            return
    raise too_deep()


def _refuse_function(function: Any) -> None:
    """A file is named by a plain text, so that it can be seen here where it lies."""
    from sqlglot import exp

    if (name := _name(function)) not in READABLE:
        raise ValueError(f"nothing can be read from {name}() here, only from tables and {', '.join(READABLE)}")
    options = (exp.EQ, exp.PropertyEQ, exp.Kwarg)
    given = [argument for argument in function.iter_expressions() if not isinstance(argument, options)]
    plain = (exp.Literal, exp.RawString, exp.ByteString, exp.Array)
    if name in FILES and not all(isinstance(part, plain) for argument in given for part in argument.walk()):
        raise ValueError(f"{name}() takes the names of files as they are, not an expression")


def _climbs(address: str) -> bool:
    """Whether it climbs out of a folder of S3: DuckDB 1.5.5 looks at how it begins, and leaves the climbing to its HTTP client."""
    return "://" in address and ".." in address.split("/")


def too_deep() -> ValueError:
    """Return the error that says so; Python's own stack may be the first to end."""
    return ValueError(f"it is nested too deeply; {DEEPEST:,} levels are the most")


def _name(function: Any) -> str:
    return str(function.name if function.key == "anonymous" else function.sql_name()).lower()
