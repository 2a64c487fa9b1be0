"""When to try again, and how long to wait before."""

from __future__ import annotations

import math

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
