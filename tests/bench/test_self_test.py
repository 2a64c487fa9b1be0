"""The self-test's sentences on its findings. The tests of truth prove that it finds injected faults."""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import replace
from types import SimpleNamespace

import pytest

from aembed.bench.compare.changes import Change, Comparison
from aembed.bench.compare.contest import Contest
from aembed.bench.model.estimates import Estimate, Percentile
from aembed.bench.model.result import Report
from aembed.bench.model.under_load import Stall
from aembed.bench.opening import opened
from aembed.bench.selftest import injected
from aembed.bench.selftest import self_test as room
from aembed.bench.selftest.self_test import Check, SelfTest, selftest
from tests.bench.reports import memory, noise, report, response

TRUE = {"blocked": Stall(at=1.0, seconds=0.4, cause="blocked", cpu=0.0, queued=0.0, line="injected.py:1 in block")}
TRUE["cpu"] = replace(TRUE["blocked"], cause="cpu", line="injected.py:2 in burn")


class Measured:
    """Canned results in place of measurements."""

    def __init__(self) -> None:
        self.p95: float | None = 0.2
        self.stalls: dict[bool, tuple[Stall, ...]] = {False: (TRUE["blocked"],), True: (TRUE["cpu"],)}
        self.leak: Report = report(memory=replace(memory(100.0), leaking=True, retained=Estimate(value=0.05)))
        self.lost = 0.0
        self.blind = False
        self.attempts = 0

    async def load(self, subject: object, *, arrivals: object, duration: float) -> Report:
        self.attempts += 1
        burning = duration < room.SECONDS
        figures = replace(response(1.0), percentiles=(Percentile(q=0.95, value=self.p95),))
        return replace(report(response=figures), stalls=self.stalls[burning])

    async def memory(self, target: object, *, operations: int) -> Report:
        return self.leak

    async def ab(self, contests: list[Contest]) -> Comparison:
        slow = str(contests[0].after) != str(replace(contests[0].before, label="after"))  # type: ignore[type-var]
        change = Change(
            name="spin",
            parameters={},
            metric="CPU time",
            unit="s",
            before=1.0,
            after=1.1,
            change=Estimate(value=0.1 * slow),
            finding="regressed" if slow else "same",
            pairs=6,
            detectable=0.03 + 0.01 * slow,
        )
        if self.blind:
            return Comparison(before="before", after="after", changes=(), unjudged=("spin: before failed: why",))
        return Comparison(before="before", after="after", changes=(change,))


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Measured:
    fake = Measured()
    for name in ("load", "memory", "ab"):
        monkeypatch.setattr(room, name, getattr(fake, name))
    monkeypatch.setattr(room, "look", lambda: replace(noise(), lost=fake.lost))
    return fake


async def test_all_that_is_planted_is_found(measured: Measured) -> None:
    seen: list[Check] = []
    result = await selftest(progress=seen.append)
    assert tuple(seen) == result.checks
    assert [check.found for check in seen] == [True] * 5
    assert (result.state, result.exit_code, result.detectable) == ("ok", 0, 0.04)
    assert "finds slowdowns from 4.0% on" in str(result)
    assert measured.attempts == 2


@pytest.mark.parametrize(("lost", "found", "code"), [(0.0, False, 1), (0.5, None, 3)])
async def test_a_miss_is_the_machines_if_the_machine_is_busy(
    measured: Measured, lost: float, found: bool | None, code: int
) -> None:
    measured.p95, measured.lost = 0.3, lost
    result = await selftest()
    assert [check.found for check in result.checks] == [found, *[True] * 4]
    assert result.exit_code == code
    assert "p95 300 ms, in truth 200; blocked for 0.40 s" in result.checks[0].detail
    assert measured.attempts == room.ATTEMPTS + 1


async def test_a_missing_measurement_is_a_miss(measured: Measured) -> None:
    measured.stalls = {False: (), True: ()}
    measured.leak = replace(measured.leak, memory=None)
    measured.blind = True
    result = await selftest()
    assert [check.found for check in result.checks] == [False] * 5
    assert result.checks[0].detail == "ok: no stall was seen"
    assert result.checks[4].detail == "spin: before failed: why"
    assert result.detectable is None
    assert "A/B" not in str(result)


def test_noise_is_no_failure_and_no_success() -> None:
    check = Check(what="x", found=None, detail="y")
    result = SelfTest(checks=(check,), detectable=None, comparison=0.0, lost=0.1, seconds=1.0)
    assert result.state == "inconclusive"
    assert str(result).startswith("machine too noisy  x: y\n")


async def test_injected_faults_are_real() -> None:
    async with opened(injected.leaky.case(every=20)) as leak, opened(injected.spin.case(turns=10)) as spin:
        assert await spin.call() == sum(i * i for i in range(10))
        for _ in range(59):
            assert await leak.call() is None
        kept = inspect.getclosurevars(leak.call).nonlocals["kept"]
        assert kept == [bytes(100)] * 2
        await leak.call()
        assert kept == [bytes(100)] * 3
    held: list[float] = []
    subject = injected.stalls(0.5, 2, held.append)
    for _ in range(3):
        await subject.call()
    assert held == [0.5]
    assert injected.slower(57, 0.05) == 60
    assert injected.slower(57, 1.0) == 57 + 57 + injected.OVERHEAD == 117


@pytest.mark.virtual_time
async def test_a_call_that_does_not_stall_waits_for_a_millisecond() -> None:
    begun = asyncio.get_running_loop().time()
    await injected.stalls(0.5, 2, print).call()
    assert asyncio.get_running_loop().time() - begun == pytest.approx(0.001, abs=1e-6)


def test_a_stall_sleeps_or_computes_for_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    used = iter([10.0, 10.1, 10.2, 10.25, 10.3])
    monkeypatch.setattr(injected, "time", SimpleNamespace(sleep=slept.append, thread_time=used.__next__))
    injected.block(0.4)
    assert slept == [0.4]
    injected.burn(0.25)
    assert list(used) == [10.3]
