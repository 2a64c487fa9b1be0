"""Memory of an operation: leaks, and growth that is no leak."""

from __future__ import annotations

import pytest

from aembed import bench
from tests.bench import scenarios
from tests.bench.subjects import here


def test_a_leak_is_found() -> None:
    report = here(bench.memory(scenarios.leaks, operations=4800))
    found = report.memory
    assert found is not None
    assert found.leaking
    assert found.retained.value == pytest.approx(1, rel=0.1)
    assert found.smallest_leak < 0.5
    assert report.verdict.state == "over budget"
    assert "1 blocks of memory stay after each operation" in report.verdict.reasons[0]


def test_a_cache_that_fills_is_no_leak() -> None:
    report = here(bench.memory(scenarios.fills, operations=4800))
    assert report.memory is not None
    assert not report.memory.leaking
    assert report.memory.filling
    assert report.verdict.state == "inconclusive"
    assert "but ever fewer" in report.verdict.reasons[0]


def test_pythons_own_caches_are_no_leak() -> None:
    report = here(bench.memory(scenarios.asks_for_new_names, operations=4800))
    assert report.memory is not None
    assert report.memory.retained.value == pytest.approx(0, abs=0.001)
    assert report.verdict.state == "ok"


async def test_freed_memory_is_no_leak_but_is_counted() -> None:
    async def holds() -> int:
        return len([bytes(1000) for _ in range(100)])

    report = await bench.memory(holds, operations=480)
    found = report.memory
    assert found is not None
    assert not found.leaking
    assert found.peak is not None
    assert found.peak == pytest.approx(100_000, rel=0.2)
    if found.bytes is not None:
        assert found.bytes == pytest.approx(100_000, rel=0.2)
        assert found.allocations == pytest.approx(100, rel=0.2)
