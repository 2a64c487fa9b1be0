"""Exact counts of what an operation asks of asyncio and Python: equal on every run and every machine."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from aembed import InputError
from aembed.bench.micro.memory import allocated
from aembed.bench.micro.process import alone
from aembed.bench.model.one_at_a_time import Cost
from aembed.bench.model.result import Report, Verdict
from aembed.bench.run_context import RunContext
from aembed.bench.scenario import Target
from aembed.bench.subject import Subject, SubjectError

WARM_UP_OPERATIONS = 20
"""Operations before the first that counts: caches fill, connections open."""
COUNTED = ("tasks", "callbacks", "timers", "threads", "calls")


async def cost(target: Target, *, operations: int = 50, name: str | None = None) -> Report:
    """Tasks, callbacks, timers, calls and allocations per operation, over ``operations`` in a row, twice.

    Cases of a scenario are counted in a fresh process, on asyncio's own loop with a clock that stands still while they
    compute: what depends on the time that passes, or on the hash of strings, is then equal too.
    """
    if operations < 1:
        raise InputError(f"operations={operations!r} must be 1 or more")
    frame = await RunContext.around(target, name)
    try:
        found = await alone(target, measure, Cost, options={"operations": operations}, loop="frozen", hash_seed=0)
    except SubjectError as error:
        return await frame.report("cost", verdict=Verdict(state="failed", reasons=(str(error),)))
    notes = () if found.exact else ("two passes differ: the operation itself varies, and equality cannot be its gate",)
    return await frame.report("cost", verdict=Verdict(), notes=notes, cost=found)


async def measure(subject: Subject, operations: int) -> Cost:
    """In this process and the running loop."""
    # one task for each pass: only one coroutine of the runner is then resumed with the subject's
    first, second = [await asyncio.create_task(count(subject, operations)) for _ in range(2)]
    _, before, again = [await allocated(subject, operations) for _ in range(3)]
    per = {name: second[name] / operations for name in COUNTED}
    return Cost(
        operations=operations,
        exact=first == second,
        allocations=before.count / operations if before is not None and before == again else None,
        **per,
    )


async def count(subject: Subject, operations: int, warm: int = WARM_UP_OPERATIONS) -> dict[str, int]:
    """Totals over ``operations`` in this task, after ``warm`` that do not count. Another profiler pauses meanwhile."""
    call, other_profiler = subject.call, sys.getprofile()
    counts: dict[str, int] = dict.fromkeys(COUNTED, 0)

    def profile(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and frame.f_code.co_filename != __file__:
            counts["calls"] += 1

    for _ in range(warm):  # in this task, whose first operation costs more than the next
        await call()
    gc.disable()  # finalizers of garbage would count as calls
    try:
        with _watched(counts):
            sys.setprofile(profile)
            for _ in range(operations):
                await call()
            sys.setprofile(None)
    finally:
        sys.setprofile(other_profiler)
        gc.enable()
    return counts


@contextmanager
def _watched(counts: dict[str, int]) -> Generator[None]:
    """Counts what goes through the running loop."""
    loop: Any = asyncio.get_running_loop()
    # of these two, each loop builds one on the other
    timers = "call_at" if isinstance(loop, asyncio.BaseEventLoop) else "call_later"
    watched = {"create_task": "tasks", "call_soon": "callbacks", timers: "timers", "run_in_executor": "threads"}

    def counted(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def count(*args: Any, **options: Any) -> Any:
            counts[name] += 1
            return original(*args, **options)

        return count

    for method, name in watched.items():
        setattr(loop, method, counted(name, getattr(loop, method)))
    try:
        yield
    finally:
        for method in watched:
            delattr(loop, method)
