"""Limits that the server keeps to itself are found, and estimates of tokens are put right."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from aembed import Limits, QuotaHints, RateLimitError, Reply
from aembed._gate import Gate, Permit
from aembed._gate.learner import Learner
from aembed._gate.resource import Resource
from aembed._gate.tokens import FIRST_GUESS, MOST, TokenRatio
from aembed.testing.quotas import Quota, QuotaKeeper
from tests.gate.visits import REPLY, enter


async def work(gate: Gate, keeper: QuotaKeeper, requests: int, *, tells: bool = False) -> int:
    """So many successes against a strict server that answers after a tenth of a second. The number of refusals."""
    loop = asyncio.get_running_loop()
    refused = 0

    async def one() -> None:
        nonlocal refused
        first = False
        while True:
            permit = Permit("document")
            await enter(gate, permit, first=first)
            await anyio.sleep(0.05)
            wait = keeper.take(loop.time())
            await anyio.sleep(0.05)
            if not wait:
                gate.leave(permit, REPLY)
                return
            refused += 1
            gate.leave(permit, error=RateLimitError("too fast", retry_after=wait if tells else None))
            first = True

    async with anyio.create_task_group() as tasks:
        for _ in range(requests):
            tasks.start_soon(one)
    return refused


@pytest.mark.virtual_time
@pytest.mark.parametrize("tells", [False, True])
async def test_a_hidden_bucket_is_found_and_used(tells: bool) -> None:
    gate = Gate(16, Limits())
    refused = await work(gate, QuotaKeeper(Quota.per_minute(requests=600)), 2400, tells=tells)
    least = (2400 - 600) / 10
    assert asyncio.get_running_loop().time() <= least / 0.95
    assert refused <= 0.05 * 2400
    assert gate.account.quotas.requests.rule == "bucket"


@pytest.mark.virtual_time
@pytest.mark.parametrize("tells", [False, True])
async def test_a_hidden_window_is_found_and_used(tells: bool) -> None:
    gate = Gate(16, Limits())
    refused = await work(gate, QuotaKeeper(Quota.per_minute(requests=600, algorithm="sliding")), 2401, tells=tells)
    assert asyncio.get_running_loop().time() <= 240 / 0.95
    assert refused <= 0.1 * 2400
    assert gate.account.quotas.requests.rule == "window"


@pytest.mark.virtual_time
async def test_a_limit_that_is_raised_is_found() -> None:
    gate = Gate(16, Limits())
    await work(gate, QuotaKeeper(Quota.per_minute(requests=600)), 1200)
    started = asyncio.get_running_loop().time()
    await work(gate, QuotaKeeper(Quota.per_minute(requests=1200, span=1)), 6000)
    assert asyncio.get_running_loop().time() - started <= (6000 / 20) / 0.7


@pytest.mark.virtual_time
async def test_a_rest_between_two_refusals_does_not_look_like_a_slow_server() -> None:
    gate = Gate(16, Limits())
    await work(gate, QuotaKeeper(Quota.per_minute(requests=600, span=1)), 300)
    limit = gate.account.quotas.requests.limit
    await anyio.sleep(3600)
    await work(gate, QuotaKeeper(Quota.per_minute(requests=600, span=1)), 20)
    assert limit is not None
    assert (gate.account.quotas.requests.limit or 0) >= 0.5 * limit


def test_one_slow_moment_leaves_most_of_what_was_measured_also_if_it_turns_from_requests_to_tokens() -> None:
    requests, tokens = Resource(), Resource()
    learner = Learner(requests, tokens)

    def refused_after(times: list[float], size: float) -> None:
        for at in times:
            entries = requests.commit(at, 1.0), tokens.commit(at, size)
            learner.sent(entries, at)
        learner.refused(entries, times[-1], None)

    refused_after([0.1 * n for n in range(100)], 100.0)
    refused_after([10 + 0.1 * n for n in range(100)], 100.0)  # ten a second
    assert requests.limit == pytest.approx(600, rel=0.05)
    refused_after([20.0, 20.2, 22.0], 300.0)
    assert requests.limit is None
    assert tokens.limit is not None
    assert tokens.limit >= 0.75 * 60_000


def test_tokens_in_a_character_are_learnt_from_usage() -> None:
    ratio = TokenRatio()
    assert ratio.value == FIRST_GUESS
    ratio.answered(100, 100)
    assert ratio.value == 1.0
    for _ in range(60):
        ratio.answered(50, 100)
    assert ratio.value == pytest.approx(0.5, rel=0.05)
    ratio.refused()
    assert ratio.value == pytest.approx(0.5, rel=0.05)


def test_without_usage_refusals_make_the_guess_dearer_and_answers_cheaper_again() -> None:
    ratio = TokenRatio()
    ratio.refused()
    assert ratio.value > FIRST_GUESS
    for _ in range(1000):
        ratio.answered(None, 100)
    assert ratio.value == FIRST_GUESS
    for _ in range(100):
        ratio.refused()
    assert ratio.value == MOST


def test_a_usage_of_zero_is_no_usage() -> None:
    ratio = TokenRatio()
    ratio.answered(0, 100)
    assert ratio.value == FIRST_GUESS


async def test_who_came_before_a_quota_of_tokens_was_known_is_counted_when_it_goes() -> None:
    gate = Gate(1, Limits())
    inside, waits = gate.permit("document", ["x" * 400]), gate.permit("document", ["x" * 400])
    assert gate.try_enter(inside)
    waiting = asyncio.create_task(enter(gate, waits))
    await anyio.wait_all_tasks_blocked()
    hints = QuotaHints(limit_tokens=1000.0, remaining_tokens=900.0, reset_tokens=6.0)
    gate.leave(inside, Reply(REPLY.vectors, 100, hints))
    await waiting
    assert gate.account.quotas.tokens.used == pytest.approx(200.0)
    gate.leave(waits, REPLY)
