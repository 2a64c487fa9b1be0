"""When to try again, and how long to wait before."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aembed import BatchTooLargeError, Limits, OverloadedError, ProviderError, RateLimitError, ReplyError, RetryPolicy
from aembed._engine.retry import MAX_UNUSABLE_REPLIES, REJECTIONS_BEFORE_SPLIT, Retry, next_delay
from aembed._gate.account import Account

jitters = st.floats(0, 1, exclude_max=True)
policies = st.builds(
    RetryPolicy,
    max_attempts=st.integers(1, 10_000),
    initial_delay=st.floats(1e-6, 1e6),
    max_delay=st.floats(1e-6, 1e6),
    max_retry_after=st.floats(1e-6, 1e6),
)


@given(policies, st.integers(1, 10_000), jitters)
def test_delays_stay_between_zero_and_the_doubled_and_capped(policy: RetryPolicy, attempt: int, jitter: float) -> None:
    delay = next_delay(policy, attempt, OverloadedError("busy"), jitter)
    if attempt >= policy.max_attempts:
        assert delay is None
    else:
        assert delay is not None
        assert 0 < delay <= policy.max_delay
        assert delay <= policy.initial_delay * 2 ** min(attempt - 1, 900)


@pytest.mark.parametrize(("attempt", "ceiling"), [(1, 0.5), (2, 1.0), (3, 2.0), (4, 3.0), (5, 3.0)])
def test_without_jitter_delays_double_up_to_the_cap(attempt: int, ceiling: float) -> None:
    policy = RetryPolicy(max_attempts=9, initial_delay=0.5, max_delay=3.0)
    assert next_delay(policy, attempt, OverloadedError("busy"), 0.0) == ceiling


def test_the_last_attempt_is_the_last() -> None:
    policy = RetryPolicy(max_attempts=3)
    delays = [next_delay(policy, attempt, OverloadedError("busy"), 0.5) for attempt in (1, 2, 3)]
    assert [delay is None for delay in delays] == [False, False, True]


def test_final_errors_are_not_retried() -> None:
    assert next_delay(RetryPolicy(), 1, ProviderError("no"), 0.5) is None
    assert next_delay(RetryPolicy(), 1, OverloadedError("no", retryable=False), 0.5) is None


def test_an_unusable_reply_is_asked_for_twice_at_most() -> None:
    policy = RetryPolicy(max_attempts=100)
    assert next_delay(policy, MAX_UNUSABLE_REPLIES - 1, ReplyError("NaN"), 0.5) is not None
    assert next_delay(policy, MAX_UNUSABLE_REPLIES, ReplyError("NaN"), 0.5) is None
    assert next_delay(RetryPolicy(max_attempts=1), 1, ReplyError("NaN"), 0.5) is None


@given(st.floats(0, 120), jitters)
@example(120.0, 0.5)
def test_retry_after_is_obeyed_to_the_letter(after: float, jitter: float) -> None:
    assert next_delay(RetryPolicy(), 1, OverloadedError("busy", retry_after=after), jitter) == after


@given(st.none() | st.floats(0, 120))
@example(120.0)
def test_a_429_is_no_attempt_and_the_gate_waits(after: float | None) -> None:
    retry = Retry(RetryPolicy(max_attempts=2), Account(1, Limits(), adaptive=False, per_input=False), texts=1)
    for _ in range(20):
        retry.begin()
        assert retry.after(RateLimitError("slow down", retry_after=after)) == 0.0
        assert retry.goes_first


def test_a_batch_that_keeps_getting_429_while_others_succeed_is_split() -> None:
    account = Account(1, Limits(), adaptive=False, per_input=False)
    retry = Retry(RetryPolicy(), account, texts=2)

    def reject() -> None:
        retry.begin()
        account.successes += 1
        retry.after(RateLimitError("slow down"))

    for _ in range(REJECTIONS_BEFORE_SPLIT - 1):
        reject()
    with pytest.raises(BatchTooLargeError):
        reject()
    assert retry.attempts == REJECTIONS_BEFORE_SPLIT


@pytest.mark.parametrize("after", [120.001, 1e9, math.inf])
def test_a_retry_after_beyond_the_cap_ends_the_call(after: float) -> None:
    error = RateLimitError("tomorrow", retry_after=after)
    assert next_delay(RetryPolicy(), 1, error, 0.5) is None
    assert Retry(RetryPolicy(), Account(1, Limits(), adaptive=False, per_input=False), texts=1).after(error) is None


@pytest.mark.parametrize("after", [None, -1.0, -math.inf, math.nan])
def test_a_retry_after_without_meaning_counts_as_none(after: float | None) -> None:
    assert next_delay(RetryPolicy(initial_delay=2.0), 1, OverloadedError("hm", retry_after=after), 0.5) == 1.0


class Shared:
    """An account, as far as a retry asks it."""

    def __init__(self, *, is_down: bool = False, budget_s: float = 0.0) -> None:
        self.is_down = is_down
        self.successes = 0
        self.budget = self
        self.begun = 0
        self._budget_s = budget_s

    def attempted(self) -> None:
        self.begun += 1

    def take(self, now: float) -> float:
        return self._budget_s


def retry_on(account: Shared, *, attempts: int = 3, texts: int = 5, once: bool = False) -> Retry:
    policy = RetryPolicy(max_attempts=attempts, initial_delay=1e-6, max_delay=1e-6)
    made: Any = account
    return Retry(policy, made, texts, once=once)


def test_a_single_text_is_not_split_however_often_it_gets_429() -> None:
    account = Shared()
    retry = retry_on(account, texts=1)
    for _ in range(3 * REJECTIONS_BEFORE_SPLIT):
        retry.begin()
        account.successes += 1
        assert retry.after(RateLimitError("slow down")) == 0.0


def test_429s_of_an_account_that_nobody_gets_through_split_nothing() -> None:
    retry = retry_on(Shared())
    for _ in range(3 * REJECTIONS_BEFORE_SPLIT):
        retry.begin()
        assert retry.after(RateLimitError("slow down")) == 0.0


def test_with_one_attempt_a_429_is_final_and_with_two_it_is_no_attempt() -> None:
    assert retry_on(Shared(), attempts=1).after(RateLimitError("slow down")) is None
    assert retry_on(Shared(), attempts=2).after(RateLimitError("slow down")) == 0.0


async def test_a_failed_batch_goes_first_but_in_an_outage_the_next_in_line_does() -> None:
    for is_down in (False, True):
        retry = retry_on(Shared(is_down=is_down))
        assert retry.after(OverloadedError("busy")) is not None
        assert retry.goes_first is not is_down


async def test_failures_in_an_outage_are_no_attempts() -> None:
    for is_down, delays in ((False, [True, True, False]), (True, [True] * 3)):
        retry = retry_on(Shared(is_down=is_down))
        assert [retry.after(OverloadedError("busy")) is not None for _ in range(3)] == delays


async def test_retries_wait_for_their_budget_except_in_an_outage() -> None:
    account = Shared(budget_s=7.0)
    assert retry_on(account).after(OverloadedError("busy")) == 7.0
    assert retry_on(account).after(OverloadedError("busy", retry_after=9.0)) == 9.0
    assert account.begun == 2
    in_outage = retry_on(Shared(is_down=True, budget_s=7.0)).after(OverloadedError("busy"))
    assert in_outage is not None
    assert in_outage < 1.0


async def test_once_means_no_second_attempt_but_for_a_429() -> None:
    assert retry_on(Shared(), once=True).after(OverloadedError("busy")) is None
    assert retry_on(Shared(), once=True).after(RateLimitError("slow down")) == 0.0
