"""Slots of a server without a quota over ninety rounds of answers: when it is looked at, and what that finds."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby

import pytest

from aembed._gate.queue_limit import QueueLimit

Server = Callable[[int], tuple[int, float]]
"""Its workers, and the seconds that each takes for a request, in the round of that number."""


def slots_of(server: Server, most: int = 100, busy: float = 1.0, spread: float = 0.1) -> list[tuple[int, int]]:
    """Slots, and the number of answers for which they stayed. Times vary by ``spread``."""
    limit, now, seen = QueueLimit(most), 0.0, list[int]()
    for number in range(90):
        workers, seconds = server(number)
        slots, began = limit.slots, limit._round_began
        while limit._round_began == began or limit._settling:
            elapsed = seconds * max(1.0, slots / workers)
            now += elapsed / busy
            for _ in range(slots):
                seen.append(limit.slots)
                limit.answered(now, elapsed * (1 + spread * (7 * len(seen) % 5 - 2) / 2), 100.0, limit.slots)
                if limit.slots != slots:
                    break
            if limit.slots != slots:
                break
    return [(slots, len(list(answers))) for slots, answers in groupby(seen)]


BEGINS = [(1, 4), (4, 12), (16, 38), (8, 19), (11, 312)]
"""Eight workers, for fifteen rounds: sixteen requests wait, eight do not, and three more may."""


LOOK_AGAIN = {
    "slower": [(5, 18), (2, 17), (12, 53), (11, 2079), (5, 18), (10, 104), (11, 66)],
    "faster": [(5, 18), (2, 17), (9, 39), (10, 90), (11, 1980), (5, 18), (10, 74), (11, 99)],
    "more workers": [(22, 53), (45, 108), (22, 31), (38, 395), (37, 6771), (18, 25), (36, 158), (37, 111)],
}


@pytest.mark.parametrize(
    ("change", "server"),
    [
        ("slower", lambda number: (8, 1.0 if number < 15 else 2.0)),
        ("faster", lambda number: (8, 1.0 if number < 15 else 0.5)),
        ("more workers", lambda number: (8 if number < 15 else 32, 1.0)),
    ],
)
def test_a_server_that_changes_is_looked_at_again(change: str, server: Server) -> None:
    assert slots_of(server) == [*BEGINS, *LOOK_AGAIN[change]]


def test_a_server_that_stays_the_same_is_looked_at_once_in_64_rounds() -> None:
    assert slots_of(lambda number: (8, 1.0)) == [*BEGINS[:4], (11, 2127), (5, 18), (10, 44), (11, 528)]


def test_slots_are_halved_until_times_fall_no_more() -> None:
    """Four workers are left, of 32."""
    found = slots_of(lambda number: (32 if number < 15 else 4, 1.0))
    assert found[:9] == [*BEGINS[:3], (64, 154), (32, 45), (38, 852), (19, 27), (9, 19), (4, 18)]
    assert found[9:] == [(7, 31), (6, 1136), (3, 18), (5, 23), (6, 48)]


def test_slots_end_at_the_most_that_the_user_allows() -> None:
    assert slots_of(lambda number: (500, 1.0), most=50) == [*BEGINS[:3], (50, 9720), (25, 35), (50, 2650)]


def test_slots_that_are_not_busy_become_no_more_until_a_look() -> None:
    """Requests come a third as often as they might."""
    assert slots_of(lambda number: (500, 1.0), busy=0.3) == [(1, 4), (4, 1034), (2, 16), (6, 384)]


def test_a_server_that_changes_right_after_a_look_is_looked_at_a_round_later() -> None:
    found = slots_of(lambda number: (8 if number < 6 else 3, 1.0))
    assert found[:10] == [*BEGINS[:4], (11, 48), (8, 28), (4, 17), (2, 17), (4, 85), (5, 951)]


def test_a_server_that_works_on_one_request_has_one_more_in_its_queue() -> None:
    found = [(1, 4), (4, 12), (2, 17), (1, 17), (2, 1027), (1, 16), (2, 292)]
    assert slots_of(lambda number: (1, 1.0)) == found


@pytest.mark.parametrize(
    ("workers", "spread", "looks"),
    [
        (8, 0.6, [(16, 38), (32, 77), (16, 23), (8, 19), (4, 18), (12, 53), (11, 66), (10, 1830), (5, 18), (9, 39)]),
        (20, 0.9, [(16, 38), (64, 154), (32, 45), (16, 23), (8, 20), (28, 123), (25, 75), (22, 66), (21, 63)]),
    ],
)
def test_where_times_vary_more_slots_are_halved_once_more(
    workers: int, spread: float, looks: list[tuple[int, int]]
) -> None:
    found = slots_of(lambda number: (workers, 1.0), spread=spread)
    assert found[: 2 + len(looks)] == [*BEGINS[:2], *looks]
