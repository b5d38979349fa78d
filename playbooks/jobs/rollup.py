"""The rollup of an hour's page views, in Spark: requests and bytes by status and method.

    spark-submit rollup.py INPUT OUTPUT

INPUT is a glob of the hour's parts, OUTPUT a folder that does not exist. The result is that of

    rollup map --group status,method --count requests --sum bytes:bytes

byte for byte: one line a group, {"status":200,"method":"GET"} TAB {"requests":914,"bytes":81220393}.
It is an example to start from: a job of your own needs the two arguments and nothing else of this.

Where it is narrower than rollup: a line that is no JSON object, or whose status or bytes is something
else than a whole number, is left out, and a method that JSON escapes comes out unescaped. The
playbook's check, that the requests add up to the hour's events, finds lines that were left out.
"""

import sys

from pyspark.sql import SparkSession
from pyspark.sql import functions as f

# With a schema Spark reads the input once; without one it reads it twice.
SCHEMA = "status BIGINT, method STRING, bytes BIGINT, malformed STRING"


def quoted(column):
    """A string as JSON, or null."""
    return f.coalesce(f.concat(f.lit('"'), column, f.lit('"')), f.lit("null"))


def number(column):
    """A number as JSON, or null."""
    return f.coalesce(column.cast("string"), f.lit("null"))


def main(source, target):
    spark = SparkSession.builder.appName("rollup").getOrCreate()
    # One partition of keys is plenty for a result of some hundred lines.
    spark.conf.set("spark.sql.shuffle.partitions", "1")
    events = spark.read.json(source, schema=SCHEMA, columnNameOfCorruptRecord="malformed")
    groups = (
        events.where(f.col("malformed").isNull())
        .groupBy("status", "method")
        .agg(f.count(f.lit(1)).alias("requests"), f.coalesce(f.sum("bytes"), f.lit(0)).alias("bytes"))
    )
    lines = groups.select(
        f.concat(
            f.lit('{"status":'), number(f.col("status")), f.lit(',"method":'), quoted(f.col("method")),
            f.lit('}\t{"requests":'), f.col("requests"), f.lit(',"bytes":'), f.col("bytes"), f.lit("}"),
        ).alias("line")
    )
    lines.orderBy("line").coalesce(1).write.text(target)
    spark.stop()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: rollup.py INPUT OUTPUT")
    main(sys.argv[1], sys.argv[2])
