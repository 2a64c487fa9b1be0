"""An account counts requests as they end, and decides when a paced request may be sent."""

from __future__ import annotations

import pytest

from aembed import Limits, OverloadedError, QuotaHints, RateLimitError, Reply
from aembed._gate import Reservation
from aembed._gate.account import Account
from tests.gate.visits import REPLY, limited

MINUTE_S = 60.0


def opened(limits: Limits | None = None) -> Account:
    return Account(8, limits or Limits(), adaptive=False, per_input=False)


def sent(account: Account, now: float, tokens: float = 10.0) -> Reservation:
    reservation = Reservation("document", 0, tokens)
    reservation.sent_at = now
    account.quotas.commit(now, reservation)
    return reservation


def test_each_reply_is_a_success_and_each_429_a_rejection() -> None:
    account = opened()
    for number in range(3):
        account.succeeded(number + 0.5, sent(account, number), REPLY, alone=True)
    account.ended(4.5, sent(account, 4.0), RateLimitError("too fast", status=429, retry_after=1.0), 0)
    assert (account.successes, account.rejections) == (3, 1)


REPORTED = Reply(
    REPLY.vectors,
    quota=QuotaHints(limit_requests=600.0, remaining_requests=599.0, limit_tokens=60_000.0, remaining_tokens=59_000.0),
)


@pytest.mark.parametrize(
    ("limits", "reply", "more"),
    [(None, REPORTED, 1.0), (limited(600.0, 60_000.0), REPLY, 0.5), (None, REPLY, 0.25)],
    ids=["reported limits", "stated limits", "nothing known"],
)
def test_each_reply_allows_the_more_requests_the_better_limits_are_known(
    limits: Limits | None, reply: Reply, more: float
) -> None:
    account = opened(limits)
    account.succeeded(1.0, sent(account, 0.0), reply, alone=True)
    before = account.slow_start.requests
    account.succeeded(2.0, sent(account, 1.0), reply, alone=True)
    assert account.slow_start.requests - before == more


def test_a_failed_request_counts_for_a_minute_after_its_failure() -> None:
    account = opened(limited(tokens=100.0))
    window = account.quotas.tokens.window
    account.ended(5.0, sent(account, 0.0), OverloadedError("busy", status=503), 0)
    assert (window.under_way, window.used) == (0, 10.0)
    window.advance(5.0 + MINUTE_S - 0.01)
    assert window.used == 10.0
    window.advance(5.0 + MINUTE_S + 0.01)
    assert window.used == 0.0


def test_a_failed_request_does_not_count_where_replies_report_what_is_left() -> None:
    account = opened()
    reply = Reply(REPLY.vectors, quota=QuotaHints(limit_tokens=1000.0, remaining_tokens=990.0, reset_tokens=1.0))
    account.succeeded(0.5, sent(account, 0.0), reply, alone=True)
    before = account.quotas.tokens.window.used
    account.ended(2.0, sent(account, 1.0), OverloadedError("busy", status=503), 0)
    assert account.quotas.tokens.window.used == before


def test_a_cancelled_request_counts_until_it_may_have_arrived() -> None:
    """The longest answer of late took three seconds."""
    account = opened(limited(tokens=100.0))
    account.succeeded(3.0, sent(account, 0.0), REPLY, alone=True)
    account.ended(11.0, sent(account, 10.0), None, 0)
    window = account.quotas.tokens.window
    window.advance(11.0 + MINUTE_S + 2.9)
    assert window.used == 10.0
    window.advance(11.0 + MINUTE_S + 3.1)
    assert window.used == 0.0


def test_a_probe_is_not_paced_until_a_request_is_answered() -> None:
    account = opened()
    for number in range(4):
        account.succeeded(number + 0.5, sent(account, number), REPLY, alone=True)
    account.ended(5.0, sent(account, 4.5), RateLimitError("too fast", status=429), 0)
    assert account.quotas.pace.flow is not None
    probe_at = account.backoff.until
    first, second = Reservation("document", 0, 10.0), Reservation("document", 0, 1e6)
    assert account.earliest(probe_at, first, (0.0, 0.0, 0.0), leave_reserve=True) == probe_at
    assert account.earliest(probe_at, second, (0.0, 0.0, 0.0), leave_reserve=True) == probe_at
    account.backoff.is_answered = True
    assert account.earliest(probe_at, second, (0.0, 0.0, 0.0), leave_reserve=True) > probe_at
