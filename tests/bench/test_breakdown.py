"""The parts of each request: how they are noted, nested and added up."""

from __future__ import annotations

import asyncio
import json

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed import bench
from aembed.bench import Subject
from aembed.bench.load.attribution import OTHER, LoopPause, Pauses, divided, parts_of
from aembed.bench.load.traces import SAMPLE, SLOWEST, Traced, Traces
from aembed.bench.marks import TRACE, label_of
from tests.bench.attributed import loaded, slowest


async def test_nothing_is_noted_unless_asked_for() -> None:
    async def call() -> None:
        assert TRACE.get() is None
        with bench.part("db"):
            bench.label("nobody hears it")

    report = await bench.load(call, arrivals=bench.trace([0.0]), duration=0.01)
    assert report.breakdown is None


def test_marks_nest_and_the_rest_is_other() -> None:
    async def call() -> None:
        with bench.part("outer"):
            await anyio.sleep(1)
            with bench.part("inner"):
                await anyio.sleep(2)
            await anyio.sleep(3)
        await anyio.sleep(4)

    parts = slowest(loaded(call))
    assert parts == pytest.approx({"outer": 4, "inner": 2, "other": 4})


def test_the_last_of_simultaneous_parts_counts() -> None:
    async def query(name: str, begins: float, seconds: float) -> None:
        await anyio.sleep(begins)
        with bench.part(name):
            await anyio.sleep(seconds)

    async def call() -> None:
        await asyncio.gather(query("first", 0, 5), query("second", 1, 2))

    assert slowest(loaded(call)) == pytest.approx({"first": 3, "second": 2}, abs=1e-6)


def test_requests_at_once_keep_their_parts_apart() -> None:
    async def call(seconds: float) -> None:
        with bench.part(f"wait {seconds:g}"):
            await anyio.sleep(seconds)

    report = loaded(Subject(call, requests=lambda _: iter([1.0, 3.0, 2.0])), times=(0.0, 0.5, 0.6))
    assert report.breakdown is not None
    found = [(slow.label, slow.main, round(slow.parts[slow.main], 6)) for slow in report.breakdown.slowest]
    assert found == [("3.0", "wait 3", 3.0), ("2.0", "wait 2", 2.0), ("1.0", "wait 1", 1.0)]
    assert report.breakdown.mean == pytest.approx({"wait 1": 1 / 3, "wait 2": 2 / 3, "wait 3": 1.0})


def test_a_request_that_timed_out_names_the_part_it_was_in() -> None:
    async def call() -> None:
        bench.label("user 7")
        with bench.part("lock"):
            await anyio.sleep(1000)

    report = loaded(call, timeout=3.0)
    assert report.breakdown is not None
    (slow,) = report.breakdown.slowest
    assert (slow.outcome, slow.label, slow.main) == ("timed_out", "user 7", "lock")
    assert slow.parts == pytest.approx({"lock": 3})
    assert report.breakdown.requests == 0, "means are over good requests"


def test_a_late_start_is_a_part() -> None:
    async def call() -> None:
        with bench.part("work"):
            await anyio.sleep(5)

    parts = slowest(loaded(call, times=(0.0, 1.0), max_in_flight=1))
    assert parts == pytest.approx({"late start": 4, "work": 5})


def test_means_of_all_and_of_the_slow() -> None:
    """Ranks 190 to 197 of 200 requests are between p95 and p99."""

    async def call(number: int) -> None:
        with bench.part("fixed"):
            await anyio.sleep(1)
        with bench.part("growing"):
            await anyio.sleep(number)

    subject = Subject(call, requests=lambda _: iter(range(200)))
    report = loaded(subject, times=tuple(float(i) for i in range(200)))
    found = report.breakdown
    assert found is not None
    assert (found.requests, found.slow_requests) == (200, 8)
    assert found.mean == pytest.approx({"fixed": 1, "growing": 99.5})
    assert found.slow == pytest.approx({"fixed": 1, "growing": sum(range(190, 198)) / 8})
    assert [slow.label for slow in found.slowest] == [str(n) for n in range(199, 189, -1)]
    assert found.slowest[0].at == pytest.approx(199)


def test_a_stall_in_unmarked_code_is_named_even_for_its_cause() -> None:
    request = Traced(100, 1, 0, 0, 7, "ok", ())
    assert parts_of(request, Pauses([LoopPause(20, 90, task=7)]), Pauses([])) == {"other": 30, "loop stalled": 70}


spans = st.tuples(st.integers(0, 3), st.sampled_from("abc"), st.integers(0, 100), st.integers(0, 100))


@given(st.lists(spans), st.integers(0, 50), st.integers(50, 100))
def test_parts_add_up_and_each_moment_goes_to_the_first_in_rank(
    claims: list[tuple[int, str, int, int]], begin: int, end: int
) -> None:
    expected: dict[str, int] = {}
    for moment in range(begin, end):
        there = [(rank, at, n, name) for n, (rank, name, at, to) in enumerate(claims) if at <= moment < to]
        name = max(there)[3] if there else OTHER
        expected[name] = expected.get(name, 0) + 1
    assert divided(begin, end, claims) == expected
    assert sum(expected.values()) == end - begin


def test_memory_is_bounded_and_the_slowest_are_kept() -> None:
    traces = Traces(lambda: 0)
    for number in range(SAMPLE + 5000):
        trace = traces.begin()
        trace.note("work", number, 2 * number)
        traces.add(trace, number, number, 2 * number, 0)
    kept = [request.intended for request in traces.sample()]
    assert len(kept) == SAMPLE == 20_000
    assert sum(kept) / SAMPLE == pytest.approx((SAMPLE + 5000) / 2, rel=0.02)
    assert [request.intended for request in traces.slowest()] == [SAMPLE + 4999 - i for i in range(SLOWEST)]
    assert next(traces.sample()).spans == (("work", 0, 0),)


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("a text", "6 characters"),
        (["one", "three"], "2 texts, 8 characters"),
        (["one"], "1 text, 3 characters"),
        (4711, "4711"),
        (object(), ""),
        ([], ""),
    ],
)
def test_labels_hold_no_text(argument: object, said: str) -> None:
    assert label_of(argument) == said


def test_the_report_survives_json() -> None:
    async def call() -> None:
        with bench.part("db"):
            await anyio.sleep(1)

    report = loaded(call)
    (back,) = bench.reports_from_json(bench.reports_to_json([report]))
    assert back.breakdown == report.breakdown
    (kept,) = json.loads(bench.reports_to_json([report]))["reports"]
    assert kept["breakdown"]["slowest"][0]["parts"] == {"db": 1.0}
