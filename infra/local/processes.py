"""A function's environment as a process: the checkout's own code, under this Python. No image, no memory limit, no other system."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from infra.local.functions import Spec
from infra.local.said import Said

ROOT: Final = Path(__file__).parents[2]
INHERITED: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


@dataclass
class ProcessEnvironment:
    """A process that listens on the loopback interface."""

    url: str
    said: Said
    process: subprocess.Popen[bytes]

    def alive(self) -> bool:
        return self.process.poll() is None

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def starter(variables: dict[str, str], work: Path, project: Path) -> Callable[[Spec, Said], ProcessEnvironment]:
    """Return what starts a process: `variables` is what every function here is told, `project` stands where the image has pipelines/."""

    def start(spec: Spec, said: Said) -> ProcessEnvironment:
        listening = socket.create_server(("127.0.0.1", 0))
        place = work / spec.name
        place.mkdir(parents=True, exist_ok=True)
        image = {"LAKELET_PROJECT": str(project), "LAKELET_WORK": str(place), "TMPDIR": str(place)}
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        with listening:
            process = subprocess.Popen(
                [sys.executable, "-m", "infra.local.runtime", str(listening.fileno())],
                cwd=ROOT,
                env={**inherited, **image, **spec.variables, **variables, **lambda_variables(spec), "PYTHONPATH": str(ROOT)},
                pass_fds=[listening.fileno()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        assert process.stdout
        said.read(_lines(process.stdout))
        return ProcessEnvironment(url, said, process)

    return start


def _lines(output: IO[bytes]) -> Iterator[bytes]:
    with output:
        yield from output


def lambda_variables(spec: Spec) -> dict[str, str]:
    """Return what Lambda itself sets; the Runtime Interface Emulator sets some of it once more."""
    return {
        "AWS_ACCESS_KEY_ID": spec.name,  # so that a call tells whose it is
        "AWS_SECRET_ACCESS_KEY": "local",
        "_HANDLER": spec.command[0],
        "LAMBDA_ARN": spec.arn,
        "AWS_LAMBDA_FUNCTION_NAME": spec.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory),
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(spec.timeout),
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{spec.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": "local/[$LATEST]",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    }
