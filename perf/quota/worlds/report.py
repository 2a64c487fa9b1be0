"""Distributions over all worlds, the bars, what failures are about, and the worst worlds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from perf.quota.worlds.judge import FEWEST_QUERIES, QUERY_S, Judged
from perf.quota.worlds.outcome import Outcome

WORST = 10
LOW, HIGH = (f"{'least':>8}{'p5':>8}{'median':>8}", f"{'median':>8}{'p95':>8}{'most':>8}")
HEADER = f"{'':12}{'efficiency':^25}{'429s per success':^25}{'query p95 / unloaded':^25}\n{'':12}{LOW} {HIGH} {HIGH}"


@dataclass(frozen=True)
class Bar:
    name: str
    value: float
    least: float = -np.inf
    most: float = np.inf

    @property
    def is_met(self) -> bool:
        return bool(self.least <= self.value <= self.most)

    def __str__(self) -> str:
        wanted = f">= {self.least:g}" if np.isfinite(self.least) else f"<= {self.most:g}"
        return f"  {self.name:62} {self.value:8.4f}  {wanted:8} {'met' if self.is_met else 'MISSED'}"


SITUATION_HEADER = (
    f"{'situation':62} {'efficiency':>17} {'rivals':>11} {'429s':>7} {'requests':>8} {'p95':>7} {'alone':>5}  target"
)


def situation(name: str, judged: Sequence[Judged], missed: Sequence[str]) -> str:
    """One line over all seeds: medians, with the range of the efficiency."""
    outcomes = [each.outcome for each in judged]
    efficiencies = [outcome.efficiency for outcome in outcomes]
    names = judged[0].rivals
    rivals = "/".join(f"{_median([each.rivals[name].efficiency for each in judged]):.2f}" for name in names) or "-"
    alone = [each.unloaded.query_p95 for each in judged if each.unloaded]
    queries = (
        f"{_median([outcome.query_p95 for outcome in outcomes]):7.2f} {_median(alone):5.2f}" if alone else " " * 13
    )
    return (
        f"{name:62} {_median(efficiencies):.3f} ({min(efficiencies):.2f}-{max(efficiencies):.2f}) {rivals:>11}"
        f" {_median([outcome.rejections for outcome in outcomes]):7.4f}"
        f" {_median([outcome.requests for outcome in outcomes]):8.2f} {queries}"
        f"  {'missed: ' + '; '.join(missed) if missed else 'met'}"
    )


def _median(values: Sequence[float]) -> float:
    return float(np.median(values))


def report(judged: Sequence[Judged]) -> str:
    outcomes: dict[str, list[tuple[Judged, Outcome]]] = {"aembed": [(each, each.outcome) for each in judged]}
    for each in judged:
        for name, outcome in each.rivals.items():
            outcomes.setdefault(name, []).append((each, outcome))
    lines = [HEADER]
    for name, pairs in outcomes.items():
        efficiencies = [outcome.efficiency for _, outcome in pairs]
        rejections = [outcome.rejections for _, outcome in pairs]
        ratios = [ratio for each, outcome in pairs if (ratio := each.query_ratio(outcome)) is not None]
        lines.append(
            f"{name:12}{_three(efficiencies, 0, 5, 50)} {_three(rejections, 50, 95, 100)} {_three(ratios, 50, 95, 100)}"
        )
    passed = sum(not each.failures for each in judged)
    lines.append(f"\n{passed} of {len(judged)} worlds pass")
    tally = Counter(failure for each in judged for failure in each.failures)
    lines += [f"  {count:4} {failure}" for failure, count in tally.most_common()]
    wrong = Counter(each.outcome.exception for each in judged if each.outcome.exception)
    lines += [f"  {count:4} {exception}" for exception, count in wrong.most_common()]
    lines.append("\nbars")
    lines += map(str, bars(judged))
    lines.append("\nworst")
    lines += map(line, worst(judged))
    return "\n".join(lines)


def bars(judged: Sequence[Judged]) -> list[Bar]:
    efficiencies = [each.outcome.efficiency for each in judged]
    slower = [each.slower > 0.05 for each in judged if each.slower is not None]
    queried = [each for each in judged if each.unloaded and each.outcome.query_count >= FEWEST_QUERIES]
    prompt = [_is_prompt(each) for each in queried]
    return [
        Bar("exceptions, hangs, worlds with a lost text", sum(map(_is_broken, judged)), most=0),
        Bar("efficiency, median", float(np.median(efficiencies)), least=0.97),
        Bar("efficiency, p5", float(np.percentile(efficiencies, 5)), least=0.85),
        Bar("worlds more than 5 % slower than the better rival, share", _share(slower), most=0.05),
        Bar("worlds with query p95 <= 2x unloaded or 1 s, share", _share(prompt, 1.0), least=0.95),
        Bar("429s per success, median", float(np.median([each.outcome.rejections for each in judged])), most=0.02),
    ]


def worst(judged: Sequence[Judged]) -> list[Judged]:
    """Broken worlds first, then those furthest behind the better rival."""

    def badness(each: Judged) -> tuple[bool, bool, float]:
        behind = each.slower if each.slower is not None else 1 - each.outcome.efficiency
        return _is_broken(each), bool(each.failures), behind

    return sorted(judged, key=badness, reverse=True)[:WORST]


def line(each: Judged) -> str:
    outcome = each.outcome
    slower = "" if each.slower is None else f" slower {each.slower:+.0%}"
    queries = "" if not outcome.query_count else f" query p95 {outcome.query_p95:.1f} s"
    failures = ", ".join(each.failures) or "passes"
    return (
        f"  {each.world.seed:6} {failures}: efficiency {outcome.efficiency:.2f}{slower}"
        f" 429s {outcome.rejections:.2f}{queries} | {each.world.describe()}"
    )


def _is_broken(each: Judged) -> bool:
    return bool(each.outcome.exception or each.outcome.hung or each.outcome.lost)


def _is_prompt(each: Judged) -> bool:
    assert each.unloaded is not None, "the caller looked"
    return each.outcome.query_p95 <= max(2 * each.unloaded.query_p95, QUERY_S)


def _share(flags: Iterable[bool], empty: float = 0.0) -> float:
    values = list(flags)
    return sum(values) / len(values) if values else empty


def _three(values: Sequence[float], *percentiles: float) -> str:
    if not values:
        return f"{'-':>8}" * 3
    return "".join(f"{float(np.percentile(values, each)):8.3f}" for each in percentiles)
