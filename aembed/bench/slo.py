"""Objectives as people write them: ``p95=50ms,errors=1%,rate=200/s``."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TypeAlias

from aembed import InputError
from aembed.bench import units
from aembed.bench.model.objectives import Goal, Judgement

Slo: TypeAlias = str | Sequence[Goal]
"""A text such as "p95=50ms,errors=1%", or the goals themselves."""

UNITS = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
EXAMPLES = {
    "errors": "errors=1%",
    "rate": "rate=200/s",
    "recovery": "recovery=5s",
    "time": "time=50us",
    "cpu": "cpu=50us",
}
LOAD = frozenset({"p", "errors", "rate"})
METRICS = {
    "load": LOAD,
    "users": LOAD,
    "burst": LOAD | {"recovery"},
    "sustained": LOAD,
    "steps": LOAD,
    "sweep": frozenset({"p", "errors"}),
    "micro": frozenset({"time", "cpu"}),
}
"""Metrics that each mode measures; "p" means every percentile."""


def goals(slo: Slo) -> tuple[Goal, ...]:
    """The conditions of ``slo``, in its order. Raises InputError for one that cannot be read or is given twice."""
    found = _parsed(slo) if isinstance(slo, str) else tuple(slo)
    metrics = [goal.metric for goal in found]
    for metric in metrics:
        if metrics.count(metric) > 1:
            raise InputError(f"slo has {metric} {metrics.count(metric)} times; give each metric once")
    for goal in found:
        _check(goal)
    return found


def goals_for(mode: str, slo: Slo) -> tuple[Goal, ...]:
    """The goals of ``slo``; InputError if ``mode``, such as "load", does not measure one of them."""
    found = goals(slo)
    for goal in found:
        if not is_measured(mode, goal):
            raise InputError(f"{mode} does not measure {goal.metric}; it has {_listed(METRICS[mode])}")
    return found


def is_measured(mode: str, goal: Goal) -> bool:
    """``mode`` has the figure that ``goal`` is about."""
    return ("p" if goal.q is not None else goal.metric) in METRICS[mode]


def read(path: Path, mode: str) -> tuple[Goal, ...]:
    """Goals of a TOML file: those at its top, and those of the table ``[mode]``, which take precedence.

    Top-level goals that ``mode`` does not measure are left out, for they are meant for other modes.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a file of objectives: {error}") from None
    own = table.get(mode, {})
    general = {name: value for name, value in table.items() if not isinstance(value, dict)}
    unknown = [name for name, value in table.items() if isinstance(value, dict) and name not in METRICS]
    if unknown:
        raise InputError(f"{path}: [{unknown[0]}] is not a mode; tables are {_listed(METRICS)}")
    chosen = tuple(
        goal
        for goal in goals(",".join(f"{name}={value}" for name, value in (general | own).items()))
        if goal.metric in own or is_measured(mode, goal)
    )
    return goals_for(mode, chosen)


def seconds(text: str) -> float:
    """``30s``, ``2m``, ``1.5h``, ``50ms`` or a bare number of seconds; ``nan`` for anything else."""
    number, unit = _number_and_unit(text)
    return number * UNITS.get(unit or "s", math.nan)


def share(text: str) -> float:
    """``99%`` or ``0.99``; ``nan`` for anything else."""
    number, unit = _number_and_unit(text)
    return number / 100 if unit == "%" else number if not unit else math.nan


def limit_of(goal: Goal) -> str:
    """Such as "p95 at most 50.0 ms"."""
    return f"{goal.metric} {'at least' if goal.is_floor else 'at most'} {_written(goal, goal.limit)}"


def measured(judgement: Judgement) -> str:
    """The value and its interval, such as "61.2 ms (58.1 to 64.9 ms)"."""
    goal, missing = judgement.goal, "among the failed requests" if judgement.goal.q else units.NOT_MEASURED
    if judgement.value is None:
        return missing
    value = _written(goal, judgement.value)
    if judgement.low is None and judgement.high is None:
        return value
    low, high = ("?" if end is None else _written(goal, end) for end in (judgement.low, judgement.high))
    return f"{value} ({units.between(low, high)})"


def advice(judgement: Judgement) -> str:
    """The state, and for an open goal the additional duration that would decide it."""
    if not judgement.is_open:
        return f"{judgement.state}: {judgement.note}" if judgement.note else judgement.state
    if judgement.seconds_longer is None:
        return f"inconclusive: {judgement.note or 'too close to the limit for any run to decide'}"
    return f"inconclusive: run {judgement.seconds_longer:,.0f} s longer" + (judgement.note and f" ({judgement.note})")


def sentence(judgement: Judgement) -> str:
    """Such as "p95: 61.2 ms (58.1 to 64.9 ms), at most 50.0 ms allowed: broken"."""
    goal = judgement.goal
    limit = _written(goal, goal.limit)
    bound = f"at least {limit} required" if goal.is_floor else f"at most {limit} allowed"
    return f"{goal.metric}: {measured(judgement)}, {bound}: {advice(judgement)}"


def _written(goal: Goal, value: float) -> str:
    if goal.metric == "errors":
        return units.share(value)
    return units.rate(value) if goal.metric == "rate" else units.seconds(value)


def _parsed(text: str) -> tuple[Goal, ...]:
    return tuple(_goal(part.strip()) for part in text.split(",") if part.strip())


def _goal(text: str) -> Goal:
    metric, equals, value = (part.strip() for part in text.partition("="))
    if not equals:
        raise InputError(f"{text!r} is not an objective; write p95=50ms, errors=1% or rate=200/s")
    if re.fullmatch(r"p[0-9.]+", metric) or metric in {"recovery", "time", "cpu"}:
        limit = seconds(value)
    elif metric == "errors":
        limit = share(value)
    elif metric == "rate":
        number, unit = _number_and_unit(value)
        limit = number if unit in {"", "/s"} else math.nan
    else:
        near = get_close_matches(metric, EXAMPLES, 1)
        raise InputError(
            f"{text!r} is not an objective; write {EXAMPLES[near[0]] if near else 'p95=50ms or errors=1%'}"
        )
    if math.isnan(limit):
        raise InputError(f"{text!r} is not an objective; write {EXAMPLES.get(metric, f'{metric}=50ms')}")
    return Goal(metric=metric, limit=limit)


def _check(goal: Goal) -> None:
    if re.fullmatch(r"p[0-9.]+", goal.metric):
        try:
            q = goal.q
        except ValueError:
            q = None
        if q is None or not 0 < q < 1:
            raise InputError(f"{goal.metric} is not a percentile; write one between p0 and p100, such as p95=50ms")
    elif goal.metric not in EXAMPLES:
        raise InputError(f"objectives have no metric {goal.metric!r}; write p95, {_listed(EXAMPLES)}")
    if goal.metric == "errors":
        if not 0 <= goal.limit < 1:
            raise InputError(f"errors={goal.limit:g} must be a share from 0 to below 1, such as errors=1%")
    elif not (math.isfinite(goal.limit) and goal.limit > 0):
        raise InputError(
            f"{goal.metric}={goal.limit:g} must be above 0, such as {EXAMPLES.get(goal.metric, 'p95=50ms')}"
        )


def _number_and_unit(text: str) -> tuple[float, str]:
    match = re.fullmatch(r"\s*([0-9.]+)\s*([a-zµ%/]*)\s*", text)
    try:
        return (float(match[1]), match[2]) if match else (math.nan, "")
    except ValueError:
        return math.nan, ""


def _listed(names: Collection[str]) -> str:
    return ", ".join("percentiles such as p95" if name == "p" else name for name in sorted(names))
