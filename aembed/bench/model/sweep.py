"""A grid of loads and parameters: throughput against latency, and the cells that no other cell surely beats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from aembed.bench.model.estimates import Estimate, Percentile
from aembed.bench.model.objectives import Goal, ObjectiveState

Scalar: TypeAlias = str | int | float | bool | None
CellState: TypeAlias = Literal["front", "beaten", "failed", "invalid", "not measured"]
"""``failed``: too many requests had no good answer. ``invalid``: the machine disturbed too many of its blocks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepCell:
    """One combination of values. Without figures if it was not measured."""

    parameters: Mapping[str, Scalar]
    state: CellState
    undecided: bool = False
    """On the front, and a longer run may show that another cell beats it."""
    beaten_by: Mapping[str, Scalar] | None = None
    """A cell that surely beats it."""
    blocks: int
    """Blocks that were measured without disturbance."""
    requests: int = 0
    throughput: Estimate | None = None
    """Texts, requests or other items per second."""
    latency: Percentile | None = None
    errors: float = 0.0
    """Share of requests without a good answer."""
    objective: ObjectiveState | None = None
    """``None`` without an objective for a percentile."""
    reason: str = ""
    """Reason why the cell has no figures, or why they may not be believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """All cells, measured in blocks of random order."""

    over: Mapping[str, tuple[Scalar, ...]]
    items: str
    """Unit of the throughput: "texts", "requests", or the parameter that says how many items a request has."""
    q: float
    """The percentile of the response time that is compared."""
    goal: Goal | None
    cells: tuple[SweepCell, ...]
    """The highest throughput first."""
    best: int | None
    """Place in ``cells`` of the highest throughput that surely meets the objective."""
    block_s: float
    margin: float
    """Relative difference that counts: a cell is not on the front for less."""
