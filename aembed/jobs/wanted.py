"""Arguments of a job, besides input, outputs and model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aembed.jobs.record import Dtype


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateOptions:
    """The options of one call. None of them changes a float32 vector."""

    vector_column: str = "vector"
    dtype: Dtype = "float32"
    update: bool = False
    keep: bool = False
    """Keep rows of the output that the input no longer has."""
    force: bool = False
    retry: bool = False
    """Embed the rows that an output rejected, and take over all others."""
    max_cost: float | None = None
    cache_limit: int | None = None
    source: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Options to read the input again."""
