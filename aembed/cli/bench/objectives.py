"""Objectives of the command line: texts, and files of them that are committed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aembed import InputError
from aembed.bench import Goal, Objective
from aembed.bench.slo import goals, goals_for, read


def written(mode: str, given: Sequence[str] | None) -> tuple[Goal, ...]:
    """The goals of every ``--slo``; a value that ends in .toml names a file. Raises InputError."""
    found: list[Goal] = []
    for text in given or ():
        found += read(Path(text), mode) if text.endswith(".toml") else goals_for(mode, text)
    return goals(found)


def ladder(found: Sequence[Goal], min_good: float | None) -> tuple[Objective, float | None]:
    """The objective of ``steps``: one percentile, the errors allowed, and the rate that must be reached."""
    quantiles = [goal for goal in found if goal.q is not None]
    if len(quantiles) != 1:
        raise InputError("steps needs one percentile as its objective, such as --slo p95=50ms")
    by_metric = {goal.metric: goal.limit for goal in found}
    if min_good is not None and "errors" in by_metric:
        raise InputError("--min-good and errors= say the same; give one of them")
    errors = by_metric.get("errors", None if min_good is None else 1 - min_good)
    q, seconds = quantiles[0].q, quantiles[0].limit
    assert q is not None
    return Objective(q=q, seconds=seconds, errors=errors), by_metric.get("rate")
