"""PySpark in local mode: JSON with a declared schema -> silver Parquet -> Spark SQL -> gold Parquet. Needs pyspark and Java alone; Sail,
which answers the same API, needs pysail and Spark's client.

The argument is a JSON object: `threads`, `tables` (name -> folder, schema and constant columns), `query`, in Spark's dialect, and `engine`.
"""

import json
import sys
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql.functions import expr


def main(work: dict[str, Any]) -> None:
    """Write silver/ and gold.parquet/."""
    spark = SESSIONS[work["engine"]](work)
    for name, table in work["tables"].items():
        rows = spark.read.schema(table["schema"]).json(table["folder"])
        rows = rows.withColumns({column: expr(value) for column, value in table["constants"].items()})
        rows.write.parquet(f"silver/{name}")
        spark.read.parquet(f"silver/{name}").createOrReplaceTempView(name)
    spark.sql(work["query"]).write.parquet("gold.parquet")
    spark.stop()


def _local(work: dict[str, Any]) -> SparkSession:
    """Set Spark up as somebody would who knows that the machine is small."""
    return (
        SparkSession.builder.master(f"local[{work['threads']}]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", str(2 * work["threads"]))
        .config("spark.sql.parquet.compression.codec", "zstd")
        .getOrCreate()
    )


def _sail(_work: dict[str, Any]) -> SparkSession:
    """Start a server in this process; one processor after another is what it finds, and the harness gives it as many as the others."""
    from pysail.spark import SparkConnectServer

    server = SparkConnectServer()
    SERVERS.append(server)
    server.start(background=True)
    spark = SparkSession.builder.remote(f"sc://127.0.0.1:{server.listening_address[1]}").getOrCreate()
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    return spark


SERVERS: list[Any] = []
"""It stops when nothing holds it any more, and its clients wait for ever."""

SESSIONS = {"pyspark": _local, "pysail": _sail}


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
