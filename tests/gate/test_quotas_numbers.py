"""The quotas of an account step by step: what each learns from a request, a reply and a 429. Numbers by hand."""

from __future__ import annotations

from typing import Any

import pytest

from aembed import Kind, Limits, ModelSpec, QuotaHints, Reply
from aembed._gate import Reservation
from aembed._gate.even_flow import EvenFlow
from aembed._gate.known_window_flow import KnownWindowFlow
from aembed._gate.lanes import NO_AMOUNTS
from aembed._gate.quotas import Quotas
from tests.gate.visits import REPLY, limited

LIMITED = limited(600.0, 60_000.0)
"""Ten requests and a thousand tokens a second."""


def sent(
    quotas: Quotas, now: float, kind: Kind = "document", tokens: float = 10.0, characters: int = 0, inputs: int = 1
) -> Reservation:
    reservation = Reservation(kind, characters, tokens, inputs)
    reservation.sent_at = now
    quotas.commit(now, reservation)
    return reservation


def done(quotas: Quotas, now: float, kind: Kind = "document") -> Reservation:
    """Sent and answered at once."""
    reservation = sent(quotas, now, kind)
    quotas.ended(now, reservation, success=True)
    return reservation


def heard(monkeypatch: pytest.MonkeyPatch, quotas: Quotas, name: str, result: object = None) -> list[Any]:
    """Arguments of each call of this method of the pace."""
    calls: list[Any] = []

    def hear(*arguments: Any, **named: Any) -> object:
        calls.append((*arguments, *named.values()))
        return result

    monkeypatch.setattr(quotas.pace, name, hear)
    return calls


def test_the_pace_hears_what_is_to_be_left_over(monkeypatch: pytest.MonkeyPatch) -> None:
    quotas, document = Quotas(LIMITED), Reservation("document")
    calls = heard(monkeypatch, quotas, "earliest", 107.0)
    quotas.pace.flow = EvenFlow(0.0, (10.0, 1000.0), (10.0, 1000.0))
    for _ in range(100):
        done(quotas, 100.0, "query")
    aside = (1.0, 2.0, 3.0)
    assert quotas.earliest(100.0, document, aside, leave_reserve=False, paced=True) == 107.0
    assert quotas.earliest(100.0, document, aside, leave_reserve=True, paced=True) == 107.0
    quotas.pace.flow = KnownWindowFlow(100.0, 10.0, (10.0, 1000.0), (quotas.requests.window, quotas.tokens.window))
    assert quotas.earliest(100.0, document, aside, leave_reserve=True, paced=True) == 107.0
    assert [left for _, _, left in calls] == [
        (1.0, 2.0),
        pytest.approx((1.0, 10.0), rel=0.01),  # a query
        (20.0, 2000.0),  # a fifth of the window
    ]
    assert quotas.earliest(100.0, document, NO_AMOUNTS, leave_reserve=False, paced=False) == 100.0


@pytest.mark.parametrize(
    ("aside", "covers"),
    [((1.0, 50.0, 0.0), True), ((1.0, 49.0, 9.0), False), ((0.0, 50.0, 9.0), False), (NO_AMOUNTS, False)],
)
def test_what_is_set_aside_covers_a_document_if_it_has_each_of_its_limited_amounts(
    aside: tuple[float, float, float], covers: bool
) -> None:
    assert Quotas(LIMITED).covers(aside, Reservation("document", 0, 50.0, 7)) is covers


def test_nothing_set_aside_covers_not_even_a_document_without_amounts() -> None:
    assert not Quotas(LIMITED).covers(NO_AMOUNTS, Reservation("document", 0, 0.0, 0, requests=0.0))


def test_queries_count_apart_until_they_expire() -> None:
    quotas = Quotas(limited(600.0, 60_000.0, 6000.0))
    each = [quota.window for _, quota in quotas.by_name()]
    done(quotas, 0.0, "query")
    sent(quotas, 1.0)
    assert [window.others for window in each] == [1.0, 10.0, 1.0]
    for window in each:
        window.advance(61.0)
    assert [(window.used, window.others) for window in each] == [(1.0, 0.0), (10.0, 0.0), (1.0, 0.0)]


def test_a_request_that_did_not_count_is_in_flight_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    quotas = Quotas(LIMITED)
    calls = heard(monkeypatch, quotas, "answered")
    quotas.refund(2.0, sent(quotas, 1.0))
    assert [quota.window.under_way for _, quota in quotas.by_name()] == [0, 0, 0]
    assert calls == [(2.0, 1.0, (0.0, 0.0), False, False)]


