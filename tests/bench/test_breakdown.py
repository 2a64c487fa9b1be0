"""Why was it slow: the parts of each request, with every cause planted in turn."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed import EmbedderFactory, HttpSettings, Limits, Registry, bench
from aembed.bench import Report, Subject
from aembed.bench.load.attribution import OTHER, LoopPause, Pauses, divided, parts_of
from aembed.bench.load.traces import SAMPLE, SLOWEST, Traced, Traces
from aembed.bench.marks import TRACE, label_of
from aembed.http import OPENAI_REPLY, HttpApi
from aembed.testing import VirtualTimeLoop
from aembed.testing.tls import Authority
from tests.jumping_clock import JumpingLoop, Script, head, jump, scripted, vectors
from tests.loops import LoopFactory, run

REPLY = vectors(1)
QUICK: Script = (head(REPLY), REPLY)
ATTRIBUTED = 0.95
"""Share of the planted time that its cause must get."""


def loaded(
    call: bench.Target,
    *,
    times: tuple[float, ...] = (0.0,),
    loop: LoopFactory = VirtualTimeLoop,
    **options: Any,
) -> Report:
    """A run with ``why``, one request at each of ``times``."""

    async def main() -> Report:
        arrivals, duration = bench.trace(times), max(times) + 1.0
        return await bench.load(call, arrivals=arrivals, duration=duration, why=True, drain=1000, **options)

    return run(main(), loop_factory=loop)


def slowest(report: Report, number: int = 0) -> dict[str, float]:
    """The parts of the slowest request, which must add up."""
    assert report.breakdown is not None
    slow = report.breakdown.slowest[number]
    assert sum(slow.parts.values()) == pytest.approx(slow.response, rel=0.01)
    return dict(slow.parts)


class Embedding:
    """A scenario: one text to a scripted server, through the whole of aembed."""

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None, **settings: Any) -> None:
        self._scripts, self._tls = scripts, tls
        self._settings = {"api_key": "sk-1", **settings}
        self.provider = "openai:m"
        self.registry = Registry()

    def measured(self, *times: float, **options: Any) -> Report:
        @bench.scenario
        async def embed(_case: bench.Case) -> AsyncGenerator[Subject]:
            async with (
                scripted(QUICK, *self._scripts, tls=self._tls) as url,
                EmbedderFactory(registry=self.registry) as factory,
            ):
                embedder = await factory.new_embedder(self.provider, base_url=url, **self._settings)
                await embedder.get_dimension()
                yield bench.documents(embedder, bench.corpus("passages"))

        return loaded(embed.case(), times=times or (0.0,), loop=JumpingLoop, **options)


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


def test_planted_wait_for_a_quota() -> None:
    @bench.scenario
    async def embed(_case: bench.Case) -> AsyncGenerator[Subject]:
        async with EmbedderFactory() as factory:
            limits = Limits(requests_per_minute=6)
            yield bench.documents(await factory.new_embedder("mock", limits=limits), bench.corpus("passages"))

    report = loaded(embed.case(), times=(0.0,) * 8)
    waits = slowest(report)
    assert waits["gate: requests"] >= ATTRIBUTED * sum(waits.values()) > 5


def test_planted_429_with_retry_after() -> None:
    body = b'{"error": {"message": "slow down"}}'
    report = Embedding((head(body, "429 Too Many Requests", Retry_After="4"), body), QUICK).measured()
    parts = slowest(report)
    assert parts["gate: pause after a 429"] >= ATTRIBUTED * 4
    assert report.breakdown is not None
    assert report.breakdown.slowest[0].attempts == 2
    assert "failed attempt" in parts


def test_planted_server_error_backs_off() -> None:
    body = b'{"error": {"message": "busy"}}'
    report = Embedding((head(body, "503 Service Unavailable", Retry_After="3"), body), QUICK).measured()
    assert slowest(report)["backoff"] >= ATTRIBUTED * 3


def test_planted_slow_accept(tmp_path: Path) -> None:
    authority = Authority()
    context = authority.context()
    handshakes = iter([0.0, *(4.0,) * 9])

    def slow(_socket: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext) -> None:
        jump(next(handshakes))

    context.sni_callback = slow
    close: Script = (head(REPLY, Connection="close"), REPLY)
    http = HttpSettings(ca_file=authority.write(tmp_path / "ca.pem"))
    embedding = Embedding(close, tls=context, http=http)
    report = embedding.measured(0.0, 30.0)
    assert slowest(report)["connect"] >= ATTRIBUTED * 4
    assert report.breakdown is not None
    assert report.breakdown.slowest[0].new_connection


def test_planted_slow_first_byte_and_slow_body() -> None:
    reports = [
        Embedding((3.0, *QUICK)).measured(),
        Embedding((head(REPLY, x_request_id="req-1"), REPLY[:9], 3.0, REPLY[9:])).measured(),
    ]
    for report, name in zip(reports, ("first byte", "body"), strict=True):
        assert slowest(report)[name] >= ATTRIBUTED * 3
    assert reports[1].breakdown is not None
    assert reports[1].breakdown.slowest[0].request_ids == ("req-1",)
    assert reports[1].breakdown.slowest[0].label.startswith("1 text, ")


def test_planted_slow_decoding() -> None:
    """The format of the reply takes three seconds to read."""
    seconds = iter([0.0, *(3.0,) * 9])

    def slow(reply: Any) -> int | None:
        jump(next(seconds))
        return OPENAI_REPLY.tokens(reply)

    embedding = Embedding(QUICK)
    embedding.registry.register(
        "slow",
        HttpApi(request=lambda texts, _: {"input": texts}, reply=replace(OPENAI_REPLY, tokens=slow), default_model="m"),
    )
    embedding.provider = "slow"
    assert slowest(embedding.measured())["decode"] >= ATTRIBUTED * 3


def test_planted_stall_and_collection() -> None:
    """A stall counts for the requests that wait, not for the part that causes it; a collection counts for no part."""
    ms = 1_000_000
    stalls = Pauses([LoopPause(100 * ms, 400 * ms, task=7)])
    collections = Pauses([LoopPause(500 * ms, 600 * ms), LoopPause(900 * ms, 950 * ms)])
    spans = (("db", 50 * ms, 450 * ms), ("render", 450 * ms, 700 * ms))

    def parts(task: int) -> dict[str, float]:
        request = Traced(700 * ms, 1, 0, 10 * ms, task, "ok", spans)
        return {name: spent / ms for name, spent in parts_of(request, stalls, collections).items()}

    others = {"late start": 10, "other": 40, "db": 100, "loop stalled": 300, "render": 150, "garbage collection": 100}
    assert parts(task=8) == others
    assert parts(task=7) == {"late start": 10, "other": 40, "db": 400, "render": 150, "garbage collection": 100}


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
    assert len(kept) == SAMPLE
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
