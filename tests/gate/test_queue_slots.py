"""Slots of a server with capacity and no quota, round by round. Numbers by hand."""

from __future__ import annotations

from aembed._gate.queue_limit import QueueLimit


def test_a_server_without_a_queue_gets_four_times_as_many_requests_each_round() -> None:
    limit, seen = QueueLimit(100), [1]
    for second in range(1, 40):
        for _ in range(limit.slots):
            limit.answered(float(second), 1.0, 100.0, limit.slots)
            if limit.slots != seen[-1]:
                seen.append(limit.slots)
                break
    assert seen == [1, 4, 16, 64, 100]


def test_a_server_of_eight_workers_gets_eight_and_a_few_that_wait() -> None:
    """Four times four wait for as long as they are worked on; half as many show the time without a queue."""
    limit, seen, now = QueueLimit(100), [1], 0.0
    for _ in range(60):
        slots = limit.slots
        elapsed = max(1.0, slots / 8)
        now += elapsed
        for _ in range(slots):
            limit.answered(now, elapsed, 100.0, limit.slots)
            if limit.slots != seen[-1]:
                seen.append(limit.slots)
                break
    assert seen[:4] == [1, 4, 16, 8]
    assert set(seen[4:]) <= {10, 11}


def changes(
    limit: QueueLimit, workers: float, answers: int, *, idle: float = 1.0, usual: float = 1.0
) -> list[tuple[int, int]]:
    """Slots of a server with so many workers, each time that they change, and the number of answers before that.

    Times vary by a fifth, and sizes from 100 to 300: the usual time is half a ``usual`` second, and as much for each
    100. ``idle`` is how many times as rare requests are as slots allow.
    """
    seen, now = [(0, limit.slots)], 0.0
    for number in range(answers):
        slots, size = limit.slots, (100.0, 300.0, 200.0)[number % 3]
        elapsed = usual * (0.5 + size / 200) * (0.9, 1.1, 1.0, 1.2, 0.8)[number % 5] * max(1.0, slots / workers)
        now += idle * elapsed / slots
        limit.answered(now, elapsed, size, slots)
        if limit.slots != seen[-1][1]:
            seen.append((number, limit.slots))
    return seen


def test_the_slots_follow_a_server_whose_workers_become_fewer_and_more() -> None:
    """A round has three answers for each slot; a look, from which the slots come halved, has 16 at least."""
    limit = QueueLimit(400)
    growing = [(0, 1), (3, 4), (18, 16), (58, 64), (227, 256)]
    assert changes(limit, 80.0, 2600) == [
        *growing,
        (881, 128),
        (1137, 64),
        (1264, 94),
        (1702, 93),
        (1981, 92),
        (2533, 91),
    ]
    assert changes(limit, 20.0, 600) == [(0, 91), (206, 45), (295, 22), (336, 31), (479, 29), (566, 27)]
    grown = [(0, 27), (47, 29), (134, 58), (290, 117), (587, 234), (1181, 400)]
    assert changes(limit, 300.0, 2500) == [*grown, (2203, 200)]


def test_the_slots_follow_a_server_that_becomes_faster_and_slower() -> None:
    limit = QueueLimit(200)
    growing = [(0, 1), (3, 4), (18, 16), (58, 64), (224, 200)]
    assert changes(limit, 60.0, 2000, usual=0.01) == [
        *growing,
        (734, 100),
        (932, 50),
        (1031, 72),
        (1360, 71),
        (1786, 70),
    ]
    assert changes(limit, 60.0, 2600, usual=0.005) == [(0, 70), (206, 35), (272, 17), (305, 68)]
    assert changes(limit, 60.0, 2800, usual=0.01) == [(0, 68), (47, 65), (242, 32), (305, 16), (336, 66), (636, 67)]


def test_slots_of_which_half_are_idle_become_no_more() -> None:
    limit = QueueLimit(400)
    assert changes(limit, 1000.0, 60) == [(0, 1), (3, 4), (18, 16), (58, 64)]
    assert changes(limit, 1000.0, 800, idle=2.1) == [(0, 64)]
    assert changes(limit, 1000.0, 800) == [(0, 64), (61, 128), (400, 400)]
    limit = QueueLimit(400)
    changes(limit, 1000.0, 60)
    assert changes(limit, 1000.0, 800, idle=1.9) == [(0, 64), (98, 256), (562, 400)]


def test_every_64_rounds_the_time_without_a_queue_is_measured_anew() -> None:
    first = [(0, 1), (3, 4), (18, 8), (38, 4), (58, 2), (76, 4)]
    assert changes(QueueLimit(64), 2.5, 2500) == [*first, (1107, 2), (1124, 4), (2156, 2), (2174, 4)]
