"""Pure: which pieces go through the encoder together."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

RUN_TOKENS = 384
"""Tokens of one run, padding included. Beyond it the activations leave the cache: see ``perf/local/README.md``."""

RUN_OVERHEAD = 24
"""A run costs as much as so many tokens, whatever is in it, because it reads all weights: padding may cost as much."""


def plan_runs(lengths: Sequence[int]) -> list[list[int]]:
    """Positions of the pieces of each run, longest runs first. Pieces of a run are of nearly equal length."""
    runs: list[list[int]] = []
    run: list[int] = []
    padding = 0
    for position in sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True):
        longest = lengths[run[0]] if run else 0
        more = longest - lengths[position]
        if not run or (len(run) + 1) * longest > RUN_TOKENS or padding + more > RUN_OVERHEAD:
            run, padding, more = [], 0, 0
            runs.append(run)
        run.append(position)
        padding += more
    return runs
