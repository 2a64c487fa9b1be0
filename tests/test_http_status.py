"""Errors as HTTP statuses, and a Starlette service that answers with them."""

from __future__ import annotations

import math

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

import aembed
from aembed import AembedError, http_status

EXPECTED = {
    aembed.InputError: 400,
    aembed.BadRequestError: 400,
    aembed.BadTextError: 400,
    aembed.TextTooLongError: 413,
    aembed.BatchTooLargeError: 413,
    aembed.RateLimitError: 429,
    aembed.ReplyError: 502,
    aembed.ConnectError: 502,
    aembed.OverloadedError: 503,
    aembed.QuotaExhaustedError: 503,
    aembed.ClosedError: 503,
    aembed.RequestTimeoutError: 504,
    aembed.DeadlineError: 504,
}


def test_every_error_has_its_status() -> None:
    errors = {getattr(aembed, name) for name in aembed.__all__ if name.endswith("Error")}
    for kind in errors:
        assert http_status(kind("words")) == EXPECTED.get(kind, 500), kind
    assert http_status(ValueError("not ours")) == 500


@pytest.mark.parametrize(
    ("error", "headers"),
    [
        (aembed.RateLimitError("slow", retry_after=1.2), {"Retry-After": "2"}),
        (aembed.OverloadedError("busy", retry_after=0.0), {"Retry-After": "0"}),
        (aembed.RateLimitError("slow"), {}),
        (aembed.RateLimitError("slow", retry_after=math.inf), {}),
        (aembed.RateLimitError("slow", retry_after=math.nan), {}),
        (aembed.RateLimitError("slow", retry_after=-1.0), {}),
        (aembed.BadRequestError("no", retry_after=3.0), {}),
    ],
    ids=repr,
)
def test_retry_after_is_whole_seconds_and_only_where_it_means_something(
    error: AembedError, headers: dict[str, str]
) -> None:
    assert http_status(error).headers == headers


async def test_a_starlette_service_answers_with_it() -> None:
    async def search(request: Request) -> JSONResponse:
        raise aembed.RateLimitError("the text is not part of this", retry_after=7.0)

    async def failed(request: Request, error: Exception) -> JSONResponse:
        status = http_status(error)
        return JSONResponse({"error": type(error).__name__}, status, headers=dict(status.headers))

    app = Starlette(routes=[Route("/search", search)], exception_handlers={AembedError: failed})
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/search", "headers": [], "query_string": b"", "root_path": ""}
    await app(scope, receive, send)  # type: ignore[arg-type]
    assert sent[0]["status"] == 429
    assert (b"retry-after", b"7") in sent[0]["headers"]  # type: ignore[operator]
