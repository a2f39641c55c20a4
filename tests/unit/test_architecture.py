"""The rooms stay rooms: imports run downward, and each vendor is met in its own place only."""

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ORDER = [
    "telling",
    "errors",
    "places",
    "types",
    "units",
    "receipt",
    "quoting",
    "source",
    "contract",
    "statements",
    "remembered",
    "project",
    "catalog",
    "pruning",
    "locality",
    "consistency",
    "declarations",
    "casts",
    "sql",
    "storage",
    "session",
    "readers",
    "quality",
    "delta",
    "ledger",
    "statistics",
    "increment",
    "engine",
    "versions",
    "change",
    "keyed",
    "lake",
    "expect",
    "export",
    "register",
    "settle",
    "enforce",
    "loading",
    "ingest",
    "amend",
    "land",
    "transform",
    "maintenance",
    "run",
    "binding",
    "status",
    "query",
    "sample",
]
DUCKDB = (
    "session engine readers quality versions change keyed lake expect export enforce loading amend land transform "
    "maintenance binding query sample"
)
VENDORS = {
    "deltalake": {"delta"},
    "duckdb": set(DUCKDB.split()),
    "obstore": {"storage"},
    "boto3": {"storage", "catalog"},
    "botocore": {"storage", "lake", "catalog"},
    "fastexcel": {"readers"},
    "aws_lambda_powertools": set(),
    "typer": set(),
    "rich": set(),
}


def modules() -> list[Path]:
    return sorted((ROOT / "core").rglob("*.py"))


def rooms() -> list[Path]:
    return [path for path in modules() if path != ROOT / "core" / "__init__.py"]


def room(path: Path) -> str:
    return path.relative_to(ROOT / "core").with_suffix("").parts[0]


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} if node.module not in ("core", "handlers") else {f"{node.module}.{alias.name}" for alias in node.names}
    return found - {"core.__version__"}


@pytest.mark.parametrize("path", rooms(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_imports_only_rooms_before_it(path: Path) -> None:
    mine = room(path)
    assert mine in ORDER, f"core/{mine} has no place in the order yet"
    above = {name for name in imported(path) if name.startswith("core.") and ORDER.index(name.split(".")[1]) > ORDER.index(mine)}
    assert not above


@pytest.mark.parametrize("vendor", sorted(VENDORS))
def test_a_vendor_is_met_in_its_room_only(vendor: str) -> None:
    met = {room(path) for path in modules() if any(name.split(".")[0] == vendor for name in imported(path))}
    assert met <= VENDORS[vendor]


def test_only_lake_reads_the_environment_and_the_clock() -> None:
    words = ("os.environ", "os.getenv", "datetime.now", "time.time(", "utcnow")
    guilty = {room(path) for path in modules() for word in words if word in path.read_text("utf-8")}
    assert guilty <= {"lake"}


def test_core_knows_no_handler() -> None:
    assert not [path for path in modules() if any(name.split(".")[0] == "handlers" for name in imported(path))]


def test_functions_know_nothing_of_the_command_line() -> None:
    """Its packages are not in their image, and neither is it: see .dockerignore."""
    functions = sorted((ROOT / "handlers").glob("*.py"))
    met = {path.name: {name for name in imported(path) if name.startswith(("handlers.cli", "typer", "rich"))} for path in functions}
    assert not {name: found for name, found in met.items() if found}
    assert "rich" in {name.split(".")[0] for path in (ROOT / "handlers" / "cli").glob("*.py") for name in imported(path)}


def test_every_package_is_installed() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["packages"]
    there = [path.parent.relative_to(ROOT) for name in ("core", "handlers") for path in (ROOT / name).rglob("__init__.py")]
    assert sorted(listed) == sorted(".".join(path.parts) for path in there)
