"""Figures with their bounds, and machines that are too noisy for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from aembed.bench import Report

ATTEMPTS = 5
QUEUED = 0.005
"""Share of a run that its thread waited for a core: beyond it, the run measures the machine."""


class NoisyError(Exception):
    """The machine did something else meanwhile, and there is no figure."""


@dataclass(frozen=True)
class Figure:
    """A value and its bounds."""

    what: str
    value: float
    low: float = float("-inf")
    high: float = float("inf")

    @property
    def holds(self) -> bool:
        return self.low <= self.value <= self.high

    def __str__(self) -> str:
        bar = f"{self.low:.6g} to {self.high:.6g}"
        if self.high == float("inf"):
            bar = f"at least {self.low:.6g}"
        if self.low == float("-inf"):
            bar = f"at most {self.high:.6g}"
        return f"{'ok  ' if self.holds else 'MISS'} {self.what}: {self.value:.6g} ({bar})"


Truth: TypeAlias = Callable[[], Sequence[Figure]]
TRUTHS: dict[str, tuple[Truth, int]] = {}
"""Checks, and how often they may be tried."""


def truth(name: str, *, attempts: int = ATTEMPTS) -> Callable[[Truth], Truth]:
    """Enter it into the suite. What does not depend on the machine has one attempt."""

    def enter(check: Truth) -> Truth:
        TRUTHS[name] = check, attempts
        return check

    return enter


def near(what: str, value: float | None, truth: float, *, share: float = 0.0, absolute: float = 0.0) -> Figure:
    """The value has to be the truth, give or take the larger of both."""
    slack = max(abs(truth) * share, absolute)
    return Figure(what, float("nan") if value is None else value, truth - slack, truth + slack)


def yes(what: str, value: object) -> Figure:
    """It has to be so."""
    return Figure(what, float(bool(value)), 1, 1)


noises: list[str] = []
"""The machine's activity during the current attempt."""


def heard(report: Report) -> Report:
    """``report``; notes it if the machine took part."""
    if report.loop is not None and (report.loop.queued or 0.0) > QUEUED * report.loop.seconds:
        noises.append(f"the loop's thread waited for a core for {report.loop.queued:.3g} s")
    return report


def quiet(report: Report) -> Report:
    """The same; without a valid one there is no figure."""
    if heard(report).verdict.state != "ok":
        raise NoisyError("; ".join(report.verdict.reasons))
    return report


@dataclass
class Outcome:
    """The attempt that counts: the first at which all held, else the last on a quiet machine, else the last."""

    figures: Sequence[Figure] = ()
    noise: list[str] = field(default_factory=list)
    told: bool = False
    """True if the machine was quiet enough."""

    @property
    def holds(self) -> bool:
        return self.told and all(figure.holds for figure in self.figures)


def attempt(name: str) -> Outcome:
    """Until everything holds, a few times: noise makes figures worse, never better."""
    outcome = Outcome()
    check, attempts = TRUTHS[name]
    for _ in range(attempts):
        noises.clear()
        try:
            figures = check()
        except NoisyError as noise:
            outcome.noise.append(str(noise))
            continue
        if all(figure.holds for figure in figures):
            return Outcome(figures, outcome.noise, told=True)
        if noises:
            outcome.noise.append(noises[0])
            if outcome.told:
                continue
        outcome.told = not noises
        outcome.figures = figures
    return outcome
