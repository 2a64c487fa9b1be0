"""Bad input is rejected by index, with a remedy, before anything is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from aembed import InputError
from aembed._input import check_grace, check_out, check_seconds, check_text, check_texts, sort_texts


class Table:
    """Iterating over a data frame gives the names of its columns."""

    columns = dtypes = ("text",)

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)


class DocumentsToCome:
    def __aiter__(self) -> DocumentsToCome:
        return self

    async def __anext__(self) -> str:
        raise StopAsyncIteration


class Scalars(list[object]):
    """A pyarrow array: its items are pyarrow's objects, unless it is asked for Python's."""

    def to_pylist(self) -> list[str]:
        return ["a", "b"]


class Loud(str):
    __slots__ = ()

    def __str__(self) -> str:
        return self.upper()


BAD_ITEMS = [
    pytest.param(7, "expected str, got int", id="number"),
    pytest.param(None, "expected str, got NoneType", id="none"),
    pytest.param(float("nan"), "expected str, got float; leave missing texts out", id="missing in pandas"),
    pytest.param(type("NAType", (), {})(), "expected str, got NAType; leave missing texts out", id="pandas.NA"),
    pytest.param(b"abc", r"expected str, got bytes; decode it", id="bytes"),
    pytest.param(["abc"], "expected str, got list", id="nested list"),
    pytest.param(np.array([1, 2]), "expected str, got ndarray", id="array that has no truth value"),
    pytest.param("", "empty or blank", id="empty"),
    pytest.param(" \t\n", "empty or blank", id="blank"),
    pytest.param("\u3000\u2028", "empty or blank", id="blank beyond ASCII"),
    pytest.param("caf\u00e9 \ud800", "lone surrogate at character 5", id="lone surrogate"),
]

BAD_COLLECTIONS = [
    pytest.param("abc", "single str, not a sequence of strings; put it in a list", id="bare string"),
    pytest.param(b"abc", "single bytes", id="bytes"),
    pytest.param({"a", "b"}, "set, which has no order", id="set"),
    pytest.param(frozenset("ab"), "frozenset, which has no order", id="frozenset"),
    pytest.param({"a": 1}, "dict; give its values", id="dict"),
    pytest.param(bytearray(b"abc"), "single bytearray", id="bytearray"),
    pytest.param(memoryview(b"abc"), "single memoryview", id="memoryview"),
    pytest.param(Table(), "Table, a whole table; give the column", id="table"),
    pytest.param(aiter(DocumentsToCome()), "async iterable; use stream_documents", id="async iterable"),
    pytest.param({"a": 1}.keys(), "dict_keys, which has no order", id="keys"),
    pytest.param(7, "int, not a sequence of strings", id="number"),
    pytest.param(None, "NoneType, not a sequence of strings", id="none"),
]


@pytest.mark.parametrize(("item", "reason"), BAD_ITEMS)
@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_bad_item_is_named_by_its_index(item: Any, reason: str, index: int) -> None:
    texts = ["good", "b\u00f6n"]
    texts.insert(index, item)
    with pytest.raises(InputError, match=reason) as caught:
        check_texts(texts)
    assert caught.value.index == index


@pytest.mark.parametrize(("texts", "reason"), BAD_COLLECTIONS)
def test_a_bad_collection_is_named_by_its_type(texts: Any, reason: str) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        check_texts(texts)
    assert caught.value.index is None


def test_the_first_of_several_bad_items_is_named() -> None:
    with pytest.raises(InputError) as caught:
        check_texts(["good", " ", "", None])  # type: ignore[list-item]
    assert caught.value.index == 1


@pytest.mark.parametrize("kind", [list, tuple, iter, np.array, lambda texts: np.array(texts, object)])
def test_any_ordered_iterable_of_strings_is_taken(kind: Callable[[list[str]], Any]) -> None:
    assert check_texts(kind(["a", "\u00e4"])) == ["a", "\u00e4"]


@pytest.mark.parametrize(
    "texts",
    [np.array(["a", "b"]), [np.str_("a"), "b"], [Loud("a"), Loud("b")], Scalars([1, 2])],
    ids=["array", "np.str_", "subclass", "pyarrow"],
)
def test_fault_83_texts_become_plain_strings(texts: Any) -> None:
    for checked in (check_texts(texts), sort_texts(texts)[0], [check_text(text) for text in check_texts(texts)]):
        assert checked == ["a", "b"]
        assert {type(text) for text in checked} == {str}


def test_rejected_texts_are_listed_with_their_error() -> None:
    texts, rejected = sort_texts(["a", " ", np.str_("b"), None, "\ud800"])  # type: ignore[list-item]
    assert texts == ["a", "", "b", "", ""]
    assert {type(text) for text in texts} == {str}
    assert {index: error.index for index, error in rejected.items()} == {1: 1, 3: 3, 4: 4}
    assert "blank" in str(rejected[1])


def test_one_text_is_no_list_of_texts() -> None:
    with pytest.raises(InputError, match="got list; call embed_queries or embed_documents for several"):
        check_text(["a"])
    assert type(check_text(np.str_("a"))) is str


def test_an_error_of_the_iterable_is_its_own() -> None:
    def broken() -> Iterator[str]:
        yield "a"
        raise TypeError("mine")

    with pytest.raises(TypeError, match="mine"):
        check_texts(broken())


@pytest.mark.parametrize("seconds", [1, 2.5, np.float32(2.5), np.float16(1), np.int64(3), Fraction(1, 2)], ids=repr)
def test_seconds_are_a_number_of_any_kind(seconds: Any) -> None:
    assert check_seconds(seconds, "deadline") == float(seconds)
    assert type(check_seconds(seconds, "deadline")) is float
    assert check_seconds(None, "deadline") is None


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), True, "3", np.float32("nan"), [3]], ids=repr)
def test_seconds_are_positive(seconds: Any) -> None:
    with pytest.raises(InputError, match=r"deadline is .* a positive number of seconds"):
        check_seconds(seconds, "deadline")


@pytest.mark.parametrize(
    ("seconds", "grace"), [(None, None), (0, 0.0), (np.float32(0), 0.0), (0.5, 0.5), (3, 3.0), (1, 1.0)], ids=repr
)
def test_a_grace_may_be_zero(seconds: Any, grace: float | None) -> None:
    assert check_grace(seconds) == grace
    assert type(check_grace(seconds)) is type(grace)


@pytest.mark.parametrize("seconds", [-1, "0", float("nan"), [0], True], ids=repr)
def test_a_grace_is_a_number_that_is_not_negative(seconds: Any) -> None:
    with pytest.raises(InputError, match=r"grace is .* a positive number of seconds"):
        check_grace(seconds)


def test_the_list_is_a_copy() -> None:
    texts = ["a", "b"]
    checked = check_texts(texts)
    texts.clear()
    assert checked == ["a", "b"]


def test_no_texts_are_fine() -> None:
    assert check_texts([]) == []


def test_text_with_blank_edges_is_no_blank_text() -> None:
    check_text("  a\n")


@pytest.mark.parametrize(("text", "reason"), BAD_ITEMS)
def test_a_single_text_is_held_to_the_same(text: Any, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        check_text(text)


def test_a_text_is_not_asked_whether_it_is_empty() -> None:
    class Odd(str):
        """Says that it is empty, or does not answer."""

        __slots__ = ()

        def __bool__(self) -> bool:
            if self.endswith("?"):
                raise TypeError
            return False

    assert check_texts([Odd("a"), Odd("b?")]) == ["a", "b?"]


def test_messages_hold_no_text() -> None:
    with pytest.raises(InputError) as caught:
        check_texts(["a secret thing \ud800"])
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("out", "reason"),
    [
        pytest.param([[0.0] * 4] * 3, r"out is a list; give a numpy array: np.empty\(\(3, 4\)", id="list"),
        pytest.param(np.empty((4, 3), np.float32), r"shape \(4, 3\)", id="shape"),
        pytest.param(np.empty(12, np.float32), r"shape \(12,\)", id="flat"),
        pytest.param(np.empty((3, 4)), "dtype float64", id="dtype"),
        pytest.param(np.empty((4, 3), np.float32).T, "not C-contiguous", id="transposed"),
        pytest.param(np.broadcast_to(np.float32(0), (3, 4)), "read-only", id="read-only"),
    ],
)
def test_an_array_that_cannot_take_the_vectors_is_rejected(out: Any, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        check_out(out, 3, 4)


def test_an_array_of_the_right_shape_is_taken() -> None:
    check_out(np.empty((3, 4), np.float32), 3, 4)
