"""The scripted provider follows its list, and records its requests."""

from __future__ import annotations

import asyncio

import anyio
import numpy as np
import pytest

from aembed import BadTextError, OverloadedError, Reply
from aembed.providers.mock import MockOptions, MockProvider
from aembed.testing import Call, ScriptedProvider


@pytest.mark.virtual_time
async def test_steps_are_taken_in_order_and_then_all_is_well() -> None:
    reply = Reply(np.ones((1, 8), np.float32))
    provider = ScriptedProvider([OverloadedError("busy"), reply, 5.0, None], latency=1.0)
    with pytest.raises(OverloadedError):
        await provider.embed(["a"], kind="query")
    assert await provider.embed(["b"], kind="document") is reply
    for text in "cde":
        await provider.embed([text], kind="query")
    assert [(call.texts, call.kind) for call in provider.calls] == [
        (("a",), "query"),
        (("b",), "document"),
        (("c",), "query"),
        (("d",), "query"),
        (("e",), "query"),
    ]
    waits = [call.ended - call.started for call in provider.calls]
    assert waits == pytest.approx([1.0, 1.0, 5.0, 1.0, 1.0])


async def test_good_answers_are_the_mocks() -> None:
    mock = await MockProvider(MockOptions(dim=8)).embed(["text"], kind="query")
    scripted = await ScriptedProvider().embed(["text"], kind="query")
    np.testing.assert_array_equal(scripted.vectors, mock.vectors)


async def test_a_rejected_text_is_rejected_in_any_company_with_a_fresh_error() -> None:
    no = BadTextError("no")
    provider = ScriptedProvider(refused={"bad": no})
    seen = []
    for texts in (["bad"], ["good", "bad"]):
        with pytest.raises(BadTextError, match="no") as caught:
            await provider.embed(texts, kind="query")
        seen.append(caught.value)
    assert len({id(error) for error in [no, *seen]}) == 3


@pytest.mark.virtual_time
async def test_it_records_calls_in_flight_and_their_times() -> None:
    provider = ScriptedProvider(latency=10.0)
    calls = [asyncio.create_task(provider.embed(["text"], kind="query")) for _ in range(3)]
    await anyio.sleep(1.0)
    assert provider.in_flight == 3
    calls[0].cancel()
    await asyncio.wait(calls)
    assert (provider.in_flight, provider.most_in_flight) == (0, 3)
    assert provider.calls[0] == Call(("text",), "query", 0.0, provider.calls[0].ended)
    assert provider.calls[0].ended == pytest.approx(1.0)
    await provider.aclose()
    assert provider.closed == 1
