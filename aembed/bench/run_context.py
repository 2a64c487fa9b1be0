"""The context of a measurement: subject, time, environment and noise of the machine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aembed import EventLoopError
from aembed.bench.environment import environment, keeps_own_time, look
from aembed.bench.model.result import Mode, Noise, Parameter, Report, Verdict
from aembed.bench.scenario import Target, name_of


@dataclass(frozen=True, slots=True)
class RunContext:
    """Made before a measurement, and filled after it."""

    name: str
    parameters: Mapping[str, Parameter]
    before: Noise | None
    started: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    clock: float = field(default_factory=time.perf_counter)

    @classmethod
    async def around(cls, target: Target, name: str | None = None) -> RunContext:
        """Looks how quiet the machine is."""
        EventLoopError.unless_running("aembed.bench")
        named, parameters = name_of(target)  # before the look: an unsuitable target fails at once
        return cls(name or named, parameters, await _noise())

    async def report(self, mode: Mode, *, verdict: Verdict, **parts: Any) -> Report:
        """With these parts."""
        seconds = time.perf_counter() - self.clock
        loop = asyncio.get_running_loop()
        virtual = keeps_own_time(loop)
        return Report(
            mode=mode,
            name=self.name,
            parameters=self.parameters,
            started=self.started,
            seconds=seconds,
            verdict=verdict,
            environment=environment(loop) if virtual else await asyncio.to_thread(environment, loop),
            before=self.before,
            after=await _noise(),
            **parts,
        )


async def _noise() -> Noise | None:
    """A look off the loop, whose other tasks continue meanwhile."""
    return None if keeps_own_time(asyncio.get_running_loop()) else await asyncio.to_thread(look)
