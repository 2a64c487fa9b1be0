"""Phases of a request, for listeners that want them."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from aembed import EmbedderFactory, HttpSettings, RequestDone
from aembed.testing.tls import Authority
from tests.jumping_clock import JumpingLoop, head, jump, scripted, vectors
from tests.loops import run

REPLY = vectors(1)


class Phases:
    """A listener."""

    def __init__(self, *, wants_phases: bool = True) -> None:
        self.wants_phases = wants_phases
        self.done: list[RequestDone] = []

    def __call__(self, event: object) -> None:
        if isinstance(event, RequestDone):
            self.done.append(event)


async def embed(listener: Phases, url: str, *, calls: int = 1, **settings: Any) -> None:
    async with EmbedderFactory() as factory:
        embedder = await factory.new_embedder("openai:m", base_url=url, api_key="sk-1", on_event=listener, **settings)
        for _ in range(calls):
            await embedder.embed_documents(["text"])


def test_phases_add_up_and_name_the_slow_one() -> None:
    async def main() -> list[RequestDone]:
        quick = (head(REPLY), REPLY)
        late_head, late_body = (3.0, head(REPLY), REPLY), (head(REPLY), REPLY[:5], 5.0, REPLY[5:])
        listener = Phases()
        async with scripted(quick, late_head, late_body) as url:
            await embed(listener, url, calls=3)
        return listener.done

    done = run(main(), loop_factory=JumpingLoop)
    phases = [event.phases for event in done if event.phases is not None]
    assert [phase.new_connection for phase in phases] == [True, False, False]
    assert phases[0].connecting > 0 == phases[1].connecting
    assert phases[1].first_byte == pytest.approx(3, rel=0.05)
    assert phases[2].body == pytest.approx(5, rel=0.05)
    for event, phase in zip(done, phases, strict=True):
        parts = phase.connecting + phase.first_byte + phase.body + phase.decoding
        assert parts == pytest.approx(event.elapsed, rel=0.01, abs=1e-3)


def test_a_slow_handshake_is_connecting(tmp_path: Path) -> None:
    authority = Authority()
    context = authority.context()

    def slow(_socket: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext) -> None:
        jump(4.0)

    context.sni_callback = slow

    async def main() -> list[RequestDone]:
        listener = Phases()
        async with scripted((head(REPLY), REPLY), tls=context) as url:
            await embed(listener, url, http=HttpSettings(ca_file=authority.write(tmp_path / "ca.pem")))
        return listener.done

    (event,) = run(main(), loop_factory=JumpingLoop)
    assert event.phases is not None
    assert event.phases.connecting == pytest.approx(4, rel=0.05)


def test_phases_cost_nothing_unless_wanted() -> None:
    async def main() -> list[RequestDone]:
        listener = Phases(wants_phases=False)
        async with scripted((head(REPLY), REPLY)) as url:
            await embed(listener, url)
        return listener.done

    (event,) = run(main(), loop_factory=JumpingLoop)
    assert event.phases is None


def test_a_model_without_http_has_no_phases() -> None:
    async def main() -> list[RequestDone]:
        listener = Phases()
        async with EmbedderFactory() as factory:
            embedder = await factory.new_embedder("mock", on_event=listener)
            await embedder.embed_documents(["text"])
        return listener.done

    (event,) = run(main())
    assert event.phases is None
