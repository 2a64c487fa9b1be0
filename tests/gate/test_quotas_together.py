"""All quotas of an account: the batches they take, what is too much, and usage that the pace hears of."""

from __future__ import annotations

import pytest

from aembed import InputError, Kind, Limits, ModelSpec, RateLimitError, Reply
from aembed._gate import Reservation
from aembed._gate.account import Account
from aembed._gate.even_flow import EvenFlow
from aembed._gate.lanes import Amounts
from aembed._gate.quotas import Quotas
from aembed._gate.window import Window
from tests.gate.visits import REPLY, limited


def test_usage_is_taken_back_from_the_pace_too() -> None:
    """After a 429 the account is paced, and a reply says that its request had 90 tokens more."""
    account = Account(8, Limits(), adaptive=False, per_input=False)
    requests = [Reservation("document", 40, 10.0) for _ in range(4)]
    for now, reservation in enumerate(requests):
        reservation.sent_at = float(now)
        account.quotas.commit(float(now), reservation)
    for now, reservation in enumerate(requests[:3]):
        account.succeeded(now + 0.5, reservation, REPLY, alone=True)
    account.ended(5.0, requests[3], RateLimitError("too fast", status=429), 0)
    pace = account.quotas.pace
    assert pace.flow is not None
    probe = Reservation("document", 40, 10.0)
    probe.sent_at = 6.0
    account.quotas.commit(6.0, probe)
    corrected: list[tuple[float, float]] = []
    pace.corrected = lambda sent_at, tokens: corrected.append((sent_at, tokens))  # type: ignore[method-assign]
    account.quotas.answered(6.5, probe, Reply(REPLY.vectors, tokens=100))
    assert corrected == [(6.0, 90.0)]
    assert account.quotas.episodes.admitted == (4.0, 130.0)


def in_bursts(kind: Kind) -> Quotas:
    """A window of ten seconds is filled at once: twenty requests and 200 tokens, of which half were sent."""
    quotas = Quotas(limited(120.0, 1200.0))
    quotas.pace.use_window(0.0, 10.0, (Window(), Window()))
    for _ in range(10):
        quotas.pace.sent(1.0, Reservation(kind, 0, 10.0))
    return quotas


@pytest.mark.parametrize("aside", [(10.0, 0.0, 0.0), (0.0, 91.0, 0.0), (9.0, 90.0, 50.0)])
def test_a_query_leaves_in_a_burst_what_is_set_aside_of_requests_and_of_tokens(aside: Amounts) -> None:
    when = in_bursts("query").earliest(1.0, Reservation("query", 0, 10.0), aside, leave_reserve=False, paced=True)
    assert (when == 1.0) is (aside == (9.0, 90.0, 50.0))


def test_documents_leave_in_a_burst_what_queries_may_need_and_in_an_even_flow_one_query() -> None:
    quotas = in_bursts("document")
    for number in range(10):
        quotas.commit(float(number), Reservation("query", 0, 8.0))
    assert quotas._reserve(10.0) == (4.0, 40.0), "a fifth of the window"
    quotas.pace.flow = EvenFlow(10.0, (2.0, 20.0), (2.0, 20.0))
    assert quotas._reserve(10.0) == pytest.approx((1.0, 8.0))


@pytest.mark.parametrize(
    ("limits", "per_input", "texts", "tokens"),
    [
        (limited(), False, 96, 1000),
        (limited(inputs=96.0), False, 96, 1000),
        (limited(inputs=50.0), False, 50, 1000),
        (limited(requests=50.0), False, 96, 1000),
        (limited(requests=50.0), True, 50, 1000),
        (limited(tokens=16_000.0), False, 96, 1000),
        (limited(tokens=8_000.0), False, 96, 500),
        (limited(tokens=8_000.0, requests=4.0), False, 96, 1000),
        (limited(tokens=400.0, requests=1.0), False, 96, 400),
    ],
)
def test_batches_are_a_sixteenth_of_a_minutes_tokens_and_no_more_than_a_quota_takes(
    limits: Limits, per_input: bool, texts: int, tokens: int
) -> None:
    """With two requests a minute at least."""
    spec = ModelSpec(name="m", max_batch_texts=96, max_batch_tokens=1000)
    found = Account(8, limits, adaptive=False, per_input=per_input).fitted(spec)
    assert (found.max_batch_texts, found.max_batch_tokens) == (texts, tokens)
    assert (found is spec) is ((texts, tokens) == (96, 1000))


