"""T4: memory kept for good is a leak, memory that comes and goes is not. Each in a fresh process."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aembed import bench
from aembed.bench.model.one_at_a_time import Memory
from aembed.bench.scenario import Case
from tests.loops import run
from tests.truth.figures import Figure, near, truth, yes

SIZE = 64 * 1024
kept: list[bytes] = []
calls: list[None] = [None] * 100


@bench.scenario(every=[1, 100])
async def leaks(case: Case) -> None:
    """An object of 100 bytes stays."""
    calls.append(None)
    if len(calls) == 100 + case.every:
        del calls[100:]
        kept.append(bytes(100))


@bench.scenario(most=[1024, 3000])
async def buffers(case: Case) -> None:
    """A buffer that grows and is emptied."""
    if len(kept) >= case.most:
        kept.clear()
    kept.append(bytes(SIZE * 1024 // case.most))


def memory_of(case: Case) -> Memory:
    report = run(bench.memory(case, operations=20_000), loop_factory=asyncio.new_event_loop)
    assert report.memory is not None, report.verdict
    return report.memory


@truth("T4 leaks")
def leaks_are_found() -> Sequence[Figure]:
    figures = []
    for case in leaks.cases():
        found = memory_of(case)
        figures += [
            yes(f"an object every {case.every} operations is a leak", found.leaking),
            near("blocks kept per operation", found.retained.value, 1 / case.every, share=0.1),
            Figure("smallest leak it could have seen", found.smallest_leak, high=0.01),
        ]
    for case in buffers.cases():
        found = memory_of(case)
        figures.append(yes(f"a buffer of 0 to 64 MB, emptied every {case.most} operations, is none", not found.leaking))
    return figures
