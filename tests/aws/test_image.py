"""The image: what is in it, what is not, and that it runs as Lambda runs it: any user, nothing writable but /tmp."""

import ast
import json
import re
import shutil
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
import yaml
from docker.utils.build import exclude_paths

from core.lake import open_lake
from core.sample import sample
from infra.engine import ROOT, Engine
from infra.pack import COMMAND_LINE, SERVICES, functions_lock, prune, shed_symbols
from tests.aws.engine import LAKE, RAW, Cloud, arrive, handlers

MEGABYTE = 1_000_000
ADDED = 378
"""Megabytes that we may add to the base image, unpacked. On a base of 222, which is Debian's with Python, that is an image of 600."""

NEWEST_GLIBC = (2, 34)
"""Amazon Linux 2023's."""

PYTHON = ("python3", "-c")


def asked(engine: Engine, image: str, code: str, **options: Any) -> Any:
    """Run Python in the image and return what it prints as JSON."""
    return json.loads(engine.read(image, *PYTHON, code, **options).splitlines()[-1])


# --- what it is made from, which needs no engine -----------------------------------------------------------------------------------------


def reached() -> dict[Path, ast.Module]:
    """Return every module of ours that functions import, in functions' bodies too."""
    found: dict[Path, ast.Module] = {}
    waiting = [path for path in handlers() if path.exists()]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found[path] = ast.parse(path.read_text("utf-8"))
            waiting += [source for name in imported(found[path]) if name.startswith(("core", "handlers")) and (source := source_of(name))]
    return found


def imported(module: ast.Module) -> set[str]:
    """Return the names of what a module imports; `from a import b` may mean the module a.b."""
    names = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def source_of(name: str) -> Path | None:
    place = ROOT.joinpath(*name.split("."))
    return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.exists()), None)


def test_functions_import_nothing_that_is_left_out_of_the_image() -> None:
    packages = {name.partition(".")[0] for module in reached().values() for name in imported(module)}
    installed = packages_distributions()
    assert {"typer", "rich", "xlsxwriter"} <= installed.keys(), "or this test would pass for want of them"
    distributions = {owner.lower().replace("_", "-") for name in packages for owner in installed.get(name, ())}
    assert not distributions & set(COMMAND_LINE)


def test_what_functions_import_is_built_into_the_image_and_the_command_line_is_not() -> None:
    ignored = [line for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line and not line.startswith("#")]
    context = {ROOT / name for name in exclude_paths(str(ROOT), ignored)}
    assert reached().keys() <= context
    assert not [path for path in context if path.is_relative_to(ROOT / "handlers" / "cli")]


def test_what_is_left_out_is_in_the_lock_and_nothing_else_goes_with_it() -> None:
    lock = (ROOT / "requirements.lock").read_text("utf-8")

    def requirements(text: str) -> set[str]:
        return set(re.findall(r"(?m)^([a-z0-9-]+)==", text))

    assert requirements(lock) - requirements(functions_lock(lock)) == set(COMMAND_LINE)
    assert functions_lock(lock).count("--hash") > 100


def test_what_functions_call_through_boto3_is_what_the_image_can_describe() -> None:
    called = {name for path in reached() for name in re.findall(r"""client\(\s*"([a-z0-9-]+)\"""", path.read_text("utf-8"))}
    assert called == set(SERVICES)


def test_the_image_is_built_alike_on_every_architecture_and_distribution() -> None:
    said = "".join((ROOT / name).read_text("utf-8") for name in ("Dockerfile", "infra/pack.py"))
    assert not re.findall(r"x86|amd64|arm64|aarch64|\b(?:dnf|yum|apt(?:-get)?)\b", said)


def test_a_library_without_its_symbols_loads(tmp_path: Path) -> None:
    package = shutil.copytree(Path(yaml.__file__).parent, tmp_path / "yaml")
    (library,) = package.glob("_yaml.*.so")
    before = library.stat().st_size
    shed_symbols(library)
    code = "import yaml; print(yaml.__file__, yaml.load('{a: [1]}', yaml.CSafeLoader))"
    ran = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=True)
    assert ran.stdout.split(maxsplit=1) == [str(package / "__init__.py"), "{'a': [1]}\n"]
    assert library.stat().st_size < before or sys.platform != "linux"


def test_a_pattern_that_removes_nothing_is_told(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="found nothing"):
        prune(tmp_path)


# --- what is in it -----------------------------------------------------------------------------------------------------------------------


def test_what_we_add_is_small_and_as_the_page_tells(engine: Engine, image: str) -> None:
    code = """
import json, pathlib
print(json.dumps(sum(path.stat().st_size for path in pathlib.Path("/var/task").rglob("*") if path.is_file())))"""
    added = asked(engine, image, code) / MEGABYTE
    assert added < ADDED
    (told,) = re.findall(r"\*\*all that we add\*\* .* \*\*(\d+)\*\* \|", (ROOT / "docs" / "image.md").read_text("utf-8"))
    wheels_are_those_of_the_page = engine.client.images.get(image).attrs["Architecture"] == "amd64"
    assert not wheels_are_those_of_the_page or int(told) == pytest.approx(added, rel=0.02), "python -m infra.measure_image --write"