@pytest.mark.parametrize(
    ("limits", "reservation", "says"),
    [
        (
            limited(requests=5.0),
            Reservation("query", requests=6.0),
            "a request of 6 requests is more than the 5",
        ),
        (limited(tokens=5.0), Reservation("query", 0, 6.0), "a request of 6 tokens is more than the 5 tokens"),
        (limited(inputs=5.0), Reservation("query", 0, 1.0, 6), "a request of 6 inputs is more than the 5 inputs"),
        (Limits(tokens_per_day=5), Reservation("query", 0, 6.0), "a request of 6 tokens is more than the 5 tokens"),
        (Limits(requests_per_day=5), Reservation("query", requests=6.0), "a request of 6 requests is more than the 5"),
    ],
)
def test_a_request_larger_than_a_quota_is_named(limits: Limits, reservation: Reservation, says: str) -> None:
    quotas = Account(8, limits, adaptive=False, per_input=False).quotas
    with pytest.raises(InputError, match=says):
        quotas.check_capacity(reservation)
    quotas.check_capacity(Reservation("query", 0, 5.0, 5, requests=5.0))


def test_a_request_that_did_not_count_is_taken_back_in_each_of_its_amounts(monkeypatch: pytest.MonkeyPatch) -> None:
    quotas = Account(8, limited(600.0, 60_000.0, 6000.0), adaptive=False, per_input=False).quotas
    reservation = Reservation("document", 0, 50.0, 7)
    before, refunded = quotas.episodes.admitted, list[tuple[float, float, float]]()
    monkeypatch.setattr(quotas.pace, "refunded", lambda *amounts: refunded.append(amounts))
    reservation.sent_at = 1.0
    quotas.commit(1.0, reservation)
    assert quotas.episodes.admitted == (before[0] + 1.0, before[1] + 50.0)
    quotas.refund(2.0, reservation)
    assert quotas.episodes.admitted == before
    assert [quota.window.used for quota in (quotas.requests, quotas.tokens, quotas.inputs)] == [0.0, 0.0, 0.0]
    assert (reservation.requests, reservation.tokens, reservation.inputs) == (0.0, 0.0, 0)
    assert refunded == [(1.0, 1.0, 50.0)]


@pytest.mark.parametrize(
    ("requests", "tokens", "inputs", "leaves"),
    [(2.0, 50.0, 5, True), (2.1, 1.0, 1, False), (1.0, 50.1, 1, False), (1.0, 1.0, 6, False)],
)
def test_another_goes_first_if_it_delays_none_of_the_amounts_of_one_that_waits(
    requests: float, tokens: float, inputs: int, leaves: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pace leaves two requests and 50 tokens, and the quota of inputs five."""
    quotas = Account(8, limited(inputs=10.0), adaptive=False, per_input=False).quotas
    monkeypatch.setattr(quotas.pace, "left_over", lambda now, head: (2.0, 50.0))
    head = Reservation("document", 0, 10.0, 5)
    assert quotas.leaves(1.0, head, Reservation("query", 0, tokens, inputs, requests=requests)) is leaves


def test_an_episode_counts_what_this_program_has_sent_and_not_the_use_of_others() -> None:
    account = Account(16, limited(100.0), adaptive=False, per_input=False)
    account.quotas.requests.window.add_foreign(0.0, 40.0, 60.0)
    edge = account.reservation("document", ["text"], 60.0, None)
    account.quotas.commit(0.0, edge)
    account.quotas.begin_episode(0.0, edge, None)
    episode = account.quotas.episodes.current
    assert episode is not None
    assert episode.minute == (1.0, edge.tokens)
