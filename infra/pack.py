"""Builds the folder of packages that goes into the image: what the lock names, less what no function reads, as compiled bytecode.

Runs inside the image's build, on the base image's Python alone: it may import nothing but the standard library.
"""

import compileall
import os
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Final

COMMAND_LINE = ("annotated-doc", "colorama", "markdown-it-py", "mdurl", "pygments", "rich", "shellingham", "typer", "xlsxwriter")
"""Packages of the lock that only `lakelet` on a command line imports."""

SERVICES = ("glue", "s3", "secretsmanager", "sns", "stepfunctions")
"""What functions call through boto3: botocore describes 400 services more, in 17 MB."""

UNUSED = (
    "bin",
    "*-stubs",
    "adbc_driver_duckdb",
    "**/*.pyi",
    "pyarrow/include",  # for compiling against Arrow, as are the sources below
    "pyarrow/includes",
    "pyarrow/src",
    "pyarrow/tests",
    "pyarrow/*.p[xy][xdi]",
    "pyarrow/libarrow_python.so",  # the same library three times over: what is linked is the third, libarrow_python.so.2600
    "pyarrow/libarrow_python.so.*.*",
    "pyarrow/libarrow_python_parquet_encryption.so",
    "pyarrow/libarrow_python_parquet_encryption.so.*.*",
    "pyarrow/*flight*",  # 32 MB of RPC
    "pyarrow/libarrow_s3*",  # 17 MB: S3 is read by DuckDB, delta-rs and obstore
    "pyarrow/_[agh]*fs.*",  # Azure, Google and Hadoop, and S3 through the library above
    "pyarrow/_s3fs*",
    "pyarrow/*orc*",
    "pyarrow/_pyarrow_cpp_tests*",
    "aws_lambda_powertools/event_handler/openapi/swagger_ui/*.min.*",  # a page that the API doesn't serve
)
"""What packages bring that no import of ours reaches. Flight and S3 are linked by nothing else; Substrait is, and stays."""


ELF_64_LITTLE = b"\x7fELF\x02\x01"


def functions_lock(lock: str) -> str:
    """Return the lock without the requirements that functions have no use for. One requirement begins each unindented line."""
    requirements = re.split(r"(?m)^(?=[A-Za-z0-9])", lock)
    return "".join(text for text in requirements if text.partition("==")[0] not in COMMAND_LINE)


def install(lock: Path, packages: Path) -> None:
    """Install wheels alone, each held against its hash, from the base image's own pip."""
    lock.write_text(functions_lock(lock.read_text("utf-8")), "utf-8")
    options = (
        "--no-deps",
        "--require-hashes",
        "--only-binary=:all:",
        "--no-compile",
        "--no-cache-dir",
        "--disable-pip-version-check",
        "--quiet",
    )
    subprocess.run([sys.executable, "-m", "pip", "install", *options, "--target", packages, "--requirement", lock], check=True)


def prune(packages: Path) -> None:
    """Remove what is unused; a pattern that matches nothing is a mistake here or news in a package, so it fails."""
    for pattern in UNUSED:
        found = list(packages.glob(pattern))
        if not found:
            raise SystemExit(
                f"infra/pack.py: {pattern} is in UNUSED; expected it among the packages, found nothing. Remove it from the list."
            )
        remove(found)
    services = [folder for folder in (packages / "botocore" / "data").iterdir() if folder.is_dir()]
    remove(folder for folder in services if folder.name not in SERVICES)
    for library in packages.rglob("*.so*"):
        shed_symbols(library)


def remove(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def shed_symbols(library: Path) -> None:
    """Cut off what a debugger reads of a 64-bit library: 31 MB of the image. It is what `strip` does, which the base image hasn't got.

    What is loaded stands in segments, which the program headers name; symbol tables stand behind the last of them, named by section
    headers that nothing needs at run time.
    """
    content = bytearray(library.read_bytes())
    if content[:6] != ELF_64_LITTLE:
        return
    (headers,) = struct.unpack_from("<Q", content, 32)
    size, count = struct.unpack_from("<HH", content, 54)
    segments = [struct.unpack_from("<QQQQ", content, header + 8) for header in range(headers, headers + size * count, size)]
    end = max(headers + size * count, *(offset + length for offset, _, _, length in segments))
    struct.pack_into("<Q", content, 40, 0)  # where the section headers are, how many, and which names them
    struct.pack_into("<HH", content, 60, 0, 0)
    library.write_bytes(content[:end])


def seal(folders: Iterable[Path]) -> None:
    """Compile every module, and let every user read every file: Lambda's is not the one who built the image.

    The bytecode is not checked against its source when it is read: layers don't keep times, and nobody edits a file in an image.
    """
    for folder in folders:
        if not compileall.compile_dir(folder, quiet=1, workers=0, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH):
            raise SystemExit(f"infra/pack.py: {folder} does not compile")
        for path in (folder, *folder.rglob("*")):
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))


READ: Final = "from pathlib import Path; from core.declarations import load; load(Path('pipelines'))"


def read(code: Path, packages: Path) -> None:
    """Read the declarations once: what their SQL was found to be is remembered beside them, and no image is built of wrong ones."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(str(folder.absolute()) for folder in (code, packages))}
    if subprocess.run([sys.executable, "-B", "-c", READ], cwd=code, env=environment, check=False).returncode:
        raise SystemExit("infra/pack.py: the declarations cannot be read; `lakelet check` says why")


def main() -> None:
    if sys.argv[1] == "install":
        install(Path(sys.argv[2]), Path(sys.argv[3]))
        prune(Path(sys.argv[3]))
        seal([Path(sys.argv[3])])
    else:
        read(Path(sys.argv[2]), Path(sys.argv[3]))
        seal([Path(sys.argv[2])])


if __name__ == "__main__":
    main()
