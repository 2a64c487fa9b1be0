"""Status and body of an error reply become an error with a remedy, and without any part of the request."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed._errors import (
    AuthenticationError,
    BadRequestError,
    BadTextError,
    BatchTooLargeError,
    ModelNotFoundError,
    OverloadedError,
    ProviderError,
    QuotaExhaustedError,
    RateLimitError,
    TextTooLongError,
)
from aembed._wire.api_errors import api_error, parse_error, request_id
from aembed._wire.error_body import ErrorBody, error_in_200, fastapi_error
from aembed._wire.openai_format import OPENAI_ERRORS
from aembed._wire.transport import Response
from tests.wire.fake import answer

KEY = "sk-made-up-0123456789"


def error_of(response: Response, texts: list[str] | None = None) -> ProviderError:
    texts = texts or ["some text that is long enough to be one", "another text that is long enough"]
    body = parse_error(response, OPENAI_ERRORS, texts, [KEY])
    return api_error(response, body, OPENAI_ERRORS, provider="openai", texts=texts)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, BadRequestError),
        (401, AuthenticationError),
        (402, QuotaExhaustedError),
        (403, AuthenticationError),
        (404, ModelNotFoundError),
        (405, BadRequestError),
        (408, OverloadedError),
        (409, OverloadedError),
        (413, BatchTooLargeError),
        (422, BadRequestError),
        (424, OverloadedError),
        (429, RateLimitError),
        (498, AuthenticationError),
        (499, OverloadedError),
        (500, OverloadedError),
        (502, OverloadedError),
        (503, OverloadedError),
        (501, BadRequestError),
        (505, BadRequestError),
        (529, OverloadedError),
    ],
)
def test_the_status_alone(status: int, error: type[ProviderError]) -> None:
    for body in (b"", b"<html>nginx</html>", b"{}", b"[]", b"null", b"17", b'{"error": {}}', b"[" * 100_000, b"\xff"):
        found = error_of(answer(body, status, x_request_id="req-7"))
        assert type(found) is error
        assert (found.status, found.provider, found.request_id) == (status, "openai", "req-7")
        assert f"status {status}" in str(found)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        # OpenAI and Azure
        (
            429,
            {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}},
            QuotaExhaustedError,
        ),
        (429, {"error": {"message": "Rate limit reached for requests", "code": "rate_limit_exceeded"}}, RateLimitError),
        (429, {"error": {"message": "Request too large for m on tokens per min (TPM)"}}, BatchTooLargeError),
        (404, {"error": {"message": "The model `x` does not exist", "code": "model_not_found"}}, ModelNotFoundError),
        (403, {"error": {"message": "no access to model `x`", "code": "model_not_found"}}, ModelNotFoundError),
        (404, {"error": {"message": "does not exist", "code": "DeploymentNotFound"}}, ModelNotFoundError),
        (
            400,
            {"error": {"message": "Requested 300001 tokens, max 300000 tokens per request"}},
            BatchTooLargeError,
        ),
        (
            400,
            {"error": {"message": "Invalid 'input': array too long. Expected an array with maximum length 2048"}},
            BatchTooLargeError,
        ),
        (400, {"error": {"message": "Invalid 'input': array length must be 2048 or less."}}, BatchTooLargeError),
        (400, {"error": {"message": "Invalid 'input[3]': maximum input length is 8192 tokens."}}, TextTooLongError),
        (400, {"error": {"message": "This model's maximum context length is 8192 tokens, however"}}, TextTooLongError),
        (400, {"error": {"message": "'$.input' is invalid. Please check the API reference"}}, BadTextError),
        (401, {"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}, AuthenticationError),
        # vLLM, old and new
        (
            400,
            {"object": "error", "message": "This model's maximum context length is 512 tokens.", "code": 400},
            TextTooLongError,
        ),
        (
            400,
            {"error": {"message": "maximum context length is 512 tokens", "param": "input_tokens"}},
            TextTooLongError,
        ),
        (404, {"object": "error", "message": "The model `x` does not exist.", "code": 404}, ModelNotFoundError),
        # llama.cpp
        (
            500,
            {"error": {"code": 500, "message": "input is too large to process. increase the physical batch size"}},
            TextTooLongError,
        ),
        (
            500,
            {"error": {"message": "input (992 tokens) is too large to process. increase the physical batch size"}},
            TextTooLongError,
        ),
        (500, {"error": {"message": "input is larger than the max context size. skipping"}}, TextTooLongError),
        (
            400,
            {"error": {"message": "the request exceeds the available context size, try increasing it"}},
            TextTooLongError,
        ),
        (503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}, OverloadedError),
        # LM Studio
        (404, {"error": "No models loaded. Please load a model"}, ModelNotFoundError),
        # DashScope
        (
            400,
            {
                "error": {
                    "message": "Value error, batch size is invalid, it should not be larger than 10.: input.contents"
                }
            },
            BatchTooLargeError,
        ),
        # SiliconFlow
        (
            413,
            {"code": 20042, "message": "input batch size 100 > maximum allowed batch size 64", "data": None},
            BatchTooLargeError,
        ),
        (403, {"code": 30001, "message": "Sorry, your account balance is insufficient"}, QuotaExhaustedError),
        # Infinity and other FastAPI servers
        (
            422,
            {"detail": [{"type": "too_long", "loc": ["body", "input"], "msg": "List should have at most 2048 items"}]},
            BatchTooLargeError,
        ),
        (422, {"detail": [{"type": "missing", "loc": ["body", "model"], "msg": "Field required"}]}, BadRequestError),
        (
            422,
            {"detail": [{"type": "string_too_long", "msg": "String should have at most 122880 characters"}]},
            TextTooLongError,
        ),
        (
            400,
            {"error": {"message": "Invalid model: Engine for model name x not found", "code": 400}},
            ModelNotFoundError,
        ),
        (429, {"error": {"message": "model x is currently overloaded", "type": None, "code": 429}}, RateLimitError),
        # LiteLLM's proxy
        (
            400,
            {"error": {"message": "No connected db.", "type": "no_db_connection", "code": "400"}},
            AuthenticationError,
        ),
        (
            400,
            {"error": {"message": "/embeddings: Invalid model name passed in model=x.", "code": "400"}},
            ModelNotFoundError,
        ),
        (
            422,
            {
                "error": {
                    "message": "litellm.BadRequestError: {'detail': [{'msg': 'String should have at most 9 characters'"
                }
            },
            TextTooLongError,
        ),
        (
            400,
            {"error": {"message": "litellm.ContextWindowExceededError: too many tokens", "code": "400"}},
            TextTooLongError,
        ),
        # TEI and Ollama behind their OpenAI endpoints
        (
            413,
            {"message": "`inputs` must have less than 512 tokens. Given: 600", "error_type": "Validation"},
            TextTooLongError,
        ),
        (
            422,
            {"error": "batch size 64 > maximum allowed batch size 32", "error_type": "Validation"},
            BatchTooLargeError,
        ),
        (400, {"error": {"message": "the input length exceeds the context length"}}, TextTooLongError),
        # Gemini's compatible endpoint
        (
            400,
            [{"error": {"code": 400, "message": "models/x is not found", "status": "INVALID_ARGUMENT"}}],
            BadRequestError,
        ),
        # not about a text, though its name is in it
        (400, {"error": {"message": "text-embedding-3-small does not support this parameter"}}, BadRequestError),
        (400, {"error": {"message": "valid input_type must be provided"}}, BadRequestError),
        (400, {"error": {"message": "input cannot be an empty string"}}, BadTextError),
        (429, {"error": {"message": "too fast: maximum context length of the day"}}, RateLimitError),
    ],
)
def test_error_bodies_of_servers(status: int, body: Any, error: type[ProviderError]) -> None:
    assert type(error_of(answer(body, status))) is error


TASKS = "Input should be 'retrieval.query', 'retrieval.passage', 'text-matching' or 'classification'"
PROMPT = "`default-prompt-name` is set to `q` but no prompts were found in the Sentence Transformers configuration"


@pytest.mark.parametrize(
    "body",
    [
        {"detail": [{"type": "literal_error", "loc": ["body", "task"], "msg": TASKS, "input": "retreival"}]},
        {"detail": [{"type": "extra_forbidden", "loc": ["body", "task"], "msg": "Extra inputs are not permitted"}]},
        {
            "detail": [
                {"type": "value_error", "loc": ["body", "user"], "msg": "String should have at most 9 characters"}
            ]
        },
        {"detail": [{"type": "too_long", "loc": ["body", "tags"], "msg": "List should have at most 1 items"}]},
        {"detail": [{"type": "missing", "loc": ["body", "input"], "msg": "Field required"}]},
        {"detail": [{"type": "list_type", "loc": ["body", "input"], "msg": "Input should be a valid list"}]},
        {"detail": {"message": "Validation errors in 1 fields", "errors": [{"field": "task", "message": TASKS}]}},
        {"detail": "Validation errors in 1 fields", "errors": [{"field": "body -> task", "message": TASKS}]},
        {"message": "Validation errors in 1 fields", "errors": [{"field": "task", "message": TASKS}]},
        {"detail": TASKS},
        {"error": {"message": "Extra inputs are not permitted"}},
        {"error": {"message": "text is no task", "type": "invalid_request_error", "param": "task"}},
        {"message": f"Input validation error: {PROMPT}", "code": 422, "type": "Validation"},
        {"error": {"message": f"litellm.BadRequestError: {{'detail': [{{'loc': ['body', 'task'], 'msg': {TASKS!r}"}},
        {"error": "Failed to deserialize the JSON body: unknown field `task`, expected one of `inputs`, `truncate`"},
        {"error": {"message": "Invalid JSON payload received. Unknown name 'task' at 'requests[0].content'"}},
        {"error": {"message": "Invalid input: expected string, received undefined"}},
        {"message": "Input payload validation failed", "errors": {"task": "not one of those"}},
    ],
)
@pytest.mark.parametrize("status", [400, 422])
def test_a_wrong_setting_is_about_no_text(body: Any, status: int) -> None:
    assert type(error_of(answer(body, status))) is BadRequestError


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


def test_error_bodies_of_fastapi() -> None:
    faults = [
        {"type": "missing", "loc": ["body", "model"], "msg": "Field required"},
        {"type": "string_type", "loc": ["body", "input", 3], "msg": "Input should be a valid string"},
        "no fault",
        {"msg": "something else"},
    ]
    words = "body.model: Field required; body.input.3: Input should be a valid string; : something else"
    assert fastapi_error(faults) == ErrorBody("missing string_type None", words, fields=("body.model", "body.input.3"))
    assert words[:60] in str(error_of(answer({"detail": faults}, 422)))
    assert fastapi_error({"code": "E1", "message": "no"}) == ErrorBody("E1", "no")
    assert fastapi_error({"error": "no"}) == ErrorBody("", "no")
    assert fastapi_error("no") == ErrorBody("", "no")


def test_each_of_a_list_of_errors_is_reported() -> None:
    faults = [{"field": "task", "message": "unknown"}, {"field": "dimensions", "code": "too_large"}, 7]
    body = {"detail": {"message": "Validation errors in 2 fields", "code": "VALIDATION_ERROR", "errors": faults}}
    assert "Validation errors in 2 fields; task: unknown; dimensions: too_large" in str(error_of(answer(body, 422)))


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


def test_time_to_wait() -> None:
    assert error_of(answer({}, 429, retry_after="7")).retry_after == 7.0
    assert error_of(answer({}, 503, retry_after_ms="70")).retry_after == 0.07


def limited(message: str, **headers: str) -> RateLimitError:
    error = error_of(answer({"error": {"message": message}}, 429, **headers))
    assert type(error) is RateLimitError
    return error


def test_a_wait_in_words_or_of_a_quota_is_kept() -> None:
    assert limited("Please try again in 6s.").retry_after == 6.0
    assert limited("Please try again in 6s.", retry_after="7").retry_after == 7.0
    assert limited("Please try again in 6s.", x_ratelimit_reset_requests="9s").retry_after == 6.0
    assert limited("too fast", x_ratelimit_reset_requests="9s").retry_after == 9.0
    assert limited("too fast", retry_after="Fri, 31 Dec 1999 23:59:59 GMT").retry_after == 0.0
    assert error_of(answer({"message": "busy, try again in 2s"}, 503)).retry_after == 2.0
    assert error_of(answer({"message": "bad input, try again in 2s"}, 400)).retry_after is None
    assert error_of(answer({}, 503, x_ratelimit_reset_requests="9s")).retry_after is None


def test_a_message_names_its_wait() -> None:
    assert "retry after 1 d]" in str(limited("too fast", retry_after="86400"))
    assert "retry after 2 h 5 min]" in str(limited("too fast", retry_after="7500"))
    assert "retry after 11 d 13 h]" in str(limited("too fast", retry_after="1000000"))
    assert "retry after 0.006 s]" in str(limited("try again in 6ms"))
    assert "retry after 1e+300 s]" in str(limited("too fast", retry_after="1e300"))
    assert "retry after" not in str(limited("too fast"))


def test_a_days_quota_is_seen() -> None:
    assert limited("Rate limit reached on requests per day (RPD): Limit 200").scope == "day"
    assert limited("Rate limit reached on tokens per min (TPM): Limit 200").scope == "minute"
    assert limited("too fast").scope is None


def test_a_plan_without_the_model_is_not_retried() -> None:
    """Mistral's answer."""
    body = {"object": "error", "message": "Rate limit exceeded", "type": "rate_limited", "code": "1300"}
    error = error_of(answer(body, 429, x_ratelimit_limit_req_minute="0"))
    assert type(error) is QuotaExhaustedError
    assert type(error_of(answer(body, 429, x_ratelimit_limit_req_minute="4"))) is RateLimitError


def test_the_servers_word_on_retrying() -> None:
    assert error_of(answer({}, 429)).retryable
    assert not error_of(answer({}, 429, x_should_retry="false")).retryable
    assert error_of(answer({}, 400, x_should_retry="true")).retryable
    assert not error_of(answer({}, 400, x_should_retry="false")).retryable


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
