"""Sail in a process of its own: each line of its input names a table and the Arrow file to write it to."""

import sys

import pyarrow as pa

if __name__ == "__main__":
    from pysail.spark import SparkConnectServer
    from pyspark.sql import SparkSession

    server = SparkConnectServer()
    server.start(background=True)
    spark = SparkSession.builder.remote(f"sc://127.0.0.1:{server.listening_address[1]}").getOrCreate()
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    for line in sys.stdin:
        uri, path = line.rstrip("\n").split("\t")
        table = spark.read.format("delta").load(uri).toArrow()
        with pa.OSFile(path, "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
        print("read", flush=True)
