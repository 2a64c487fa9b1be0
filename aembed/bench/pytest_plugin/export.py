"""Times in the JSON format of pytest-benchmark 5, which dashboards read.

They are not judged: a time on one machine says nothing about another.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from aembed.bench.environment import environment


def write_times(file: Path, times: Sequence[tuple[str, Sequence[float], Mapping[str, float | None]]]) -> None:
    """One benchmark for each test with its seconds per operation; its counts are in ``extra_info``."""
    here = environment()
    whole = {
        "machine_info": {
            "node": here.machine,
            "processor": platform.processor(),
            "machine": platform.machine(),
            "python_compiler": platform.python_compiler(),
            "python_implementation": platform.python_implementation(),
            "python_implementation_version": platform.python_version(),
            "python_version": platform.python_version(),
            "python_build": list(platform.python_build()),
            "release": platform.release(),
            "system": platform.system(),
            "cpu": {"brand_raw": here.cpu, "count": os.cpu_count(), "arch": platform.machine()},
        },
        "commit_info": {"id": here.revision or "unknown", "dirty": bool(here.dirty)},
        "benchmarks": [_benchmark(*one) for one in times],
        "datetime": datetime.now(UTC).isoformat(),
        "version": version("aembed"),
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(whole, indent=4) + "\n", encoding="utf-8")


def _benchmark(test: str, seconds: Sequence[float], counts: Mapping[str, float | None]) -> dict[str, Any]:
    return {
        "group": None,
        "name": test.rpartition("::")[2],
        "fullname": test,
        "params": None,
        "param": None,
        "extra_info": dict(counts),
        "options": {"disable_gc": False, "timer": "perf_counter", "warmup": True},
        "stats": _statistics(sorted(seconds)),
    }


def _statistics(seconds: Sequence[float]) -> dict[str, Any]:
    """Those of pytest-benchmark; ``outliers`` is "by standard deviation;by quartiles"."""
    mean, stddev = statistics.fmean(seconds), statistics.stdev(seconds)
    q1, median, q3 = statistics.quantiles(seconds, n=4, method="inclusive")
    low, high = q1 - 1.5 * (q3 - q1), q3 + 1.5 * (q3 - q1)
    by_deviation = sum(abs(value - mean) > stddev for value in seconds)
    by_quartiles = sum(not low <= value <= high for value in seconds)
    inside = [value for value in seconds if low <= value <= high]
    return {
        "min": seconds[0],
        "max": seconds[-1],
        "mean": mean,
        "stddev": stddev,
        "rounds": len(seconds),
        "median": median,
        "iqr": q3 - q1,
        "q1": q1,
        "q3": q3,
        "iqr_outliers": by_quartiles,
        "stddev_outliers": by_deviation,
        "outliers": f"{by_deviation};{by_quartiles}",
        "ld15iqr": inside[0],
        "hd15iqr": inside[-1],
        "ops": 1 / mean,
        "total": sum(seconds),
        "iterations": 1,
    }
