"""Writes docs/image.md from what infra.measure_image measured. Pure, but for what it says of the machine."""

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from statistics import median
from typing import Final

from infra.measured import MEMORY, Start, Weights

Starts = Mapping[tuple[str, int], Sequence[Start]]

MEGABYTE: Final = 1_000_000
ZIP_LIMIT: Final = 250 * 1024 * 1024
SMALL: Final = 1_000_000
"""Packages below this share a row."""

USES: Final = {
    "deltalake": "the Delta log: snapshots, commits, checkpoints, vacuum",
    "pyarrow": "the currency between the others",
    "duckdb": "reads, conforms, checks, joins, aggregates, writes Parquet",
    "duckdb_extension_httpfs": "DuckDB's S3",
    "obstore": "objects: list, get, put on condition",
    "fastexcel": "XLSX",
    "arro3-core": "Arrow for delta-rs",
    "sqlglot": "what a transform's SQL reads",
    "aws_lambda_powertools": "logs, metrics, the API's routes and OpenAPI document",
    "pydantic": "declarations",
    "pydantic_core": "declarations",
    "botocore": "SNS, Glue, Step Functions, and S3 by version",
    "boto3": "the same services",
    "aws-xray-sdk": "traces, where a request is sampled",
    "Lakelet": "core, handlers, pipelines",
}


def page(weights: Weights, starts: Starts, imports: Mapping[str, Mapping[str, float]], *, rounds: int) -> str:
    """Return the page."""
    parts = [INTRODUCTION, _stand_in(weights), _sizes(weights), PRUNED, _cold(starts, rounds), _imports(imports), _machine(weights)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _stand_in(weights: Weights) -> str:
    if "Amazon Linux" in weights.system:
        return ""
    return (
        f"**These figures come from a stand-in for the AWS base image**: {weights.system} with Python, the runtime client and the\n"
        "Runtime Interface Emulator. AWS's own is Amazon Linux 2023, of another size. What we add is the same on both."
    )


def _sizes(weights: Weights) -> str:
    kept = sorted(weights.kept.items(), key=lambda item: -item[1])
    large = [(name, size) for name, size in kept if size >= SMALL]
    small = [size for _, size in kept if size < SMALL]
    rows = [
        (name, _mb(weights.brought.get(name, 0)) if name in weights.brought else "", _mb(size), USES.get(name, "")) for name, size in large
    ]
    rows.append((f"{len(small)} smaller ones", "", _mb(sum(small)), ""))
    rows.append(("**all that we add**", f"**{_mb(sum(weights.brought.values()))}**", f"**{_mb(weights.added)}**", _limit(weights.added)))
    rows.append((f"the base image ({weights.system})", "", _mb(weights.base), ""))
    rows.append(("**the image**", "", f"**{_mb(weights.whole)}**", "the limit of an image is 10,000"))
    return "## Size\n\nMB unpacked (10^6 bytes), compiled bytecode included.\n\n" + table(
        ("package", "as its wheel brings it", "in the image", "for"), rows, left=(0, 3)
    )


def _limit(added: int) -> str:
    return f"{added / ZIP_LIMIT:.1f} times what a zip with its layers may hold: 250 MiB, which are {_mb(ZIP_LIMIT)}"


def _cold(starts: Starts, rounds: int) -> str:
    rows = []
    for memory in MEMORY:
        health, commit = starts["health", memory], starts["commit", memory]
        cells = [[start.init for start in health], [start.asked for start in health]]
        cells += [[start.init for start in commit], [start.asked for start in commit], [start.processor for start in commit]]
        rows.append((f"{memory:,}", f"{memory / 1769:.2f}", *(f"{median(seconds):.2f} ({min(seconds):.2f})" for seconds in cells)))
    header = ("MB", "processors", "API: init", "API: first answer", "ingest: init", "ingest: first commit", "its CPU seconds")
    container = median(start.container for found in starts.values() for start in found)
    return COLD.format(rounds=rounds, container=container) + "\n\n" + table(header, rows, left=())


def _imports(imports: Mapping[str, Mapping[str, float]]) -> str:
    parts = [IMPORTS]
    for module, packages in imports.items():
        whole = sum(packages.values())
        named = [(name, value) for name, value in packages.items() if value >= 0.02 * whole]
        rows = [(name, f"{value:.0f}", f"{value / whole:.0%}") for name, value in named]
        rows.append(("everything else", f"{whole - sum(value for _, value in named):.0f}", ""))
        parts.append(table((f"`import {module}`", "ms", "share"), [*rows, ("**all**", f"**{whole:.0f}**", "")], left=(0,)))
    return "\n\n".join(parts)


def _machine(weights: Weights) -> str:
    lines = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}; load {os.getloadavg()[0]:.1f}",
        "base image": weights.system,
    }
    return "## The machine\n\n" + "\n".join(f"- {name}: {value}" for name, value in lines.items())


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, left: Sequence[int]) -> str:
    """Return a table whose columns are figures but for those named by `left`."""
    rule = "|".join("---" if column in left else "--:" for column in range(len(header)))
    return "\n".join([f"| {' | '.join(header)} |", f"|{rule}|", *(f"| {' | '.join(row)} |" for row in rows)])


def _mb(size: float) -> str:
    return f"{size / MEGABYTE:,.1f}" if size < 100 * MEGABYTE else f"{size / MEGABYTE:,.0f}"


INTRODUCTION: Final = """# The image

Written by `python -m infra.measure_image --write`, which needs a container engine. One image holds all functions; each names its handler
by `ImageConfig.Command`. It is an image because what it is made of does not fit a zip."""

PRUNED: Final = """### What is left out

`infra/pack.py` builds the folder of packages, on the base image's Python alone; `tests/aws/test_image.py` holds it against what functions
import, and runs every format and transform with what remains.

- Packages that only the command line needs: typer, rich, XlsxWriter and what they bring.
- Arrow's RPC and S3 libraries (50 MB), which nothing else is linked to; its headers, sources and tests; the same library twice more.
- botocore's descriptions of some 400 services that functions don't call (17 MB).
- Symbol tables of compiled libraries (31 MB): what `strip` removes, which the base image hasn't got.

Every module is compiled, and its bytecode is not checked against its source: the root file system is read-only, so what isn't compiled
would be compiled again at every start. The functions run as any user with `/tmp` alone to write to; this is tested with a read-only root,
no capabilities and no `HOME`. The Dockerfile names no `USER`: Lambda runs every image as a user of its own, without privileges, and
`sam local` adds its emulator to the image as the image's user, which fails for any but root."""

COLD: Final = """## Cold start

A container is limited to a function's memory and to Lambda's share of the processor, memory / 1,769. Seconds are medians of {rounds}
starts, the fastest in brackets (a neighbour on the machine adds to the first, hardly to the second), the image in the page cache. *Init* is
the import of the handler; *first answer* is init and `GET /health`; *first commit* is init, opening the project, and merging an S3 object
of one row into a Delta table, from a server on the same machine. The engine's own start of the container ({container:.1f} s here) is left
out: Lambda's differs, and so does the time to fetch an image that is not near by yet."""

IMPORTS: Final = """### Where init goes

Milliseconds that each package's own modules take (`python -X importtime` in the container, without limits, medians). boto3, sqlglot and
X-Ray's library aren't among them: they are imported where they are used, and a test holds them there."""