def test_only_what_functions_need_is_in_it(engine: Engine, image: str) -> None:
    found = asked(
        engine,
        image,
        """
import json
from importlib.metadata import distributions
from pathlib import Path
task = Path("/var/task")
print(json.dumps({
    "packages": [found.name.lower().replace("_", "-") for found in distributions(path=[str(task)])],
    "pipelines": sorted({path.suffix for path in (task / "pipelines").rglob("*") if path.is_file()}),
    "folders": [path.name for path in task.iterdir()],
    "services": [path.name for path in (task / "botocore/data").iterdir() if path.is_dir()],
}))""",
    )
    assert not set(found["packages"]) & set(COMMAND_LINE)
    assert {"duckdb", "deltalake", "pyarrow", "duckdb-extension-httpfs"} <= set(found["packages"])
    assert found["pipelines"] == ["", ".json", ".sql", ".yaml"], "and what was found in them, with its .gitignore"
    assert not {"tests", "docs", "benchmarks", "infra", "bin"} & set(found["folders"])
    assert set(found["services"]) == set(SERVICES)


def test_every_module_is_compiled_and_not_checked_against_its_source(engine: Engine, image: str) -> None:
    missing = asked(
        engine,
        image,
        """
import json
from importlib.util import cache_from_source
from pathlib import Path
def state(path):
    compiled = Path(cache_from_source(str(path)))
    return compiled.read_bytes()[4] if compiled.exists() else None
print(json.dumps([str(path) for path in Path("/var/task").rglob("*.py") if state(path) != 0b01]))""",
    )
    assert missing == []


def test_every_user_can_read_every_file(engine: Engine, image: str) -> None:
    code = """
import json, os
found = [os.path.join(folder, name) for folder, _, names in os.walk("/var/task", onerror=print) for name in names]
print(json.dumps([path for path in found if not os.access(path, os.R_OK)]))"""
    assert asked(engine, image, code, user="12345:12345") == []


def test_wheels_are_for_the_c_library_of_amazon_linux(engine: Engine, image: str) -> None:
    tags = asked(
        engine,
        image,
        """
import json
from pathlib import Path
lines = {path.parent.name: [line.split()[1] for line in path.read_text().splitlines() if line.startswith("Tag:")]
         for path in Path("/var/task").glob("*.dist-info/WHEEL")}
print(json.dumps(lines))""",
    )
    newer = {
        package: found
        for package, found in tags.items()
        if (versions := [(int(a), int(b)) for tag in found for a, b in re.findall(r"manylinux_(\d+)_(\d+)", tag)])
        and min(versions) > NEWEST_GLIBC
    }
    assert not newer
    assert len(tags) > 20


@pytest.mark.parametrize("name", [path.stem for path in handlers()])
def test_a_cold_start_imports_nothing_that_an_answer_may_not_need(engine: Engine, image: str, name: str) -> None:
    code = f"import handlers.{name}, json, sys; print(json.dumps(sorted(sys.modules)))"
    loaded = set(asked(engine, image, code, environment={"AWS_REGION": "eu-west-1"}))
    assert not loaded & {"boto3", "botocore.session", "sqlglot", "aws_xray_sdk.core", "pyarrow.dataset", "pandas", "numpy"}
    assert f"handlers.{name}" in loaded
    assert name != "authorize" or not loaded & {"duckdb", "deltalake", "pyarrow"}, "it has a quarter of a processor"


def test_the_image_knows_what_its_declarations_sql_is(engine: Engine, image: str) -> None:
    """Its build has read them: a start imports no parser, and only reads what was found."""
    code = """
import json, os, sys
from pathlib import Path
from core.declarations import load
project = load(Path(os.environ["LAKELET_PROJECT"]))
print(json.dumps(["sqlglot" in sys.modules, sorted(project.transforms["user_activity"].inputs)]))"""
    assert asked(engine, image, code) == [False, ["commerce_events", "commerce_orders", "commerce_users"]]


# --- that it runs ------------------------------------------------------------------------------------------------------------------------


def test_it_loads_as_nobody_with_nothing_writable_but_tmp_and_no_home(engine: Engine, image: str, cloud: Cloud) -> None:
    arrived, (key,) = arrive(cloud, "sqs-s3-notification")
    options = {
        "entrypoint": ["env", "-u", "HOME", "/lambda-entrypoint.sh"],
        "user": "65534:65534",
        "read_only": True,
        "tmpfs": {"/tmp": "size=512m"},
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
    }
    variables = {**cloud.variables, **cloud.credentials}
    with engine.function(image, "handlers.ingest.handler", variables=variables, **options) as function:
        assert function.invoke(json.loads(arrived)) == {"batchItemFailures": []}, function.logs()
    assert cloud.keys(RAW, key) == []
    assert any("transactions 2026-11-20 A+B" in found for found in cloud.keys(RAW, "archived/transactions/"))
    assert cloud.keys(LAKE, "curated/transactions/_delta_log/")


def test_every_format_and_transform_works_with_the_libraries_that_are_left(
    engine: Engine, image: str, cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = {**cloud.variables, **cloud.credentials}
    for name, value in {**variables, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{cloud.port}"}.items():
        monkeypatch.setenv(name, value)
    lake = open_lake(ROOT / "pipelines")
    for pipeline in sorted({declaration.pipeline for declaration in lake.project.declarations.values()}):
        sample(ROOT / "pipelines" / pipeline, rows=20, seed=1, owner=lake.project.match, put=lake.raw.put, work=tmp_path)
    steps = asked(
        engine,
        image,
        """
import json
from core.lake import open_lake
from core.run import run
steps = list(run(open_lake(), ignore_schedules=True))
print(json.dumps([type(step).__name__ + (": " + step.error if type(step).__name__ == "Undone" else "") for step in steps]))""",
        environment=variables,
    )
    assert not [step for step in steps if step.startswith("Undone")]
    assert [declaration.name for declaration in lake.project.order if lake.table(declaration) is None] == []
