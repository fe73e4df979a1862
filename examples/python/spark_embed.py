"""Embeds a Parquet file with Spark: python spark_embed.py MODEL TEXTS.parquet FOLDER [job | column | udf] [MASTER]

The master is by default local[2,4]: two CPUs of this machine, and four tries of a task whose worker is lost. "job" makes shards that a
second run goes on with, the same bytes as ``python -m octavo.batch`` makes; "column" and "udf" add one to the table, by ``mapInArrow``
and by ``predict_batch_udf``.
"""

import os
import sys
import time

from pyspark.sql import SparkSession

from octavo.integrations.spark import embed, embed_udf, with_embeddings


def main(model: str, source: str, folder: str, kind: str = "job", master: str = "local[2,4]") -> None:
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    spark = SparkSession.builder.master(master).config("spark.ui.enabled", "false").getOrCreate()
    start = time.perf_counter()
    if kind == "job":
        summary = embed(spark, model, source, folder)
        print(f"{summary.rows} texts in {summary.shards} shards, {summary.written} written")
        rows = summary.rows * summary.written // summary.shards
    else:
        frame = spark.read.parquet(os.path.abspath(source)).repartition(8)
        if kind == "column":
            frame = with_embeddings(frame, model)
        else:
            frame = frame.withColumn("embedding", embed_udf(model)("text"))
        frame.write.mode("overwrite").parquet(os.path.abspath(folder))
        rows = spark.read.parquet(os.path.abspath(folder)).count()
    seconds = time.perf_counter() - start
    print(f"{rows} texts in {seconds:.1f} s, {rows / seconds:.0f} a second")
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
