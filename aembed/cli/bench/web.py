"""Web applications as scenarios: in this process by ASGI, or over HTTP. Fresh processes find these here too."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import quote

from aembed import InputError, bench
from aembed.bench.asgi import Application, AsgiResponse, HttpRequest, ask, good_status, lifespan
from aembed.bench.discovery import imported
from aembed.bench.requests import requests_from
from aembed.bench.url import ServerAddress, WebServer

NONE = [None]
PLACEHOLDER = "{}"


@bench.scenario(application=NONE, request=["GET /"], body=NONE, data=NONE)
async def asgi(case: Any) -> AsyncIterator[bench.Subject]:
    """One request to an application in this loop."""
    application: Application = imported(case.application)
    if not callable(application):
        raise InputError(f"{case.application} is no ASGI application, but {application!r}; name one, such as app:app")
    async with lifespan(application):
        yield _subject(case, lambda request: ask(application, request))


@bench.scenario(url=NONE, request=["GET /"], body=NONE, data=NONE)
async def http(case: Any) -> AsyncIterator[bench.Subject]:
    """One request over HTTP."""
    async with WebServer(ServerAddress.of(case.url)) as server:
        yield _subject(case, server.ask)


def _subject(case: Any, send: Callable[[HttpRequest], Awaitable[AsgiResponse]]) -> bench.Subject:
    """A fixed request, or one whose placeholder has another value each time."""
    text, body = case.request, case.body or ""
    request = HttpRequest.of(text.replace(PLACEHOLDER, "x"), body)
    if PLACEHOLDER not in text + body:
        if case.data is not None:
            raise InputError(
                f"{text!r} has no placeholder for --data; write {{}} in the path, such as 'GET /users/{{}}'"
            )
        return bench.Subject(lambda: send(request), good_status)
    if case.data is None:
        raise InputError(f"{text!r} has a placeholder; give --data 1..10000, a file of values, or module:function")

    def filled(value: Any) -> Awaitable[AsgiResponse]:
        return send(
            HttpRequest.of(text.replace(PLACEHOLDER, quote(str(value), safe="")), body.replace("{}", str(value)))
        )

    return bench.Subject(filled, good_status, requests=requests_from(case.data))
