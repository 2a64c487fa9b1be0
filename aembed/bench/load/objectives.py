"""Objectives of a run under load, judged on intervals. Pure.

"p95 at most 50 ms" says that at most 5 % of the requests take longer, and failed ones do. So percentiles and errors
are shares of requests, with exact binomial bounds; requests that queue behind each other count for less than their
number. Beyond the subject's capacity all of them do, and no length of the run gives an interval: there a percentile
above its limit is broken, since it grows as long as requests come. A rate is compared in equal parts of the run: good
answers, less those that random arrivals did not ask for.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from aembed.bench.load.run import RunResult
from aembed.bench.load.validity import failures_of
from aembed.bench.model.objectives import Goal, Judgement, ObjectiveState
from aembed.bench.model.result import Verdict
from aembed.bench.model.under_load import RunWindow, Traffic
from aembed.bench.rows.columns import FAILED, OK, WRONG
from aembed.bench.settings import RunSettings
from aembed.bench.slo import sentence
from aembed.bench.stats.sample import TAIL, cautious_size, percentiles, rank_of, up_to
from aembed.bench.stats.shares import ShareSample, as_decided
from aembed.bench.stats.special import t_quantile

MAX_PARTS = 20
"""Equal parts of a run whose rates are compared, at most: each is long enough to be independent of the next."""
MIN_PARTS = 4
FALLS_BEHIND = "beyond capacity: requests came faster than answers"


def judged(
    result: RunResult, traffic: Traffic, windows: Sequence[RunWindow], settings: RunSettings, *, open_loop: bool
) -> tuple[Judgement, ...]:
    """Each goal of the run that needs no more than its requests. Several share the 5 % of wrong decisions."""
    goals = [goal for goal in settings.goals if goal.q is not None or goal.metric in {"errors", "rate"}]
    tail = TAIL / max(1, len(settings.goals))
    found = []
    for goal in goals:
        if goal.metric == "rate":
            judgement = _rate(goal, traffic, windows, settings, tail, open_loop=open_loop)
        else:
            judgement = _share(goal, result, traffic, tail)
            if judgement.is_open and _is_slower(judgement) and falls_behind(windows, traffic.seconds, tail):
                judgement = _beyond_capacity(judgement)
        found.append(_stopped(judgement, result) if result.aborted == goal else judgement)
    return tuple(found)


def _share(goal: Goal, result: RunResult, traffic: Traffic, tail: float) -> Judgement:
    q = goal.q
    sample = _slower(result, goal) if q is not None else _failed(result)
    limit = goal.limit if q is None else 1 - q
    within = sample.is_within(limit, tail)
    if limit == 0 and sample.count:
        within = not sample.bad  # no run shows that a share is 0: the limit is about its own requests
    value: float | None
    low: float | None
    high: float | None
    if q is None:
        value = (traffic.offered - traffic.ok) / max(1, traffic.offered)
        low, high = sample.interval(tail)
    elif result.fold is not None:
        found = result.fold.response.percentile(q, tail)
        value, low, high = found.value, found.low, found.high
    else:
        (found,) = percentiles(result.rows.response, (q,), tail=tail)
        value, low, high = found.value, found.low, found.high
    times = sample.times_to_decide(limit, tail) if within is None else None
    low, high = as_decided(low, high, goal.limit, within)
    return Judgement(
        goal=goal, state=_state(within), value=value, low=low, high=high, seconds_longer=_longer(times, result.seconds)
    )


def _is_slower(judgement: Judgement) -> bool:
    """A percentile is above its limit as measured, or among requests without a good answer."""
    goal, value = judgement.goal, judgement.value
    return goal.q is not None and (value is None or value > goal.limit)


def falls_behind(windows: Sequence[RunWindow], seconds: float, tail: float) -> bool:
    """Fewer requests were answered than came, and surely so in the second half of the schedule.

    In the first half answers may be missing only because the first ones take as long as all the others.
    """
    lost = [(came - done) / each for each, came, done in _parts(windows, seconds, "done") if each]
    late = np.array(lost[len(lost) // 2 :])
    if len(late) < MIN_PARTS:
        return False
    error = float(late.std(ddof=1)) / math.sqrt(len(late))
    return float(late.mean()) > t_quantile(len(late) - 1, 1 - tail) * error


def _beyond_capacity(judgement: Judgement) -> Judgement:
    low, high = as_decided(judgement.low, judgement.high, judgement.goal.limit, within=False)
    return replace(judgement, state="broken", low=low, high=high, seconds_longer=None, note=FALLS_BEHIND)


def _slower(result: RunResult, goal: Goal) -> ShareSample:
    """Requests that took longer than the goal allows, or had no good answer.

    Few slow ones look more independent than they are: where the run happens to have few, the dependence at the
    percentile itself, and at p90, says more.
    """
    assert goal.q is not None
    if result.fold is not None:
        return result.fold.response.slower(goal.limit)
    response = result.rows.response
    ordered = np.sort(response)
    slow = [response > ordered[rank_of(q, len(ordered)) - 1] for q in up_to(goal.q) if len(ordered)]
    return _sample(response > goal.limit, *slow)


def _failed(result: RunResult) -> ShareSample:
    if result.fold is not None:
        return result.fold.response.slower(math.inf)
    return _sample(result.rows.outcome != OK)


def _sample(bad: NDArray[np.bool_], *others: NDArray[np.bool_]) -> ShareSample:
    """``others`` depend on each other as the bad may do."""
    return ShareSample(int(bad.sum()), len(bad), cautious_size((bad, *others)))


def _rate(
    goal: Goal, traffic: Traffic, windows: Sequence[RunWindow], settings: RunSettings, tail: float, *, open_loop: bool
) -> Judgement:
    """Good answers per second of each part of the schedule.

    In an open loop the rate cannot exceed the offered one, so it may fall short by the share of requests that may fail.
    """
    limit = goal.limit * settings.least_good if open_loop else goal.limit
    parts = _parts(windows, traffic.seconds, "good")
    if len(parts) < MIN_PARTS:
        return Judgement(
            goal=goal,
            state="inconclusive",
            value=traffic.good_rate,
            seconds_longer=MIN_PARTS * 1.0,
            note=f"a rate is judged in {MIN_PARTS} windows or more",
        )
    lost = np.array([(offered - good) / seconds for seconds, offered, good in parts])
    rates = traffic.offered_rate - lost if open_loop else np.array([good / seconds for seconds, _, good in parts])
    mean, error = float(rates.mean()), float(rates.std(ddof=1)) / math.sqrt(len(rates))
    half = t_quantile(len(rates) - 1, 1 - tail) * error
    within = True if mean - half >= limit else False if mean + half < limit else None
    times = (half / abs(mean - limit)) ** 2 if within is None and mean != limit else None
    return Judgement(
        goal=goal,
        state=_state(within),
        value=mean,
        low=mean - half,
        high=mean + half,
        seconds_longer=_longer(times, traffic.seconds),
    )


def _parts(
    windows: Sequence[RunWindow], seconds: float, answers: Literal["good", "done"]
) -> list[tuple[float, int, int]]:
    """Seconds, offered and answered of equal groups of the whole windows within the schedule."""
    whole = [window for window in windows if window.start + window.seconds <= seconds + 1e-9]
    size = max(1, math.ceil(len(whole) / MAX_PARTS))
    groups = [whole[i : i + size] for i in range(0, len(whole) - size + 1, size)]
    return [(sum(w.seconds for w in g), sum(w.offered for w in g), sum(getattr(w, answers) for w in g)) for g in groups]


def _state(within: bool | None) -> ObjectiveState:
    return "inconclusive" if within is None else "kept" if within else "broken"


def _longer(times: float | None, seconds: float) -> float | None:
    return None if times is None else max(1.0, math.ceil((times - 1) * seconds))


def _stopped(judgement: Judgement, result: RunResult) -> Judgement:
    note = f"stopped after {result.seconds:.3g} s by the sequential test"
    return replace(judgement, state="broken", seconds_longer=None, note=note)


def with_objectives(verdict: Verdict, judgements: Iterable[Judgement], traffic: Traffic | None) -> Verdict:
    """The verdict of a run that may be believed, and of its objectives."""
    found = tuple(judgements)
    if verdict.state == "failed":
        return verdict
    broken = [judgement for judgement in found if judgement.state == "broken"]
    still_open = [judgement for judgement in found if judgement.is_open]
    reasons = tuple(sentence(judgement) for judgement in broken or still_open)
    if any(judgement.goal.metric == "errors" for judgement in broken) and traffic is not None:
        least = next(1 - judgement.goal.limit for judgement in broken if judgement.goal.metric == "errors")
        return Verdict(state="failed", reasons=(failures_of(traffic, least), *reasons))
    if verdict.state == "invalid":
        return verdict
    if broken:
        return verdict.joined(Verdict(state="over budget", reasons=reasons))
    return verdict.joined(Verdict(state="inconclusive", reasons=reasons)) if still_open else verdict


def of_invalid_run(judgements: Iterable[Judgement], result: RunResult, settings: RunSettings) -> tuple[Judgement, ...]:
    """Nothing is decided by a run that the machine disturbed, but for errors: those that were raised are the subject's.

    Late and missing answers may be the machine's.
    """
    tail = TAIL / max(1, len(settings.goals))

    def left(judgement: Judgement) -> Judgement:
        if judgement.goal.metric == "errors" and result.fold is None:
            raised = _sample((result.rows.outcome == FAILED) | (result.rows.outcome == WRONG))
            if raised.is_within(judgement.goal.limit, tail) is False:
                return replace(judgement, state="broken")
        return replace(judgement, state="not judged", seconds_longer=None, note="")

    return tuple(map(left, judgements))
