"""HTTP status of an error, for services that answer their own requests with embeddings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

from aembed._errors import (
    BadRequestError,
    BatchTooLargeError,
    ClosedError,
    ConnectError,
    DeadlineError,
    InputError,
    OverloadedError,
    ProviderError,
    QuotaExhaustedError,
    RateLimitError,
    ReplyError,
    RequestTimeoutError,
    TextTooLongError,
)

STATUS: Mapping[type[BaseException], int] = MappingProxyType(
    {
        # The nearest class of an error decides. 5xx if the client cannot mend it: a rejected key is the service's.
        InputError: 400,
        BadRequestError: 400,
        TextTooLongError: 413,
        BatchTooLargeError: 413,
        RateLimitError: 429,
        ReplyError: 502,
        ConnectError: 502,
        OverloadedError: 503,
        QuotaExhaustedError: 503,
        ClosedError: 503,
        RequestTimeoutError: 504,
        DeadlineError: 504,
    }
)
OTHER = 500
"""A setting, a key or a model is wrong, or the error is not aembed's."""


class HttpStatus(int):
    """A status code, with the ``headers`` that belong to it."""

    headers: Mapping[str, str]


def http_status(error: BaseException) -> HttpStatus:
    """Status code for the response to a request that failed with ``error``: an ``int`` that also has ``headers``.

    400 wrong input, 413 text too long, 429 rate limit, 502 unusable reply or no connection, 503 provider overloaded or
    shutting down, 504 timeout, else 500. ``headers`` has the provider's ``Retry-After``, if any::

        @app.exception_handler(AembedError)
        async def failed(request: Request, error: AembedError) -> JSONResponse:
            status = aembed.http_status(error)
            return JSONResponse({"error": type(error).__name__}, status, headers=dict(status.headers))
    """
    status = HttpStatus(next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), OTHER))
    status.headers = _headers(error) if status in {429, 503} else {}
    return status


def _headers(error: BaseException) -> dict[str, str]:
    after = error.retry_after if isinstance(error, ProviderError) else None
    if after is None or not 0 <= after < math.inf:
        return {}
    return {"Retry-After": str(math.ceil(after))}
