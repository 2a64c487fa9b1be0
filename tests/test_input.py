"""Bad input is refused by index, in words that help, before anything is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from aembed import InputError
from aembed._input import check_out, check_text, check_texts

BAD_ITEMS = [
    pytest.param(7, "expected str, got int", id="number"),
    pytest.param(None, "expected str, got NoneType", id="none"),
    pytest.param(b"abc", "expected str, got bytes", id="bytes"),
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
    pytest.param({"a": 1}, "dict, which has no order", id="dict"),
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
def test_a_bad_collection_is_named_for_what_it_is(texts: Any, reason: str) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        check_texts(texts)
    assert caught.value.index is None


def test_the_first_of_several_bad_items_is_named() -> None:
    with pytest.raises(InputError) as caught:
        check_texts(["good", " ", "", None])  # type: ignore[list-item]
    assert caught.value.index == 1


@pytest.mark.parametrize("kind", [list, tuple, iter, lambda texts: np.array(texts, object)])
def test_any_ordered_iterable_of_strings_is_taken(kind: Callable[[list[str]], Any]) -> None:
    assert check_texts(kind(["a", "\u00e4"])) == ["a", "\u00e4"]


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


def test_an_item_that_changes_while_it_is_read_is_still_an_input_error() -> None:
    class Fickle(str):
        """Has no truth value the first time it is asked."""

        __slots__ = ("asked",)

        def __bool__(self) -> bool:
            if not hasattr(self, "asked"):
                self.asked = True
                raise TypeError
            return True

    with pytest.raises(InputError, match="changed its type"):
        check_texts([Fickle("a")])


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
def test_an_array_that_cannot_take_the_vectors_is_refused(out: Any, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        check_out(out, 3, 4)


def test_an_array_of_the_right_shape_is_taken() -> None:
    check_out(np.empty((3, 4), np.float32), 3, 4)
