"""Sends a pipeline's sample input at a rate, as a producer would: records to the API or a stream, files to raw."""

import itertools
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from core.contract import Dataset
from core.errors import Terminal
from core.lake import Lake
from core.sample import sample
from core.telling import keep_secret
from handlers.cli.aws import session

ROUND: Final = 200
"""Rows of one round of samples; each round has a seed of its own, and so other rows."""

TICK: Final = 0.25
"""Seconds between two sendings: what is due by then goes together."""

MOST_TOGETHER: Final = 500
"""The most records in one request: what PutRecords takes."""

To = Literal["api", "stream", "s3"]


@dataclass(frozen=True)
class Piece:
    """One thing to send: a record's text, or a whole object."""

    dataset: str
    key: str
    body: bytes


@dataclass(frozen=True)
class Produced:
    """What was sent until now, and what the other side did not take."""

    sent: int
    bytes: int
    refused: int
    seconds: float


Send = Callable[[Sequence[Piece]], int]
"""Sends pieces of one dataset and returns how many of them were refused."""


def produce(pieces: Iterator[Piece], send: Send, *, rate: float, seconds: float) -> Iterator[Produced]:
    """Send at a rate (pieces a second) for a time, and yield the running total about once a second."""
    started, told, total = time.monotonic(), 0.0, Produced(0, 0, 0, 0.0)
    while (now := time.monotonic() - started) < seconds:
        due = min(int(now * rate) + 1 - total.sent, MOST_TOGETHER)
        batch = list(itertools.islice(pieces, max(due, 0)))
        refused = sum(send(list(group)) for _, group in itertools.groupby(batch, key=lambda piece: piece.dataset))
        size = sum(len(piece.body) for piece in batch)
        total = Produced(total.sent + len(batch), total.bytes + size, total.refused + refused, time.monotonic() - started)
        if total.seconds - told >= 1:
            told = total.seconds
            yield total
        time.sleep(max(0.0, TICK - (time.monotonic() - started - now)))
    yield total


def pieces(lake: Lake, pipeline: Path, to: To) -> Iterator[Piece]:
    """Yield a pipeline's sample input, round after round; records for the API and streams, whole objects for S3."""
    if to != "s3" and not any(_takes_records(dataset) for dataset in lake.project.datasets.values() if dataset.pipeline == pipeline.name):
        raise Terminal(f"pipeline {pipeline.name}", expected="a dataset of JSON records", found="files only", remedy="Use --to s3.")
    for seed in itertools.count(1):
        for key, body in _objects(lake, pipeline, seed):
            owner = lake.project.match(key)
            if owner is not None and to == "s3":
                yield Piece(owner.name, _named(key, seed), body)
            elif owner is not None and _takes_records(owner):
                yield from (Piece(owner.name, key, text.encode()) for text in records(body))


def _takes_records(dataset: Dataset) -> bool:
    return dataset.source.format in ("json", "jsonl")


def _objects(lake: Lake, pipeline: Path, seed: int) -> list[tuple[str, bytes]]:
    made: list[tuple[str, bytes]] = []
    with lake.workplace() as work:
        put = lambda key, file: made.append((key, file.read_bytes()))  # noqa: E731
        sample(pipeline, rows=ROUND, seed=seed, owner=lake.project.match, put=put, work=work)
    return made


def _named(key: str, seed: int) -> str:
    """Give each round's objects names of their own, as a producer that goes on from day to day would."""
    folder, slash, name = key.rpartition("/")
    stem, dot, suffix = name.partition(".")
    return f"{folder}{slash}{stem}-{seed:04d}{dot}{suffix}"


def records(body: bytes) -> Iterator[str]:
    """Yield the text of each JSON object in a sample, whatever its layout; what is no JSON (samples have that, too) is left out."""
    text, decoder, at = body.decode("utf-8", "ignore"), json.JSONDecoder(), 0
    while (at := text.find("{", at)) >= 0:
        try:
            _, end = decoder.raw_decode(text, at)
        except ValueError:
            end = text.find("\n", at) + 1 or len(text)
        else:
            yield text[at:end]
        at = end


# --- where it goes -------------------------------------------------------------------------------------------------------------------


def to_s3(lake: Lake) -> Send:
    """Put objects into the lake's raw."""

    def send(batch: Sequence[Piece]) -> int:
        for piece in batch:
            lake.raw.put(piece.key, piece.body)
        return 0

    return send


def to_stream(name: str) -> Send:
    """Put records into a Kinesis stream."""
    kinesis = session().client("kinesis")

    def send(batch: Sequence[Piece]) -> int:
        entries = [{"Data": piece.body, "PartitionKey": str(hash(piece.body))} for piece in batch]
        failed: int = kinesis.put_records(StreamName=name, Records=entries)["FailedRecordCount"]
        return failed

    return send


def to_api(url: str, api_key: str | None = None) -> Send:
    """Post records as NDJSON: with an API key, or signed with the caller's AWS credentials."""
    from botocore.awsrequest import AWSRequest
    from botocore.httpsession import URLLib3Session

    http = URLLib3Session()
    keep_secret(api_key or "")
    sign = _signer() if api_key is None else None

    def send(batch: Sequence[Piece]) -> int:
        address = f"{url.rstrip('/')}/v1/datasets/{batch[0].dataset}/records?partial=true"
        headers = {"Content-Type": "application/x-ndjson", **({"x-api-key": api_key} if api_key else {})}
        request = AWSRequest("POST", address, headers, b"\n".join(piece.body for piece in batch))
        if sign:
            sign(request)
        answer = http.send(request.prepare())
        if answer.status_code not in (202, 422):
            said = answer.text[:300]
            raise Terminal(address, expected="202", found=f"{answer.status_code}: {said}", remedy="See the API function's log.")
        return len(batch) - int(json.loads(answer.text).get("accepted", 0))

    return send


def _signer() -> Callable[[Any], None]:
    from botocore.auth import SigV4Auth

    caller = session()
    credentials = caller.get_credentials()
    if credentials is None:
        raise Terminal("the API", expected="AWS credentials to sign with, or --api-key", found="none")
    signer = SigV4Auth(credentials, "execute-api", caller.region_name or "us-east-1")
    return lambda request: signer.add_auth(request)
