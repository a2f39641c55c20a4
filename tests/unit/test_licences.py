"""The list of licences says what the lock says."""

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from infra.inventory import ALLOWED, LICENCES
from infra.pack import functions_lock

ROOT = Path(__file__).parents[2]
IMAGE = {"python_full_version": "3.13.0", "sys_platform": "linux"}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def listed() -> dict[str, tuple[str, str]]:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in LICENCES.read_text("utf-8").splitlines() if line[:1] == "|"]
    return {normal(name): (version, licence) for name, version, licence in rows[2:]}


def test_every_package_of_the_image_is_listed_in_its_version() -> None:
    lock = functions_lock((ROOT / "requirements.lock").read_text("utf-8"))
    needed = [Requirement(line) for line in re.findall(r"(?m)^([a-z].*?) \\$", lock)]
    locked = {normal(each.name): str(each.specifier).strip("=") for each in needed if each.marker is None or each.marker.evaluate(IMAGE)}
    assert len(locked) > 20
    assert {name: version for name, (version, _) in listed().items()} == locked, "make sbom"


@pytest.mark.parametrize("package", sorted(listed()))
def test_a_licence_asks_for_no_more_than_a_notice(package: str) -> None:
    assert {part.strip() for part in listed()[package][1].split(";")} <= set(ALLOWED)
