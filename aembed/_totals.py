"""Counters of a factory's embedders, those of closed ones included."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import NamedTuple, TypeAlias

from aembed._embedder import Embedder
from aembed._statistics import EmbedderStatistics

EmbedderKey: TypeAlias = tuple[str, str, str, str]
"""Embedder, provider, model, account."""

COUNTERS = [each.name for each in fields(EmbedderStatistics) if each.type == "int"]


class Named(NamedTuple):
    """An open embedder, the name it was opened with, and the digest of its account."""

    embedder: Embedder
    name: str
    account: str


class Counted(NamedTuple):
    """One moment: counters of closed embedders, and the open ones."""

    closed: tuple[EmbedderStatistics, ...]
    still_open: tuple[Named, ...]


class EmbedderTotals:
    """Any thread may ask while embedders open and close: each change replaces the whole, so none counts twice."""

    def __init__(self) -> None:
        self._now = Counted((), ())

    def opened(self, embedder: Embedder, name: str, account: str) -> None:
        self._now = self._now._replace(still_open=(*self._now.still_open, Named(embedder, name, account)))

    def closed(self, embedder: Embedder) -> None:
        ended = [replace(_counters(each), is_open=False) for each in self._now.still_open if each.embedder is embedder]
        others = tuple(each for each in self._now.still_open if each.embedder is not embedder)
        self._now = Counted(_by_name([*self._now.closed, *ended]), others)

    def statistics(self) -> tuple[EmbedderStatistics, ...]:
        """Embedders that differ in nothing that a metric could show are added up."""
        now = self._now
        return _by_name([*now.closed, *map(_counters, now.still_open)])


def _counters(opened: Named) -> EmbedderStatistics:
    spec, counted = opened.embedder.spec, opened.embedder.statistics()
    counters = {counter: getattr(counted, counter) for counter in COUNTERS}
    return EmbedderStatistics(
        embedder=opened.name,
        provider=spec.provider,
        model=spec.name,
        account=opened.account,
        is_open=True,
        cost=spec.cost(counted.tokens),
        **counters,
    )


def _by_name(counted: Iterable[EmbedderStatistics]) -> tuple[EmbedderStatistics, ...]:
    totals: dict[EmbedderKey, EmbedderStatistics] = {}
    for each in counted:
        key = each.embedder, each.provider, each.model, each.account
        totals[key] = _added(totals[key], each) if key in totals else each
    return tuple(totals.values())


def _added(first: EmbedderStatistics, second: EmbedderStatistics) -> EmbedderStatistics:
    counters = {counter: getattr(first, counter) + getattr(second, counter) for counter in COUNTERS}
    known = [each.cost for each in (first, second) if each.cost is not None]
    cost = sum(known) if known else None
    return replace(first, is_open=first.is_open or second.is_open, cost=cost, **counters)
