"""A report to a shared call reaches each call that waits, with the places in its own texts."""

from __future__ import annotations

import math

import numpy as np
import pytest

from aembed import AuthenticationError, BadRequestError, BadTextError, OverloadedError, Reply
from tests.memo.reports import BOTH, ReportedCall, Shared, batch, waiting


def test_the_beginning_of_a_request_reaches_all() -> None:
    shared = Shared()
    shared.call.begin(BOTH)
    assert (shared.one.take(), shared.two.take()) == ([("begin", (11, 12))], [("begin", (5, 7))])
    shared.call.begin(batch(0))
    assert (shared.one.take(), shared.two.take()) == ([("begin", (10,))], [])


def test_a_failed_attempt_reaches_all() -> None:
    shared, error = Shared(), OverloadedError("it is down")
    shared.call.attempt_failed(batch(0, 1), error)
    assert shared.one.take() == [("attempt_failed", (10, 11), error)]
    assert shared.two.take() == [("attempt_failed", (5,), error)]


def test_a_request_in_vain_reaches_all() -> None:
    shared = Shared()
    shared.call.begin(BOTH)
    shared.call.put_back(BOTH)
    assert shared.one.take()[1:] == [("put_back", (11, 12))]
    assert shared.two.take()[1:] == [("put_back", (5, 7))]
    assert shared.missing == (3, 2)
    assert shared.call.join(waiting(ReportedCall(), "mine"), [1], [0]) is False, "it is not sent any more"


def test_the_first_call_pays_for_the_request() -> None:
    shared, sent = Shared(), list[int]()
    shared.call.on_sent = lambda: sent.append(1)
    shared.call.count(1, 2)
    assert (shared.one.take(), shared.two.take(), sent) == ([("count", 1, 2)], [], [1])
    shared.call.leave(shared.first)
    shared.call.count(1)
    assert shared.two.take()[-1] == ("count", 1, 0)


def test_numbers_and_deadlines_are_those_of_calls_that_wait() -> None:
    shared = Shared(first=ReportedCall(due=5.0))
    assert shared.call.numbers(batch(0)) == (id(shared.one),)
    assert shared.call.numbers(BOTH) == (id(shared.one), id(shared.two))
    assert [shared.call.first_due(each) for each in (batch(0), BOTH, batch(3))] == [5.0, 5.0, math.inf]
    assert [shared.call.wants(batch(index)) for index in range(4)] == [True, True, True, False]
    shared.one.stopped = True
    assert [shared.call.wants(batch(index)) for index in range(4)] == [False, True, True, False]


def test_a_shared_call_has_no_rows_and_no_deadline_of_its_own() -> None:
    call = Shared().call
    assert (call.rows(BOTH, 8), call.dim, call.due, call.is_probe) == (None, None, math.inf, False)


# --- rows


def test_each_call_gets_its_rows_and_the_first_that_waits_pays() -> None:
    shared = Shared(cached=True)
    rows = np.array([[1, 0], [2, 0], [3, 0]], np.float32)
    shared.call.place(batch(0, 1, 2), Reply(rows, tokens=6, truncated=[1]), rows)
    assert shared.one.take() == [("place", (10, 11, 12), 6, (1,), [1, 2, 3])]
    assert shared.two.take() == [("place", (5, 7), 0, (0,), [2, 3])]
    assert (shared.missing, shared.settled) == ((0, 0), [((0, 1, 2), True)])
    assert shared.call.truncated == {1}
    shared.one.last[:] = 9
    shared.two.last[:] = 8
    assert rows[:, 0].tolist() == [1, 2, 3], "no two of them are one array"


@pytest.mark.parametrize("cached", [True, False])
def test_rows_of_one_call_alone_are_not_copied(cached: bool) -> None:
    shared = Shared(cached=cached)
    rows = np.ones((1, 2), np.float32)
    shared.call.place(batch(0), Reply(rows, tokens=1), rows)
    assert np.shares_memory(shared.one.last, rows)
    assert shared.one.last.flags.writeable is not cached, "the cache has them as well"
    assert rows.flags.writeable


def test_texts_that_were_shortened_before_are_reported_with_their_rows() -> None:
    shared = Shared()
    shared.call.truncate(batch(2))
    rows = np.ones((2, 2), np.float32)
    shared.call.place(BOTH, Reply(rows, tokens=2), rows)
    assert shared.one.take() == [("place", (11, 12), 2, (1,), [1, 1])]
    assert shared.two.take()[0][3] == (1,)


# --- failures


def test_a_failure_reaches_all_with_the_place_in_their_own_texts() -> None:
    shared = Shared(cached=True)
    shared.call.fail(batch(2), BadTextError("it is bad", index=0))
    assert shared.one.take() == [("fail", (12,), BadTextError, 0)]
    assert shared.two.take() == [("fail", (7,), BadTextError, 0)]
    assert (shared.missing, shared.settled) == ((2, 1), [((2,), False)])
    both = Shared()
    both.call.fail(BOTH, BadTextError("it is bad", index=1))
    assert both.one.take() == [("fail", (11, 12), BadTextError, 1)]
    assert both.two.take() == [("fail", (5, 7), BadTextError, 1)]


def test_a_rejected_batch_says_nothing_about_a_part_of_it() -> None:
    shared = Shared()
    shared.call.fail(batch(0, 1, 2), BadRequestError("it is rejected"))
    assert shared.one.take() == [("fail", (10, 11, 12), BadRequestError, None)]
    assert shared.two.take() == [("put_back", (5, 7))]
    assert (shared.second.take_back(), shared.second.take_back(), shared.missing) == ([5, 7], [], (0, 0))


def test_a_batch_of_one_text_is_rejected_for_all() -> None:
    shared = Shared()
    shared.call.fail(batch(2), BadRequestError("it is rejected"))
    assert [report[0] for report in (*shared.one.take(), *shared.two.take())] == ["fail", "fail"]


@pytest.mark.parametrize("origin", ["mine", "another"])
def test_a_rejected_key_is_that_of_one_embedder(origin: str) -> None:
    shared = Shared(other_origin=origin)
    error = AuthenticationError("who are you")
    assert error.fatal
    shared.call.fail(batch(2), error)
    assert shared.one.take() == [("fail", (12,), AuthenticationError, None)]
    assert shared.two.take() == [("fail", (7,), AuthenticationError, None) if origin == "mine" else ("put_back", (7,))]
    assert shared.call.stopped
    assert not shared.call.wants(BOTH)
    shared.call.skip(batch(1))
    assert shared.one.take() == [("put_back", (11,)), ("stop", AuthenticationError)]
    assert shared.two.take()[-1] == (("stop", AuthenticationError) if origin == "mine" else ("put_back", (5,)))


def test_the_first_of_two_fatal_errors_counts() -> None:
    shared = Shared()
    shared.call.stop(BadTextError("first"))
    shared.call.stop(OverloadedError("second"))
    shared.call.skip(batch(0))
    assert shared.one.take()[-1] == ("stop", BadTextError)


def test_texts_that_are_not_sent_go_back_to_calls_that_want_them() -> None:
    shared = Shared()
    shared.one.stopped = True
    shared.call.skip(BOTH)
    assert shared.one.take() == [("put_back", (11, 12))]
    assert shared.two.take() == [("put_back", (5, 7))]
    assert (shared.first.take_back(), shared.second.take_back()) == ([], [5, 7])
    assert shared.missing == (1, 0)
