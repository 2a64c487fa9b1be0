"""A transport that answers from a list and records the requests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from aembed._types import Source
from aembed._wire.transport import BodySink, Response


class Headers(dict[str, str]):
    """Case-insensitive to look up, as the real ones are."""

    def get(self, key: str, default: Any = None) -> Any:
        return next((value for name, value in self.items() if name.lower() == key.lower()), default)

    def __contains__(self, key: object) -> bool:
        return str(key).lower() in map(str.lower, self)


def answer(body: Any, status: int = 200, **headers: str) -> Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, Headers({name.replace("_", "-"): value for name, value in headers.items()}), raw)


@dataclass
class Fake:
    """Gives its answers one after the other, the last one for ever."""

    answers: list[Response]
    asked: list[dict[str, Any]] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    max_bytes: list[int] = field(default_factory=list)
    piece: int | None = None
    """Bytes in each piece of an answer that a sink gets; ``None`` for the whole answer at once."""
    taken: list[int] = field(default_factory=list)
    """Pieces of each answer that its sink took."""

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], *, max_bytes: int, sink: BodySink | None = None
    ) -> Response:
        self.urls.append(url)
        self.asked.append(json.loads(body))
        self.headers.append(dict(headers))
        self.max_bytes.append(max_bytes)
        given = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        body, taken = given.body, 0
        while sink is not None and self.piece is not None and len(body) >= self.piece:
            await sink.take([body[: self.piece]])
            body, taken = body[self.piece :], taken + 1
        self.taken.append(taken)
        return Response(given.status, given.headers, body)

    def source(self, name: str, key: str | None = "sk-made-up-0123456789", **settings: Any) -> Source:
        provider, _, model = name.partition(":")
        return Source(
            provider=provider,
            model=model or None,
            api_key=None if key is None else SecretStr(key),
            open_transport=lambda: self,
            **settings,
        )
