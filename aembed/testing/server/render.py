"""Responses -> bytes."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from aembed.testing.faults import Answer
from aembed.testing.server.request_handler import PlannedResponse


def render(response: PlannedResponse, date: str, request_id: str | None, *, keep_alive: bool) -> list[bytes]:
    """Head and body. ``request_id`` is a whole header line."""
    lines = [_STATUS_LINES[response.status]]
    if "date" not in response.headers:
        lines.append(f"date: {date}")
    lines.extend(f"{name}: {value}" for name, value in response.headers.items())
    if request_id is not None:
        lines.append(request_id)
    if not keep_alive:
        lines.append("connection: close")
    length = sum(map(len, response.body))
    lines.append(f"content-type: application/json\r\ncontent-length: {length}\r\n\r\n")
    return ["\r\n".join(lines).encode("latin-1"), *response.body]


def answer(response: PlannedResponse, headers: Mapping[str, str], *, keep_alive: bool) -> Answer:
    """The same, for a fault to spoil."""
    more = {} if keep_alive else {"connection": "close"}
    all_headers = {**headers, **response.headers, **more, "content-type": "application/json"}
    return Answer(response.status, all_headers, b"".join(response.body))


_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}" for status in HTTPStatus}