def test_usage_corrects_what_was_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    quotas = Quotas(LIMITED)
    calls = heard(monkeypatch, quotas, "answered")
    done(quotas, 0.0)
    query = sent(quotas, 0.0, "query", 10.0, 40)
    quotas.tokens.synced_to = 10.0
    quotas.answered(0.0, query, Reply(REPLY.vectors, tokens=100))
    tokens = quotas.tokens
    assert (tokens.window.used, tokens.window.others, tokens.level) == (110.0, 100.0, 60_000.0 - 110.0)
    assert quotas.episodes.admitted == (2.0, 110.0)
    assert calls[-1] == (0.0, 0.0, (1.0, 100), True, True)


def reported(quotas: Quotas, now: float, **hints: float) -> None:
    quotas.answered(now, sent(quotas, now, tokens=500.0), Reply(REPLY.vectors, quota=QuotaHints(**hints)))


def test_what_a_quota_holds_is_reported_in_its_own_units() -> None:
    quotas = Quotas(Limits())
    done(quotas, 0.0)
    reported(quotas, 0.0, limit_requests=600.0, remaining_requests=50.0, limit_tokens=6000.0, remaining_tokens=100.0)
    assert (quotas.requests.holds, quotas.tokens.holds) == (51.0, 600.0)
    assert (quotas.are_known, quotas.are_reported) == (True, True)


def test_a_server_has_one_rule_also_for_what_it_does_not_report() -> None:
    quotas = Quotas(limited(tokens=60_000.0))
    sent(quotas, 0.0, tokens=60_000.0)
    quotas.tokens.ended(0.0, 0.0, 60_000.0, is_query=False)
    requests = quotas.requests
    requests.from_headers = True
    requests.set_limit(600.0)
    requests.use_as_fixed(90.0)
    reported(quotas, 61.0, limit_requests=600.0)
    assert (quotas.tokens.rule, quotas.tokens.window_end, quotas.tokens.level) == ("fixed", 90.0, 59_500.0)
    assert (quotas.pace.is_bucket, quotas.pace.is_fixed, quotas.pace.is_understood) == (False, True, True)
    both = Quotas(limited(tokens=60_000.0))
    both.requests.use_as_bucket(100.0)
    for quota in (both.requests, both.tokens):
        quota.from_headers = True
    reported(both, 0.0, limit_requests=600.0)
    assert both.tokens.rule == "unknown", "both are reported, each by its own rule"
    assert (both.pace.is_bucket, both.pace.is_fixed, both.pace.is_understood) == (True, False, True)


