"""Subjects that do not do their work: no mode calls them ok."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import anyio
import pytest

from aembed import ConnectError, EmbedderFactory, InputError, Kind, ModelSpec, Reply, Source, bench
from aembed._registry import BUILT_IN
from aembed.cli.bench.subject import embed_documents, embed_query
from aembed.providers.mock import MockOptions, MockProvider

virtual = pytest.mark.virtual_time
EVEN = bench.Objective(q=0.95, seconds=0.05)


async def rejects() -> None:
    await anyio.lowlevel.checkpoint()
    raise ConnectionRefusedError("nobody listens")


Mode = Callable[[Callable[[], Awaitable[None]] | bench.Subject], Awaitable[bench.Report]]
LOADS: dict[str, Mode] = {
    "load": lambda subject: bench.load(subject, arrivals=bench.constant(10), duration=30),
    "users": lambda subject: bench.closed(subject, users=3, think=0.1, duration=30),
    "burst": lambda subject: bench.burst(subject, base=10, spike=50, spike_s=1, duration=30),
    "sustained": lambda subject: bench.sustained(subject, arrivals=bench.constant(10), duration=30),
    "steps": lambda subject: bench.steps(subject, objective=EVEN, start=10, step_s=10),
}


@virtual
@pytest.mark.parametrize("mode", LOADS)
async def test_fault_125_where_every_request_fails_no_mode_is_ok(mode: str) -> None:
    report = await LOADS[mode](rejects)
    assert (report.verdict.state, report.verdict.exit_code) == ("failed", 1)
    assert report.traffic is not None
    (reason,) = report.verdict.reasons
    assert reason == (
        f"0 of {report.traffic.offered} requests were good (0 %, at least 99 % must be): "
        f"{report.traffic.offered} ConnectionRefusedError"
    )


@virtual
@pytest.mark.parametrize("mode", LOADS)
async def test_a_server_that_dies_after_three_answers_fails_every_mode(mode: str) -> None:
    answers = iter(range(3))

    async def dies() -> None:
        await anyio.sleep(0.001)
        if next(answers, None) is None:
            raise ConnectionResetError("gone")

    report = await LOADS[mode](dies)
    assert report.verdict.state == "failed"
    assert "ConnectionResetError" in report.verdict.reasons[0]


@virtual
@pytest.mark.parametrize("mode", [mode for mode in LOADS if mode != "steps"])
async def test_a_server_that_hangs_fails_every_mode(mode: str) -> None:
    report = await LOADS[mode](anyio.sleep_forever)
    assert report.verdict.state == "failed"
    assert report.verdict.reasons[0].endswith(" unfinished")


@virtual
async def test_the_share_that_must_be_good_is_settable() -> None:
    calls = itertools.count()

    async def one_in_ten() -> None:
        await anyio.lowlevel.checkpoint()
        if next(calls) % 10 == 0:
            raise LookupError

    states = [
        (await bench.load(one_in_ten, arrivals=bench.constant(10), duration=10, min_good=share)).verdict.state
        for share in (0.9, 0.91)
    ]
    assert states == ["ok", "failed"]
    with pytest.raises(InputError, match=r"min_good=1\.5 must be a share from 0 to 1"):
        await bench.load(one_in_ten, arrivals=bench.constant(10), duration=1, min_good=1.5)
    with pytest.raises(InputError, match=r"objective\.errors"):
        await bench.steps(one_in_ten, objective=EVEN, start=1, min_good=0.5)


@virtual
async def test_an_objective_met_at_no_rate_is_over_budget() -> None:
    report = await bench.steps(lambda: anyio.sleep(1), objective=EVEN, start=16, step_s=5)
    assert (report.verdict.state, report.verdict.exit_code) == ("over budget", 1)
    assert report.verdict.reasons == (
        "the objective was met at no rate: at 4/s, the lowest, p95 was 1.00 s, not 50.0 ms",
    )


@virtual
async def test_a_long_run_without_a_drift_to_judge_is_inconclusive() -> None:
    report = await bench.sustained(lambda: anyio.sleep(0.01), arrivals=bench.trace([0, 1]), duration=60)
    assert (report.verdict.state, report.drift) == ("inconclusive", None)
    assert report.verdict.reasons == (
        "fewer than 6 windows have answers: a longer run, or wider windows, would decide",
    )


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"step_s": 0.0}, r"step_s=0\.0 must be a finite number above 0"),
        ({"start": 0.0}, r"start=0\.0 must be a finite number above 0 \(requests/s\)"),
        ({"precision": 0.0}, r"precision=0\.0 must"),
        ({"start": 10.0, "highest": 9.9}, r"highest=9\.9 must not be below start=10"),
        ({"objective": bench.Objective(seconds=0.0)}, r"objective\.seconds=0\.0 must"),
        ({"objective": bench.Objective(seconds=1.0, q=1.0)}, r"objective\.q=1\.0 must lie between 0 and 1"),
        ({"objective": bench.Objective(seconds=1.0, q=0.0)}, r"objective\.q=0\.0 must lie between 0 and 1"),
        ({"objective": bench.Objective(seconds=1.0, errors=1.0)}, r"objective\.errors=1\.0 must be a share"),
        ({"objective": bench.Objective(seconds=1.0, errors=-0.1)}, r"objective\.errors=-0\.1 must be a share"),
    ],
)
@virtual
async def test_steps_without_a_range_are_rejected(given: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        await bench.steps(rejects, **{"objective": EVEN, "start": 1.0, **given})


@virtual
async def test_the_answers_of_a_short_step_count_and_are_too_few_to_decide() -> None:
    slow = bench.Objective(seconds=5)
    report = await bench.steps(lambda: anyio.sleep(4), objective=slow, start=10, highest=10, step_s=1)
    assert report.verdict.state == "inconclusive"
    assert report.steps is not None
    assert [(step.rate, step.state, step.errors) for step in report.steps.steps] == [(10, "inconclusive", 0)]


@virtual
@pytest.mark.parametrize("mode", LOADS)
async def test_the_seed_is_0_unless_another_is_asked_for(mode: str) -> None:
    report = await LOADS[mode](rejects)
    assert report.pacing is not None
    assert report.pacing.seed == (2 if mode == "steps" else 0)  # the third and lowest step was the one reported


class Dies:
    """A provider that answers some requests, and then no more."""

    def __init__(self, answers: int, dim: int | None = 8) -> None:
        self.spec = ModelSpec(name="dies", provider="test", dim=dim)
        self._left = answers
        self._mock = MockProvider(MockOptions(dim=8))

    async def embed(self, texts: Sequence[str], /, *, kind: Kind) -> Reply:
        await anyio.sleep(0.01)
        if self._left <= 0:
            raise ConnectError("nobody listens")
        self._left -= 1
        return await self._mock.embed(texts, kind=kind)

    async def aclose(self) -> None:
        """There is nothing to close."""


@virtual
@pytest.mark.parametrize("mode", LOADS)
async def test_errors_that_an_embedder_waits_out_are_named_with_their_number(mode: str) -> None:
    async with EmbedderFactory() as factory:
        embedder = await factory.new_embedder(Dies(3))
        report = await LOADS[mode](bench.query(embedder, "a query"))
    assert report.work is not None
    assert list(report.work.errors) == ["ConnectError"]
    assert report.work.errors["ConnectError"] > 1
    assert report.verdict.state == "failed"
    named = f"; requests to the provider failed: {report.work.errors['ConnectError']:,} ConnectError"
    assert report.verdict.reasons[0].endswith(named)


async def opener(source: Source) -> Dies:
    return Dies(0, dim=None)


@virtual
@pytest.mark.parametrize("scenario", [embed_query, embed_documents], ids=lambda each: each.name)
async def test_a_model_whose_very_first_request_fails_has_a_report(
    scenario: bench.Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BUILT_IN, "dies", f"{__name__}:opener")
    case = scenario.case(**{**scenario.cases()[0].parameters, "model": "dies:small"})
    report = await bench.load(case, arrivals=bench.constant(10), duration=30)
    assert (report.verdict.state, report.verdict.exit_code) == ("failed", 1)
    assert report.work is not None
    assert report.work.errors["ConnectError"] > 1
