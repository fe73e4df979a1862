"""Embeds a Parquet file on a Ray cluster: python ray_embed.py MODEL TEXTS.parquet FOLDER [job | column] [CPUS]

Without a cluster (RAY_ADDRESS) it starts one of this machine, of so many CPUs (2). "job" makes shards that a second run
goes on with, the same bytes as ``python -m octavo.batch`` makes; "column" adds one to the table, as a step of a pipeline.
"""

import os
import sys
import time

import ray

from octavo.integrations.ray import Embedder, embed


def main(model: str, source: str, folder: str, kind: str = "job", cpus: str = "2") -> None:
    if "RAY_ADDRESS" in os.environ:
        ray.init()
    else:
        ray.init(num_cpus=int(cpus), include_dashboard=False)
    start = time.perf_counter()
    if kind == "job":
        summary = embed(model, source, folder)
        print(f"{summary.rows} texts in {summary.shards} shards, {summary.written} written")
        rows = summary.rows * summary.written // summary.shards
    else:
        # One CPU is left for the tasks that read and write: with all of them taken by actors, they would wait forever.
        actors = ray.data.ActorPoolStrategy(size=max(int(ray.cluster_resources()["CPU"]) - 1, 1))
        table = ray.data.read_parquet(source).map_batches(
            Embedder,
            fn_constructor_kwargs={"model": os.path.abspath(model)},
            batch_format="pyarrow",
            batch_size=1024,
            num_cpus=1,
            compute=actors,
            udf_modifying_row_count=False,
        )
        table.write_parquet(os.path.abspath(folder))
        rows = ray.data.read_parquet(os.path.abspath(folder)).count()
    seconds = time.perf_counter() - start
    print(f"{rows} texts in {seconds:.1f} s, {rows / seconds:.0f} a second")


if __name__ == "__main__":
    main(*sys.argv[1:])
