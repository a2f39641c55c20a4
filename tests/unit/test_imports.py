"""What a cold start imports, and what a load does: a package or a hundred modules more are seconds that every start pays."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from deltalake import DeltaTable

from tests.world import ORDERS, World

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = {
    "annotated_types", "arro3", "aws_lambda_powertools", "botocore", "core", "cronsim", "cython_runtime", "deltalake", "duckdb", "_duckdb",
    "handlers", "jmespath", "pyarrow", "pydantic", "pydantic_core", "tenacity", "typing_extensions", "typing_inspection", "yaml",
}  # fmt: skip
MODULES: Final = {"api": 360, "authorize": 60, "ingest": 265, "schedule": 265, "tasks": 270}
"""Modules outside the standard library that a handler may import: a tenth more than it did when this was written."""

UNASKED: Final = {"boto3", "botocore.session", "numpy", "pandas", "pyarrow.compute", "pyarrow.dataset", "pyarrow.parquet"}
"""What neither a start nor the load of a text file needs: 40 to 400 ms each."""

COUNT: Final = """
import json, sys
before = set(sys.modules)
{code}
print(json.dumps(sorted(name for name in set(sys.modules) - before if name.split(".")[0] not in sys.stdlib_module_names)))
"""


def imported(code: str) -> tuple[set[str], dict[str, int]]:
    """Return the modules that some code imports in a new process, and the microseconds that each took with all that it imports."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LAKELET_")}
    command = [sys.executable, "-X", "importtime", "-c", COUNT.format(code=code)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env={**environment, "AWS_REGION": "eu-west-1"}, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [line.split("|") for line in done.stderr.splitlines() if line.startswith("import time:") and "cumulative" not in line]
    return set(json.loads(done.stdout.splitlines()[-1])), {name.strip(): int(taken) for _, taken, name in lines}


def culprits(names: set[str], costs: dict[str, int]) -> str:
    """Say what the dearest of some modules cost."""
    dearest = sorted(names, key=lambda name: -costs.get(name, 0))[:12]
    return "imported, with milliseconds: " + ", ".join(f"{name} {costs.get(name, 0) / 1000:.0f}" for name in dearest)


@pytest.mark.parametrize("name", MODULES)
def test_a_handler_imports_no_more_than_its_budget(name: str) -> None:
    found, costs = imported(f"import handlers.{name}")
    strangers = {module for module in found if module.split(".")[0] not in PACKAGES and not module.startswith("_")}
    assert not strangers, culprits(strangers, costs)
    assert not found & UNASKED, culprits(found & UNASKED, costs)
    assert len(found) <= MODULES[name], culprits(found, costs)


def test_every_handler_has_a_budget() -> None:
    handlers = {path.stem for path in (ROOT / "handlers").glob("*.py") if "def handler(" in path.read_text("utf-8")}
    assert handlers == set(MODULES)


def loading(world: World, key: str) -> tuple[set[str], dict[str, int]]:
    """Put a file of orders and load it in a new process; return what that imported."""
    world.put(key, "id,amount,placed\n1,2.50,2026-01-01T00:00:00Z\n")
    project, lake = str(world.home / "project"), world.uri
    found, costs = imported(
        f"from core.lake import open_lake\nfrom core.run import run\nassert len(list(run(open_lake({project!r}, {lake!r})))) == 2"
    )
    assert "core.loading" in found
    return found, costs


def test_loading_a_file_imports_nothing_large(tmp_path: Path) -> None:
    """Not even by the way: to register an Arrow table with DuckDB imports pyarrow.dataset."""
    world = World(tmp_path, str(tmp_path / "lake")).declare(ORDERS)
    found, costs = loading(world, "raw/orders/a.csv")
    assert not found & UNASKED, culprits(found & UNASKED, costs)


def test_what_an_old_table_remembers_is_read_without_much_ado(tmp_path: Path) -> None:
    """A checkpoint is Parquet, but to read a column of it takes nothing beside."""
    world = World(tmp_path, str(tmp_path / "lake")).declare(ORDERS)
    loading(world, "raw/orders/a.csv")
    DeltaTable(f"{world.uri}/processed/orders").create_checkpoint()
    found, costs = loading(world, "raw/orders/b.csv")
    assert "pyarrow.parquet" in found, "the checkpoint was not read: this test shows nothing"
    dear = found & (UNASKED - {"pyarrow.parquet"})
    assert not dear, culprits(dear, costs)
