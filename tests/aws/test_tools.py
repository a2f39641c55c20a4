"""What AWS' own tools and a security scanner say of the templates: nothing. Where a tool is not installed, its tests skip and say so."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest
import yaml

from tests.aws.translated import EVERYTHING, PARTS, REGION, ROOT, TEMPLATE, template

CFN_LINT: Final = Path(sys.executable).with_name("cfn-lint")
SKIPS: Final = 3
"""The most rules that the scanner may be told to skip."""


def tool(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path=ROOT / ".venv-aws" / "bin")
    if found is None:
        pytest.skip(f"no `{name}` on the PATH or in .venv-aws: make tools")
    return found


def run(*words: str | Path, folder: Path = ROOT) -> None:
    """Run a tool; what it finds fails the test with the tool's own words. No account is asked: there is none behind these credentials."""
    environment = {**os.environ, "AWS_DEFAULT_REGION": REGION, "AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"}
    quiet = {"SAM_CLI_TELEMETRY": "0", "LOG_LEVEL": "ERROR", "ANSI_COLORS_DISABLED": "1"}
    done = subprocess.run([str(word) for word in words], cwd=folder, env={**environment, **quiet}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def plain() -> str:
    """Return the main template as CloudFormation gets it, after SAM's transform."""
    found = template()
    parts: Mapping[str, object] = {
        "Parameters": found.parameters,
        "Conditions": found.conditions,
        "Resources": found.resources,
        "Outputs": found.outputs,
    }
    return json.dumps({"AWSTemplateFormatVersion": "2010-09-09", **parts})


def switched_on(folder: Path) -> Path:
    """Write the main template with defaults under which every resource is there: the scanner leaves out what a condition leaves out."""
    text = TEMPLATE.read_text("utf-8")
    for name, value in EVERYTHING.items():
        before, mark, after = text.partition(f"  {name}:\n")
        start = after.index("    Default: ")
        end = after.index("\n", start)
        text = f"{before}{mark}{after[:start]}    Default: {json.dumps(value)}{after[end:]}"
    written = folder / TEMPLATE.name
    written.write_text(text, "utf-8")
    return written


def test_cfn_lint_finds_nothing_in_the_templates() -> None:
    run(CFN_LINT, "--", *PARTS)


def test_cfn_lint_finds_nothing_in_what_sam_makes_of_them(tmp_path: Path) -> None:
    written = tmp_path / "plain.json"
    written.write_text(plain(), "utf-8")
    run(CFN_LINT, "--", written)


def test_sam_takes_the_template() -> None:
    run(tool("sam"), "validate", "--lint", "--region", REGION)


def test_the_scanner_finds_nothing() -> None:
    run(tool("checkov"), "--directory", ".")


def test_the_scanner_finds_nothing_with_everything_switched_on(tmp_path: Path) -> None:
    shutil.copy(ROOT / ".checkov.yaml", tmp_path)
    switched_on(tmp_path)
    run(tool("checkov"), "--directory", ".", folder=tmp_path)


def test_the_scanner_skips_little() -> None:
    config = yaml.safe_load((ROOT / ".checkov.yaml").read_text("utf-8"))
    inline = {line for path in (ROOT / "Dockerfile", *PARTS) for line in path.read_text("utf-8").splitlines() if "checkov:skip" in line}
    assert len(config["skip-check"]) + len(inline) <= SKIPS
