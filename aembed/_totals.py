"""Counters of a factory's embedders, those of closed ones included."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import TypeAlias

from aembed._embedder import Embedder
from aembed._events import EmbedderStatistics

Key: TypeAlias = tuple[str, str, str, str]
"""Embedder, provider, model, account."""

COUNTERS = [each.name for each in fields(EmbedderStatistics) if each.type == "int"]


def of_embedder(embedder: Embedder, name: str, account: str) -> EmbedderStatistics:
    """Its counters since it was made."""
    spec, counted = embedder.spec, embedder.statistics()
    counters = {counter: getattr(counted, counter) for counter in COUNTERS}
    return EmbedderStatistics(
        embedder=name,
        provider=spec.provider,
        model=spec.name,
        account=account,
        is_open=True,
        cost=spec.cost(counted.tokens),
        **counters,
    )


def by_name(counted: Iterable[EmbedderStatistics]) -> dict[Key, EmbedderStatistics]:
    """Embedders that differ in nothing that a metric could show, added up."""
    totals: dict[Key, EmbedderStatistics] = {}
    for each in counted:
        key = each.embedder, each.provider, each.model, each.account
        totals[key] = _added(totals[key], each) if key in totals else each
    return totals


def _added(first: EmbedderStatistics, second: EmbedderStatistics) -> EmbedderStatistics:
    counters = {counter: getattr(first, counter) + getattr(second, counter) for counter in COUNTERS}
    known = [each.cost for each in (first, second) if each.cost is not None]
    cost = sum(known) if known else None
    return replace(first, is_open=first.is_open or second.is_open, cost=cost, **counters)
