"""The machine of a measurement and its noise."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import ParamSpec, TypeVar

from aembed.bench.model.result import Environment, Noise

P = ParamSpec("P")
T = TypeVar("T")

PACKAGES = ("aembed", "aiometer", "anyio", "httptools", "msgspec", "numpy", "onnxruntime", "pydantic", "uvloop")
LOOK = 0.1
"""Seconds the noise meter spins."""
LOST_GAP_NS = 20_000
"""Nanoseconds without running, from which on they are lost: a spinning thread takes less for one turn."""
CANARY = 5
"""Times the fixed calculation is done; the best counts."""


def environment(loop: asyncio.AbstractEventLoop | None = None) -> Environment:
    """The environment of this process and of ``loop``. It runs git: call it from a thread if a loop must not wait."""
    return Environment(
        machine=_machine(),
        cpu=_cpu(),
        cores=os.cpu_count() or 1,
        affinity=tuple(sorted(os.sched_getaffinity(0))) if sys.platform == "linux" else (),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        loop=_loop(loop) if loop else "none",
        packages=_packages(),
        revision=(head := _git("rev-parse", "--short=12", "HEAD")),
        dirty=None if head is None else bool(_git("status", "--porcelain")),
    )


def look() -> Noise:
    """Spin for a tenth of a second and see how much of it was ours. Call it from a thread, or where nothing waits."""
    before = _cpu_times()
    longest = lost = 0
    previous = begun = time.perf_counter_ns()
    end = begun + int(LOOK * 1e9)
    while previous < end:
        now = time.perf_counter_ns()
        if (gap := now - previous) > LOST_GAP_NS:
            lost += gap
            longest = max(longest, gap)
        previous = now
    return Noise(
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        steal=_steal(before, _cpu_times()),
        lost=lost / (previous - begun),
        longest_gap=longest / 1e9,
        canary=min(_canary() for _ in range(CANARY)),
    )


def _canary() -> float:
    """Seconds for what asyncio programs mostly do: calls, dictionaries, small objects."""
    begun = time.perf_counter_ns()
    table: dict[int, tuple[int, str]] = {}
    for i in range(10_000):
        table[i % 512] = (i, str(i))
    sorted(table.values())
    return (time.perf_counter_ns() - begun) / 1e9


def _cpu_times() -> tuple[int, int] | None:
    """Ticks the machine had in all, and those of them the hypervisor gave to others."""
    try:
        fields = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]
    except OSError:
        return None
    return sum(map(int, fields)), int(fields[7])


def _steal(before: tuple[int, int] | None, after: tuple[int, int] | None) -> float | None:
    if before is None or after is None or after[0] <= before[0]:
        return None
    return (after[1] - before[1]) / (after[0] - before[0])


def _loop(loop: asyncio.AbstractEventLoop) -> str:
    package = type(loop).__module__.split(".", 1)[0]
    if package == "uvloop":
        return f"uvloop {version(package)}"
    return package if package == "asyncio" else type(loop).__qualname__


@functools.cache
def _machine() -> str:
    parts = (_cpu(), str(os.cpu_count()), platform.system(), platform.machine())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


@functools.cache
def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


@functools.cache
def _packages() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@functools.cache
def _git(*arguments: str) -> str | None:
    """The answer of git about the working directory; ``None`` without git, or outside a tree."""
    git = shutil.which("git")
    if git is None:
        return None
    done = subprocess.run([git, *arguments], capture_output=True, text=True, check=False, timeout=10)  # noqa: S603
    return done.stdout.strip() if done.returncode == 0 else None


def keeps_own_time(loop: asyncio.AbstractEventLoop) -> bool:
    """The loop runs on virtual time, as ``aembed.testing.VirtualTimeLoop`` does."""
    return isinstance(loop, asyncio.BaseEventLoop) and type(loop).time is not asyncio.BaseEventLoop.time


async def off_loop(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The result of ``function`` in a thread; in the loop itself on virtual time, which does not wait for threads."""
    if keeps_own_time(asyncio.get_running_loop()):
        return function(*args, **kwargs)
    return await asyncio.to_thread(function, *args, **kwargs)


if sys.platform == "linux":
    import resource

    def waited() -> int | None:
        """Voluntary context switches of this thread; ``None`` where the system does not count them."""
        return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw

else:

    def waited() -> int | None:
        """Not known here."""
        return None
