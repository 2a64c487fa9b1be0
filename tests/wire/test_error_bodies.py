"""Error replies of servers: their status, and bodies as recorded or documented."""

from __future__ import annotations

from typing import Any

import pytest

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
from aembed._wire.error_body import ErrorBody, fastapi_error
from tests.wire.error_replies import error_of
from tests.wire.fake import answer


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
        {"error": {"message": "text is not a task", "type": "invalid_request_error", "param": "task"}},
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
