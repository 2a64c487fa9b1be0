"""The rule of cancellation: a request stays in flight as long as one call waits for one of its texts."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import numpy as np
import pytest

from aembed import BadTextError, Reply
from aembed._engine.call_record import CallRecord
from aembed._engine.plan import indices_of
from aembed._sharing.shared_call import SharedCall
from tests.memo.reports import BOTH, TEXTS, ReportedCall, Shared, batch, waiting


def test_a_call_that_joins_late_learns_of_the_requests_before() -> None:
    shared = Shared()
    late = ReportedCall()
    assert shared.call.join(waiting(late, "mine"), [3], [0]) is False
    assert late.take() == []
    shared.call.begin(batch(0, 1))
    later = ReportedCall()
    assert shared.call.join(waiting(later, "mine"), [1, 2], [4, 6]) is True
    assert later.take() == [("begin", (4,))]
    assert shared.call.join(waiting(ReportedCall(), "mine"), [2], [0]) is False


def test_a_call_that_leaves_takes_nothing_from_another() -> None:
    shared = Shared()
    assert shared.call.leave(shared.first) is False
    assert (shared.missing, shared.one.take()) == ((0, 2), [])
    assert shared.first.shared_calls == {}
    assert shared.second.shared_calls == {shared.call: None}


def test_a_stopped_call_that_leaves_gets_its_open_texts_back() -> None:
    shared = Shared(first=ReportedCall(stopped=True))
    shared.call.leave(shared.first)
    assert shared.one.take() == [("put_back", (10, 11, 12))]


def test_a_call_may_leave_all_texts_but_those_sent() -> None:
    shared = Shared(first=ReportedCall(stopped=True))
    shared.call.begin(batch(0, 1))
    shared.one.take()
    assert shared.call.leave(shared.first, but_sent=True) is False
    assert (shared.one.take(), shared.missing) == ([("put_back", (12,))], (2, 2))
    assert shared.first.shared_calls == {shared.call: None}


def test_calls_that_run_out_of_time_leave_a_request_to_the_others() -> None:
    shared = Shared(first=ReportedCall(waits=False))
    assert shared.call.run_out(batch(0, 1), 7.0) is True
    assert shared.one.take() == [("run_out", (10, 11), 7.0)]
    assert shared.two.take() == [("run_out", (5,), 7.0)]
    assert shared.missing == (1, 2)
    assert shared.call.run_out(batch(3), 7.0) is False


async def test_the_last_call_that_leaves_ends_it() -> None:
    shared = Shared()

    class Layer:
        async def run(self, call: Any) -> None:
            await anyio.sleep_forever()

    task = shared.call.start(Layer())
    await anyio.wait_all_tasks_blocked()
    assert shared.call.leave(shared.first) is False
    assert not task.cancelling()
    assert shared.call.leave(shared.second) is True
    await asyncio.wait([task])
    assert task.cancelled()


@pytest.mark.parametrize(("unless", "ended"), [("mine", False), ("another", True), (None, True)])
def test_it_is_not_released_while_a_call_of_that_origin_waits(unless: str | None, ended: bool) -> None:
    shared = Shared(other_origin="theirs")
    assert shared.call.release(unless) is ended
    assert shared.missing == ((0, 0) if ended else (3, 2))
    assert shared.first.take_back() == ([10, 11, 12] if ended else [])


async def test_a_crash_is_raised_in_the_call_that_leads() -> None:
    class Layer:
        async def run(self, call: Any) -> None:
            raise LookupError("a bug")

    leader, other = waiting(ReportedCall(), "mine"), waiting(ReportedCall(), "mine")
    call = SharedCall(TEXTS, "document", "mine", leader=leader)
    call.join(leader, [0, 1], [0, 1])
    call.join(other, [1], [6])
    await asyncio.wait([call.start(Layer())])
    with pytest.raises(LookupError, match="a bug"):
        await leader.finish()
    await other.finish()
    assert (other.take_back(), leader.missing, call.leader) == ([6], 0, None)


def test_facts_for_listeners_are_noted_for_each_call_until_it_leaves() -> None:
    def record() -> CallRecord:
        return CallRecord(lambda: 0.0, None)

    shared = Shared()
    assert Shared().call.record is None, "nobody listens"
    calls = [ReportedCall(), ReportedCall()]
    for each in calls:
        each.record = record()
    joined = [waiting(each, "mine") for each in calls]
    for participant in joined:
        shared.call.join(participant, [3], [0])
    assert shared.call.record is not None
    shared.call.record.attempted(1)
    shared.call.leave(joined[0])
    shared.call.record.attempted(2)
    assert [each.record and each.record.attempts for each in calls] == [1, 2]
    shared.call.leave(shared.first)
    assert shared.call.record.followers == (calls[1].record,)


async def test_a_request_that_nobody_waits_for_any_more_is_cancelled() -> None:
    shared, ended = Shared(cached=True), list[tuple[int, ...]]()

    async def never(sent: Any) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(tuple(indices_of(sent)))

    deliver = shared.call.cancellable(never)
    shared.call.begin(batch(0))
    tasks = [asyncio.ensure_future(deliver(each)) for each in (batch(0), BOTH)]
    await anyio.wait_all_tasks_blocked()
    shared.call.leave(shared.first)
    await anyio.wait_all_tasks_blocked()
    assert (ended, shared.settled) == ([(0,)], [((0,), False)])
    shared.call.leave(shared.second)
    await asyncio.wait(tasks)
    assert ended == [(0,), (1, 2)]


async def test_each_text_ends_once() -> None:
    shared = Shared(cached=True)

    class Layer:
        async def run(self, call: Any) -> None:
            call.begin(batch(0, 1, 2))
            call.fail(batch(2), BadTextError("it is bad", index=0))
            rows = np.ones((1, 2), np.float32)
            call.place(batch(0), Reply(rows, tokens=1), rows)

    await asyncio.wait([shared.call.start(Layer())])
    assert shared.settled == [((2,), False), ((0,), True), ((1, 3), False)]
