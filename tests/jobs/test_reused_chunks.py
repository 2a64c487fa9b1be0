"""Chunks of an input of which an earlier output has some vectors."""

from __future__ import annotations

import pytest

from aembed import ModelSpec
from aembed.jobs.chunks import CHUNK_BYTES, CHUNK_S, Cutter, RowChunk
from aembed.jobs.rows import Row


def rows(*texts: str) -> list[Row]:
    return [Row(n, n, text, {}, "" if text else "it is empty") for n, text in enumerate(texts, 1)]


def cut(texts: list[str], earlier: list[int] | None, *, most: int = 2, start: int = 10) -> list[RowChunk]:
    cutter = Cutter(ModelSpec(name="m", max_batch_texts=most), 4)
    return cutter.add(start, rows(*texts), earlier) + cutter.flush()


def shown(chunks: list[RowChunk]) -> list[tuple[range, list[str], list[int], dict[int, int]]]:
    return [
        (range(each.start, each.stop), each.texts, each.indices, dict(zip(each.known, each.earlier, strict=True)))
        for each in chunks
    ]


def test_texts_with_a_vector_are_not_sent() -> None:
    found = cut(["a", "b", "", "c", "d", "e"], [-1, 7, -1, 0, -1, -1])
    assert shown(found) == [
        (range(10, 15), ["a", "d"], [10, 14], {11: 7, 13: 0}),
        (range(15, 16), ["e"], [15], {}),
    ]


def test_a_chunk_may_hold_no_text_at_all() -> None:
    assert shown(cut(["a", "b", ""], [3, 2, -1])) == [(range(10, 13), [], [], {10: 3, 11: 2})]


@pytest.mark.parametrize("earlier", [None, [-1, -1, -1]])
def test_without_a_vector_all_are_sent(earlier: list[int] | None) -> None:
    assert shown(cut(["a", "b", "c"], earlier)) == [
        (range(10, 12), ["a", "b"], [10, 11], {}),
        (range(12, 13), ["c"], [12], {}),
    ]


def test_only_texts_that_are_sent_have_bytes() -> None:
    (found,) = cut(["abc", "defgh", ""], [-1, 5, -1])
    assert found.size == 3 * 4 * 4 + 4 * 3


def test_rows_that_do_not_follow_begin_another_chunk() -> None:
    cutter = Cutter(ModelSpec(name="m"), 4)
    assert cutter.add(0, rows("a", "b"), [-1, 4]) == []
    first = cutter.add(5, rows("c"), [9])
    assert shown(first + cutter.flush()) == [(range(2), ["a"], [0], {1: 4}), (range(5, 6), [], [], {5: 9})]
    assert cutter.flush() == []


@pytest.mark.parametrize(("second", "chunks"), [(16, 1), (20, 2)])
def test_the_tokens_of_a_request_are_reached_and_not_passed(second: int, chunks: int) -> None:
    """Five tokens and five, or six."""
    cutter = Cutter(ModelSpec(name="m", max_batch_tokens=10), 4)
    assert len(cutter.add(0, rows("x" * 16, "y" * second)) + cutter.flush()) == chunks
    assert len(cutter.add(2, rows("x" * 16, "y" * second)) + cutter.flush()) == chunks, "and again"


def test_chunks_take_two_seconds_or_two_mebibytes() -> None:
    assert (CHUNK_S, CHUNK_BYTES) == (2.0, 2**21)
