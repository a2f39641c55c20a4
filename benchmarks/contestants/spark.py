"""PySpark in local mode: JSON with a declared schema -> silver Parquet -> Spark SQL -> gold Parquet. Needs pyspark and Java alone.

The argument is a JSON object: `threads`, `tables` (name -> folder, schema and constant columns) and `query`, in Spark's dialect.
"""

import json
import sys
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql.functions import expr


def main(work: dict[str, Any]) -> None:
    """Write silver/ and gold.parquet/, set up as somebody would who knows that the machine is small."""
    spark = (
        SparkSession.builder.master(f"local[{work['threads']}]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", str(2 * work["threads"]))
        .config("spark.sql.parquet.compression.codec", "zstd")
        .getOrCreate()
    )
    for name, table in work["tables"].items():
        rows = spark.read.schema(table["schema"]).json(table["folder"])
        rows = rows.withColumns({column: expr(value) for column, value in table["constants"].items()})
        rows.write.parquet(f"silver/{name}")
        spark.read.parquet(f"silver/{name}").createOrReplaceTempView(name)
    spark.sql(work["query"]).write.parquet("gold.parquet")
    spark.stop()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
