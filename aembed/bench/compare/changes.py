"""Differences of two versions, and the finding on each. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from aembed.bench.model.estimates import Estimate
from aembed.bench.model.result import EXIT_CODES, Parameter, State
from aembed.bench.stats.sample import TAIL, holm
from aembed.bench.stats.special import t_cdf, t_quantile

Finding: TypeAlias = Literal["regressed", "improved", "same", "inconclusive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Rule for findings. Between ``min_effect`` and ``tolerance`` a change may be called either."""

    min_effect: float = 0.02
    """A change must be surely larger than this to be called one."""
    tolerance: float = 0.05
    """And surely smaller than this to be called none."""
    alpha: float = 0.01
    """Largest rate at which a version no slower than ``min_effect`` is called slower, all benchmarks taken together."""


USUAL = Rule()


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One figure of two versions. ``change`` is relative: 0.1 is 10 % more."""

    name: str
    parameters: Mapping[str, Parameter]
    metric: str
    """Such as "time", "response p95", "tasks"."""
    unit: str
    before: float | None
    after: float | None
    """``None`` for a percentile that lies among failed requests."""
    change: Estimate | None
    finding: Finding
    p_value: float | None = None
    """That a version no worse than the minimum effect gives such figures, adjusted for the number of benchmarks."""
    pairs: int | None = None
    """Number of pairs of fresh processes, in an A/B comparison."""
    detectable: float | None = None
    """The smallest slowdown that this many pairs would have found four times out of five."""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two versions, all that could be compared of them, and what could not."""

    before: str
    after: str
    changes: tuple[Change, ...]
    unjudged: tuple[str, ...] = ()
    """Sentences with each figure that was not judged, and the reason."""
    notes: tuple[str, ...] = ()
    interrupted: bool = False
    """Ended by Ctrl-C: not all was measured that should have been."""

    @property
    def state(self) -> State:
        """The worst of the findings; "invalid" where nothing could be judged."""
        findings = {change.finding for change in self.changes}
        if "regressed" in findings:
            return "regressed"
        if not findings:
            return "invalid"
        return "inconclusive" if self.interrupted or "inconclusive" in findings else "ok"

    @property
    def exit_code(self) -> int:
        """0 fine, 1 regressed, 3 inconclusive or nothing to judge."""
        return EXIT_CODES[self.state]


def judge_pairs(logs: Sequence[float], rule: Rule) -> tuple[Estimate, Finding, float, float | None]:
    """From log(after / before) of each pair: relative change, finding, p-value, and the detectable slowdown.

    Three t-tests at the level ``rule.alpha``: surely beyond the minimum effect, on either side; and surely within the
    tolerance on both (Schuirmann 1987). Of a time: more is worse.
    """
    n, mean = len(logs), float(np.mean(logs))
    if n < 2:
        return Estimate(value=math.expm1(mean)), "inconclusive", 1.0, None
    error = max(float(np.std(logs, ddof=1)) / math.sqrt(n), 1e-12)
    least, most = math.log1p(rule.min_effect), math.log1p(rule.tolerance)
    half = float(t_quantile(n - 1, 1 - TAIL)) * error
    change = Estimate(value=math.expm1(mean), low=math.expm1(mean - half), high=math.expm1(mean + half))
    p_changed, p_same = (float(t_cdf(n - 1, distance / error)) for distance in (least - abs(mean), abs(mean) - most))
    detectable = math.expm1(least + float(t_quantile(n - 1, 1 - rule.alpha) + t_quantile(n - 1, 0.8)) * error)
    if p_changed < rule.alpha:
        return change, "regressed" if mean > 0 else "improved", p_changed, detectable
    return change, "same" if p_same < rule.alpha else "inconclusive", p_changed, detectable


def adjust(changes: Sequence[Change], rule: Rule) -> tuple[Change, ...]:
    """Holm over many benchmarks: the more of them, the surer each alarm must be. Unsure findings stay open."""
    tested = [change for change in changes if change.p_value is not None]
    surer = iter(holm([change.p_value for change in tested if change.p_value is not None]))
    return tuple(change if change.p_value is None else _adjusted(change, next(surer), rule) for change in changes)


def _adjusted(change: Change, p_value: float, rule: Rule) -> Change:
    alarm = change.finding in {"regressed", "improved"}
    open_now = alarm and p_value >= rule.alpha
    return replace(change, p_value=p_value, finding="inconclusive" if open_now else change.finding)
