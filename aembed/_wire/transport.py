"""The seam between providers and HTTP: one method, its answer, and the receiver of a long body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(slots=True)
class Response:
    """An HTTP answer. Headers and body may repeat the request, and are not shown.

    The names of ``headers`` are in lower case; the built-in transport's find a name in any case.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class BodySink(Protocol):
    """Takes the beginning of a long body while the rest is on its way."""

    begun: bool
    """True once it has taken something: the request can then not be sent again."""

    async def take(self, pieces: list[bytes]) -> None:
        """Take these bytes, which follow those taken before."""
        ...


class Transport(Protocol):
    """Sends requests. The built-in one is ``HttpTransport``; tests bring their own."""

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], *, max_bytes: int, sink: BodySink | None = None
    ) -> Response:
        """Send one request. The answer's body is without the part that ``sink`` has taken."""
        ...
