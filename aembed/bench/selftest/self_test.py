"""Is the runner to be trusted on this machine? Stalls, slowdowns and leaks are planted, and it has to find them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from aembed import EventLoopError
from aembed.bench.compare.changes import Change
from aembed.bench.compare.contest import Contest, ab
from aembed.bench.compare.process_side import ProcessSide
from aembed.bench.environment import look
from aembed.bench.load.arrivals import constant
from aembed.bench.load.measure import load
from aembed.bench.micro.memory import memory
from aembed.bench.model.result import EXIT_CODES, State
from aembed.bench.selftest.injected import block, burn, leaky, slower, spin, stalls

ATTEMPTS = 3
"""Runs of a check that noise disturbed."""
NOISE = 0.02
"""Share of time a spinning thread may lose before a miss is the machine's."""
RATE, SECONDS, STALL, AT = 200.0, 4.0, 0.4, 200
TURNS, SLOWDOWN = 1497, 0.10


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was planted."""

    what: str
    found: bool | None
    """``None``: the machine was too noisy to say."""
    detail: str
    """A measured value next to the true one."""

    def __str__(self) -> str:
        word = {True: "found", False: "MISSED", None: "machine too noisy"}[self.found]
        return f"{word:<17}  {self.what}: {self.detail}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTest:
    """The checks of the runner on this machine."""

    checks: tuple[Check, ...]
    detectable: float | None
    """The smallest slowdown that an A/B comparison of ``comparison`` seconds finds here, four times out of five."""
    comparison: float
    lost: float
    """Share of time a spinning thread did not run: the noise of the machine."""
    seconds: float

    @property
    def state(self) -> State:
        """ "ok" if all was found; "inconclusive" where noise was in the way."""
        found = {check.found for check in self.checks}
        return "regressed" if False in found else "inconclusive" if None in found else "ok"

    @property
    def exit_code(self) -> int:
        """0 all found, 1 something was missed, 3 the machine was too noisy."""
        return EXIT_CODES[self.state]

    def __str__(self) -> str:
        lines = [str(check) for check in self.checks]
        if self.detectable is not None:
            lines.append(f"An A/B comparison of {self.comparison:.0f} s finds slowdowns from {self.detectable:.1%} on.")
        lines.append(f"A spinning thread lost {self.lost:.1%} of its time; the test took {self.seconds:.0f} s.")
        return "\n".join(lines)


SelfCheck: TypeAlias = Callable[[], Awaitable[tuple[bool, str]]]


async def selftest(*, progress: Callable[[Check], None] | None = None) -> SelfTest:
    """Inject, measure, report; about half a minute on a quiet machine. A missed check is repeated twice.

    ``progress`` is called with each check as it is made.
    """
    EventLoopError.unless_running("aembed.bench")
    begun = time.perf_counter()
    losses = [(await asyncio.to_thread(look)).lost]
    checks: list[Check] = []
    changes: list[tuple[Change, float]] = []

    planted: Sequence[tuple[str, SelfCheck]] = (
        (f"a stall of {STALL:g} s", _stalled),
        ("code that burns CPU, told from code that blocks", _burnt),
        ("a leak of one object in 20 operations", _leaked),
        ("no difference between the same code twice", partial(_compared, 0.0, changes)),
        (f"a slowdown of {SLOWDOWN:.0%}", partial(_compared, SLOWDOWN, changes)),
    )
    for what, attempt in planted:
        checks.append(await _check(what, attempt, losses))
        if progress is not None:
            progress(checks[-1])
    seen = [(change.detectable, seconds) for change, seconds in changes if change.detectable is not None]
    return SelfTest(
        checks=tuple(checks),
        detectable=max((least for least, _ in seen), default=None),
        comparison=max((seconds for _, seconds in seen), default=0.0),
        lost=max(losses),
        seconds=time.perf_counter() - begun,
    )


async def _check(what: str, attempt: SelfCheck, losses: list[float]) -> Check:
    found, detail, quiet = False, "", True
    for _ in range(ATTEMPTS):
        found, detail = await attempt()
        if found:
            break
        losses.append((await asyncio.to_thread(look)).lost)
        quiet = quiet and losses[-1] <= NOISE
    return Check(what=what, found=True if found else False if quiet else None, detail=detail)


async def _stalled() -> tuple[bool, str]:
    """The truth for an open loop: L(q) = S * (1 - (1 - q) / f), where f = S / T; S = 0.4, T = 4, q = 0.95."""
    report = await load(stalls(STALL, AT, block), arrivals=constant(RATE), duration=SECONDS)
    truth = STALL * (1 - 0.05 / (STALL / SECONDS))
    p95 = None if report.response is None else report.response.at(0.95).value
    longest = max(report.stalls, key=lambda stall: stall.seconds, default=None)
    if p95 is None or longest is None:
        return False, f"{report.verdict.state}: {'; '.join(report.verdict.reasons) or 'no stall was seen'}"
    right = abs(p95 - truth) <= 0.05 * truth and longest.cause == "blocked" and abs(longest.seconds - STALL) <= 0.05
    return right, f"p95 {p95 * 1e3:.0f} ms, in truth {truth * 1e3:.0f}; {longest.cause} for {longest.seconds:.2f} s"


async def _burnt() -> tuple[bool, str]:
    report = await load(stalls(STALL / 2, 100, burn), arrivals=constant(RATE), duration=SECONDS / 4)
    longest = max(report.stalls, key=lambda stall: stall.seconds, default=None)
    if longest is None:
        return False, "no stall was seen"
    return longest.cause == "cpu" and "burn" in str(longest.line), f"{longest.cause} at {longest.line}"


async def _leaked() -> tuple[bool, str]:
    report = await memory(leaky.case(every=20), operations=6000)
    found = report.memory
    if found is None:
        return False, "; ".join(report.verdict.reasons)
    detail = f"{found.retained.value:.3f} kept per operation, in truth 0.050; could see {found.smallest_leak:.4f}"
    return found.leaking and abs(found.retained.value - 0.05) <= 0.005, detail


async def _compared(slowdown: float, changes: list[tuple[Change, float]]) -> tuple[bool, str]:
    def side(label: str, turns: int) -> ProcessSide:
        return ProcessSide(label=label, target=spin.target, parameters={"turns": turns})

    begun = time.perf_counter()
    contest = Contest(name="spin", before=side("before", TURNS), after=side("after", slower(TURNS, slowdown)))
    result = await ab([contest])
    if not result.changes:
        return False, result.unjudged[0]
    (change,) = result.changes
    changes.append((change, time.perf_counter() - begun))
    assert change.change is not None
    detail = (
        f"{change.finding}, {change.change.value:+.1%}, in truth {slowdown:+.0%}; {change.pairs} pairs of processes"
    )
    return change.finding == ("regressed" if slowdown else "same"), detail
