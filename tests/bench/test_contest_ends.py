"""When a comparison has seen enough, and how its pairs are put together."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from aembed import EventLoopError
from aembed.bench.compare.changes import USUAL, Finding, Rule
from aembed.bench.compare.contest import Contest, ab
from aembed.bench.compare.interleave import Pair
from aembed.bench.model.estimates import Estimate
from aembed.bench.subject import SubjectError

ROOM = sys.modules["aembed.bench.compare.contest"]


class Judge:
    """Scripted pairs and verdicts, in place of measurements."""

    def __init__(self) -> None:
        self.clear_from = 0
        self.busy = [True]
        self.fails: set[str] = set()
        self.seeds: list[int] = []
        self.alphas: set[float] = set()
        self.logarithms: list[float] = []

    async def measure_pair(self, before: Any, after: Any, seed: int) -> Pair:
        if before in self.fails:
            raise SubjectError("it broke")
        self.seeds.append(seed)
        busy = self.busy[seed % len(self.busy)]
        return Pair(before=1.0 + seed, after=2.0 + seed, wall=0.5, cpu=0.25, busy=busy)

    def judge_pairs(self, logarithms: list[float], rule: Rule) -> tuple[Estimate, Finding, float, float]:
        self.alphas.add(rule.alpha)
        self.logarithms = logarithms
        finding: Finding = "same" if len(logarithms) >= self.clear_from else "inconclusive"
        return Estimate(value=0.0), finding, 0.5, 0.01


class Side(str):
    """A version, by its label."""

    __slots__ = ()
    label = "side"


def contest(name: str = "operation") -> Contest:
    side: Any = Side(name)
    return Contest(name=name, before=side, after=side)


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Judge:
    made = Judge()
    monkeypatch.setattr(ROOM, "measure_pair", made.measure_pair)
    monkeypatch.setattr(ROOM, "judge_pairs", made.judge_pairs)
    return made


@pytest.mark.parametrize(("clear_from", "pairs"), [(0, 6), (6, 6), (7, 8), (8, 8), (29, 30), (99, 30)])
async def test_it_ends_when_it_is_clear_after_an_even_number_of_pairs(
    judge: Judge, clear_from: int, pairs: int
) -> None:
    """Each side begins half of them; 6 at least and 30 at most."""
    judge.clear_from = clear_from
    seen: list[int | None] = []
    result = await ab([contest()], progress=lambda change: seen.append(change.pairs))
    (change,) = result.changes
    assert (change.pairs, change.finding) == (pairs, "same" if clear_from <= 30 else "inconclusive")
    assert judge.seeds == list(range(pairs))
    assert seen == list(range(2, pairs + 1))
    assert (result.interrupted, result.notes, result.unjudged) == (False, (), ())


async def test_it_ends_once_more_than_its_budget_is_spent(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    judge.clear_from = 99
    for spent, pairs in ((60.0, 30), (60.1, 6)):
        clock = iter([0.0, *[spent] * 40])
        monkeypatch.setattr(ROOM, "time", SimpleNamespace(perf_counter=clock.__next__))
        (change,) = (await ab([contest()], budget=60.0)).changes
        assert change.pairs == pairs


def test_a_comparison_needs_asyncio() -> None:
    with pytest.raises(EventLoopError):
        ab([contest()]).send(None)


async def test_the_budget_ends_it_as_soon_as_pairs_are_enough(judge: Judge) -> None:
    judge.clear_from = 99
    (change,) = (await ab([contest()], budget=0.0)).changes
    assert change.pairs == 6
    (change,) = (await ab([contest()], budget=3600.0)).changes
    assert change.pairs == 30


@pytest.mark.parametrize(
    ("busy", "metric", "logarithm"), [([True], "CPU time", 0.25), ([False], "time", 0.5), ([True, False], "time", 0.5)]
)
async def test_processor_time_is_compared_where_no_pair_waited(
    judge: Judge, busy: list[bool], metric: str, logarithm: float
) -> None:
    judge.busy = busy
    (change,) = (await ab([contest()])).changes
    assert (change.metric, change.unit, judge.logarithms) == (metric, "s", [logarithm] * 6)
    assert (change.before, change.after) == (3.5, 4.5)  # the medians of six
    assert change.detectable == 0.01


async def test_several_benchmarks_share_the_risk_of_a_false_alarm(judge: Judge) -> None:
    await ab([contest(name) for name in "abcd"])
    assert judge.alphas == {USUAL.alpha / 4}


async def test_one_that_fails_keeps_the_others_from_nothing(judge: Judge) -> None:
    judge.fails = {"b"}
    result = await ab([contest(name) for name in "abc"])
    assert [change.name for change in result.changes] == ["a", "c"]
    assert result.unjudged == ("b: it broke",)
