"""What the documents promise is there: commands, targets, declarations, files."""

import re
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from core.contract import Dataset, Transform
from handlers.cli import app

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
DOCUMENTS = [path for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")] if path.is_file()]
COMMANDS = set(getattr(get_command(app), "commands", {}))


def test_every_command_stands_in_the_readme_and_every_one_there_exists() -> None:
    told = set(re.findall(r"^\| `lakelet (\w+)", README, re.MULTILINE))
    assert told == COMMANDS


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_document_names_only_commands_and_targets_that_exist(document: Path) -> None:
    text = document.read_text("utf-8")
    typed = "\n".join(re.findall(r"`[^`\n]+`|^ *\S*lakelet .*$", text, re.MULTILINE))
    assert set(re.findall(r"[`/ ]lakelet ([a-z]+)\b(?= |`)", typed)) <= COMMANDS
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)\b(?=[ `\n]*(?:#|`|$|=))", text)) <= targets


def test_the_readmes_declarations_are_declarations() -> None:
    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)]
    assert [type(_declared(block)).__name__ for block in blocks] == ["Dataset", "Transform", "Transform"]


def _declared(block: dict[str, object]) -> Dataset | Transform:
    return Dataset.model_validate(block) if "dataset" in block else Transform.model_validate(block)


def test_every_example_pipeline_has_its_paragraph() -> None:
    pipelines = {path.name for path in (ROOT / "pipelines").iterdir() if path.is_dir() and not path.name.startswith(".")}
    assert pipelines <= set(re.findall(r"^- \*\*(\w+)\*\*:", README, re.MULTILINE))


def test_every_setting_stands_in_the_readme() -> None:
    code = "".join(path.read_text("utf-8") for folder in ("core", "handlers") for path in (ROOT / folder).rglob("*.py"))
    assert set(re.findall(r"LAKELET_[A-Z_]*[A-Z]", code)) == set(re.findall(r"^\| `(LAKELET_[A-Z_]*[A-Z])`", README, re.MULTILINE))


def test_the_two_commands_stand_at_the_top() -> None:
    top = README.splitlines()[:12]
    assert any(line.startswith("make demo") for line in top)
    assert any(line.startswith("make test") for line in top)


def test_nothing_pins_an_address() -> None:
    for name in ("requirements.lock", "requirements-dev.lock", "pyproject.toml"):
        assert "://" not in (ROOT / name).read_text()
    assert not (ROOT / "uv.lock").exists()


def test_every_row_of_what_was_tried_is_counted_by_some_test() -> None:
    counted = "".join(path.read_text("utf-8") for path in (ROOT / "tests" / "faults").rglob("*.py"))
    rows = set(re.findall(r'^    "([a-z ]+)": "', (ROOT / "tests" / "faults" / "figures.py").read_text("utf-8"), re.MULTILINE))
    assert rows == set(re.findall(r'FIGURES\.count\(\s*"([a-z ]+)"', counted))
