"""Two sets of reports, such as a stored baseline and today's. Pure.

Counts are compared for equality. Times are compared only on the same kind of machine, in units of what a fixed
calculation took there on that day; and an alarm is a reason for an A/B comparison, since no two days are alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

from aembed.bench import units
from aembed.bench.compare.changes import Change, Comparison, Finding
from aembed.bench.compare.metrics import Metric, canary, figures_of
from aembed.bench.model.estimates import Estimate
from aembed.bench.model.result import UNKNOWN, Report, named

LEAST = {"s": 0.10, "1/s": 0.20}
"""Relative changes of times and rates below which stored results raise no alarm."""
SIZES = 0.01
"""By how much sizes differ from run to run."""
RESTLESS = 0.10
"""Difference of the canaries above which waiting times are not compared: their share of computing is unknown."""
CONFIRM = "measured at different times: confirm what regressed with `aembed bench ab`, which measures both in turns"
ANY_MACHINE = "a file of rows or histograms does not name its machine: compare only those of one machine"

Key: TypeAlias = tuple[str, str, tuple[tuple[str, str], ...]]


def compare(
    before: Sequence[Report], after: Sequence[Report], *, names: tuple[str, str] = ("before", "after")
) -> Comparison:
    """Judge each report of ``after`` by the one of ``before`` with the same mode, name and parameters.

    Figures that cannot be judged are in ``unjudged`` with the reason: invalid, other machines, too few samples.
    """
    earlier, later = ({_key(report): report for report in reports} for reports in (before, after))
    if len(before) == len(after) == 1 and "recorded" in {before[0].mode, after[0].mode}:
        earlier = dict(zip(later, before, strict=True))  # a file of rows or histograms need not name its run
    changes: list[Change] = []
    unjudged = [f"{_title(report)}: only in {names[0]}" for key, report in earlier.items() if key not in later]
    for key, report in later.items():
        if key not in earlier:
            unjudged.append(f"{_title(report)}: only in {names[1]}")
            continue
        for verdict in _compare(earlier[key], report):
            if isinstance(verdict, Change):
                changes.append(verdict)
            else:
                unjudged.append(f"{_title(report)}: {verdict}")
    timed = any(change.unit in LEAST for change in changes)
    unknown = any(report.environment == UNKNOWN for report in (*before, *after))
    notes = (*((CONFIRM,) if timed else ()), *((ANY_MACHINE,) if timed and unknown else ()))
    return Comparison(before=names[0], after=names[1], changes=tuple(changes), unjudged=tuple(unjudged), notes=notes)


def _title(report: Report) -> str:
    return f"{report.mode} {named(report.name, report.parameters)}"


def _key(report: Report) -> Key:
    return report.mode, report.name, tuple(sorted((name, repr(value)) for name, value in report.parameters.items()))


def _compare(before: Report, after: Report) -> list[Change | str]:
    """A change for each figure, or why there is none."""
    for report, which in ((before, "the earlier"), (after, "the later")):
        if not figures_of(report):
            return [
                f"{which} run is {report.verdict.state}: {'; '.join(report.verdict.reasons) or 'it has no figures'}"
            ]
    rejected = {"count": _other_counts(before, after), "size": _other_counts(before, after)}
    rejected |= {
        "computing": _other_machine(before, after),
        "waiting": _other_machine(before, after) or _restless(before, after),
    }
    speed = _speed(before, after)
    earlier = {figure.metric: figure for figure in figures_of(before)}
    verdicts: dict[str, Change | str] = {}
    for figure in figures_of(after):
        if (reason := rejected[figure.nature]) is not None:
            verdicts[reason] = reason
        elif figure.metric not in earlier:
            verdicts[figure.metric] = f"{figure.metric}: not in the earlier run"
        else:
            verdicts[figure.metric] = _judge(after, earlier[figure.metric], figure, speed)
    return list(verdicts.values())


def _speed(before: Report, after: Report) -> float:
    """Time of the fixed calculation, relative to the earlier run's; 1 where a file does not name its machine."""
    if UNKNOWN in (before.environment, after.environment):
        return 1.0
    return canary(after) / canary(before)


