"""Replies of odd forms, rejected or decoded."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import numpy as np
import pytest

from aembed._errors import ReplyError
from aembed._wire.decode import decode
from aembed._wire.openai_format import OPENAI_REPLY
from aembed._wire.reply_format import token_count
from tests.wire.written_replies import decoded, encoded, reply

ROW = np.array([1.0, 2.0], np.float32)
TWO = encoded(ROW)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (reply(TWO), "1 vectors for 2 texts"),
        (reply(TWO, TWO, TWO), "3 vectors for 2 texts"),
        (b'{"data": []}', "0 vectors"),
        (b'{"data": [{"index": 1, "embedding": [1, 2]}, {"index": 1, "embedding": [1, 2]}]}', "an index is missing"),
        (b'{"data": [{"index": 1, "embedding": [1, 2]}, {"index": 2, "embedding": [1, 2]}]}', "an index is missing"),
        (b'{"data": [{"index": -1, "embedding": [1, 2]}, {"index": 0, "embedding": [1, 2]}]}', "an index is missing"),
        (reply([1.0, 2.0], [1.0]), "dimension 1 where 2"),
        (reply(TWO, encoded(ROW[:1])), "dimension 1 where 2"),
        (reply(TWO, None), "exactly one vector per text"),
        (reply(TWO, []), "exactly one vector per text"),
        (reply(TWO, ""), "dimension 0"),
        (reply([], []), "exactly one vector per text"),
        (reply("", ""), "dimension 0"),
        (reply(TWO, "not base64!!"), "base64"),
        (reply(TWO, TWO[:-2]), "base64"),
        (reply(TWO, "AAAAAAA="), "base64"),
        (reply([1.0, 2.0], [None, 2.0]), "not a number"),
        (reply([1.0, 2.0], [2.0, None]), "not a number"),
        (reply([1.0, 2.0], [1.0, "2"]), "not a number"),
        (b'{"data": [{"embedding": [1, 2]}, {"embedding": [NaN, 2]}]}', "not a number"),
        (b'{"data": [{"embedding": [1, 2]}, {"embedding": [1, 1e999]}]}', "not a number"),
        (b'{"data": [{"embedding": [1, 2]}, {"embedding": [1, 02]}]}', "not a number"),
        (reply([[1.0, 2.0]], [[1.0, 2.0]]), "not the JSON"),
        (b"<html><body>502 Bad Gateway</body></html>", "not the JSON"),
        (b"", "not the JSON"),
        (b'{"error": "overloaded"}', "not the JSON"),
        (b"[" * 50_000, "not the JSON"),
        (b'{"x": ' * 10_000, "not the JSON"),
        (b"[" * 100_000, "more JSON values"),
        (b'{"x": ' * 100_000, "more JSON values"),
        (b'{"data": [' + b"{}," * 10**6 + b"{}]}", "more JSON values"),
        (b'{"data": [], "usage": [' + b"true," * 10**6 + b"true]}", "more JSON values"),
        (b'{"data": [], "usage": ' + b"1" * 5000 + b"}", "not the JSON"),
        (b'{"data": [{"index": ' + b"1" * 5000 + b', "embedding": [1.0]}]}', "not the JSON"),
        (b'{"data": [{"embedding": [' + b"1" * 5000 + b"]}, {}]}", "vector"),
        (b'{"data": [{"index": 0, "embedding": "\xff\xfe"}, {"index": 1, "embedding": "AAAA"}]}', "base64"),
    ],
)
def test_bad_replies(body: bytes, says: str) -> None:
    with pytest.raises(ReplyError, match=says):
        decoded(body, 2)


def test_many_small_values_take_no_memory() -> None:
    body = b'{"data": [' + b"{}," * 3 * 10**6 + b"{}]}"
    tracemalloc.start()
    with pytest.raises(ReplyError, match="more JSON values"):
        decoded(body, 2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20


def test_texts_that_are_repeated_may_have_many_commas() -> None:
    text = "{[,]}" * 100_000
    body = json.dumps({"data": [{"embedding": [1.0, 2.0]}], "texts": [text]}).encode()
    np.testing.assert_array_equal(decode(body, OPENAI_REPLY, 1, None, echoed=[text]).vectors, [[1, 2]])
    with pytest.raises(ReplyError, match="more JSON values"):
        decode(body, OPENAI_REPLY, 1, None)


def test_other_numbers_are_not_taken_for_a_vector() -> None:
    stray = b'{"shape": [5, 6], "data": [{"index": 0, "embedding": %s, "more": [7, 8]}], "ids": [9]}'
    np.testing.assert_array_equal(decoded(stray % b"[1, 2]", 1).vectors, [[1, 2]])
    for nothing in (b"[]", b"null", b'""', b'"AAAA"', b"5", b"[[1, 2]]", b'["1"]'):
        with pytest.raises(ReplyError):
            decoded(stray % nothing, 1, np.empty((1, 2), np.float32))


def test_a_nested_vector_is_not_taken_for_the_items_own() -> None:
    body = b'{"data": [{"index": 0, "debug": {"embedding": "%s"}, "embedding": null}]}' % TWO.encode()
    with pytest.raises(ReplyError):
        decoded(body, 1)


ROWS = np.array([[1.0, 2.0]], np.float32)
ITS_OWN, STRAY = encoded(ROWS[0]), encoded(ROWS[0] + 1)


@pytest.mark.parametrize(
    "body",
    [
        {"note": {"embedding": STRAY}, "data": [{"embedding": ITS_OWN}]},
        {"data": [{"embedding": ITS_OWN}], "note": {"embedding": STRAY}},
        {"note": {"embedding": STRAY}, "data": [{"embedding": ""}]},
        {"note": {"embedding": STRAY}, "data": [{"embedding": "AA=="}]},
        {"note": {"embedding": STRAY}, "data": [{"embedding": None}]},
        {"data": [{"index": 1, "embedding": ITS_OWN}]},
        {"data": [{"embedding": ITS_OWN}, {"embedding": ITS_OWN}]},
        {"data": [{"embedding": ITS_OWN[:-4]}]},
        {"data": [{"embedding": f"{ITS_OWN}\\"}]},
        {"data": [{"embedding": f'{ITS_OWN}"'}]},
        {"data": [{"embedding": ""}]},
    ],
)
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (" ,", " : ")])
def test_only_the_texts_vector_is_taken_from_a_reply_to_one_text(body: Any, separators: tuple[str, str]) -> None:
    rows = np.zeros_like(ROWS)
    try:
        vectors = decoded(json.dumps(body, separators=separators).encode(), 1, rows).vectors
    except ReplyError:
        return
    assert body["data"][0]["embedding"] == ITS_OWN
    np.testing.assert_array_equal(vectors, ROWS)


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (" ,", " : ")])
def test_a_reply_to_one_text_is_decoded_into_its_row(separators: tuple[str, str]) -> None:
    rows = np.zeros_like(ROWS)
    body = {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": ITS_OWN}], "ids": [7]}
    result = decoded(json.dumps({**body, "usage": {"total_tokens": 5}}, separators=separators).encode(), 1, rows)
    assert result == (rows, 5, True)
    np.testing.assert_array_equal(rows, ROWS)


def test_slashes_may_be_escaped() -> None:
    row = np.frombuffer(b"\xff\xff\x7f\x3f" * 2, "<f4")
    assert "/" in encoded(row)
    body = json.dumps({"data": [{"embedding": encoded(row)}]}).replace("/", "\\/").encode()
    np.testing.assert_array_equal(decoded(body, 1).vectors[0], row)


def test_numbers_beyond_float32_are_infinite_and_left_to_the_check() -> None:
    assert np.isinf(decoded(reply([1e39, 1.0]), 1).vectors[0, 0])


def test_an_index_may_be_left_out() -> None:
    body = b'{"data": [{"embedding": [1, 2]}, {"embedding": [3, 4]}]}'
    np.testing.assert_array_equal(decoded(body, 2).vectors, [[1, 2], [3, 4]])


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"total_tokens": 9, "prompt_tokens": 0}, 9),
        ({"prompt_tokens": 4}, 4),
        ({"total_tokens": 5.0}, 5),
        ({"total_tokens": None}, None),
        ({"total_tokens": -1}, None),
        ({"total_tokens": "5"}, None),
        ({"total_tokens": True}, None),
        ({}, None),
        (None, None),
        ([1, 2], None),
        ("none", None),
    ],
)
def test_odd_usage_costs_no_vectors(usage: object, tokens: int | None) -> None:
    assert decoded(reply(TWO, usage=usage), 1).tokens == tokens


def test_token_count_takes_no_nonsense() -> None:
    assert [token_count(said) for said in (float("nan"), float("inf"), 10**30, 1e300, -1, True)] == [None] * 6
    assert [token_count(said) for said in (0, 7.0, 2**53 - 1, 2**53)] == [0, 7, 2**53 - 1, None]


def test_it_is_remembered_whether_base64_came() -> None:
    assert decoded(reply(TWO), 1).base64
    assert not decoded(reply([1.0, 2.0]), 1).base64


def values(count: int) -> bytes:
    """A reply of one vector, and so many values that it does not need."""
    return b'{"data": [{"embedding": [1, 2]}], "usage": null, "more": [' + b"true," * count + b"true]}"


def test_how_many_values_an_answer_may_have() -> None:
    """65,536, and 16 more for each text; a body as short as that may have any number."""
    most = 2**16 + 16
    around = 2 + 3 + 2  # braces, brackets and commas of the others
    for count, is_fine in ((most - around, True), (most - around + 1, False)):
        if is_fine:
            np.testing.assert_array_equal(decoded(values(count), 1).vectors, [[1, 2]])
        else:
            with pytest.raises(ReplyError, match="more JSON values than these texts can need"):
                decoded(values(count), 1)
