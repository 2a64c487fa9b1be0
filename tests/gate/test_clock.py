"""The clock jumps, as after a machine was suspended: no burst, no stall."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed import Limits, RateLimitError
from aembed._gate import Gate
from aembed.testing import VirtualTimeLoop
from tests.gate.visits import (
    Log,
    Visit,
    enough,
    fail,
    histories,
    limited,
    limits_,
    moments,
    play,
    slots_,
    succeed,
    within_every_bucket,
)
from tests.loops import run

HOUR = 3600.0
Jump = tuple[float, float]
"""When, by the clock as it then is, and by how many seconds."""


class JumpingLoop(VirtualTimeLoop):
    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead

    def jump(self, seconds: float) -> None:
        self.ahead += seconds


def played(gate: Gate, visits: list[Visit], jumps: list[Jump]) -> Log:
    async def main() -> Log:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, JumpingLoop)
        for when, seconds in jumps:
            loop.call_at(when, loop.jump, seconds)
        return await play(gate, visits)

    return run(main(), loop_factory=JumpingLoop)


@given(histories(), slots_, limits_, st.lists(st.tuples(moments, st.sampled_from([1.0, 59.0, HOUR])), max_size=3))
def test_fault_79_no_interval_sees_a_burst_and_everyone_gets_in(
    visits: list[Visit], slots: int, limits: Limits, jumps: list[Jump]
) -> None:
    log = played(enough(Gate(slots, limits)), visits, jumps)
    assert within_every_bucket(log, visits, limits)
    assert {number for number, visit in enumerate(visits) if visit.patience is None} <= log.starts().keys()


def test_fault_79_after_an_hour_the_queue_continues_by_a_minutes_quota_a_minute() -> None:
    visits = [Visit(0.0, stays=0.5)] * 300
    starts = sorted(played(enough(Gate(64, limited(60.0))), visits, [(30.0, HOUR)]).starts().values())
    assert [starts[n * 60] for n in range(5)] == pytest.approx([0, 3630, 3690, 3750, 3810], abs=3)
    assert all(starts[n + 60] - starts[n] >= 60 for n in range(60, 240))


def test_fault_79_a_pause_that_the_jump_has_ended_is_over() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, JumpingLoop)
        gate = enough(Gate(8, Limits()))
        await fail(gate, RateLimitError("slow down", retry_after=30.0))
        loop.call_later(1.0, loop.jump, HOUR)
        return await succeed(gate)

    assert run(main(), loop_factory=JumpingLoop) == pytest.approx(HOUR + 1.0)
