"""Sample input at a rate, to each place that takes it."""

import itertools
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.errors import Terminal
from core.lake import open_lake
from handlers.cli import app
from handlers.cli.produce import Piece, Produced, pieces, produce, records, to_stream
from tests.conftest import bucket

PIPELINES = Path(__file__).parents[2] / "pipelines"


def test_records_are_sent_as_they_are_whatever_their_layout() -> None:
    assert list(records(b'{"a": 1.10}{"b":[{"c":2}]}\n[{"d": 9007199254740993}, 3]\n{"torn": \n{"e": 5}')) == [
        '{"a": 1.10}',
        '{"b":[{"c":2}]}',
        '{"d": 9007199254740993}',
        '{"e": 5}',
    ]


def test_the_rate_is_kept_and_what_was_refused_is_counted() -> None:
    source = (Piece("orders" if n % 2 else "users", "k", b"x") for n in itertools.count())
    *_, total = produce(source, lambda batch: sum(piece.dataset == "users" for piece in batch), rate=40, seconds=1.6)
    assert isinstance(total, Produced)
    assert 45 <= total.sent <= 65
    assert abs(total.refused - total.sent / 2) <= 1


def test_each_round_has_other_records_and_other_names(tmp_path: Path) -> None:
    lake = open_lake(PIPELINES, str(tmp_path / "lake"))
    keys = [piece.key for piece in itertools.islice(pieces(lake, PIPELINES / "transactions", "s3"), 12)]
    assert len(set(keys)) == 12
    assert all(lake.project.match(key) for key in keys)
    some = [piece.body for piece in itertools.islice(pieces(lake, PIPELINES / "iot", "api"), 2000)]
    assert len(set(some)) > 600


def test_a_pipeline_of_files_has_no_records(tmp_path: Path) -> None:
    with pytest.raises(Terminal, match="files only"):
        next(pieces(open_lake(PIPELINES, str(tmp_path / "lake")), PIPELINES / "transactions", "stream"))


def test_a_stream_takes_them(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3

    bucket(s3_endpoint, monkeypatch)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    kinesis = boto3.client("kinesis")
    kinesis.create_stream(StreamName="clicks", ShardCount=1)
    assert to_stream("clicks")([Piece("events", "k", b'{"a":1}'), Piece("events", "k", b'{"a":2}')]) == 0
    (shard,) = kinesis.list_shards(StreamName="clicks")["Shards"]
    start = kinesis.get_shard_iterator(StreamName="clicks", ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    assert {record["Data"] for record in kinesis.get_records(ShardIterator=start)["Records"]} == {b'{"a":1}', b'{"a":2}'}


def test_the_command_puts_files_that_a_run_loads(tmp_path: Path) -> None:
    lake = str(tmp_path / "lake")
    words = ["--project", str(PIPELINES), "--lake", lake]
    done = CliRunner().invoke(app, ["produce", "iot", "--rate", "20", "--seconds", "0.5", *words])
    assert done.exit_code == 0, done.output
    ran = CliRunner().invoke(app, ["run", *words])
    assert "sensor_readings" in ran.output


@pytest.mark.parametrize("to", ["api", "stream"])
def test_where_to_is_asked_for(tmp_path: Path, to: str) -> None:
    done = CliRunner().invoke(app, ["produce", "iot", "--to", to, "--project", str(PIPELINES), "--lake", str(tmp_path / "lake")])
    assert done.exit_code == 2
    assert {"api": "--url", "stream": "--stream"}[to] in done.output
