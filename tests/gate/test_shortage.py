"""Requests or tokens: of which the server is short is found where texts get longer or shorter."""

from __future__ import annotations

import asyncio

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed import InputError, Limits, RateLimitError
from aembed._gate import Gate, Permit
from aembed._gate.resource import Resource
from aembed._gate.shortage import Shortage
from aembed.testing import Quota, QuotaKeeper
from aembed.testing.quotas import Algorithm
from tests.gate.visits import REPLY, enter, limited


async def work(gate: Gate, keeper: QuotaKeeper, sizes: list[float]) -> None:
    """One request of so many tokens each, all at once, until all are answered; the server tells nothing."""
    loop = asyncio.get_running_loop()

    async def one(tokens: float) -> None:
        refused = False
        while True:
            permit = Permit("document", 0, tokens)
            await enter(gate, permit, first=refused)
            await anyio.sleep(0.05)
            refused = keeper.take(loop.time(), 1, tokens) > 0
            await anyio.sleep(0.05)
            if not refused:
                gate.leave(permit, REPLY)
                return
            gate.leave(permit, error=RateLimitError("too fast"))

    async with anyio.create_task_group() as tasks:
        for tokens in sizes:
            tasks.start_soon(one, tokens)


MIXED = [100.0] * 600 + [300.0] * 200 + [100.0] * 600 + [300.0] * 200
"""240,000 tokens."""


@pytest.mark.virtual_time
@pytest.mark.parametrize(("algorithm", "share"), [("bucket", 0.95), ("sliding", 0.85)])
async def test_a_hidden_quota_of_tokens_is_found_where_texts_change(algorithm: Algorithm, share: float) -> None:
    gate = Gate(16, Limits())
    await work(gate, QuotaKeeper(Quota.per_minute(tokens=30_000, algorithm=algorithm)), MIXED)
    assert gate.account.quotas.requests.limit is None
    assert asyncio.get_running_loop().time() <= (240_000 - 30_000) / 500 / share
    assert gate.account.quotas.tokens.limit == pytest.approx(30_000, rel=0.3)


@pytest.mark.virtual_time
async def test_one_of_requests_stays_one_of_requests() -> None:
    gate = Gate(16, Limits())
    await work(gate, QuotaKeeper(Quota.per_minute(requests=600)), MIXED)
    assert gate.account.quotas.tokens.limit is None
    assert asyncio.get_running_loop().time() <= 100 / 0.95


@pytest.mark.virtual_time
async def test_a_guessed_quota_refuses_no_text_as_too_large() -> None:
    gate = Gate(16, Limits())
    await work(gate, QuotaKeeper(Quota.per_minute(tokens=30_000)), MIXED)
    huge = Permit("document", 0, 100_000.0)
    assert gate.account.quotas.tokens.capacity < huge.tokens
    await enter(gate, huge)
    gate.leave(huge, REPLY)


@pytest.mark.virtual_time
async def test_but_what_the_user_allows_stays_the_most() -> None:
    gate = Gate(16, limited(tokens=60_000.0))
    await work(gate, QuotaKeeper(Quota.per_minute(tokens=30_000)), MIXED)
    assert gate.account.quotas.tokens.guessed
    with pytest.raises(InputError, match="more than the"):
        gate.try_enter(Permit("document", 0, 60_001.0))


pairs = st.tuples(st.floats(1, 1e6), st.floats(1, 1e6))


@given(st.lists(pairs, max_size=10))
def test_what_is_told_is_never_held_to_be_short(amounts: list[tuple[float, float]]) -> None:
    requests, tokens = Resource(), Resource()
    shortage = Shortage(requests, tokens)
    requests.told = True
    for pair in amounts:
        shortage.weigh("bucket", pair)
        assert shortage.of is tokens
    tokens.told = True
    assert shortage.of.told


def test_texts_that_stay_alike_say_nothing() -> None:
    shortage = Shortage(Resource(), Resource())
    for factor in (1.0, 0.7, 1.3, 1.0, 2.0):
        shortage.weigh("bucket", (10 * factor, 400 * factor))
    assert shortage.which == 0


def test_one_odd_measurement_is_outweighed() -> None:
    shortage = Shortage(Resource(), Resource())
    for pair in [(10, 400), (10, 800), (10, 400), (5, 400), (10, 400), (10, 800)]:
        shortage.weigh("bucket", (float(pair[0]), float(pair[1])))
    assert shortage.which == 0


SHORTER = [300.0] * 150 + [100.0] * 900
"""135,000 tokens."""


@pytest.mark.virtual_time
async def test_tokens_are_tried_as_soon_as_shorter_texts_leave_them_unused() -> None:
    gate = Gate(16, Limits())
    await work(gate, QuotaKeeper(Quota.per_minute(tokens=30_000, algorithm="sliding")), SHORTER)
    assert asyncio.get_running_loop().time() <= 4.2 * 60, "four windows and a half"
    assert gate.account.quotas.requests.limit is None


@pytest.mark.virtual_time
async def test_and_given_up_at_the_next_refusal_where_it_was_requests_after_all() -> None:
    gate = Gate(16, Limits())
    await work(gate, QuotaKeeper(Quota.per_minute(requests=100, algorithm="sliding")), SHORTER)
    assert asyncio.get_running_loop().time() <= 10.5 * 60, "ten windows and a half"
    assert gate.account.quotas.tokens.limit is None
    assert gate.account.quotas.requests.limit == pytest.approx(100, rel=0.05)


def test_the_other_is_tried_only_where_the_first_is_used_up_and_it_is_not() -> None:
    requests, tokens = Resource(), Resource()
    shortage = Shortage(requests, tokens)
    shortage.weigh("window", (100.0, 30_000.0))
    requests.commit(0.0, 80.0)
    tokens.commit(0.0, 8_000.0)
    assert shortage.try_other() is None
    requests.commit(0.0, 20.0)
    assert shortage.try_other() == 30_000.0
    assert shortage.of is tokens
    assert shortage.try_other() is None, "tokens are not used up"
    tokens.commit(0.0, 22_000.0)
    assert shortage.try_other() is None, "requests are too"
