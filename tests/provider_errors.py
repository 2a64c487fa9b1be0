"""Error replies as recorded or documented, and the error that each becomes."""

from __future__ import annotations

from typing import Any

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


def google(code: int, message: str, status: str, *details: Any) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "status": status, "details": list(details)}}


def mistral(message: Any, kind: str, code: str | None) -> dict[str, Any]:
    return {"object": "error", "message": message, "type": kind, "param": None, "code": code}


VOYAGE_BATCH = (
    "Request to model 'voyage-3-large' failed. The max allowed tokens per submitted batch is 120000. Your batch has "
    "124302 tokens after truncation. Please lower the number of tokens in the batch."
)
VOYAGE_TEXT = (
    "Request to model 'voyage-2' failed. The example at index 0 in your batch has too many tokens and does not fit "
    "into the model's context window of 4000 tokens. Please lower the number of tokens in the listed example(s) or use "
    "truncation."
)
JINA_TEXT = {
    "message": "Input text exceeds the model's maximum of 8194 tokens. Use 'truncate: true' to automatically truncate.",
    "request_id": "r",
    "code": "INPUT_TOKEN_LIMIT_EXCEEDED",
}
PROMPT = (
    "`default-prompt-name` is set to `q` but it was not found in the Sentence Transformers prompts. Available prompts: "
    '["text", "input"]'
)
RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "3.5s"}
HELP = {"@type": "type.googleapis.com/google.rpc.Help", "links": []}
REJECTIONS: list[tuple[str, int, Any, type[ProviderError]]] = [
    (
        "cohere",
        400,
        {"message": "invalid request: total number of texts must be at most 96 - received 131"},
        BatchTooLargeError,
    ),
    (
        "cohere",
        400,
        {"message": "too many tokens: total number of tokens cannot exceed 512 - received 600"},
        TextTooLongError,
    ),
    ("cohere", 400, {"message": "invalid request: texts[0] must not be an empty string"}, BadTextError),
    ("cohere", 400, {"message": "invalid request: valid input_type must be provided"}, BadRequestError),
    ("cohere", 401, {"message": "invalid api token"}, AuthenticationError),
    ("cohere", 498, {"message": "blocked"}, BadTextError),
    (
        "cohere",
        404,
        {"message": "model 'embed-v9' not found, make sure the correct model ID was used"},
        ModelNotFoundError,
    ),
    (
        "cohere",
        429,
        {"message": "You are using a Trial key, which is limited to 100 API calls / minute"},
        RateLimitError,
    ),
    (
        "cohere",
        429,
        {"message": "You are using a Trial key, which is limited to 1000 API calls / month"},
        QuotaExhaustedError,
    ),
    ("cohere", 499, {"message": "request cancelled"}, OverloadedError),
    ("cohere", 503, {"message": "service unavailable"}, OverloadedError),
    ("voyage", 400, {"detail": VOYAGE_BATCH}, BatchTooLargeError),
    ("voyage", 400, {"detail": VOYAGE_TEXT}, TextTooLongError),
    ("voyage", 400, {"detail": "The batch size limit is 1000. Your batch size is 1001."}, BatchTooLargeError),
    ("voyage", 400, {"detail": "Model voyage-9 is not supported. Supported models are [...]"}, ModelNotFoundError),
    ("voyage", 400, {"detail": "Input cannot contain empty strings or empty lists"}, BadTextError),
    ("voyage", 401, {"detail": "Provided API key is invalid."}, AuthenticationError),
    (
        "voyage",
        429,
        {"detail": "You have not yet added your payment method and have reduced limits of 3 RPM"},
        RateLimitError,
    ),
    (
        "google",
        400,
        google(400, "* requests: at most 100 requests can be in one batch\n", "INVALID_ARGUMENT"),
        BatchTooLargeError,
    ),
    (
        "google",
        400,
        google(400, "Request payload size exceeds the limit: 4194304 bytes.", "INVALID_ARGUMENT"),
        BatchTooLargeError,
    ),
    (
        "google",
        400,
        google(
            400,
            "Unable to submit request because the input token count is 3000 but the model supports up to 2048.",
            "INVALID_ARGUMENT",
        ),
        TextTooLongError,
    ),
    (
        "google",
        400,
        google(400, "API key not valid. Please pass a valid API key.", "INVALID_ARGUMENT"),
        AuthenticationError,
    ),
    ("google", 400, google(400, "content is empty", "INVALID_ARGUMENT"), BadTextError),
    ("google", 404, google(404, "models/x is not found for API version v1beta", "NOT_FOUND"), ModelNotFoundError),
    ("google", 429, google(429, "You exceeded your current quota", "RESOURCE_EXHAUSTED", HELP, RETRY), RateLimitError),
    ("google", 503, google(503, "The model is overloaded.", "UNAVAILABLE"), OverloadedError),
    (
        "mistral",
        400,
        mistral("Too many inputs in request, split into more batches.", "invalid_request_prompt", "3210"),
        BatchTooLargeError,
    ),
    (
        "mistral",
        400,
        mistral("Too many tokens overall, split into more batches.", "invalid_request_prompt", "3210"),
        BatchTooLargeError,
    ),
    (
        "mistral",
        400,
        mistral("Too many tokens in batch. Max is 16384 got 17555", "invalid_request_error", None),
        BatchTooLargeError,
    ),
    (
        "mistral",
        400,
        mistral("Input id 0 has 9000 tokens, exceeding max 8192 tokens.", "invalid_request_prompt", "3210"),
        TextTooLongError,
    ),
    ("mistral", 400, mistral("Invalid model: x", "invalid_model", "1500"), ModelNotFoundError),
    (
        "mistral",
        422,
        mistral({"detail": [{"type": "missing", "loc": ["body", "x"], "msg": "Field required"}]}, "e", None),
        BadRequestError,
    ),
    ("mistral", 422, {"detail": [{"type": "missing", "loc": ["body", "x"], "msg": "Field required"}]}, BadRequestError),
    ("mistral", 400, mistral("Unknown model: x", "unknown_model", None), ModelNotFoundError),
    ("mistral", 400, mistral("Input id 0 is empty.", "invalid_request_prompt", "3210"), BadTextError),
    ("mistral", 401, {"detail": "Unauthorized"}, AuthenticationError),
    ("mistral", 429, mistral("Rate limit exceeded", "rate_limited", "1300"), RateLimitError),
    ("jina", 400, {"detail": JINA_TEXT}, TextTooLongError),
    ("jina", 400, {"detail": "'body -> input' Each input list can contain at most 512 items."}, BatchTooLargeError),
    ("jina", 400, {"detail": "Input text at index 3 exceeds maximum length of 8192 tokens."}, TextTooLongError),
    ("jina", 400, {"detail": "input length is larger than the largest allowed size 2048"}, BatchTooLargeError),
    (
        "jina",
        422,
        {"detail": "Validation error: 'body -> jina-embeddings-v4' Each input list can contain at most 512 items.."},
        BatchTooLargeError,
    ),
    ("jina", 400, {"detail": {"message": "Model 'x' not found", "code": "INPUT_MODEL_NOT_FOUND"}}, ModelNotFoundError),
    (
        "jina",
        403,
        {"detail": {"message": "Insufficient account balance", "code": "AUTHZ_INSUFFICIENT_BALANCE"}},
        QuotaExhaustedError,
    ),
    (
        "jina",
        403,
        {"code": "AUTHZ_INSUFFICIENT_BALANCE", "message": "Insufficient account balance"},
        QuotaExhaustedError,
    ),
    ("jina", 401, {"detail": {"message": "Invalid API key", "code": "AUTH_INVALID_API_KEY"}}, AuthenticationError),
    (
        "jina",
        429,
        {"detail": {"message": "Token rate limit exceeded", "code": "RATE_TOKEN_LIMIT_EXCEEDED"}},
        RateLimitError,
    ),
    ("ollama:m", 404, {"error": 'model "m" not found, try pulling it first'}, ModelNotFoundError),
    ("ollama:m", 400, {"error": "the input length exceeds the context length"}, TextTooLongError),
    ("ollama:m", 413, {"error": "the input length exceeds the context length"}, TextTooLongError),
    ("ollama:m", 500, {"error": "the input length exceeds the context length"}, TextTooLongError),
    (
        "ollama:m",
        400,
        {"error": "input exceeds maximum context length and cannot be truncated further"},
        TextTooLongError,
    ),
    ("ollama:m", 400, {"error": "embedding contains NaN or Inf values"}, BadTextError),
    ("ollama:m", 400, {"error": "too many inputs: 100, at most 64"}, BatchTooLargeError),
    ("ollama:m", 400, {"error": "invalid input type"}, BadTextError),
    ("ollama:m", 503, {"error": "server busy, please try again.  maximum pending requests exceeded"}, OverloadedError),
    ("ollama:m", 500, {"error": "unexpected EOF"}, OverloadedError),
    (
        "tei",
        413,
        {"error": "`inputs` must have less than 512 tokens. Given: 600", "error_type": "Validation"},
        TextTooLongError,
    ),
    (
        "tei",
        413,
        {"error": "batch size 64 > maximum allowed batch size 32", "error_type": "Validation"},
        BatchTooLargeError,
    ),
    (
        "tei",
        422,
        {"error": "batch size 64 > maximum allowed batch size 32", "error_type": "Validation"},
        BatchTooLargeError,
    ),
    ("tei", 413, {"error": "`inputs` cannot be empty", "error_type": "Validation"}, BadTextError),
    ("tei", 413, b"Failed to buffer the request body: length limit exceeded", BatchTooLargeError),
    (
        "tei",
        422,
        {"error": f"Input validation error: {PROMPT}", "error_type": "Validation"},
        BadRequestError,
    ),
    (
        "tei",
        422,
        {"error": "Input validation error: `inputs` must have less than 512 tokens", "error_type": "Validation"},
        TextTooLongError,
    ),
    ("tei", 400, {"error": "Input validation error: `inputs` cannot be empty", "error_type": "Empty"}, BadTextError),
    (
        "jina",
        422,
        {
            "detail": "Validation errors in 2 fields",
            "errors": [
                {"field": "task", "message": "Input should be 'retrieval.query'"},
                {"field": "dimensions", "message": "Input should be greater than 0"},
            ],
        },
        BadRequestError,
    ),
    ("tei", 422, {"error": "Tokenization error", "error_type": "Tokenizer"}, BadRequestError),
    ("tei", 424, {"error": "Inference failed", "error_type": "Backend"}, OverloadedError),
    ("tei", 429, {"error": "Model is overloaded", "error_type": "Overloaded"}, OverloadedError),
    ("tei", 503, {"error": "unhealthy", "error_type": "Unhealthy"}, OverloadedError),
    ("azure:d", 404, {"error": {"code": "DeploymentNotFound", "message": "does not exist"}}, ModelNotFoundError),
    (
        "azure:d",
        401,
        {"error": {"code": "401", "message": "Access denied due to invalid subscription key"}},
        AuthenticationError,
    ),
    (
        "azure:d",
        429,
        {"error": {"code": "429", "message": "exceeded token rate limit of your current pricing tier"}},
        RateLimitError,
    ),
]
