"""A version in a separate process, on the same core as the other one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec

from aembed.bench.micro import blocks
from aembed.bench.micro.blocks import Runs, Timing
from aembed.bench.micro.process import Process, process
from aembed.bench.model.result import Parameter

ANSWER_TIMEOUT_S = 60.0
"""Seconds a process gets to set up, or to answer beyond what its block should take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSide:
    """A version that fresh processes run: an ``async def`` or a scenario."""

    label: str
    target: str
    """``file.py:name`` or ``package.module:name``."""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    tree: str | None = None
    """A source tree whose packages come before all others; it is an error if nothing of it is loaded."""
    loop: str = "uvloop" if find_spec("uvloop") else "asyncio"

    @asynccontextmanager
    async def open(self, seed: int) -> AsyncIterator[Runs]:
        """Start the process. Any failure in it is a SubjectError with this side's name."""
        async with process(
            self.target,
            self.parameters,
            label=self.label,
            loop=self.loop,
            tree=self.tree,
            hash_seed=seed + 1,
            patience=ANSWER_TIMEOUT_S,
            pinned=True,
        ) as started:
            yield _Runs(started)


class _Runs:
    def __init__(self, process: Process) -> None:
        self._process = process
        self._longest = 0.0
        """Seconds an operation took."""

    async def block(self, operations: int) -> Timing:
        patience = ANSWER_TIMEOUT_S + 10 * operations * self._longest
        timing = await self._process.ask(blocks.measure, Timing, {"operations": operations}, patience)
        self._longest = max(self._longest, timing.wall / operations / 1e9)
        return timing
