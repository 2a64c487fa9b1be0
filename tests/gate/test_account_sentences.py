"""What an account says when it gives up, when it does, and what it makes of a Retry-After. Numbers by hand."""

from __future__ import annotations

import math

import pytest

from aembed import (
    AuthenticationError,
    ConnectError,
    Limits,
    OverloadedError,
    ProviderError,
    RateLimitError,
)
from aembed._gate import PausedBeyondDeadline, Reservation
from aembed._gate.account import Account
from aembed._gate.budget import RetryBudget
from aembed._gate.tokens import TokenRatio
from tests.gate.visits import REPLY, limited

DAY = 86_400.0


def opened(limits: Limits | None = None, slots: int = 8) -> Account:
    return Account(slots, limits or Limits(), adaptive=False, per_input=False)


def sent(account: Account, now: float, *, tokens: float = 10.0) -> Reservation:
    reservation = Reservation("document", 0, tokens)
    reservation.sent_at = now
    account.quotas.commit(now, reservation)
    return reservation


def after(error: ProviderError, limits: Limits | None = None) -> Account:
    """Sent at second 9, answered with an error at second 10, an answer having come at second 9."""
    account = opened(limits)
    account.succeeded(9.0, sent(account, 8.5), REPLY, alone=True)
    account.ended(10.0, sent(account, 9.0), error, 0)
    return account


def a_day_used_up(retry_after: float | None) -> RateLimitError:
    error = RateLimitError("no more", status=429, retry_after=retry_after)
    error.scope = "day"
    return error


def waits(patience: float = math.inf, deadline: float = math.inf) -> Reservation:
    return Reservation("document", 0, 10.0, patience=patience, deadline=deadline)


def test_two_requests_are_sent_before_the_first_answer() -> None:
    account = opened()
    assert account.slots == 2
    for number in range(4):
        account.succeeded(number + 0.5, sent(account, number), REPLY, alone=True)
    assert account.slots == 3
    assert opened(slots=1).slots == 1


def test_a_429_begins_the_slow_start_again() -> None:
    account = opened()
    for number in range(12):
        account.succeeded(number + 0.5, sent(account, number), REPLY, alone=True)
    assert account.slots == 5
    account.ended(13.0, sent(account, 12.6), RateLimitError("slow down", status=429, retry_after=5.0), 0)
    assert account.slots == 2


@pytest.mark.parametrize(("named", "until"), [(0.5, 10.5), (7 * DAY, 10.0 + 7 * DAY), (7 * DAY + 1, 10.5), (0.0, 10.5)])
def test_a_retry_after_is_believed_up_to_a_week(named: float, until: float) -> None:
    assert after(RateLimitError("slow down", status=429, retry_after=named)).backoff.until == until


@pytest.mark.parametrize(("named", "until"), [(None, 3610.0), (60.0, 70.0)])
def test_after_a_days_quota_the_pause_is_an_hour_or_as_named(named: float | None, until: float) -> None:
    assert after(a_day_used_up(named)).backoff.until == until


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (RateLimitError("slow down", status=429, retry_after=40.0), "the provider allows no request for 39 s"),
        (
            RateLimitError("slow down", status=429, retry_after=9001.0),
            "the provider allows no request for 2.5 h",
        ),
        (
            RateLimitError("slow down", status=429, retry_after=3600.0),
            "the provider allows no request for 3599 s",
        ),
        (RateLimitError("slow down", status=429, retry_after=3601.0), "the provider allows no request for 1.0 h"),
        (a_day_used_up(40.0), "the day's quota is used up; the provider allows no request for 39 s"),
    ],
)
def test_a_pause_longer_than_the_patience_says_how_long(error: RateLimitError, says: str) -> None:
    account = after(error)
    reason = account.reason_to_give_up(11.0, waits(patience=30.0), account.backoff.until)
    assert isinstance(reason, RateLimitError)
    assert str(reason).startswith(f"{says}, longer than max_retry_after=30; try again later, or raise it")
    assert reason.retry_after == account.backoff.until - 11.0
    assert not reason.retryable


def test_a_pause_as_long_as_the_patience_is_waited_for() -> None:
    account = after(RateLimitError("slow down", status=429, retry_after=31.0))
    assert account.reason_to_give_up(11.0, waits(patience=30.0), 41.0) is None
    assert account.reason_to_give_up(11.0, waits(deadline=41.0), 41.0) is None
    assert account.reason_to_give_up(41.0, waits(patience=0.0, deadline=41.0), 41.0) is None


def test_a_pause_that_outlasts_the_deadline_says_so() -> None:
    account = after(RateLimitError("slow down", status=429, retry_after=31.0))
    for deadline in (10.5, 21.5, 40.9):
        reason = account.reason_to_give_up(11.0, waits(deadline=deadline), 41.0)
        assert isinstance(reason, PausedBeyondDeadline)
        assert reason.until == 41.0


def test_trouble_is_the_silence_since_the_last_success_and_the_last_failure() -> None:
    account = opened()
    assert account.trouble(10.0) == ""
    account.succeeded(10.0, sent(account, 9.5), REPLY, alone=True)
    account.ended(10.0, sent(account, 9.6), RateLimitError("slow down", status=429, retry_after=31.0), 0)
    assert account.trouble(10.0) == "the account is paused after a RateLimitError with status 429"
    assert account.trouble(22.0) == (
        "the provider has answered nothing but errors for 12 s, the last a RateLimitError with status 429"
    )
    account.succeeded(50.0, sent(account, 49.5), REPLY, alone=True)
    assert account.trouble(50.0) == ""


