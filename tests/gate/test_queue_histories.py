"""Slots of a server without a quota over ninety rounds of answers: when it is looked at, and what that finds."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby

import pytest

from aembed._gate.queue_limit import QueueLimit

Server = Callable[[int], tuple[int, float]]
"""Its workers, and the seconds that each takes for a request, in the round of that number."""


def slots_of(server: Server, most: int = 100, busy: float = 1.0) -> list[tuple[int, int]]:
    """Slots, and the number of answers for which they stayed. Times vary by a tenth."""
    limit, now, seen = QueueLimit(most), 0.0, list[int]()
    for number in range(90):
        workers, seconds = server(number)
        slots, began = limit.slots, limit._round_began
        while limit._round_began == began or limit._settling:
            elapsed = seconds * max(1.0, slots / workers)
            now += elapsed / busy
            for _ in range(slots):
                seen.append(limit.slots)
                limit.answered(now, elapsed * (1 + 0.1 * (7 * len(seen) % 5 - 2) / 2), 100.0, limit.slots)
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
    """Of 32 workers four are left."""
    found = slots_of(lambda number: (32 if number < 15 else 4, 1.0))
    assert found[:9] == [*BEGINS[:3], (64, 154), (32, 45), (38, 852), (19, 27), (9, 19), (4, 18)]
    assert found[9:] == [(7, 31), (6, 1136), (3, 18), (5, 23), (6, 48)]


def test_slots_end_at_the_most_that_the_user_allows() -> None:
    assert slots_of(lambda number: (500, 1.0), most=50) == [*BEGINS[:3], (50, 9720), (25, 35), (50, 2650)]


def test_slots_that_are_not_busy_become_no_more_until_a_look() -> None:
    """Requests come a third as often as they might."""
    assert slots_of(lambda number: (500, 1.0), busy=0.3) == [(1, 4), (4, 1034), (2, 16), (6, 384)]
