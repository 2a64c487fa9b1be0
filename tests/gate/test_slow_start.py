"""Requests in flight begin at two, grow with the answers, and begin again where the server closed before."""

from __future__ import annotations

import pytest

from aembed import Limits
from aembed._gate.episode import ALL_SUSPECTS, Suspects
from aembed._gate.even_flow import EvenFlow
from aembed._gate.quotas import Quotas
from aembed._gate.reservation import Reservation
from aembed._gate.slow_start import SlowStart
from tests.gate.visits import limited

UNKNOWN = 1e9, 1e9


class Server:
    """Has admitted twenty requests of ten tokens within ``seconds``, and was closed for five seconds after that."""

    def __init__(
        self, limits: Limits | None = None, *, suspects: Suspects = ALL_SUSPECTS, seconds: float = 2.0
    ) -> None:
        self.quotas = Quotas(limits or Limits())
        self.slow_start = SlowStart()
        for number in range(20):
            self.admit(number * seconds / 20)
        self.close(seconds, suspects)
        self.open(seconds + 5.0)

    def close(self, at: float, suspects: Suspects = ALL_SUSPECTS) -> None:
        """Reject a request."""
        episodes = self.quotas.episodes
        episodes.begin(self._sent(at), episodes.admitted, at, suspects)
        episodes.rejected(1.0, 10.0)
        self.slow_start.closed()

    def open(self, at: float) -> None:
        """Admit the first request after that."""
        self.opens = at
        self.quotas.episodes.end(self._sent(at))
        self.slow_start.answered(at, self.quotas)

    def _sent(self, at: float, tokens: float = 10.0) -> Reservation:
        reservation = Reservation("document", tokens=tokens)
        reservation.sent_at = at
        self.quotas.episodes.sent(at, reservation)
        return reservation

    def admit(self, at: float, tokens: float = 10.0) -> float:
        """Answer a request at once. Returns how many may be in flight after it."""
        self._sent(at, tokens)
        self.slow_start.answered(at, self.quotas)
        return self.slow_start.requests

    def admit_more(self, count: int, tokens: float = 10.0, after: float = 0.0) -> list[float]:
        return [self.admit(self.opens + after + number / 10, tokens) for number in range(1, count + 1)]


def test_it_begins_again_after_four_fifths_of_what_was_admitted_before_the_server_closed() -> None:
    *before, last = Server().admit_more(15)
    assert before == [2.5 + more / 2 for more in range(1, 15)]
    assert last == 2.0, "the sixteenth since it is open again"


def test_from_then_on_it_grows_slowly_and_does_not_begin_again() -> None:
    server = Server()
    server.admit_more(15)
    assert server.admit_more(20, after=2.0) == [2.0 + more / 4 for more in range(1, 21)]


def test_each_closure_shows_anew_how_much_that_is() -> None:
    server = Server()
    server.admit_more(29)
    server.close(20.0)
    server.open(25.0)
    *before, last = server.admit_more(23)
    assert before == [2.5 + more / 2 for more in range(1, 23)]
    assert last == 2.0, "24 of 30"


@pytest.mark.parametrize(
    ("suspects", "tokens", "begins"),
    [
        ((False, True), 5.0, False),
        ((False, True), 10.0, True),
        ((True, False), 5.0, True),
        ((True, True), 5.0, True),
        ((True, False), 100.0, True),
    ],
)
def test_what_counts_is_the_resource_that_may_be_short(suspects: Suspects, tokens: float, begins: bool) -> None:
    assert (min(Server(suspects=suspects).admit_more(15, tokens)[1:]) == 2.0) is begins


def test_a_resource_that_cannot_be_short_does_not_count() -> None:
    assert 2.0 not in Server(suspects=(True, False)).admit_more(14, tokens=1000.0)


def test_where_both_limits_are_known_they_hold_the_requests_back() -> None:
    assert Server(limited(600.0, 60_000.0)).admit_more(20)[-1] == 12.5


def test_an_even_flow_sends_one_at_a_time_anyway() -> None:
    server = Server()
    server.quotas.pace.flow = EvenFlow(server.opens, (10.0, 100.0), UNKNOWN)
    assert server.admit_more(20)[-1] == 12.5


@pytest.mark.parametrize(("seconds", "begins"), [(60.0, True), (60.1, False)])
def test_what_took_longer_than_a_minute_to_admit_is_no_content_of_a_window(seconds: float, begins: bool) -> None:
    assert (Server(seconds=seconds).admit_more(15)[-1] == 2.0) is begins


@pytest.mark.parametrize(("after", "begins"), [(58.5, True), (58.6, False)])
def test_a_minute_after_it_is_open_again_a_window_has_expired(after: float, begins: bool) -> None:
    assert (Server().admit_more(15, after=after)[-1] == 2.0) is begins


def test_before_the_first_429_there_is_nothing_to_begin_again_for() -> None:
    quotas, slow_start = Quotas(Limits()), SlowStart()
    for number in range(100):
        slow_start.answered(number / 10, quotas)
    assert slow_start.requests == 27.0


def test_while_the_server_is_closed_answers_under_way_do_not_count() -> None:
    """They were sent before it closed, and say nothing of the next window."""
    server = Server()
    server.admit_more(10)
    server.close(9.0)
    assert [server.admit(9.1) for _ in range(3)] == [2.5, 3.0, 3.5]
