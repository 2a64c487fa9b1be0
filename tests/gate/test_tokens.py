"""Estimates of tokens are put right by what replies report."""

from __future__ import annotations

import asyncio

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed import Limits, QuotaHints, Reply
from aembed._gate import Gate
from aembed._gate.tokens import TOKENS_PER_CHARACTER, TokenRatio
from tests.gate.visits import REPLY, enough, enter, limited


def test_tokens_in_a_character_are_learnt_from_usage() -> None:
    ratio = TokenRatio()
    assert ratio.value == TOKENS_PER_CHARACTER
    ratio.answered(100, 100)
    assert ratio.value == 1.0
    for _ in range(60):
        ratio.answered(50, 100)
    assert ratio.value == pytest.approx(0.5, rel=0.05)


def test_the_whole_tokens_of_many_queries_do_not_change_the_ratio_of_documents() -> None:
    """Ten tokens are reported where 10.8 were counted."""
    ratio = TokenRatio()
    for _ in range(20):
        ratio.answered(1698, 6292)
        for _ in range(20):
            ratio.answered(10, 40)
    assert ratio.value == pytest.approx(1698 / 6292, rel=0.01)


@pytest.mark.parametrize("none", [None, 0, -5])
def test_a_usage_of_nothing_is_no_usage(none: int | None) -> None:
    ratio = TokenRatio()
    ratio.answered(none, 100)
    assert ratio.value == TOKENS_PER_CHARACTER


@given(st.lists(st.tuples(st.integers(1, 10**9), st.integers(1, 10**9)), min_size=1, max_size=50))
def test_the_ratio_stays_within_the_observed_range(replies: list[tuple[int, int]]) -> None:
    ratio = TokenRatio()
    for tokens, characters in replies:
        ratio.answered(tokens, characters)
    seen = [tokens / characters for tokens, characters in replies]
    assert min(seen) * (1 - 1e-9) <= ratio.value <= max(seen) * (1 + 1e-9)


async def test_a_batch_that_came_before_a_quota_of_tokens_was_known_is_counted_when_it_goes() -> None:
    gate = Gate(1, Limits())
    inside, waits = gate.reservation("document", ["x" * 400]), gate.reservation("document", ["x" * 400])
    assert gate.try_enter(inside)
    waiting = asyncio.create_task(enter(gate, waits))
    await anyio.wait_all_tasks_blocked()
    hints = QuotaHints(limit_tokens=1000.0, remaining_tokens=900.0, reset_tokens=6.0)
    gate.leave(inside, Reply(REPLY.vectors, 100, hints))
    await waiting
    assert gate.account.quotas.tokens.window.used == pytest.approx(200.0)
    gate.leave(waits, REPLY)


@pytest.mark.virtual_time
async def test_batches_that_wait_are_estimated_anew_once_the_ratio_is_learnt() -> None:
    """A thousand tokens a minute; each batch is held for a hundred and has four hundred."""
    gate = enough(Gate(8, limited(tokens=1000.0)))
    first = gate.reservation("document", ["x" * 400])
    assert gate.try_enter(first)
    assert first.tokens == 100.0
    blocker = gate.reservation("document", ["x" * 3600])
    others = [gate.reservation("document", ["x" * 400]) for _ in range(2)]
    waiting = [asyncio.create_task(enter(gate, each)) for each in (blocker, *others)]
    await anyio.wait_all_tasks_blocked()
    waiting[0].cancel()
    gate.leave(first, Reply(REPLY.vectors, 400))
    await anyio.sleep(1.0)
    assert [each.sent_at > 0 or task.done() for each, task in zip(others, waiting[1:], strict=True)] == [True, False]
    assert others[0].tokens == pytest.approx(400.0)
    assert gate.account.quotas.tokens.window.used == pytest.approx(800.0)
    gate.leave(others[0], Reply(REPLY.vectors, 400))
    assert await waiting[2] > 60.0
    gate.leave(others[1], Reply(REPLY.vectors, 400))


@pytest.mark.virtual_time
async def test_tokens_beyond_the_estimate_are_counted() -> None:
    gate = enough(Gate(8, limited(tokens=1000.0)))
    one = gate.reservation("document", ["x" * 400])
    assert gate.try_enter(one)
    gate.leave(one, Reply(REPLY.vectors, 900))
    assert not gate.try_enter(gate.reservation("document", ["x" * 400]))
    assert gate.account.quotas.tokens.window.used == pytest.approx(900.0)
