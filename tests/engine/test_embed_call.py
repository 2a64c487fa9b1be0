"""The state of one call, as the layers report to it, and the result of each text."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from aembed import (
    AuthenticationError,
    BadRequestError,
    ConnectError,
    InputError,
    ModelSpec,
    OverloadedError,
    Reply,
    Vectors,
)
from aembed._engine.call import EmbedCall
from aembed._types import Batch

SPEC = ModelSpec(name="m", price=1.0)
A, B, C = "a", "b", "c"


def batch(call: EmbedCall, start: int, stop: int) -> Batch:
    return Batch(call.texts[start:stop], slice(start, stop))


def place(call: EmbedCall, start: int, stop: int, vectors: Vectors | None = None, **reply: Any) -> None:
    rows = np.ones((stop - start, 2), np.float32) if vectors is None else vectors
    call.begin(batch(call, start, stop))
    call.place(batch(call, start, stop), Reply(rows, **reply), rows)


@pytest.mark.parametrize(
    ("texts", "distinct"), [([A], [A]), ([A, A], [A]), ([A, B], [A, B]), ([A, B, A], [A, B]), ([], [])]
)
def test_a_text_that_comes_twice_is_embedded_once(texts: list[str], distinct: list[str]) -> None:
    call = EmbedCall(texts, "document")
    assert (call.texts, call.row_count, call.is_probe) == (distinct, len(texts), False)
    rows = call.rows(Batch(call.texts, slice(0, len(distinct))), 2)
    assert (rows is not None) is (texts == distinct), "rows of repeated texts are no slice of the result"


def test_one_reply_to_the_whole_call_is_its_result() -> None:
    """A reply that cannot be written to, or is a part of it, is copied."""
    whole = np.arange(4, dtype=np.float32).reshape(2, 2)
    call = EmbedCall([A, B], "document")
    place(call, 0, 2, whole)
    assert call.vectors(2) is whole
    frozen = whole.copy()
    frozen.flags.writeable = False
    call = EmbedCall([A, B], "document")
    place(call, 0, 2, frozen)
    assert call.vectors(2) is not frozen
    np.testing.assert_array_equal(call.vectors(2), whole)
    call = EmbedCall([A, B], "document")
    for index in (1, 0):
        place(call, index, index + 1, whole[index : index + 1].copy())
    np.testing.assert_array_equal(call.vectors(2), whole)
    out = np.zeros((2, 2), np.float32)
    call = EmbedCall([A, B], "document", out=out)
    place(call, 0, 2, whole)
    assert call.vectors(2) is out
    np.testing.assert_array_equal(out, whole)


@pytest.mark.parametrize(("dim", "shape"), [(None, (2, 0)), (3, (2, 3))])
def test_a_call_without_any_reply_has_rows_of_nan(dim: int | None, shape: tuple[int, int]) -> None:
    call = EmbedCall([A, B], "document")
    assert call.dim is None
    vectors = call.vectors(dim)
    assert vectors.shape == shape
    assert np.isnan(vectors).all()
    assert call.dim == shape[1]


def test_rows_without_a_vector_and_truncated_ones_are_counted_as_the_caller_has_them() -> None:
    call = EmbedCall([A, B, C], "document")
    assert call.tally() == (3, 0)
    place(call, 0, 2, truncated=[1])
    assert call.tally() == (1, 1)
    place(call, 2, 3)
    assert call.tally() == (0, 1)
    refused = InputError("blank")
    call = EmbedCall([A, " ", B, A], "document", rejected={1: refused})
    assert call.tally() == (4, 0)
    place(call, 0, 1, truncated=[0])
    assert call.tally() == (2, 2), "the blank one, and b"
    place(call, 1, 2)
    assert call.tally() == (1, 2)


def test_tokens_are_known_as_long_as_every_reply_has_them() -> None:
    call = EmbedCall([A, B, C], "document")
    seen = [call.tokens]
    for index, tokens in enumerate((3, None, 4)):
        place(call, index, index + 1, tokens=tokens)
        seen.append(call.tokens)
    assert seen == [0, 3, None, None]


def test_what_was_sent_is_counted_and_told() -> None:
    call = EmbedCall([A], "document")
    told: list[int] = []
    call.on_sent = lambda: told.append(call.requests)
    call.count(1)
    call.count(2, 1)
    assert (call.requests, call.maybe_billed, told) == (3, 1, [1, 3])
    usage = call.result(SPEC).usage
    assert (usage.requests, usage.maybe_billed, usage.tokens) == (3, 1, 0)


def test_the_end_of_each_row_is_told() -> None:
    call = EmbedCall([A, B, A, C], "document", "return")
    ended: list[int] = []
    call.on_ended = ended.append
    place(call, 0, 1)
    call.fail(batch(call, 1, 3), OverloadedError("busy"))
    assert ended == [2, 2]


@pytest.mark.parametrize(
    ("error", "texts", "index"),
    [
        (BadRequestError("no"), 1, 2),
        (InputError("no"), 1, 2),
        (OverloadedError("busy"), 1, None),
        (BadRequestError("no"), 2, None),
        (BadRequestError("no", index=1), 2, 3),
        (OverloadedError("busy", index=0), 2, 2),
    ],
)
def test_an_error_names_the_row_of_its_text(error: Any, texts: int, index: int | None) -> None:
    """A rejection of a single text is about that text; a server that is busy says nothing of it."""
    call = EmbedCall([A, A, B, C], "document", "return")
    call.fail(batch(call, 1, 1 + texts), error)
    assert error.index == index
    assert call.first_failure() is error
    assert list(call.result(SPEC).failures) == [2, 3][:texts]


def test_the_first_failure_is_that_of_the_first_row() -> None:
    call = EmbedCall([A, B, C], "document", "return")
    assert call.first_failure() is None
    errors = [OverloadedError("busy") for _ in range(2)]
    call.fail(batch(call, 2, 3), errors[0])
    assert call.first_failure() is errors[0]
    call.fail(batch(call, 0, 1), errors[1])
    assert call.first_failure() is errors[1]
    assert not call.stopped


@pytest.mark.parametrize(
    ("on_error", "error", "stops"),
    [
        ("raise", OverloadedError("busy"), True),
        ("return", OverloadedError("busy"), False),
        ("return", AuthenticationError("who are you"), True),
    ],
)
def test_a_failure_stops_a_call_that_wants_none_or_one_that_is_hopeless(on_error: Any, error: Any, stops: bool) -> None:
    call = EmbedCall([A, B], "document", on_error)
    assert call.wants(batch(call, 1, 2))
    call.fail(batch(call, 0, 1), error)
    assert (call.stopped, call.error) == (stops, error if stops else None)
    assert call.wants(batch(call, 1, 2)) is not stops
    later = ConnectError("lost")
    call.stop(later)
    assert call.error is (error if stops else later), "the first error is the call's"


def test_a_truncated_text_that_fails_is_no_truncated_one() -> None:
    call = EmbedCall([A, B], "document", "return")
    call.truncate(batch(call, 0, 2))
    call.fail(batch(call, 0, 1), OverloadedError("busy"))
    place(call, 1, 2)
    assert call.result(SPEC).truncated == (1,)


def test_a_text_that_was_sent_in_vain_is_not_attempted() -> None:
    call = EmbedCall([A, B, C], "document", "return")
    call.begin(batch(call, 0, 3))
    call.skip(batch(call, 0, 1))
    call.put_back(batch(call, 1, 2))
    assert call.result(SPEC).not_attempted == (0, 1)


def expired(call: EmbedCall, **why: Any) -> str:
    error, *_ = call.expire(2.5, **why)
    return str(error).partition(" [")[0]


def test_texts_in_flight_fail_at_the_deadline_and_others_were_never_attempted() -> None:
    call = EmbedCall([A, B, C], "document", "return")
    place(call, 0, 1)
    call.begin(batch(call, 1, 2))
    assert not call.is_late
    error, failed, unsent = call.expire(2.5, paused=7.0)
    assert (failed, unsent, error.retry_after, call.is_late, call.stopped) == (1, 1, 7.0, True, False)
    result = call.result(SPEC)
    assert (list(result.failures), result.not_attempted) == ([1], (2,))
    assert result.failures[1] is error


def test_the_deadline_ends_a_call_that_wants_no_failure() -> None:
    call = EmbedCall([A], "document")
    error, failed, unsent = call.expire(2.5)
    assert (call.error, failed, unsent) == (error, 0, 1)


def test_a_late_call_says_what_it_waited_for() -> None:
    """The failure of its last request, else the trouble of the account, else the texts that were never sent."""
    late = "the call did not finish within its deadline of 2.5 s"
    call = EmbedCall([A, B], "document", "return")
    assert expired(call) == f"{late}: 2 of 2 texts still waited to be sent; raise deadline or send fewer texts"
    call = EmbedCall([A, B], "document", "return")
    call.begin(batch(call, 0, 2))
    assert expired(call) == f"{late}; raise deadline or send fewer texts"
    assert (
        expired(call, trouble="its quota is used up") == f"{late}: its quota is used up; retry later, or raise deadline"
    )
    last = OverloadedError("busy")
    call.attempt_failed(batch(call, 0, 2), ConnectError("lost"))
    call.attempt_failed(batch(call, 0, 2), last)
    assert expired(call, option="timeout", trouble="x").startswith(
        "the call did not finish within its timeout of 2.5 s: 2 requests failed, the last with OverloadedError: busy"
    )
    assert call.expire(2.5)[0].__cause__ is last
    call = EmbedCall([A], "document", "return")
    call.attempt_failed(batch(call, 0, 1), last)
    assert f"{late}: a request failed with OverloadedError: busy" in expired(call)


@pytest.mark.parametrize(("until", "may_go_on"), [(4.9, True), (5.0, True), (5.1, False)])
def test_a_call_ends_if_no_request_can_be_sent_before_its_deadline(until: float, may_go_on: bool) -> None:
    call = EmbedCall([A], "document", "return")
    assert call.run_out(batch(call, 0, 1), math.inf), "a call without a deadline waits for ever"
    call.due = 5.0
    assert call.first_due(batch(call, 0, 1)) == 5.0
    assert call.run_out(batch(call, 0, 1), until) is may_go_on
    assert (call.stopped, call.out_of_time) == (not may_go_on, not may_go_on)
    assert expired(call).startswith(f"the call {'did not' if may_go_on else 'cannot'} finish within its deadline")


def test_a_failure_holds_no_frame_and_the_result_says_how_long_it_took(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame would keep the rows of the call in memory as long as somebody keeps its error."""
    monkeypatch.setattr("aembed._engine.call.time.perf_counter", iter([10.0, 13.5]).__next__)
    call = EmbedCall([A], "document", "return")
    with pytest.raises(OverloadedError) as caught:
        raise OverloadedError("busy")
    failure = caught.value
    call.attempt_failed(batch(call, 0, 1), failure)
    call.fail(batch(call, 0, 1), failure)
    result = call.result(SPEC)
    assert result.failures[0] is failure
    assert failure.__traceback__ is None
    assert result.elapsed == 3.5
