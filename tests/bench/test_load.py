"""Open loops on virtual time, where every figure is exact, and on real loops, where speed decides nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import anyio
import pytest

from aembed import InputError, bench
from aembed.bench.settings import Progress
from aembed.testing import VirtualTimeLoop
from tests.bench.subjects import nothing, parts, ten_ms

virtual = pytest.mark.virtual_time


def times_out_of(*seconds: float) -> Callable[[], Awaitable[None]]:
    script = iter(seconds)

    async def call() -> None:
        await anyio.sleep(next(script))

    return call


@virtual
async def test_open_loop_is_exact() -> None:
    traffic, response, service, lag = parts(await bench.load(ten_ms, arrivals=bench.constant(100), duration=5))
    assert (traffic.offered, traffic.ok, traffic.offered_rate, traffic.achieved_rate) == (500, 500, 100.0, 100.0)
    for times, seconds in ((response, 0.01), (service, 0.01), (lag, 0.0)):
        assert times.count == 500
        assert times.censored == 0
        assert [p.value for p in times.percentiles] == pytest.approx([seconds] * 5, abs=1e-8)
        assert times.mean == pytest.approx(seconds, abs=1e-8)


@virtual
async def test_a_stall_is_felt_by_all_requests_due_meanwhile() -> None:
    """L(q) = S * (1 - (1 - q) / f): the coordinated omission that closed loops hide."""
    loop = asyncio.get_running_loop()
    begun = loop.time()

    async def call() -> None:
        into = loop.time() - begun - 4
        await anyio.sleep(1 - into if 0 <= into < 1 else 0)

    _, response, *_ = parts(await bench.load(call, arrivals=bench.constant(1000), duration=10))
    assert response.at(0.95).value == pytest.approx(0.5, abs=0.002)
    assert response.at(0.99).value == pytest.approx(0.9, abs=0.002)
    assert response.max == pytest.approx(1, abs=0.002)


@virtual
async def test_the_schedule_is_never_moved() -> None:
    started = []
    loop = asyncio.get_running_loop()

    async def call() -> None:
        started.append(loop.time())
        await anyio.sleep(0.35)

    await bench.load(call, arrivals=bench.trace([0, 0.1, 0.1, 0.7]), duration=1)
    assert [time - started[0] for time in started] == pytest.approx([0, 0.1, 0.1, 0.7], abs=1e-8)


@virtual
async def test_a_request_without_a_place_waits_and_its_wait_counts() -> None:
    report = await bench.load(ten_ms, arrivals=bench.trace([0, 0, 0, 0]), duration=1, max_in_flight=2)
    traffic, response, service, lag = parts(report)
    assert (traffic.ok, traffic.peak_in_flight, traffic.peak_backlog) == (4, 2, 2)
    assert response.max == pytest.approx(0.02, abs=1e-8)
    assert service.max == pytest.approx(0.01, abs=1e-8)
    assert lag.max == pytest.approx(0.01, abs=1e-8)


@virtual
async def test_places_that_were_taken_are_a_note_no_fault_of_the_generator() -> None:
    report = await bench.load(ten_ms, arrivals=bench.trace([0] * 99), duration=1, max_in_flight=1)
    assert report.verdict.state == "ok"
    assert "all 1 places (max_in_flight) were taken" in report.notes[0]


@virtual
async def test_failures_of_every_kind_are_counted_named_and_worse_than_any_answer() -> None:
    calls = iter(["fail", "wrong", "odd", "slow", "never", "cancel", *["ok"] * 4])

    async def call() -> str:
        kind = next(calls)
        if kind == "fail":
            raise ConnectionResetError("gone " * 100)
        if kind == "cancel":
            raise asyncio.CancelledError
        await anyio.sleep({"slow": 3.0, "never": 1e9}.get(kind, 0.01))
        return kind

    def validate(result: str) -> str | None:
        if result == "odd":
            raise KeyError("odd")
        return "the result is wrong" if result == "wrong" else None

    report = await bench.load(
        bench.Subject(call, validate), arrivals=bench.constant(10), duration=1, timeout=2, drain=1.5
    )
    traffic, response, service, lag = parts(report)
    assert (traffic.offered, traffic.ok, traffic.failed, traffic.wrong) == (10, 4, 2, 2)
    assert (traffic.timed_out, traffic.unfinished) == (2, 0)
    found = {failure.kind: (failure.count, failure.example) for failure in traffic.failures}
    assert found["timeout"] == (2, "no answer within 2 s")
    assert found["wrong result"] == (1, "the result is wrong")
    assert found["KeyError"] == (1, "'odd'")
    assert found["CancelledError"] == (1, "the subject cancelled itself")
    assert len(found["ConnectionResetError"][1]) == 200
    assert (response.censored, service.censored, lag.censored) == (6, 6, 0)
    assert response.mean is None
    assert response.at(0.5).value is None
    assert response.max == pytest.approx(0.01, abs=1e-8)


@virtual
async def test_a_request_that_never_returns_is_unfinished_and_bounded() -> None:
    report = await bench.load(anyio.sleep_forever, arrivals=bench.constant(10), duration=1, drain=2, max_in_flight=3)
    traffic, response, service, lag = parts(report)
    assert (traffic.offered, traffic.unfinished, traffic.good_rate) == (10, 10, 0)
    assert [(failure.kind, failure.count) for failure in traffic.failures] == [("unfinished", 10)]
    assert (response.censored, service.count, lag.censored) == (10, 3, 7)
    assert asyncio.get_running_loop().time() == pytest.approx(3.01, abs=1e-6)


@virtual
async def test_a_request_that_ignores_cancellation_is_left_alone_and_named() -> None:
    free = asyncio.Event()

    async def ignored_cancellation() -> None:
        while not free.is_set():
            try:
                await free.wait()
            except asyncio.CancelledError:
                continue

    report = await bench.load(ignored_cancellation, arrivals=bench.constant(2), duration=1, drain=0)
    assert report.notes == ("2 requests went on although they were cancelled",)
    assert report.traffic is not None
    assert report.traffic.unfinished == 2
    free.set()
    await anyio.wait_all_tasks_blocked()


@virtual
async def test_a_late_answer_after_the_timeout_changes_nothing() -> None:
    async def ignored_cancellation() -> None:
        try:
            await anyio.sleep(5)
        except asyncio.CancelledError:
            await anyio.sleep(0.5)

    report = await bench.load(ignored_cancellation, arrivals=bench.constant(1), duration=1, timeout=0.1)
    assert report.traffic is not None
    assert (report.traffic.timed_out, report.traffic.ok, report.notes) == (1, 0, ())


@virtual
async def test_cancelling_a_run_ends_all_it_started() -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: bench.load(anyio.sleep_forever, arrivals=bench.constant(10), duration=100))
        await anyio.sleep(5)
        tasks.cancel_scope.cancel()
    assert asyncio.get_running_loop().time() == pytest.approx(5, abs=1e-6)


@virtual
@pytest.mark.parametrize("closed", [False, True])
async def test_a_run_that_is_stopped_reports_its_figures(closed: bool) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(2.012, stop.set)
    if closed:
        report = await bench.closed(ten_ms, users=1, think=lambda _: 0.09, duration=1000, stop=stop)
    else:
        report = await bench.load(ten_ms, arrivals=bench.constant(10), duration=1000, stop=stop)
    traffic, *_ = parts(report)
    assert report.interrupted
    assert (traffic.offered, traffic.ok) == (21 - closed, 21 - closed)
    assert traffic.seconds == pytest.approx(2.002, abs=1e-6)


@virtual
async def test_progress_is_reported_once_a_second() -> None:
    seen: list[Progress] = []
    calls = iter(range(1000))

    async def call() -> None:
        if next(calls) == 0:
            raise ValueError("first")
        await anyio.sleep(0.15)

    await bench.load(call, arrivals=bench.constant(10), duration=3.5, max_in_flight=1, progress=seen.append, drain=100)
    assert [round(progress.elapsed, 2) for progress in seen][:3] == [0.99, 1.99, 2.99]
    first = seen[0]
    assert (first.seconds, first.offered, first.errors, first.in_flight) == (3.5, 10, 1, 1)
    assert first.offered == first.done + first.in_flight + first.backlog


@virtual
async def test_windows_add_up() -> None:
    report = await bench.load(
        times_out_of(*[0.01] * 25, *[1.5] * 5, *[0.01] * 20), arrivals=bench.constant(10), duration=5
    )
    windows = report.windows
    assert [window.offered for window in windows] == [10] * 5
    assert [window.done for window in windows] == [10, 10, 5, 10, 15]
    assert [window.backlog for window in windows] == [0, 0, 5, 5, 0]
    assert [window.p99 for window in windows] == pytest.approx([0.01, 0.01, 1.5, 0.01, 0.01], abs=1e-8)
    assert [window.start for window in windows] == [0, 1, 2, 3, 4]


@virtual
async def test_windows_go_on_until_all_is_done_and_may_be_chosen() -> None:
    report = await bench.load(times_out_of(2, 0.1), arrivals=bench.trace([0, 0.9]), duration=1, window=0.4)
    assert [round(window.start, 1) for window in report.windows] == [0, 0.4, 0.8, 1.0, 1.4, 1.8]
    assert [window.done for window in report.windows] == [0, 0, 0, 1, 0, 1]
    assert report.windows[-1].backlog == 0


async def test_open_loop_on_every_loop() -> None:
    """Nothing is lost, nothing is early; how late it is depends on the machine."""
    report = await bench.load(nothing, arrivals=bench.poisson(1000), duration=0.1, seed=3)
    traffic, response, _, lag = parts(report)
    assert (traffic.offered, traffic.ok) == (100, 100)
    assert min(lag.histogram.edges) >= 0
    assert response.censored == 0
    assert report.before is not None
    assert report.loop is not None
    assert report.loop.cpu is not None
    assert report.environment.loop != "none"
    assert bench.reports_from_json(bench.reports_to_json([report])) == (report,)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"timeout": 0.0}, "timeout=0.0 must be"),
        ({"window": -1.0}, "window=-1.0 must be"),
        ({"drain": float("nan")}, "drain=nan must be"),
        ({"max_in_flight": 0}, "max_in_flight=0 must be 1 or more"),
        ({"users": 0}, "users=0 must be 1 or more"),
        ({"think": -1.0}, "think=-1.0 must be"),
        ({"duration": float("inf")}, "duration=inf must be"),
    ],
)
@virtual
async def test_bad_input_is_named(arguments: dict[str, object], told: str) -> None:
    options: dict[str, object] = {"users": 1, "duration": 1.0, **arguments}
    with pytest.raises(InputError, match=told):
        await bench.closed(nothing, **options)  # type: ignore[arg-type]


def test_virtual_time_is_recognised() -> None:
    from aembed.bench.environment import keeps_own_time

    loops = [asyncio.new_event_loop(), VirtualTimeLoop()]
    assert [keeps_own_time(loop) for loop in loops] == [False, True]
    for loop in loops:
        loop.close()


async def test_the_last_request_is_never_lost_to_an_early_timer() -> None:
    """uvloop wakes up to a millisecond early: a request that is due by the end is sent all the same."""
    for _ in range(5):
        report = await bench.load(nothing, arrivals=bench.trace([0.0001, 0.0109]), duration=0.011)
        assert report.traffic is not None
        assert report.traffic.offered == 2


@virtual
async def test_a_schedule_that_finds_its_places_leaves_nothing_waiting() -> None:
    traffic, *_ = parts(await bench.load(ten_ms, arrivals=bench.constant(10), duration=1))
    assert (traffic.peak_in_flight, traffic.peak_backlog) == (1, 0)
