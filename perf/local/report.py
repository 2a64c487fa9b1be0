"""Medians with their ranges, and what each rival takes relative to aembed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

import numpy as np

from perf.local.workloads import UNITS

OURS = "aembed"
Figures = Mapping[str, Sequence[float]]
"""Name of the figure -> its value in each round."""
_RULE = "|---" * (len(UNITS) + 1) + "|"


def table(results: Mapping[str, Figures]) -> str:
    """A row per candidate: median (lowest-highest)."""
    lines = [
        "| | " + " | ".join(f"{name}, {unit}" for name, unit in UNITS.items()) + " |",
        "|---" * (len(UNITS) + 1) + "|",
    ]
    for candidate, figures in results.items():
        cells = [f"{median(figures[name]):.4g} ({min(figures[name]):.4g}-{max(figures[name]):.4g})" for name in UNITS]
        lines.append(_row(candidate, cells))
    return "\n".join(lines)


def ratios(results: Mapping[str, Figures], *, best: bool) -> str:
    """Ratios in aembed's favour, figure by figure.

    Within each round, the median of the rounds; or best round against best round, which is what other programs on the
    machine disturbed least.
    """
    ours = results[OURS]
    lines = [_row(f"aembed is better than ({'best rounds' if best else 'median'})", list(UNITS)), _RULE]
    for candidate, figures in results.items():
        if candidate != OURS:
            cells = [f"{_better(ours[name], figures[name], unit, best=best):.2f}x" for name, unit in UNITS.items()]
            lines.append(_row(candidate, cells))
    return "\n".join(lines)


def agreement(samples: Mapping[str, Sequence[Sequence[float]]]) -> dict[str, float]:
    """The lowest cosine between a candidate's vectors and aembed's, over the sample texts."""
    ours = np.asarray(samples[OURS])
    return {name: float((np.asarray(rows) * ours).sum(axis=1).min()) for name, rows in samples.items()}


def _row(head: str, cells: Sequence[str]) -> str:
    return f"| {' | '.join([head, *cells])} |"


def _better(ours: Sequence[float], theirs: Sequence[float], unit: str, *, best: bool) -> float:
    if unit != "texts/s":  # a time: less is better
        ours, theirs = [1 / value for value in ours], [1 / value for value in theirs]
    if best:
        return max(ours) / max(theirs)
    return median(a / b for a, b in zip(ours, theirs, strict=True))
