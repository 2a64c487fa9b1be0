"""``python -m perf.ray``: rows a second on a local cluster of two actors, and 429s where two share a quota.

Both sides work in the same cluster, in turns. The time of a run is that of ``Dataset.materialize``, the start of its
actors included, which is the larger part of aembed's.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import ray
from ray.data.llm import HttpRequestProcessorConfig, build_processor

from aembed.integrations.ray import EmbedBatches
from perf.ray.server import running
from perf.rounds import cell, keep, table

ACTORS = 2
QUOTA = 240
"""Requests a minute of the servers that have a quota, none of it used at the start."""
QUOTAS: dict[str, tuple[int, list[str]]] = {
    "bucket of a minute, reported": (24_576, []),
    "bucket of a minute, hidden": (24_576, ["--hidden"]),
    "any 60 s, reported": (24_576, ["--algorithm", "sliding"]),
    "any 60 s, hidden": (24_576, ["--algorithm", "sliding", "--hidden"]),
    "bucket of 6 s, reported": (12_288, ["--span", "6"]),
    "bucket of 6 s, hidden": (12_288, ["--span", "6", "--hidden"]),
}
"""Kind of quota -> number of rows, at 64 a request more than the server admits at once; options of the server."""


def main() -> None:
    options = arguments()
    os.environ["RAY_AUTH_MODE"] = "disabled"
    ray.init(num_cpus=ACTORS, include_dashboard=False, log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    rates: dict[str, list[float]] = {"Ray's HttpRequestProcessor": [], "aembed": []}
    with running() as server:
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
            rates["Ray's HttpRequestProcessor"].append(of_ray(server.base_url, options.rows // 16))
            rates["aembed"].append(of_aembed(server.base_url, options.rows))
    ratio = median(rates["aembed"]) / median(rates["Ray's HttpRequestProcessor"])
    rejected = {
        quota: [[with_a_quota(quota, actors) for _ in range(options.repeats)] for actors in (1, ACTORS)]
        for quota in QUOTAS
    }
    ray.shutdown()
    print(table(["rows a second, 2 actors", "median (range)"], [[name, cell(each)] for name, each in rates.items()]))
    print(f"\nratio: {ratio:.0f}")
    print(f"\n429s at {QUOTA} requests a minute, of which each actor is told its part")
    print(table(["quota", "one actor", "two actors"], [[name, *map(numbers, pair)] for name, pair in rejected.items()]))
    print("\nwritten to", keep("ray", {"rows": options.rows, "ratio": ratio}, rates=rates, rejected=rejected))


def of_ray(base_url: str, rows: int) -> float:
    """Rows a second of Ray's own processor: a request for each row."""
    config = HttpRequestProcessorConfig(url=f"{base_url}/embeddings", concurrency=ACTORS, batch_size=64)
    process = build_processor(
        config,
        preprocess=lambda row: {"payload": {"model": "m", "input": [row["text"]]}},
        postprocess=lambda row: {"vector": row["http_response"]["data"][0]["embedding"]},
    )
    dataset = corpus(rows)
    start = time.perf_counter()
    done = process(dataset).materialize()
    rate = rows / (time.perf_counter() - start)
    assert done.count() == rows
    return rate


def of_aembed(base_url: str, rows: int, *, actors: int = ACTORS, limits: dict[str, float] | None = None) -> float:
    with tempfile.TemporaryDirectory() as directory:
        key = Path(directory, "key")
        key.write_text("loopback", encoding="utf-8")
        options: dict[str, Any] = {"base_url": base_url, "api_key_file": str(key), "batch_size": 64}
        options |= {"limits": limits} if limits else {}
        dataset = corpus(rows)
        start = time.perf_counter()
        done = dataset.map_batches(
            EmbedBatches,
            fn_constructor_kwargs={"model": "openai:m", "actors": actors, "options": options},
            compute=ray.data.ActorPoolStrategy(size=actors),
            batch_size=1024,
            batch_format="pyarrow",
            num_cpus=0.5,
        ).materialize()
        rate = rows / (time.perf_counter() - start)
    assert done.count() == rows
    assert not any(row["error"] for row in done.take(100))
    return rate


def with_a_quota(quota: str, actors: int) -> int:
    """Requests that a server with a quota answered with 429. Each actor has its part of the quota."""
    rows, options = QUOTAS[quota]
    with running("--rpm", str(QUOTA), *options) as server:
        of_aembed(server.base_url, rows, actors=actors, limits={"requests_per_minute": QUOTA})
    return int(server.counters["statuses"].get("429", 0))


def numbers(counts: list[int]) -> str:
    return ", ".join(map(str, sorted(counts)))


def corpus(rows: int) -> Any:
    texts = [{"text": f"text number {number} about rivers and bridges"} for number in range(rows)]
    return ray.data.from_items(texts).repartition(2 * ACTORS).materialize()


def arguments() -> Any:
    parser = argparse.ArgumentParser(prog="python -m perf.ray", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=49_152, help="for aembed; a sixteenth for Ray's own (%(default)s)")
    parser.add_argument(
        "--repeats", type=int, default=1, help="runs with each quota and number of actors (%(default)s)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