def _other_machine(before: Report, after: Report) -> str | None:
    a, b = before.environment, after.environment
    if UNKNOWN in (a, b):
        return None
    if a.machine != b.machine:
        return f"times are not compared: {a.cores} x {a.cpu} ({a.machine}) then, {b.cores} x {b.cpu} ({b.machine}) now"
    if (a.python, a.loop) != (b.python, b.loop):
        return f"times are not compared: {a.python} on {a.loop} then, {b.python} on {b.loop} now"
    return None


def _other_counts(before: Report, after: Report) -> str | None:
    a, b = before.environment, after.environment
    if (_minor(a.python), a.loop) != (_minor(b.python), b.loop):
        return f"counts are not compared: {a.python} on {a.loop} then, {b.python} on {b.loop} now"
    return None


def _minor(python: str) -> str:
    return python.rpartition(".")[0]


def _restless(before: Report, after: Report) -> str | None:
    speed = _speed(before, after)
    if max(speed, 1 / speed) <= 1 + RESTLESS:
        return None
    return f"times under load are not compared: the machine itself took {speed - 1:+.0%} for the same calculation"


def _judge(report: Report, before: Metric, after: Metric, speed: float) -> Change | str:
    if before.value is None and after.value is None:
        return f"{after.metric}: among failed requests in both runs"
    old, note = before.value, ""
    if old is not None and before.nature == "computing":
        old, note = _scaled(old, speed), f"the earlier time x {speed:.3f}, as the machine's speed"
    change: Estimate | None = None
    if old is None or after.value is None:
        finding: Finding = "improved" if old is None else "regressed"
        note = "beyond all that was measured: requests failed"
    elif after.interval and None in {old.low, old.high, after.value.low, after.value.high}:
        return f"{after.metric}: no interval on both sides; measure longer, or in more processes"
    elif old.value == 0:
        finding = "same" if after.value.value == 0 else "regressed"
    else:
        change = _change(old, after.value)
        least = SIZES if after.nature == "size" else 0.0 if after.nature == "count" else LEAST[after.unit]
        finding = _finding(change, least, more_is_better=after.more_is_better)
        if finding == "inconclusive":
            note = f"{note}; {_too_short(change)}" if note else _too_short(change)
    return Change(
        name=report.name,
        parameters=report.parameters,
        metric=after.metric,
        unit=after.unit,
        before=None if old is None else old.value,
        after=None if after.value is None else after.value.value,
        change=change,
        finding=finding,
        note=note,
    )


def _too_short(change: Estimate) -> str:
    """The smallest change that intervals of this width would show."""
    assert change.high is not None
    return f"these runs are too short to show less than {units.change(change.high - change.value)}: measure longer"


def _change(before: Estimate, after: Estimate) -> Estimate:
    """Relative, with an interval made of both: that of the difference of their logarithms (Zou and Donner 2008)."""
    if after.value <= 0:
        return Estimate(value=-1.0, low=-1.0, high=-1.0)
    (low, was, high), (least, now, most) = _logs(before), _logs(after)
    below, above = math.hypot(now - least, high - was), math.hypot(most - now, was - low)
    ratio = now - was
    return Estimate(value=math.expm1(ratio), low=math.expm1(ratio - below), high=math.expm1(ratio + above))


def _logs(estimate: Estimate) -> tuple[float, float, float]:
    """Logarithms of lower end, value and upper end. Without an interval the value is exact."""
    low, value, high = (
        math.log(estimate.value if end is None else end) if end is None or end > 0 else -math.inf
        for end in (estimate.low, estimate.value, estimate.high)
    )
    return low, value, high


def _scaled(value: Estimate, factor: float) -> Estimate:
    low, high = (None if end is None else end * factor for end in (value.low, value.high))
    return Estimate(value=value.value * factor, low=low, high=high)


def _finding(change: Estimate, least: float, *, more_is_better: bool = False) -> Finding:
    """The whole interval beyond ``least``, or within it, or neither."""
    assert change.low is not None
    assert change.high is not None
    fewest = 1 / (1 + least) - 1
    if change.low > least:
        return "improved" if more_is_better else "regressed"
    if change.high < fewest:
        return "regressed" if more_is_better else "improved"
    return "same" if fewest <= change.low and change.high <= least else "inconclusive"
