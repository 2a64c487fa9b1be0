"""Request -> response, by the rules of a dialect and the script of a server. No sockets; the time is an argument."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from random import Random

import msgspec

from aembed.testing.quotas import Quota, QuotaKeeper
from aembed.testing.server.dialects import Caps, Dialect
from aembed.testing.server.dialects.dialect import Ask, Rejection, ReplyParts
from aembed.testing.server.hints import Hints
from aembed.testing.server.latency import Capacity, Latency, Workers
from aembed.testing.server.parse import Request
from aembed.testing.server.quirks import Quirks
from aembed.testing.server.vectors import VectorEncoder


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """Behaviour of a server. ``models=None`` serves any model, ``api_key=None`` any key."""

    dim: int = 1536
    api_key: str | None = None
    models: Collection[str] | None = None
    caps: Caps | None = None
    """Instead of the dialect's own."""
    latency: Latency = field(default_factory=Latency)
    capacity: Capacity | None = None
    quota: Quota = field(default_factory=Quota)
    hints: Hints = field(default_factory=Hints)
    quirks: Quirks = field(default_factory=Quirks)
    characters_per_token: float = 4.0
    """A token is so many characters, and every text has one more."""
    seed: int = 0
    """Seed of vectors, latencies and shuffling."""


@dataclass(slots=True)
class PlannedResponse:
    """An answer to be, ``delay`` seconds from now."""

    status: int
    headers: Mapping[str, str]
    body: list[bytes]
    inputs: int = 0
    tokens: int = 0
    delay: float = 0.0
    reason: str = ""


