"""``python -m perf.soak``: prints the outcome, and fails if anything grows."""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import gc
import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import psutil
import uvloop

from perf.soak.load import DIM, Load
from perf.soak.slopes import slope

EVERY = 2.0
"""Seconds between two looks."""
WARM_UP = 0.25
"""Share of the time that is not looked at: caches fill, pools grow."""
TOLERATED = 0.02
"""Growth of memory, as a share, that may be the allocator's."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m perf.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--fault-rate", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--asyncio", action="store_true", help="instead of uvloop")
    return parser.parse_args()


@contextmanager
def serving(options: argparse.Namespace) -> Generator[dict[str, Any]]:
    command = [sys.executable, "-m", "aembed.testing.server", "--until-eof", "--dim", str(DIM)]
    command += ["--fault-rate", str(options.fault_rate), "--seed", "0", "--latency", "0.002"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        facts = json.loads(process.stdout.readline())
        try:
            yield facts
        finally:
            process.stdin.close()
            facts |= json.loads(process.stdout.readline())


def give_back() -> None:
    """Free memory goes back to the system, where the C library can: else its reserve looks like a leak."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


async def watch(seconds: list[float], series: dict[str, list[float]]) -> None:
    process, loop = psutil.Process(), asyncio.get_running_loop()
    began = loop.time()
    while True:
        await asyncio.sleep(EVERY)
        gc.collect()
        give_back()
        seconds.append(loop.time() - began)
        series["resident bytes"].append(process.memory_info().rss)
        series["open files"].append(process.num_fds())
        series["tasks"].append(len(asyncio.all_tasks()))
        series["threads"].append(process.num_threads())


async def soak(base_url: str, options: argparse.Namespace) -> bool | None:
    """True if something grows, ``None`` if the load ended too early to decide."""
    load = Load(base_url, options.seed)
    seconds: list[float] = []
    series: dict[str, list[float]] = {"resident bytes": [], "open files": [], "tasks": [], "threads": []}
    watching = asyncio.ensure_future(watch(seconds, series))
    await load.run(options.minutes)
    watching.cancel()
    await asyncio.wait([watching])
    gc.collect()
    print(f"{sum(load.outcomes.values())} operations: {dict(load.outcomes.most_common())}")
    print(f"left at the end: {len(asyncio.all_tasks()) - 1} tasks, {psutil.Process().num_fds()} open files")
    if not seconds or seconds[-1] < 60.0 * options.minutes - 2 * EVERY:
        return None
    skipped = int(WARM_UP * len(seconds))
    rising = False
    for name, values in series.items():
        found = slope(seconds[skipped:], values[skipped:])
        rising |= found.rises(TOLERATED)
        print(
            f"{name}: {found.first:,.0f} at first, {found.last:,.0f} at last; "
            f"{found.per_minute:+,.2f} a minute, 95 % between {found.low:+,.2f} and {found.high:+,.2f}"
        )
    return rising


def main() -> int:
    options = arguments()
    with (
        serving(options) as facts,
        asyncio.Runner(loop_factory=None if options.asyncio else uvloop.new_event_loop) as on,
    ):
        rising = on.run(soak(facts["base_url"], options))
    print(f"server: {facts['requests']} requests, {facts['faults']} faults, {facts['connections_opened']} connections")
    print({None: "INVALID: the load ended early", True: "GROWS", False: "flat"}[rising])
    return 3 if rising is None else int(rising)


if __name__ == "__main__":
    sys.exit(main())
