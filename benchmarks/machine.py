"""What the figures depend on: the machine, the versions, and how busy it was."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.rivals import INTERPRETERS, THREADS

MOMENT = ("date", "load")
"""What is another with each benchmark."""


def machine() -> dict[str, str]:
    """Return what the figures depend on. The load is the last minute's, this run included."""
    packages = {name: _version(name) for name in ("duckdb", "deltalake", "pyarrow", "fastexcel")}
    rivals = {name: _version_there(python(), name) or "not installed" for name, python in INTERPRETERS.items()}
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
        "load": f"{os.getloadavg()[0]:.1f}",
        "processor": f"{_processor()}, {os.cpu_count()} cores, {THREADS} for each contestant",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        **packages,
        **rivals,
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


@cache
def _version_there(python: str, package: str) -> str:
    """Return the version of a package that another interpreter has, '' where it has none."""
    command = [python, "-c", f"from importlib.metadata import version; print(version({package!r}))"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
