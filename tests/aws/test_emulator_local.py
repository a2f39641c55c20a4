"""`lakelet local` as somebody at a terminal has it: it starts, says how to go on, repeats what functions say, and ends at Ctrl-C."""

import builtins
import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from core.errors import Terminal
from handlers.cli import local
from handlers.cli.local import Spoken, commands, new_lines, spoken
from infra.engine import ROOT

CSV = "product_id,department_id,department,product_name\n1,4,produce,Bananas\n"
HEARD = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # a shell's background job ignores it
COMMAND = f"{HEARD}; import typer; from handlers.cli.local import local; app = typer.Typer(); app.command()(local); app()"


def test_it_starts_loads_what_is_put_and_ends_at_ctrl_c_without_a_trace(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, "--port", "0", "--processes", "--json", "--project", "pipelines"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path), "AWS_DEFAULT_REGION": "eu-west-1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        assert process.stderr
        told = json.JSONDecoder().raw_decode(_document(process))[0]
        _put(told["endpoint"], told["outputs"]["RawBucket"], "raw/products/one.csv", CSV)
        said = _until(process, "products: 1 object and 1 row loaded")
        assert "ingest" in said
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert "stopped" in process.stderr.read()
        assert list(tmp_path.iterdir()) == [], "its folder is gone"
        with pytest.raises(OSError, match="refused"):
            urllib.request.urlopen(told["endpoint"])
    finally:
        process.kill()
        process.communicate()


def _document(process: "subprocess.Popen[str]") -> str:
    """Read standard output up to the end of its one JSON document."""
    assert process.stdout
    text = ""
    for line in process.stdout:
        text += line
        if line == "}\n":
            return text
    raise AssertionError(f"it ended: {process.stderr.read() if process.stderr else ''}")


def _until(process: "subprocess.Popen[str]", words: str) -> str:
    assert process.stderr
    for line in process.stderr:
        if words in line:
            return line
    raise AssertionError(f"it never said {words}")


def _put(endpoint: str, bucket: str, key: str, body: str) -> None:
    import boto3

    credentials = {"aws_access_key_id": "local", "aws_secret_access_key": "local", "region_name": "eu-west-1"}
    boto3.client("s3", endpoint_url=endpoint, **credentials).put_object(Bucket=bucket, Key=key, Body=body.encode())


def test_without_its_packages_it_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *others: Any) -> Any:
        if name == "samtranslator":
            raise ImportError(f"No module named {name}", name=name)
        return real(name, *others)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(Terminal, match=r"no module samtranslator.*make dev"):
        local._emulator()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"level": "INFO", "message": "orders: 1 object loaded", "dataset": "orders"}', Spoken("f", "INFO", "orders: 1 object loaded")),
        ('{"level": "ERROR", "message": "nobody", "error": "why"}', Spoken("f", "ERROR", "nobody (why)")),
        ('{"_aws": {}, "Rows": 1}'.replace(" ", "", 1), None),
        ("START RequestId: 1 Version: $LATEST", None),
        ("END RequestId: 1", None),
        (
            "REPORT RequestId: 1\tDuration: 1234.56 ms\tInit Duration: 400.00 ms",
            Spoken("f", "REPORT", "done in 1.23 s, after a cold start of 0.40 s"),
        ),
        ("[ERROR] Terminal: no\r  File x", Spoken("f", "ERROR", "[ERROR] Terminal: no\n    File x")),
        ("Traceback (most recent call last):", Spoken("f", "", "Traceback (most recent call last):")),
        ("17", Spoken("f", "", "17")),
    ],
)
def test_what_a_function_says_becomes_a_line_for_people(line: str, expected: Spoken | None) -> None:
    assert spoken("f", line) == expected


def test_lines_are_told_once_and_whole(tmp_path: Path) -> None:
    file, read = tmp_path / "lakelet-api.log", dict[Path, int]()
    file.write_text("one\ntw")
    assert list(new_lines(tmp_path, read)) == [("lakelet-api", "one")]
    with file.open("a") as log:
        log.write("o\nthree\n")
    assert list(new_lines(tmp_path, read)) == [("lakelet-api", "two"), ("lakelet-api", "three")]
    assert list(new_lines(tmp_path, read)) == []


def test_the_commands_to_paste_name_what_there_is() -> None:
    outputs = {"RawBucket": "raw-1", "LakeBucket": "lake-1", "ApiUrl": "http://x/_api/a", "RefreshStateMachine": "arn:refresh"}
    said = "\n".join(commands("http://x", "eu-west-1", "lakelet", outputs))
    assert "AWS_ENDPOINT_URL=http://x" in said
    assert "LAKELET_RAW=s3://raw-1 LAKELET_LAKE=s3://lake-1" in said
    assert "--to stream" not in said
    assert "--stream events" in "\n".join(commands("http://x", "r", "lakelet", {**outputs, "StreamName": "events"}))


def test_it_takes_the_image_that_sam_built(tmp_path: Path) -> None:
    from infra.local.emulator import IMAGE, built_image

    template = tmp_path / "sam-template.yaml"
    assert built_image(template) == IMAGE
    built = tmp_path / ".aws-sam" / "build"
    built.mkdir(parents=True)
    (built / "template.yaml").write_text("Resources:\n  F:\n    Properties:\n      ImageUri: f:lakelet\n")
    assert built_image(template) == "f:lakelet"
