"""Proof that a server works: asked for once by all that wait for it, and not at all where texts are delivered."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from aembed import OverloadedError
from aembed._engine.call import EmbedCall
from aembed._engine.layer import Recipient
from aembed._engine.proof import PROBE, Proof
from aembed._types import Batch


class Server:
    """Answers a probe, or fails it, once the gate is open."""

    def __init__(self, *, works: bool) -> None:
        self.delivered = 5
        self.probes: list[Recipient] = []
        self.gate = anyio.Event()
        self._works = works
        self.proof = Proof(lambda: self.delivered, self.send)

    async def send(self, call: Recipient, batch: Batch) -> None:
        self.probes.append(call)
        assert (list(batch.texts), call.is_probe) == ([PROBE], True)
        await self.gate.wait()
        call.count(1)
        if not self._works:
            raise OverloadedError("busy")
        self.delivered += 1


@pytest.mark.parametrize("works", [True, False])
async def test_calls_that_ask_together_share_one_answer(works: bool) -> None:
    server = Server(works=works)
    calls = [EmbedCall(["a", "b"], "document") for _ in range(3)]
    asking = [asyncio.ensure_future(server.proof.works(call, 5)) for call in calls]
    await asyncio.wait(asking, timeout=0)
    server.gate.set()
    assert await asyncio.gather(*asking) == [works] * 3
    assert len(server.probes) == 1
    assert [call.requests for call in calls] == [1, 0, 0], "the one that asked pays"
    again = [await server.proof.works(call, 5) for call in calls]
    assert again == [works] * 3
    assert len(server.probes) == 1, "an outage costs a call one request"


async def test_a_text_that_is_delivered_meanwhile_is_proof_enough() -> None:
    server = Server(works=False)
    call, other = EmbedCall(["a", "b"], "document"), EmbedCall(["c", "d"], "document")
    assert await server.proof.works(call, 4)
    assert server.probes == []
    first, second = (asyncio.ensure_future(server.proof.works(each, 5)) for each in (call, other))
    await asyncio.wait([first, second], timeout=0)
    server.delivered += 1
    server.gate.set()
    assert list(await asyncio.gather(first, second)) == [True, True]
    assert len(server.probes) == 1


async def test_a_call_that_asked_in_vain_asks_again_once_a_text_was_delivered() -> None:
    server = Server(works=False)
    server.gate.set()
    call = EmbedCall(["a", "b"], "document")
    assert not await server.proof.works(call, 5)
    server.delivered += 1
    assert not await server.proof.works(call, 6)
    assert len(server.probes) == 2
