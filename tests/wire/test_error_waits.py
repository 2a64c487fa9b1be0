"""Waits, quotas and advice on retrying that an error reply names."""

from __future__ import annotations

from aembed._errors import (
    QuotaExhaustedError,
    RateLimitError,
)
from tests.wire.error_replies import error_of, limited
from tests.wire.fake import answer


def test_time_to_wait() -> None:
    assert error_of(answer({}, 429, retry_after="7")).retry_after == 7.0
    assert error_of(answer({}, 503, retry_after_ms="70")).retry_after == 0.07


def test_a_wait_in_words_or_of_a_quota_is_kept() -> None:
    assert limited("Please try again in 6s.").retry_after == 6.0
    assert limited("Please try again in 6s.", retry_after="7").retry_after == 7.0
    assert limited("Please try again in 6s.", x_ratelimit_reset_requests="9s").retry_after == 6.0
    assert limited("too fast", x_ratelimit_reset_requests="9s").retry_after == 9.0
    assert limited("too fast", retry_after="Fri, 31 Dec 1999 23:59:59 GMT").retry_after == 0.0
    assert error_of(answer({"message": "busy, try again in 2s"}, 503)).retry_after == 2.0
    assert error_of(answer({"message": "bad input, try again in 2s"}, 400)).retry_after is None
    assert error_of(answer({}, 503, x_ratelimit_reset_requests="9s")).retry_after is None


def test_a_message_names_its_wait() -> None:
    assert "retry after 1 d]" in str(limited("too fast", retry_after="86400"))
    assert "retry after 2 h 5 min]" in str(limited("too fast", retry_after="7500"))
    assert "retry after 11 d 13 h]" in str(limited("too fast", retry_after="1000000"))
    assert "retry after 0.006 s]" in str(limited("try again in 6ms"))
    assert "retry after 1e+300 s]" in str(limited("too fast", retry_after="1e300"))
    assert "retry after" not in str(limited("too fast"))


def test_a_days_quota_is_seen() -> None:
    assert limited("Rate limit reached on requests per day (RPD): Limit 200").scope == "day"
    assert limited("Rate limit reached on tokens per min (TPM): Limit 200").scope == "minute"
    assert limited("too fast").scope is None


def test_a_plan_without_the_model_is_not_retried() -> None:
    """Mistral's answer."""
    body = {"object": "error", "message": "Rate limit exceeded", "type": "rate_limited", "code": "1300"}
    error = error_of(answer(body, 429, x_ratelimit_limit_req_minute="0"))
    assert type(error) is QuotaExhaustedError
    assert type(error_of(answer(body, 429, x_ratelimit_limit_req_minute="4"))) is RateLimitError


def test_the_servers_word_on_retrying() -> None:
    assert error_of(answer({}, 429)).retryable
    assert not error_of(answer({}, 429, x_should_retry="false")).retryable
    assert error_of(answer({}, 400, x_should_retry="true")).retryable
    assert not error_of(answer({}, 400, x_should_retry="false")).retryable
