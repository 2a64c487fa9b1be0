"""Several sides measured in turns, as tables. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from aembed.bench import units
from aembed.bench.model.versus import PairOfSides, Versus
from aembed.bench.report.tables import Table, table

WANTED = 0.1
"""Relative difference that a comparison should find."""


def versus(v: Versus) -> Iterator[Table]:
    rows = [
        (
            str(s.rank),
            s.name,
            units.optional(s.p50, units.seconds, units.BEYOND),
            units.optional(s.p95, units.seconds, units.BEYOND),
            units.rate(s.good_rate),
            units.share(s.errors),
            units.optional(s.texts_rate, units.rate, "-"),
            units.optional(s.cost_per_million, lambda dollars: f"${units.digits(dollars)}", "-"),
        )
        for s in v.standings
    ]
    columns = ("rank", "what", "p50", "p95", "good", "errors", "texts", "per million tokens")
    known = [place for place, cells in enumerate(zip(*rows, strict=True)) if set(cells) != {"-"}]
    yield table(
        "Side by side",
        tuple(columns[place] for place in known),
        *(tuple(row[place] for place in known) for row in rows),
        note=f"ranks by {v.by}; equal ranks are tied. {v.rounds} rounds of {units.seconds(v.block_s)} for each, in "
        "turns, with the same requests",
    )
    pairs = [
        (f"{pair.second} against {pair.first}", units.estimate(pair.change, units.change), _tied(pair))
        for pair in v.pairs
    ]
    yield table("Differences", ("pair", f"{v.by} (interval)", "decision"), *pairs, note=_power(v))


def _power(v: Versus) -> str:
    """The smallest difference that would be seen, and the time that a tenth needs where it would not."""
    if v.detectable is None:
        return units.NOT_MEASURED
    seen = f"all intervals hold in 97 of 100 runs; a difference of {units.change(v.detectable)} would be seen in 4 of 5"
    if v.detectable <= WANTED:
        return seen
    seconds = v.rounds * v.block_s * (v.detectable / WANTED) ** 2
    return f"{seen}: too few requests to see {units.change(WANTED)}, which takes about {seconds:,.0f} s for each"


def _tied(pair: PairOfSides) -> str:
    if pair.order in {"tied", "not judged"}:
        return pair.order
    return f"{pair.first if pair.order == 'faster' else pair.second} is faster"


def standings(v: Versus) -> str:
    """Such as "a is the fastest by p50: 12.1 ms; b and c are tied"."""
    best = [standing for standing in v.standings if standing.rank == 1]
    first = units.optional(best[0].p50, units.seconds, units.BEYOND)
    if len(best) == 1:
        return f"{best[0].name} is the fastest by {v.by}: p50 {first}"
    return f"{' and '.join(standing.name for standing in best)} are tied by {v.by}: p50 about {first}"