class RequestHandler:
    """Answers requests, and keeps count of quota and workers."""

    def __init__(self, dialect: Dialect, script: Behaviour, *, cache_bytes: int) -> None:
        self._dialect = dialect
        self._script = script
        self._encoder = VectorEncoder(seed=script.seed, cache_bytes=cache_bytes)
        self._random = Random(script.seed)  # noqa: S311
        self._quota = QuotaKeeper(script.quota) if script.quota.rules else None
        self._workers = None if script.capacity is None else Workers(script.capacity)

    def answer(self, request: Request, number: int, now: float) -> PlannedResponse:
        """Never raises: a rejection is an answer too. ``now`` is loop time, and starts the quota's clock."""
        ask: Ask | None = None
        tokens = 0
        try:
            ask = self._read(request)
            caps = self._script.caps or self._dialect.model_caps.get(ask.model, self._dialect.caps)
            lengths = self._lengths(ask, caps)
            tokens = sum(lengths)
            _check(ask, caps, lengths, tokens)
            self._spend(ask, tokens, now)
            delay = self._work(ask, tokens, now)
        except Rejection as rejection:
            response = self._reject(rejection)
        else:
            response = self._accept(ask, tokens, number, delay)
        if ask is not None:
            response.inputs, response.tokens = len(ask.texts), tokens
        if self._quota is not None and self._script.hints.limits and ask is not None:
            response.headers = {**self._dialect.announce(self._quota.levels(now)), **response.headers}
        return response

    def _read(self, request: Request) -> Ask:
        dialect, script = self._dialect, self._script
        model = dialect.route(request.head.path)
        if model is None:
            raise Rejection("path", f"{request.head.method} {request.head.path}")
        if request.head.method != "POST":
            raise Rejection("method", f"{request.head.method} {request.head.path}")
        if script.api_key is not None:
            key = dialect.key(request)
            if key != script.api_key:
                raise Rejection("key" if key else "no_key")
        most = (script.caps or dialect.caps).body_bytes
        if most is not None and len(request.body) > most:
            raise Rejection("body", limit=most, got=len(request.body))
        ask = dialect.read(request, model)
        if script.models is not None and ask.model and ask.model not in script.models:
            raise Rejection("model", model=ask.model)
        if script.quirks.rejects_encoding_format and ask.encoding_format:
            raise Rejection("field", "Unrecognized request argument supplied: encoding_format")
        if script.quirks.rejects_dimensions and ask.dimensions is not None:
            raise Rejection("field", "This model does not support specifying dimensions.")
        return ask

    def _lengths(self, ask: Ask, caps: Caps) -> list[int]:
        """Tokens of each text. Texts that are to be cut are cut."""
        per_token, most = self._script.characters_per_token, caps.text_tokens
        lengths = list(ask.tokens) if ask.tokens is not None else [int(len(t) / per_token) + 1 for t in ask.texts]
        if most is not None and ask.truncate and max(lengths, default=0) > most:
            kept = int((most - 1) * per_token)
            ask.texts = [t[:kept] if n > most else t for t, n in zip(ask.texts, lengths, strict=True)]
            lengths = [min(n, most) for n in lengths]
        return lengths

    def _spend(self, ask: Ask, tokens: int, now: float) -> None:
        if self._quota is None:
            return
        wait = self._quota.take(now, 1, tokens, len(ask.texts))
        if wait > 0:
            short = self._quota.short_of
            limit = next(level.limit for level in self._quota.levels(now) if level.resource == short)
            got = {"requests": 1, "tokens": tokens, "inputs": len(ask.texts)}[short]
            raise Rejection(
                "rate" if wait < math.inf else "never", limit=limit, got=got, resource=short, wait=wait, model=ask.model
            )

    def _work(self, ask: Ask, tokens: int, now: float) -> float:
        delay = self._script.latency.sample(self._random, len(ask.texts), tokens)
        if self._workers is None:
            return delay
        done = self._workers.take(now, delay)
        if done is None:
            raise Rejection("overloaded")
        return done

    def _accept(self, ask: Ask, tokens: int, number: int, delay: float) -> PlannedResponse:
        quirks = self._script.quirks
        order = list(range(len(ask.texts)))
        if quirks.shuffled:
            self._random.shuffle(order)
        answer = ReplyParts(ask, self._vectors(ask), None if quirks.no_usage else tokens, order, number)
        body = self._dialect.write(answer)
        if quirks.spaced:
            body = [msgspec.json.format(b"".join(body), indent=0)]
        return PlannedResponse(200, self._dialect.headers(answer), body, delay=delay)

    def _vectors(self, ask: Ask) -> list[bytes]:
        quirks = self._script.quirks
        dim = self._script.dim if ask.dimensions is None else ask.dimensions
        base64 = ask.base64 and not quirks.always_floats
        vectors = self._encoder.encode(ask.texts, dim, base64=base64)
        if base64 and quirks.mixed and self._dialect.mixes:
            vectors[1::2] = self._encoder.encode(ask.texts[1::2], dim, base64=False)
        if base64 and quirks.escaped_slashes:
            vectors = [vector.replace(b"/", b"\\/") for vector in vectors]
        return vectors

    def _reject(self, rejection: Rejection) -> PlannedResponse:
        hints = self._script.hints
        headers = hints.retry_after_headers(rejection.wait) if self._dialect.retry_after else {}
        if hints.retry_after is None:
            rejection.wait = 0.0  # the body does not have it either
        status, body = self._dialect.reject(rejection)
        return PlannedResponse(status, headers, [msgspec.json.encode(body)], reason=rejection.problem)


def _check(ask: Ask, caps: Caps, lengths: list[int], tokens: int) -> None:
    if caps.inputs is not None and len(lengths) > caps.inputs:
        raise Rejection("batch", limit=caps.inputs, got=len(lengths), model=ask.model)
    longest = max(lengths, default=0)
    if caps.text_tokens is not None and longest > caps.text_tokens:
        index = lengths.index(longest)
        raise Rejection("text_tokens", limit=caps.text_tokens, got=longest, index=index, model=ask.model)
    if caps.request_tokens is not None and tokens > caps.request_tokens:
        raise Rejection("request_tokens", limit=caps.request_tokens, got=tokens, model=ask.model)
