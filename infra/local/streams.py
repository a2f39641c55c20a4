"""Kinesis to Firehose to S3: records gathered for a while become one object, named as Firehose names it. moto 5.2.5 connects them not."""

import gzip
import re
import threading
import time
from base64 import b64decode
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from infra.local.cloud import Cloud
from infra.local.pace import FLUSH
from infra.local.patching import put_in_place

JAVA: Final = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}
TIMESTAMP: Final = re.compile(r"!\{timestamp:([^}]*)\}")


def install() -> None:
    """Let moto number a shard's records one at a time: two writers at once would overwrite each other's."""
    from moto.kinesis.models import Shard

    lock, put_record = threading.Lock(), Shard.put_record

    def put_one_record(shard: Any, *arguments: Any) -> str:
        with lock:
            return put_record(shard, *arguments)

    put_in_place(Shard, put_record=put_one_record)


class Streams:
    """How far each delivery stream has read each shard."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud, self._read = cloud, dict[tuple[str, str], int]()
        self._lock = threading.Lock()

    def start(self) -> None:
        threading.Thread(target=self._run, daemon=True, name="streams").start()

    def _run(self) -> None:
        while True:
            time.sleep(FLUSH)
            try:
                self.flush()
            except Exception as error:  # one stream's trouble must not end every delivery
                self._cloud.complain(f"Firehose: {type(error).__name__}: {error}")

    def waiting(self) -> int:
        """Count the records that no object holds yet."""
        return sum(len(self._unread(*pair)) for delivery in self._deliveries() for pair in self._shards(delivery))

    def flush(self) -> list[str]:
        """Write what is waiting, one object a delivery stream, and return the keys."""
        with self._lock:
            return [key for delivery in self._deliveries() if (key := self._flush(delivery))]

    def _flush(self, delivery: Any) -> str | None:
        found = [(shard, self._unread(name, shard)) for name, shard in self._shards(delivery)]
        records = [record for _, unread in found for record in unread]
        if not records:
            return None
        destination = delivery.destinations[0]["ExtendedS3"]
        key = self._write(delivery, destination, b"".join(b64decode(record.data) for record in records))
        for (name, shard), (_, unread) in zip(self._shards(delivery), found, strict=True):
            if unread:
                self._read[name, shard.shard_id] = unread[-1].sequence_number
        return key

    def _write(self, delivery: Any, destination: Mapping[str, Any], data: bytes) -> str:
        packed = destination.get("CompressionFormat") == "GZIP"
        name = f"{delivery.delivery_stream_name}-{delivery.version_id}"
        key = object_key(destination.get("Prefix", ""), name, datetime.now(UTC)) + (".gz" if packed else "")
        bucket = destination["BucketARN"].rsplit(":", 1)[-1]
        self._cloud.client("s3").put_object(Bucket=bucket, Key=key, Body=gzip.compress(data) if packed else data)
        return key

    def _deliveries(self) -> list[Any]:
        from moto.firehose.models import firehose_backends

        streams = firehose_backends[self._cloud.account][self._cloud.region].delivery_streams
        return [delivery for delivery in list(streams.values()) if delivery.source]

    def _shards(self, delivery: Any) -> list[tuple[str, Any]]:
        from moto.kinesis.models import kinesis_backends

        source = delivery.source["KinesisStreamARN"]
        streams = kinesis_backends[self._cloud.account][self._cloud.region].streams.values()
        return [
            (delivery.delivery_stream_name, shard) for stream in list(streams) if stream.arn == source for shard in stream.shards.values()
        ]

    def _unread(self, name: str, shard: Any) -> list[Any]:
        after = self._read.get((name, shard.shard_id), 0)
        return [record for record in list(shard.records.values()) if int(record.sequence_number) > after]


def object_key(prefix: str, name: str, now: datetime) -> str:
    """Return an object's key: the prefix, with its timestamps or else YYYY/MM/dd/HH/ after it, the stream and its version, the time."""
    folder = TIMESTAMP.sub(lambda match: now.strftime(_format(match[1])), prefix)
    if folder == prefix:
        folder = f"{prefix}{now:%Y/%m/%d/%H/}"
    return f"{folder}{name}-{now:%Y-%m-%d-%H-%M-%S}-{uuid4()}"


def _format(java: str) -> str:
    return re.sub("|".join(JAVA), lambda match: JAVA[match[0]], java)
