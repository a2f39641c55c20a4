"""What the image installs, inspected: known vulnerabilities (`make audit`), and a bill of materials and the licences (`make sbom`).

Runs in an environment of its own; it inspects another that holds the image's packages alone, each held against its hash.
"""

import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from infra.pack import functions_lock  # noqa: E402

PYTHON = (3, 13)
TOOLS = Path(sys.executable).parent
LICENCES = ROOT / "docs" / "licences.md"
BILL = ROOT / "build" / "sbom.json"

ALLOWED = (
    *("Apache Software License", "Apache-2.0", "BSD License", "BSD-2-Clause", "BSD-3-Clause", "MIT", "MIT License"),
    *("MIT No Attribution License (MIT-0)", "MIT OR Apache-2.0", "PSF-2.0"),
)
"""What may be given on with no more than a notice. Another licence is a question for whoever ships the image."""


def audit() -> None:
    """Exit with 1 where a package of any lock has a known vulnerability; say so where nobody could be asked."""
    for lock in (ROOT / "requirements.lock", ROOT / "requirements-dev.lock"):
        told = subprocess.run(
            [TOOLS / "pip-audit", "--require-hashes", "--disable-pip", "--requirement", lock, "--format", "json"],
            capture_output=True,
            text=True,
        )
        if not told.stdout:
            sys.exit(f"{lock.name}: {told.stderr}")
        packages = json.loads(told.stdout)["dependencies"]
        asked = [package for package in packages if "skip_reason" not in package]
        found = [(package["name"], package["version"], bug) for package in asked for bug in package["vulns"]]
        for name, version, bug in found:
            print(f"{lock.name}: {name} {version}: {bug['id']}; mended in {', '.join(bug['fix_versions']) or 'no release yet'}")
        if found:
            sys.exit(1)
        if asked:
            print(f"{lock.name}: {len(asked)} packages were looked up, none of them has a known vulnerability")
        if unknown := [package["skip_reason"] for package in packages if "skip_reason" in package]:
            print(f"{lock.name}: {len(unknown)} of {len(packages)} packages could not be looked up, the first of them: {unknown[0]}")


def take_stock() -> None:
    """Write the bill of materials (CycloneDX) and the list of licences; exit with 1 for a licence that is not among ALLOWED."""
    if sys.version_info[:2] != PYTHON:
        sys.exit("The image's Python is 3.13, and packages differ by it: rm -r .venv-audit; make sbom PYTHON=python3.13")
    with tempfile.TemporaryDirectory() as folder:
        lock = Path(folder) / "functions.lock"
        lock.write_text(functions_lock((ROOT / "requirements.lock").read_text("utf-8")), "utf-8")
        python = Path(folder) / "environment" / "bin" / "python"
        venv.create(python.parents[1], with_pip=False)
        install = ("install", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes", "--requirement", str(lock))
        subprocess.run([sys.executable, "-m", "pip", "--python", str(python), *install], check=True)
        BILL.parent.mkdir(exist_ok=True)
        subprocess.run([TOOLS / "cyclonedx-py", "environment", python, "--output-reproducible", "--output-file", BILL], check=True)
        licences = [str(TOOLS / "pip-licenses"), "--python", str(python), "--allow-only", ";".join(ALLOWED), "--format", "markdown"]
        told = subprocess.run(licences, check=True, stdout=subprocess.PIPE, text=True).stdout
    head, _, _ = LICENCES.read_text("utf-8").partition("| Name")
    LICENCES.write_text(head + told.strip() + "\n", "utf-8")
    print(f"wrote {BILL.relative_to(ROOT)} and {LICENCES.relative_to(ROOT)}")


if __name__ == "__main__":
    {"audit": audit, "sbom": take_stock}[sys.argv[1]]()
