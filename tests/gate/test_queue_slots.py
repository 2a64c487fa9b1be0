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
