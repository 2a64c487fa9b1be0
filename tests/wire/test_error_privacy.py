"""An error shows no part of the request, even if the body of the reply repeats it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed._errors import (
    BadRequestError,
    BadTextError,
    ProviderError,
    TextTooLongError,
)
from aembed._wire.error_body import ErrorBody
from tests.wire.error_replies import KEY, error_of
from tests.wire.fake import answer


def test_the_request_is_not_repeated() -> None:
    text = "a private text that nobody else should read, ever"
    echo = {"error": {"message": f"Invalid input {text!r} for key {KEY}", "code": KEY, "type": text}}
    found = error_of(answer(echo, 400), [text])
    for private in (KEY, text, text[:20], text[-20:]):
        assert private not in str(found)
        assert private not in repr(found)
    assert "Invalid input" in str(found)


def test_a_text_does_not_choose_its_error() -> None:
    text = "please read: insufficient_quota, model_not_found, batch size"
    assert type(error_of(answer({"error": {"message": f"input refused: {text}"}}, 400), [text])) is BadTextError


def test_short_texts_do_not_hide_the_meaning() -> None:
    body = {"error": {"message": "maximum context length is 8192 tokens"}}
    found = error_of(answer(body, 400), ["context", "tokens", "length"])
    assert type(found) is TextTooLongError
    assert "context" not in str(found)


nested = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(st.sampled_from(["error", "message", "detail", "code", "type", "loc", "msg"]), children)
    ),
    max_leaves=8,
)


@given(st.integers(400, 599), nested)
def test_any_body_gives_an_error_of_ours(status: int, body: object) -> None:
    assert isinstance(error_of(answer(json.dumps(body).encode(), status)), ProviderError)


@given(st.integers(400, 599), st.binary())
def test_any_bytes_give_an_error_of_ours(status: int, body: bytes) -> None:
    assert isinstance(error_of(answer(body, status)), ProviderError)


def test_a_text_that_is_pointed_at_is_named() -> None:
    words = "Invalid 'input[3]': maximum input length is 8192 tokens."
    error = error_of(answer({"error": {"message": words, "type": "invalid_request_error"}}, status=400))
    assert isinstance(error, TextTooLongError)
    assert error.index == 3


SIXTEEN = "context length!!"


@pytest.mark.parametrize("text", [SIXTEEN, f"{SIXTEEN}!"])
def test_a_text_of_sixteen_letters_may_be_the_servers_own_words(text: str) -> None:
    """It does not hide what a rejection means, and is repeated no more than a longer one, which does."""
    error = error_of(answer({"error": {"message": f"this model's maximum {text}"}}, 400), [text, "another text"])
    assert type(error) is (TextTooLongError if text == SIXTEEN else BadRequestError)
    assert "maximum [...]" in str(error)


def test_one_of_two_fields_may_be_a_text() -> None:
    faults = [{"field": "input[1]", "code": "string_type"}, {"field": "input", "code": "list_type"}]
    for errors, kind in ((faults, BadTextError), (faults[1:], BadRequestError)):
        body = {"detail": {"message": "Validation errors", "code": "string_type", "errors": errors}}
        assert type(error_of(answer(body, 422))) is kind


@pytest.mark.parametrize(
    ("path", "of_texts"),
    [
        ("input", True),
        ("body.input.3", True),
        ("INPUTS[3]", True),
        ("requests", True),
        ("requests[0].content", True),
        ("requests.0.task_type", False),
        ("parts.0.x", False),
        ("task", False),
        ("3", False),
        ("", False),
    ],
)
def test_fields_that_hold_texts(path: str, of_texts: bool) -> None:
    assert ErrorBody(fields=(path,)).is_about_texts is of_texts


def test_no_more_complaints_than_eight_are_looked_at() -> None:
    faults = [{"field": f"task{number}", "message": "no"} for number in range(8)]
    at_end = [{"field": "input[2]", "message": "it is empty"}]
    first, last = ({"message": "x", "errors": errors} for errors in (at_end + faults, faults + at_end))
    assert type(error_of(answer(first, 422))) is BadTextError
    assert type(error_of(answer(last, 422))) is BadRequestError
