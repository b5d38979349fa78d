"""Reads files by Spark, in partitions of several sizes, and tells what came out.

    python parts.py FILE...

One line for each file and size: FILE TAB BYTES TAB PARTITIONS TAB LINES TAB SUM, where SUM adds up
the first six bytes of each line's SHA-256.
"""

import os
import sys

from pyspark.sql import SparkSession
from pyspark.sql import functions as f

spark = (
    SparkSession.builder.master("local[2]")
    .config("spark.driver.memory", "512m")
    .config("spark.ui.enabled", "false")
    .config("spark.sql.files.openCostInBytes", "0")
    .config("spark.sql.shuffle.partitions", "1")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("ERROR")
HASH = f.conv(f.substring(f.sha2(f.col("value").cast("binary"), 256), 1, 12), 16, 10).cast("bigint")
for size in (16 << 10, 256 << 10):
    spark.conf.set("spark.sql.files.maxPartitionBytes", str(size))
    for name in sys.argv[1:]:
        if size < 64 << 10 and os.path.getsize(name) > 1 << 20:
            continue  # hundreds of partitions, each of which looks for a block
        lines = spark.read.text(name)
        row = lines.agg(f.count(f.lit(1)), f.coalesce(f.sum(HASH.cast("decimal(38,0)")), f.lit(0))).first()
        print(name, size, lines.rdd.getNumPartitions(), row[0], row[1], sep="\t")
spark.stop()
