"""A/B comparison: pairs of fresh processes until the answer is clear or the time is up."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from aembed import EventLoopError, InputError
from aembed.bench.compare.changes import USUAL, Change, Comparison, Rule, adjust, judge_pairs
from aembed.bench.compare.interleave import Pair, Side, measure_pair
from aembed.bench.compare.process_side import ProcessSide
from aembed.bench.compare.worktree import worktree
from aembed.bench.discovery import find
from aembed.bench.model.result import Parameter
from aembed.bench.scenario import Case
from aembed.bench.settings import unless
from aembed.bench.subject import SubjectError

FEWEST_PAIRS = 6
MOST_PAIRS = 30
"""Pairs of processes for one case."""
BUDGET = 60.0
"""Seconds after which an unclear comparison is left as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """One benchmark, in two versions."""

    name: str
    before: Side
    after: Side
    parameters: Mapping[str, Parameter] = field(default_factory=dict)


async def ab(
    contests: Sequence[Contest],
    *,
    rule: Rule = USUAL,
    budget: float = BUDGET,
    progress: Callable[[Change], None] | None = None,
    stop: asyncio.Event | None = None,
) -> Comparison:
    """Measure each of ``contests`` in turns of its two sides, and judge them together.

    Each gets 6 to 30 pairs of fresh processes, and about ``budget`` seconds. A side that fails is not judged, and said
    to be so. ``progress`` is called after every pair from the second on, with the state so far. Once ``stop`` is set,
    the pairs made so far are judged, if they are 6 or more.
    """
    if not contests:
        raise InputError("there is nothing to compare; give at least one contest")
    EventLoopError.unless_running("aembed.bench")
    alone = replace(rule, alpha=rule.alpha / len(contests))
    changes, unjudged = [], []
    for contest in contests:
        try:
            change = await _settle(contest, alone, budget, progress, stop)
        except SubjectError as error:
            unjudged.append(f"{contest.name}: {error}")
            continue
        if change is None:
            unjudged.append(f"{contest.name}: interrupted before its first pair of processes was measured")
        else:
            changes.append(change)
    first, interrupted = contests[0], stop is not None and stop.is_set()
    return Comparison(
        before=first.before.label,
        after=first.after.label,
        changes=adjust(changes, rule),
        unjudged=tuple(unjudged),
        notes=("interrupted: these are the results until then",) if interrupted else (),
        interrupted=interrupted,
    )


async def _settle(
    contest: Contest,
    rule: Rule,
    budget: float,
    progress: Callable[[Change], None] | None,
    stop: asyncio.Event | None,
) -> Change | None:
    """Pairs, two more at a time, until the finding is clear."""
    pairs: list[Pair] = []
    end = time.perf_counter() + budget
    while (pair := await unless(stop, measure_pair(contest.before, contest.after, seed=len(pairs)))) is not None:
        pairs.append(pair)
        n = len(pairs)
        change = _change(contest, pairs, rule)
        if progress is not None and n > 1:
            progress(change)
        clear = change.finding != "inconclusive" and n % 2 == 0
        if n >= FEWEST_PAIRS and (clear or n >= MOST_PAIRS or time.perf_counter() > end):
            return change
    if not pairs:
        return None
    change = _change(contest, pairs, rule)
    if len(pairs) >= FEWEST_PAIRS:
        return change
    return replace(change, finding="inconclusive", note=f"fewer than {FEWEST_PAIRS} pairs say too little")


def _change(contest: Contest, pairs: Sequence[Pair], rule: Rule) -> Change:
    busy = all(pair.busy for pair in pairs)
    change, finding, p_value, detectable = judge_pairs([pair.cpu if busy else pair.wall for pair in pairs], rule)
    return Change(
        name=contest.name,
        parameters=contest.parameters,
        metric="CPU time" if busy else "time",
        unit="s",
        before=statistics.median(pair.before for pair in pairs),
        after=statistics.median(pair.after for pair in pairs),
        change=change,
        finding=finding,
        p_value=p_value,
        pairs=len(pairs),
        detectable=detectable,
    )


async def ab_revision(
    target: str,
    base: str,
    *,
    rule: Rule = USUAL,
    budget: float = BUDGET,
    loop: str | None = None,
    progress: Callable[[Change], None] | None = None,
    stop: asyncio.Event | None = None,
) -> Comparison:
    """The scenarios of ``target`` in the git tree around the working directory, against revision ``base`` of it.

    Both sides run the same scenarios with the same runner; only the packages of the tree differ. Raises InputError if
    there is no such revision, or no scenario.
    """
    cases = await asyncio.to_thread(lambda: [case for scenario in find(target) for case in scenario.cases()])
    with worktree(base) as (there, here):
        contests = [_against(case, base, str(there), str(here), loop) for case in cases]
        return await ab(contests, rule=rule, budget=budget, progress=progress, stop=stop)


def _against(case: Case, base: str, there: str, here: str, loop: str | None) -> Contest:
    def side(label: str, tree: str) -> ProcessSide:
        usual = ProcessSide(label=label, target=case.scenario.target, parameters=case.parameters, tree=tree)
        return replace(usual, loop=loop) if loop else usual

    return Contest(
        name=case.scenario.name,
        parameters=case.parameters,
        before=side(base, there),
        after=side("working tree", here),
    )
