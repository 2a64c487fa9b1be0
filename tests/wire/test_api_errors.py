"""Status and body of an error reply become an error with a remedy, and without any part of the request."""

from __future__ import annotations

from typing import Any

import pytest

from aembed._errors import (
    AuthenticationError,
    BadTextError,
    BatchTooLargeError,
    RateLimitError,
    TextTooLongError,
)
from aembed._wire.api_errors import request_id
from aembed._wire.error_body import error_in_200
from tests.wire.error_replies import KEY, error_of
from tests.wire.fake import answer


@pytest.mark.parametrize(
    ("body", "index"),
    [
        ({"detail": [{"type": "string_too_short", "loc": ["body", "input", 1], "msg": "String should have"}]}, 1),
        ({"detail": [{"type": "string_type", "loc": ["body", "input", "list[str]", 1], "msg": "Input should be"}]}, 1),
        ({"detail": [{"type": "value_error", "loc": ["body", "input"], "msg": "Value error, it is empty"}]}, None),
        ({"message": "2 fields", "errors": [{"field": "task"}, {"field": "input[1]", "message": "it is empty"}]}, 1),
        ({"error": {"message": "not allowed", "param": "input"}}, None),
        ({"message": "Input validation error: `inputs` cannot be empty", "code": 422}, None),
    ],
)
def test_a_text_that_is_at_fault(body: Any, index: int | None) -> None:
    error = error_of(answer(body, 422))
    assert type(error) is BadTextError
    assert error.index == index


def test_a_batch_of_one_that_is_too_large_is_a_text_that_is_too_long() -> None:
    body = {"error": {"message": "too many tokens"}}
    assert type(error_of(answer(body, 400))) is BatchTooLargeError
    assert type(error_of(answer(body, 400), ["a text that is alone"])) is TextTooLongError
    assert type(error_of(answer(b"", 413), ["a text that is alone"])) is TextTooLongError
    limited = {"error": {"message": "Request too large for m on tokens per min (TPM)"}}
    assert type(error_of(answer(limited, 429), ["a text that is alone"])) is BatchTooLargeError  # of the quota


def test_messages_have_a_remedy() -> None:
    too_long = error_of(answer({"error": {"message": "maximum input length is 8192 tokens"}}, 400))
    assert "maximum input length is 8192 tokens" in str(too_long)
    assert 'overlong="truncate"' in str(too_long)
    assert "api_key" in str(error_of(answer({}, 401)))
    assert "batch_size" in str(error_of(answer({}, 413)))
    assert "base_url" in str(error_of(answer(b"<html>", 404)))


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"error": {"code": 429, "message": "x"}}, 429),
        ({"error": {"code": "503", "message": "x"}}, 503),
        ({"error": {"code": "E1", "status": 404, "message": "x"}}, 404),
        ({"error": {"code": 399, "message": "x"}}, 500),
        ({"error": {"code": 600, "message": "x"}}, 500),
        ({"error": {"code": 4290, "message": "x"}}, 500),
        ({"error": "Rate-Limit reached"}, 429),
        ({"error": "bad API_KEY"}, 401),
        ({"error": "Unauthorised"}, 401),
        ({"error": "authentication failed"}, 401),
        ({"error": "invalid thing"}, 400),
        ({"error": {"message": "bad_request"}}, 400),
        ({"error": "it broke"}, 500),
        ({"error": {}}, None),
        ({"error": None}, None),
        ({"data": []}, None),
        ([{"error": "x"}], None),
        (b"<html>", None),
        (b'{"error": "' + b"x" * (2**16 - 13) + b'"}', 500),
        (b'{"error": "' + b"x" * (2**16 - 12) + b'"}', None),
    ],
)
def test_an_error_within_an_answer_of_200(body: Any, status: int | None) -> None:
    found = error_in_200(answer(body))
    assert (None if found is None else found.status) == status


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"x_request_id": "a", "request_id": "b"}, "a"),
        ({"request_id": "b"}, "b"),
        ({"apim_request_id": "c"}, "c"),
        ({"mistral_correlation_id": "d"}, "d"),
        ({"x_debug_trace_id": "e"}, "e"),
        ({"x_request_id": ""}, None),
        ({}, None),
        ({"x_request_id": "i" * 101}, "i" * 100),
        ({"x_request_id": f"it-is-{KEY}"}, "it-is-[...]"),
    ],
)
def test_the_servers_name_for_an_answer(headers: dict[str, str], found: str | None) -> None:
    assert request_id(answer({}, 200, **headers).headers, (), [KEY]) == found


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, TextTooLongError), (401, AuthenticationError), (403, AuthenticationError), (429, RateLimitError)],
)
def test_a_status_about_the_key_or_the_quota_is_not_about_a_text(status: int, kind: type[Exception]) -> None:
    body = {"error": {"message": "This model's maximum context length is 8192 tokens"}}
    assert type(error_of(answer(body, status), ["a text that is alone"])) is kind
