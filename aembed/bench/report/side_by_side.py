"""Several sides measured in turns, as tables. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from aembed.bench import units
from aembed.bench.model.versus import PairOfSides, Versus
from aembed.bench.report.tables import Table, table


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
    yield table(
        "Side by side",
        columns,
        *rows,
        note=f"ranks by {v.by}; equal ranks are tied. {v.rounds} rounds of {units.seconds(v.block_s)} for each, in "
        "turns, with the same requests",
    )
    pairs = [
        (f"{pair.second} against {pair.first}", units.estimate(pair.change, units.change), _tied(pair))
        for pair in v.pairs
    ]
    smallest = units.optional(v.detectable, lambda share: f"a difference of {units.change(share)} would be seen")
    yield table("Differences", ("pair", f"{v.by} (95 % interval)", "decision"), *pairs, note=smallest)


def _tied(pair: PairOfSides) -> str:
    if pair.order == "tied":
        return "tied"
    return f"{pair.first if pair.order == 'faster' else pair.second} is faster"


def standings(v: Versus) -> str:
    """Such as "a is the fastest by p50: 12.1 ms; b and c are tied"."""
    best = [standing for standing in v.standings if standing.rank == 1]
    first = units.optional(best[0].p50, units.seconds, units.BEYOND)
    if len(best) == 1:
        return f"{best[0].name} is the fastest by {v.by}: p50 {first}"
    return f"{' and '.join(standing.name for standing in best)} are tied by {v.by}: p50 about {first}"
