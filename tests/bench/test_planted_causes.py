"""Why was it slow: each cause of a slow request, planted in turn, is named."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

from aembed import EmbedderFactory, HttpSettings, Limits, Registry, bench
from aembed.bench import Report, Subject
from aembed.bench.load.attribution import LoopPause, Pauses, parts_of
from aembed.bench.load.traces import Traced
from aembed.http import OPENAI_REPLY, HttpApi
from aembed.testing.tls import Authority
from tests.bench.attributed import loaded, slowest
from tests.jumping_clock import JumpingLoop, Script, head, jump, scripted, vectors

REPLY = vectors(1)
QUICK: Script = (head(REPLY), REPLY)
ATTRIBUTED = 0.95
"""Share of the planted time that its cause must get."""


class Embedding:
    """A scenario: one text to a scripted server, through the whole of aembed."""

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None, **settings: Any) -> None:
        self._scripts, self._tls = scripts, tls
        self._settings = {"api_key": "sk-1", **settings}
        self.provider = "openai:m"
        self.registry = Registry()

    def measured(self, *times: float, **options: Any) -> Report:
        @bench.scenario
        async def embed(_case: bench.Case) -> AsyncGenerator[Subject]:
            async with (
                scripted(QUICK, *self._scripts, tls=self._tls) as url,
                EmbedderFactory(registry=self.registry) as factory,
            ):
                embedder = await factory.new_embedder(self.provider, base_url=url, **self._settings)
                await embedder.get_dimension()
                yield bench.documents(embedder, bench.corpus("passages"))

        return loaded(embed.case(), times=times or (0.0,), loop=JumpingLoop, **options)


def test_planted_wait_for_a_quota() -> None:
    @bench.scenario
    async def embed(_case: bench.Case) -> AsyncGenerator[Subject]:
        async with EmbedderFactory() as factory:
            limits = Limits(requests_per_minute=6)
            yield bench.documents(await factory.new_embedder("mock", limits=limits), bench.corpus("passages"))

    report = loaded(embed.case(), times=(0.0,) * 8)
    waits = slowest(report)
    assert waits["gate: requests"] >= ATTRIBUTED * sum(waits.values()) > 5


def test_planted_429_with_retry_after() -> None:
    body = b'{"error": {"message": "slow down"}}'
    report = Embedding((head(body, "429 Too Many Requests", Retry_After="4"), body), QUICK).measured()
    parts = slowest(report)
    assert parts["gate: pause after a 429"] >= ATTRIBUTED * 4
    assert report.breakdown is not None
    assert report.breakdown.slowest[0].attempts == 2
    assert "failed attempt" in parts


def test_planted_server_error_backs_off() -> None:
    body = b'{"error": {"message": "busy"}}'
    report = Embedding((head(body, "503 Service Unavailable", Retry_After="3"), body), QUICK).measured()
    assert slowest(report)["backoff"] >= ATTRIBUTED * 3


def test_planted_slow_accept(tmp_path: Path) -> None:
    authority = Authority()
    context = authority.context()
    handshakes = iter([0.0, *(4.0,) * 9])

    def slow(_socket: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext) -> None:
        jump(next(handshakes))

    context.sni_callback = slow
    close: Script = (head(REPLY, Connection="close"), REPLY)
    http = HttpSettings(ca_file=authority.write(tmp_path / "ca.pem"))
    embedding = Embedding(close, tls=context, http=http)
    report = embedding.measured(0.0, 30.0)
    assert slowest(report)["connect"] >= ATTRIBUTED * 4
    assert report.breakdown is not None
    assert report.breakdown.slowest[0].new_connection


def test_planted_slow_first_byte_and_slow_body() -> None:
    reports = [
        Embedding((3.0, *QUICK)).measured(),
        Embedding((head(REPLY, x_request_id="req-1"), REPLY[:9], 3.0, REPLY[9:])).measured(),
    ]
    for report, name in zip(reports, ("first byte", "body"), strict=True):
        assert slowest(report)[name] >= ATTRIBUTED * 3
    assert reports[1].breakdown is not None
    assert reports[1].breakdown.slowest[0].request_ids == ("req-1",)
    assert reports[1].breakdown.slowest[0].label.startswith("1 text, ")


def test_planted_slow_decoding() -> None:
    """The format of the reply takes three seconds to read."""
    seconds = iter([0.0, *(3.0,) * 9])

    def slow(reply: Any) -> int | None:
        jump(next(seconds))
        return OPENAI_REPLY.tokens(reply)

    embedding = Embedding(QUICK)
    embedding.registry.register(
        "slow",
        HttpApi(request=lambda texts, _: {"input": texts}, reply=replace(OPENAI_REPLY, tokens=slow), default_model="m"),
    )
    embedding.provider = "slow"
    assert slowest(embedding.measured())["decode"] >= ATTRIBUTED * 3


def test_planted_stall_and_collection() -> None:
    """A stall counts for the requests that wait, not for the part that causes it; a collection counts for no part."""
    ms = 1_000_000
    stalls = Pauses([LoopPause(100 * ms, 400 * ms, task=7)])
    collections = Pauses([LoopPause(500 * ms, 600 * ms), LoopPause(900 * ms, 950 * ms)])
    spans = (("db", 50 * ms, 450 * ms), ("render", 450 * ms, 700 * ms))

    def parts(task: int) -> dict[str, float]:
        request = Traced(700 * ms, 1, 0, 10 * ms, task, "ok", spans)
        return {name: spent / ms for name, spent in parts_of(request, stalls, collections).items()}

    others = {"late start": 10, "other": 40, "db": 100, "loop stalled": 300, "render": 150, "garbage collection": 100}
    assert parts(task=8) == others
    assert parts(task=7) == {"late start": 10, "other": 40, "db": 400, "render": 150, "garbage collection": 100}
