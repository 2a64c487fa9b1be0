"""Users who wait for their answers: a closed loop on virtual time, where every figure is exact."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from aembed import bench
from tests.bench.subjects import nothing, parts, ten_ms

virtual = pytest.mark.virtual_time


@virtual
async def test_a_closed_loop_of_one_request_has_its_figures() -> None:
    report = await bench.closed(lambda: anyio.sleep(0.5), users=1, think=lambda _: 0.25, duration=1)
    assert report.closed is not None
    assert report.traffic is not None
    assert report.traffic.offered == 1
    assert (report.closed.users, report.closed.rate) == (1, 1)
    assert report.closed.think == pytest.approx(0.5)  # before the request, and after it until the end
    assert report.closed.response == pytest.approx(0.5)
    assert report.closed.little == pytest.approx(1)


@virtual
async def test_closed_loop_obeys_littles_law() -> None:
    report = await bench.closed(ten_ms, users=10, think=lambda _: 0.09, duration=100)
    assert report.closed is not None
    assert report.closed.rate == pytest.approx(100, rel=0.002)
    assert report.closed.little == pytest.approx(10, rel=1e-9)
    assert (report.closed.think, report.closed.response) == pytest.approx((0.09, 0.01), rel=1e-3)
    assert report.pacing is not None
    assert report.pacing.pacer == "none"


@virtual
@pytest.mark.parametrize("stopped", [0.15, 0.7, 100.0])
async def test_littles_law_holds_exactly_however_short_the_run(stopped: float) -> None:
    """Users who are cut short in a thought, in a request, after a timeout; and such as are never answered."""
    calls = iter([0.05, 0.3, 1e9, *[0.08] * 1000])
    stop = asyncio.Event()
    timer = asyncio.get_running_loop().call_later(stopped, stop.set)
    report = await bench.closed(
        lambda: anyio.sleep(next(calls)), users=4, think=0.1, duration=1, timeout=0.4, drain=0.01, stop=stop
    )
    assert report.closed is not None
    assert report.closed.little == pytest.approx(4, rel=1e-9)
    timer.cancel()


@virtual
async def test_users_who_do_not_think_ask_at_once() -> None:
    report = await bench.closed(ten_ms, users=3, duration=1)
    assert report.traffic is not None
    assert (report.traffic.ok, report.traffic.peak_in_flight) == (300, 3)


@virtual
async def test_thinking_is_random_but_the_same_for_the_same_seed() -> None:
    async def rate(seed: int) -> float:
        report = await bench.closed(ten_ms, users=5, think=0.1, duration=50, seed=seed)
        assert report.closed is not None
        assert report.closed.think == pytest.approx(0.1, rel=0.1)
        return report.closed.rate

    assert await rate(1) == await rate(1) != await rate(2)


@pytest.mark.parametrize("users", [1, 4])
async def test_closed_loop_on_every_loop(users: int) -> None:
    report = await bench.closed(nothing, users=users, think=0.001, duration=0.05)
    traffic, _, _, lag = parts(report)
    assert traffic.ok == traffic.offered > 0
    assert traffic.peak_in_flight <= users
    assert min(lag.histogram.edges) >= 0


@virtual
async def test_users_leave_nothing_waiting_to_start() -> None:
    traffic, *_ = parts(await bench.closed(ten_ms, users=5, duration=1))
    assert (traffic.peak_in_flight, traffic.peak_backlog) == (5, 0)


@virtual
@pytest.mark.parametrize(("took", "ends"), [(0.3, 1.2), (0.5, 1.0)])
async def test_a_request_under_way_at_the_end_is_waited_for_and_nothing_else(took: float, ends: float) -> None:
    report = await bench.closed(lambda: anyio.sleep(took), users=1, duration=1)
    assert report.traffic is not None
    assert report.traffic.ok == report.traffic.offered
    assert asyncio.get_running_loop().time() == pytest.approx(ends, abs=0.02)
