"""Measuring needs numpy and what aembed itself needs; pages and charts name their extra."""

from __future__ import annotations

import subprocess
import sys

import pytest

from aembed.bench.rss import resident

OPTIONAL = ("jinja2", "markupsafe", "matplotlib", "memray", "psutil", "rich", "scipy", "typer", "uvloop")
MEASURE = """
import asyncio
from anyio.lowlevel import checkpoint
from aembed import bench

async def nothing():
    await checkpoint()

async def main():
    report = await bench.load(nothing, arrivals=bench.poisson(200), duration=0.5, slo="p95=1s")
    await bench.burst(nothing, base=100, spike=300, spike_s=0.1, duration=1)
    await bench.micro(nothing, processes=1, seconds=0.01)
    await bench.cost(nothing)
    print(report.traffic.ok, report.objectives[0].goal.metric)

asyncio.run(main())
"""


def without(packages: tuple[str, ...], code: str) -> subprocess.CompletedProcess[str]:
    hidden = f"import sys\nsys.modules.update(dict.fromkeys({packages!r}))\n"
    return subprocess.run(
        [sys.executable, "-c", hidden + code], capture_output=True, text=True, check=False, timeout=120
    )


def test_measuring_needs_no_optional_package() -> None:
    done = without(OPTIONAL, MEASURE)
    assert (done.stdout, done.returncode) == ("100 p95\n", 0), done.stderr


@pytest.mark.parametrize(("package", "extra"), [("jinja2", "bench-report"), ("matplotlib", "bench-report")])
def test_a_page_names_its_extra(package: str, extra: str) -> None:
    code = """
from aembed.bench.report import html
from tests.bench.reports import micro, report
html([report(micro=micro(1e-6))])
"""
    done = without((package,), code)
    assert f'needs {package}, which is not installed: pip install "aembed[{extra}]"' in done.stderr


def test_resident_memory_is_read() -> None:
    size = resident()
    assert size is not None
    before = size()
    kept = bytearray(64_000_000)
    assert size() - before > 32_000_000
    assert len(kept) == 64_000_000
