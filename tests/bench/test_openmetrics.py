"""OpenMetrics text, as the reference parser of Prometheus' client reads it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest

from aembed import bench
from aembed.bench.load.summary import distribution
from aembed.bench.model.estimates import Distribution
from aembed.bench.model.result import Verdict
from aembed.bench.rows.openmetrics import EDGES, openmetrics
from tests.bench.samples import samples
from tests.loops import run

parser = pytest.importorskip("prometheus_client.openmetrics.parser", reason="needs the extra prometheus")


def parsed(text: str) -> dict[str, Any]:
    return {family.name: family for family in parser.text_string_to_metric_families(text)}


def test_the_reference_parser_reads_every_report() -> None:
    reports = list(samples().values())
    families = parsed(openmetrics(reports))
    assert {name: (family.type, family.unit) for name, family in families.items()} == {
        "aembed_bench_requests": ("counter", ""),
        "aembed_bench_schedule_seconds": ("gauge", "seconds"),
        "aembed_bench_valid": ("gauge", ""),
        **{f"aembed_bench_{part}_seconds": ("histogram", "seconds") for part in ("response", "service", "lag")},
    }
    total = sum(sample.value for sample in families["aembed_bench_requests"].samples)
    assert total == sum(report.traffic.offered for report in reports if report.traffic)


def test_buckets_are_those_of_the_times() -> None:
    times = np.random.default_rng(1).lognormal(math.log(0.02), 1, 5000)
    report = replace(samples()["open"], response=distribution(np.append(times, [np.inf] * 10)), name='a "b"\\\n')
    family = parsed(openmetrics([report]))["aembed_bench_response_seconds"]
    buckets = {float(s.labels["le"]): s.value for s in family.samples if s.name.endswith("_bucket")}
    assert list(buckets) == [*EDGES, math.inf]
    assert buckets == {edge: np.sum(times < edge) for edge in EDGES} | {math.inf: 5010}
    assert family.samples[0].labels["benchmark"].startswith('a "b"\\\n')
    assert not [s for s in family.samples if s.name.endswith(("_sum", "_count"))], "unknown: some failed"


def test_sum_and_count_of_a_run_without_failures() -> None:
    report = replace(samples()["open"], response=distribution(np.array([0.001, 0.003])))
    family = parsed(openmetrics([report]))["aembed_bench_response_seconds"]
    rest = {s.name: s.value for s in family.samples if not s.name.endswith("_bucket")}
    assert rest == {"aembed_bench_response_seconds_count": 2, "aembed_bench_response_seconds_sum": pytest.approx(0.004)}


def test_an_invalid_run_says_so() -> None:
    good = samples()["open"]
    bad = replace(good, name="bad", verdict=Verdict(state="invalid", reasons=("others ran",)))
    valid = parsed(openmetrics([good, bad]))["aembed_bench_valid"].samples
    assert [(sample.labels["benchmark"], sample.value) for sample in valid] == [(str(good.name), 1), ("bad", 0)]


def test_no_runs_are_a_valid_file() -> None:
    assert len(parsed(openmetrics([]))) == 6


def test_a_run_writes_one(tmp_path: Path) -> None:
    async def call() -> None:
        await anyio.sleep(0.01)

    file = tmp_path / "run.prom"
    run(bench.load(call, arrivals=bench.constant(20), duration=1, openmetrics=file))
    requests = parsed(file.read_text())["aembed_bench_requests"].samples
    assert {sample.labels["outcome"]: sample.value for sample in requests}["ok"] == 20


def test_nothing_measured() -> None:
    empty: Distribution = distribution(np.array([]))
    report = replace(samples()["open"], lag=empty)
    family = parsed(openmetrics([report]))["aembed_bench_lag_seconds"]
    assert {sample.value for sample in family.samples} == {0.0}
