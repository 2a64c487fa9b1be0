"""The file of times that dashboards for pytest-benchmark read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from aembed.bench.pytest_plugin.export import write_times


def written(file: Path, *seconds: float) -> dict[str, Any]:
    write_times(file, [("tests/test_it.py::test_it[a]", seconds, {"tasks": 2.0})])
    (found,) = json.loads(file.read_text(encoding="utf-8"))["benchmarks"]
    return dict(found)


def test_statistics_are_those_of_pytest_benchmark(tmp_path: Path) -> None:
    """1 to 10 in any order, and one far outside: quartiles 3.5, 6 and 8.5, so that -4 to 16 is inside."""
    found = written(tmp_path / "new" / "times.json", 5, 1, 2, 9, 3, 100, 4, 6, 8, 7, 10)
    stats = found["stats"]
    assert (found["name"], found["fullname"], found["extra_info"]) == (
        "test_it[a]",
        "tests/test_it.py::test_it[a]",
        {"tasks": 2.0},
    )
    assert (stats["min"], stats["max"], stats["median"], stats["rounds"], stats["total"]) == (1, 100, 6, 11, 155)
    assert (stats["q1"], stats["q3"], stats["iqr"]) == (3.5, 8.5, 5.0)
    assert (stats["iqr_outliers"], stats["stddev_outliers"], stats["outliers"]) == (1, 1, "1;1")
    assert (stats["ld15iqr"], stats["hd15iqr"]) == (1, 10)
    assert stats["mean"] == pytest.approx(155 / 11)
    assert stats["ops"] == pytest.approx(11 / 155)


def test_a_time_far_below_is_outside_too(tmp_path: Path) -> None:
    stats = written(tmp_path / "times.json", 1, 101, 102, 103, 104, 105)["stats"]
    assert (stats["ld15iqr"], stats["hd15iqr"]) == (101, 105)
