"""Web applications as subjects: by ASGI in this loop, and over real sockets."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from aembed import InputError, bench
from aembed.bench.asgi import AsgiResponse, HttpRequest, ask, good_status, lifespan
from aembed.bench.discovery import imported
from aembed.bench.opening import opened
from aembed.bench.url import ServerAddress, WebServer
from aembed.cli.bench import web

events: list[str] = []


async def app(scope: Any, receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
    """Echoes method, path, query and body; a path that begins with a number has that status."""
    if scope["type"] == "lifespan":
        await receive()
        events.append("up")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        events.append("down")
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = (await receive())["body"]
    first = scope["path"].split("/")[1]
    await send({"type": "http.response.start", "status": int(first) if first.isdigit() else 200, "headers": []})
    text = f"{scope['method']} {scope['path']} {scope['query_string'].decode()} {body.decode()}"
    await send({"type": "http.response.body", "body": text[:3].encode(), "more_body": True})
    await send({"type": "http.response.body", "body": text[3:].encode()})


async def without_lifespan(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "http"
    await app(scope, receive, send)


async def failing(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})


async def test_an_application_is_asked() -> None:
    events.clear()
    async with lifespan(app):
        answer = await ask(app, HttpRequest.of("POST /a%20b?n=3", '{"x": 1}'))
    assert answer == AsgiResponse(200, b'POST /a b n=3 {"x": 1}')
    assert events == ["up", "down"]
    async with lifespan(without_lifespan):
        assert (await ask(without_lifespan, HttpRequest.of("/hello"))).body == b"GET /hello  "
    with pytest.raises(InputError, match="the application failed to start: no database"):
        async with lifespan(failing):
            pass


@pytest.mark.parametrize(
    ("status", "problem"), [(200, None), (302, None), (404, "HTTP status 404"), (500, "HTTP status 500")]
)
def test_an_error_page_is_no_answer(status: int, problem: str | None) -> None:
    assert good_status(AsgiResponse(status, b"")) == problem


@pytest.mark.parametrize("text", ["GET", "get /", "GET hello", "/a b"])
def test_functions_that_take_no_request(text: str) -> None:
    with pytest.raises(InputError, match="is not a request; write 'GET /hello"):
        HttpRequest.of(text)


def case(made: bench.Scenario, **given: Any) -> bench.Case:
    parameters: dict[str, Any] = {name: values[0] for name, values in made.parameters.items()}
    return made.case(**{**parameters, **given})


@pytest.mark.virtual_time
async def test_every_request_of_a_template_differs_and_status_counts() -> None:
    place = "tests.bench.test_web:app"
    good = case(web.asgi, application=place, request="GET /users/{}", data="1..9")
    report = await bench.load(good, arrivals=bench.constant(10), duration=2)
    assert report.verdict.state == "ok"
    bad = case(web.asgi, application=place, request="GET /503")
    report = await bench.load(bad, arrivals=bench.constant(10), duration=2)
    assert (report.verdict.state, report.traffic and report.traffic.failures[0].example) == (
        "failed",
        "HTTP status 503",
    )
    for wrong, problem in [
        ({"request": "GET /{}"}, "has a placeholder; give --data"),
        ({"data": "1..2"}, "has no placeholder for --data"),
        ({"application": "sys:maxsize"}, f"sys:maxsize is no ASGI application, but {sys.maxsize}; name one"),
    ]:
        with pytest.raises(InputError, match=problem):
            async with opened(case(web.asgi, **{"application": place, **wrong})):
                pass


def test_applications_are_imported() -> None:
    assert imported("tests.bench.test_web:app") is app
    for wrong in ("app", "tests.bench.test_web:none"):
        with pytest.raises(InputError, match=r"names no object|has no 'none'"):
            imported(wrong)


@asynccontextmanager
async def served(*answers: bytes) -> AsyncGenerator[tuple[str, list[bytes]]]:
    """A server that gives each connection these answers, one for each request, and the requests it got."""
    asked: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(b"connected")
        for answer in answers:
            asked.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/base", asked


OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"


async def test_connections_are_kept_open() -> None:
    not_found = b"HTTP/1.1 404 No\r\ntransfer-encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n"
    async with served(OK, not_found) as (url, asked), WebServer(ServerAddress.of(url)) as server:
        assert await server.ask(HttpRequest.of("GET /a?b=c")) == AsgiResponse(200, b"hi")
        assert await server.ask(HttpRequest.of("GET /b")) == AsgiResponse(404, b"no")
    assert asked[1].startswith(b"GET /base/a?b=c HTTP/1.1\r\nhost: 127.0.0.1:")
    assert asked.count(b"connected") == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", "closed"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhi", "closed"),
        (b"nonsense\r\n\r\n", "not HTTP/1.1"),
    ],
)
async def test_a_broken_answer_is_an_error(answer: bytes, error: str) -> None:
    async with served(answer) as (url, _), WebServer(ServerAddress.of(url)) as server:
        with pytest.raises(OSError, match=error):
            await server.ask(HttpRequest.of("/"))


async def test_a_connection_that_the_server_closes_is_replaced() -> None:
    closing = OK.replace(b"200 OK\r\n", b"200 OK\r\nconnection: close\r\n")
    async with served(closing) as (url, asked), WebServer(ServerAddress.of(url)) as server:
        for _ in range(3):
            assert (await server.ask(HttpRequest.of("/"))).status == 200
    assert asked.count(b"connected") == 3


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://nowhere.invalid:80", "https://127.0.0.1:1"])
async def test_a_server_that_is_not_there_is_an_error_before_the_run(url: str) -> None:
    with pytest.raises(InputError, match=rf"nothing answers at {url}: .+ Start the server, or correct the URL"):
        async with WebServer(ServerAddress.of(url)):
            pass


@pytest.mark.parametrize("url", ["127.0.0.1:80", "ftp://a", "http://", "http://a:b"])
def test_values_that_are_no_address(url: str) -> None:
    with pytest.raises(InputError, match="is not the address of a web server"):
        ServerAddress.of(url)