def test_a_limit_is_waited_for_up_to_an_hour_however_small_the_patience() -> None:
    account = opened(limited(60.0))
    assert account.reason_to_give_up(0.0, waits(patience=1.0), 3600.0) is None
    assert isinstance(account.reason_to_give_up(0.0, waits(patience=1.0), 3601.0), RateLimitError)
    assert account.reason_to_give_up(0.0, waits(patience=3601.0), 3601.0) is None


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConnectError("refused"), "a ConnectError"),
        (OverloadedError("busy", status=503), "an OverloadedError with status 503"),
        (RateLimitError("slow down", status=429), "a RateLimitError with status 429"),
    ],
)
def test_an_outage_names_how_long_it_lasts_and_the_last_failure(error: ProviderError, kind: str) -> None:
    account = after(error)
    for _ in range(9):
        account.ended(10.0, sent(account, 9.0), error, 0)
    for now in (98.9, 99.1):
        probe = sent(account, now - 0.4)
        probe.is_probe = True
        account.ended(now, probe, error, 0)
    reason = account.reason_to_give_up(99.2, waits(), account.backoff.until)
    assert isinstance(reason, OverloadedError)
    assert not reason.retryable
    assert str(reason).startswith(
        f"the provider has answered nothing but errors for 90 s, the last {kind}; check whether it is down"
    )
    assert account.reason_to_give_up(98.95, waits(), account.backoff.until) is None


def test_an_error_with_a_reason_is_an_answer_of_a_healthy_server() -> None:
    account = opened()
    for number in range(30):
        account.ended(number + 0.5, sent(account, number), AuthenticationError("no such key", status=401), 0)
    assert not account.is_down
    assert account.concurrency.slots == 8


def test_a_server_that_is_busy_gets_fewer_requests_at_once() -> None:
    for error, slots in [(OverloadedError("busy", status=503), 7), (ConnectError("reset"), 7)]:
        account = opened()
        account.ended(1.0, sent(account, 0.5), error, 7)
        assert account.concurrency.slots == slots


def test_a_server_that_names_a_time_with_a_503_is_left_alone_until_then() -> None:
    account = after(OverloadedError("busy", status=503, retry_after=30.0))
    assert (account.backoff.until, account.is_down) == (40.0, False)


def test_a_cancelled_request_counts_at_once_where_nothing_was_answered_yet() -> None:
    account = opened(limited(tokens=100.0))
    account.ended(11.0, sent(account, 10.0), None, 0)
    window = account.quotas.tokens.window
    for now, used in [(70.9, 10.0), (71.1, 0.0)]:
        window.advance(now)
        assert window.used == used


def test_the_longest_answer_is_forgotten_by_a_hundredth_with_each() -> None:
    account = opened(limited(tokens=1e6))
    account.succeeded(10.0, sent(account, 0.0), REPLY, alone=True)
    for _ in range(10):
        account.succeeded(10.0, sent(account, 10.0), REPLY, alone=True)
    account.ended(11.0, sent(account, 10.5, tokens=7.0), None, 0)
    window = account.quotas.tokens.window
    arrived = 11.0 + 10.0 * 0.99**10
    for now, used in [(60.0 + arrived - 0.01, 7.0), (60.0 + arrived + 0.01, 0.0)]:
        window.advance(now)
        assert window.used == used


def test_new_limits_apply_at_once() -> None:
    account = opened(limited(60.0))
    account.set_limits(Limits(requests_per_minute=120.0, max_concurrency=3))
    assert account.quotas.requests.limit == 120.0
    assert account.concurrency.most == 3
    account.set_limits(Limits(requests_per_minute=30.0))
    assert (account.quotas.requests.limit, account.concurrency.most) == (30.0, 3)


def test_a_character_is_a_quarter_of_a_token_until_replies_show_more() -> None:
    account = opened()
    reservation = account.reservation("query", ["12345678", "1234"], 1.0, "owner")
    assert (reservation.kind, reservation.characters, reservation.tokens, reservation.inputs) == ("query", 12, 3.0, 2)
    assert (reservation.requests, reservation.patience, reservation.deadline) == (1.0, 1.0, math.inf)
    assert reservation.owner == "owner"
    per_input = Account(8, Limits(), adaptive=False, per_input=True)
    assert per_input.reservation("query", ["a", "b"], 1.0, None).requests == 2


def test_the_ratio_is_the_mean_of_ten_replies_of_the_largest_size() -> None:
    ratio = TokenRatio()
    for _ in range(10):
        ratio.answered(20, 100)
    ratio.answered(120, 100)
    assert ratio.value == pytest.approx(0.2 + 1.0 / 10)
    ratio.answered(1, 10)
    assert ratio.value == pytest.approx(0.3 + 10 / 1000 * (0.1 - 0.3))


def test_a_retry_is_paid_by_five_first_attempts_or_a_second() -> None:
    budget = RetryBudget()
    assert [budget.take(0.0) for _ in range(20)] == [0.0] * 20
    for _ in range(5):
        budget.attempted()
    assert budget.take(0.0) == pytest.approx(0.0)
    assert budget.take(1.0) == pytest.approx(0.0)
    assert budget.take(1.0) == pytest.approx(1.0)
    assert budget.take(0.0) == pytest.approx(2.0), "a clock that is set back takes nothing away"
