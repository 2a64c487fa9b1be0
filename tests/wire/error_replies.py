"""The error that a reply of an OpenAI-like server becomes."""

from __future__ import annotations

from aembed._errors import (
    ProviderError,
    RateLimitError,
)
from aembed._wire.api_errors import api_error, parse_error
from aembed._wire.openai_format import OPENAI_ERRORS
from aembed._wire.transport import Response
from tests.wire.fake import answer

KEY = "sk-made-up-0123456789"


def error_of(response: Response, texts: list[str] | None = None) -> ProviderError:
    texts = texts or ["some text that is long enough to be one", "another text that is long enough"]
    body = parse_error(response, OPENAI_ERRORS, texts, [KEY])
    return api_error(response, body, OPENAI_ERRORS, provider="openai", texts=texts)


def limited(message: str, **headers: str) -> RateLimitError:
    error = error_of(answer({"error": {"message": message}}, 429, **headers))
    assert type(error) is RateLimitError
    return error