@pytest.mark.parametrize(("spans", "span"), [((5.0, 10.0), 10.0), ((10.0, 5.0), 10.0), ((5.0, None), 5.0)])
def test_the_pace_fills_the_longer_of_two_short_windows(
    spans: tuple[float, float | None], span: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    quotas = Quotas(LIMITED)
    calls = heard(monkeypatch, quotas, "use_window")
    for quota, seconds in zip((quotas.requests, quotas.tokens), spans, strict=True):
        quota.from_headers = True
        quota.span = 50.0
        if seconds is not None:
            quota.use_as_short(seconds)
    reported(quotas, 1.0, limit_requests=600.0)
    assert calls == [(1.0, span, (quotas.requests.window, quotas.tokens.window))]


def test_a_stray_429_did_not_count_and_slows_the_pace() -> None:
    quotas = Quotas(LIMITED)
    quotas.pace.flow = flow = EvenFlow(0.0, (10.0, 1000.0), (10.0, 1000.0))
    quotas.rejected(1.5, sent(quotas, 1.0), None)
    assert (quotas.requests.window.used, quotas.tokens.window.used) == (0.0, 0.0)
    assert flow.average[0] < 10.0


@pytest.mark.parametrize(
    ("times", "minute", "seconds"),
    [
        ((0.0, 20.0), (2.0, 20.0), 20.0),
        ((0.0, 0.5), (2.0, 20.0), 0.5),
        ((0.0, 100.0), (1.0, 10.0), 0.0),
        ((0.0, 30.0, 60.0, 90.0), (3.0, 30.0), 60.0),
    ],
)
def test_an_episode_knows_the_minute_before_it(
    times: tuple[float, ...], minute: tuple[float, float], seconds: float
) -> None:
    quotas = Quotas(LIMITED)
    for now in times[:-1]:
        done(quotas, now)
    edge = sent(quotas, times[-1])
    quotas.begin_episode(times[-1], edge, None)
    episode = quotas.episodes.current
    assert episode is not None
    assert (episode.minute, episode.minute_seconds) == (minute, seconds)


@pytest.mark.parametrize(("wait", "level"), [(9.0, -1e-6), (5.0, 0.0), (None, -1e-6)])
def test_a_429_until_the_end_of_an_empty_window_is_an_error_of_the_count(wait: float | None, level: float) -> None:
    """It ends at second 30, and the 429 comes at 20."""
    quotas = Quotas(limited(600.0))
    quotas.requests.use_as_fixed(30.0)
    edge = sent(quotas, 20.0)
    quotas.requests.level = 0.0
    quotas.begin_episode(20.0, edge, wait)
    assert quotas.requests.level == level


def test_an_episode_ends_with_what_has_not_expired_by_then(monkeypatch: pytest.MonkeyPatch) -> None:
    quotas = Quotas(LIMITED)
    calls = heard(monkeypatch, quotas, "recover")
    done(quotas, 0.0)
    edge = sent(quotas, 1.0)
    quotas.begin_episode(1.0, edge, None)
    quotas.refund(1.0, edge)
    success = sent(quotas, 59.0)
    quotas.end_episode(61.0, success)
    (now, _, _, windows), *_ = calls
    assert (now, [window.used for window in windows]) == (61.0, [1.0, 10.0])


def test_a_limit_of_a_day_alone_is_enforced() -> None:
    quotas = Quotas(Limits(requests_per_day=1))
    done(quotas, 0.0)
    when = quotas.earliest(1.0, Reservation("query"), NO_AMOUNTS, leave_reserve=False, paced=True)
    assert when == pytest.approx(86_400.0, abs=1e-5)


def test_the_pace_knows_the_rates_of_all_limits() -> None:
    assert Quotas(LIMITED).pace._known == (10.0, 1000.0)


def test_a_batch_has_one_text_at_least() -> None:
    spec = ModelSpec(name="m", max_batch_texts=96)
    assert Quotas(limited(inputs=1.0)).fitted(spec, per_input=False).max_batch_texts == 1


@pytest.mark.parametrize(("level", "suspects"), [(60.0, (False, True)), (59.9, (True, True))])
def test_a_quota_of_which_a_tenth_is_left_is_no_suspect(level: float, suspects: tuple[bool, bool]) -> None:
    quotas = Quotas(LIMITED)
    quotas.requests.from_headers = True
    quotas.requests.use_as_bucket(600.0)
    quotas.requests.level = level
    assert quotas.suspects() == suspects


def test_tokens_are_estimated_by_the_ratio_of_the_replies() -> None:
    """Half a token in a character, and not a quarter, in the only reply."""
    quotas, waits = Quotas(LIMITED), Reservation("document", 100, 25.0)
    quotas.answered(0.0, sent(quotas, 0.0, tokens=10.0, characters=40), Reply(REPLY.vectors, tokens=20))
    quotas.estimate(waits)
    assert waits.tokens == pytest.approx(50.0)


def test_the_pace_counts_what_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    quotas = Quotas(LIMITED)
    calls = heard(monkeypatch, quotas, "sent")
    reservation = sent(quotas, 3.0)
    assert calls == [(3.0, reservation)]


def test_a_query_that_did_not_count_is_no_use_by_others() -> None:
    quotas = Quotas(LIMITED)
    done(quotas, 0.0)
    quotas.refund(0.0, sent(quotas, 0.0, "query"))
    assert [quotas.requests.window.others, quotas.tokens.window.others] == [0.0, 0.0]


def test_one_stated_limit_is_not_all_of_them_and_one_reported_is_one() -> None:
    quotas = Quotas(limited(600.0))
    assert (quotas.are_known, quotas.are_reported) == (False, False)
    quotas.tokens.from_headers = True
    quotas.state(LIMITED)
    assert (quotas.are_known, quotas.are_reported) == (True, True)


def test_a_429_that_one_quota_explains_is_no_news_to_the_pace() -> None:
    quotas = Quotas(LIMITED)
    for _ in range(3):
        done(quotas, 20.0)
    quotas.tokens.use_as_bucket(60_000.0)
    edge = sent(quotas, 20.0)
    quotas.tokens.level = 0.0
    quotas.begin_episode(20.0, edge, None)
    assert (quotas.tokens.level, quotas.pace.flow) == (-1e-6, None)
