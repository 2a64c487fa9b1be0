"""A reply is decoded on the event loop, or in the one decoding thread."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

from aembed._errors import ReplyError
from aembed._wire.decoding import ReplyDecoder
from aembed._wire.openai_format import OPENAI_REPLY
from aembed._wire.split_vectors import Yield
from tests.wire.written_replies import encoded, reply

ROW = np.array([1.0, 2.0], np.float32)


@pytest.mark.parametrize(("length", "is_small"), [(2**20, True), (2**20 + 1, False)])
async def test_a_reply_of_a_mebibyte_is_decoded_at_once(length: int, is_small: bool) -> None:
    body = reply(encoded(ROW)).ljust(length)
    decoder = ReplyDecoder(OPENAI_REPLY)
    at_once = decoder.at_once(body, ["a"], None)
    assert (at_once is not None) is is_small
    np.testing.assert_array_equal((await decoder.decode(body, ["a"], None)).vectors, [ROW])


async def test_the_end_of_a_reply_that_has_been_taken_is_decoded_with_it() -> None:
    decoder = ReplyDecoder(OPENAI_REPLY)
    rows = np.zeros((1, 2), np.float32)
    body, streaming = reply(encoded(ROW)), decoder.streaming(rows)
    assert decoder.at_once(body, ["a"], None, streaming) is not None, "nothing has been taken yet"
    await streaming.take([body[:40]])
    assert decoder.at_once(body[40:], ["a"], rows, streaming) is None
    decoded = await decoder.decode(body[40:], ["a"], rows, streaming)
    np.testing.assert_array_equal(decoded.vectors, [ROW])
    assert decoded.vectors is rows


async def test_one_thread_decodes_one_reply_at_a_time() -> None:
    """Several would wait for each other, and the event loop with them."""
    decoder = ReplyDecoder(OPENAI_REPLY)
    at_work = 0
    most = 0

    def work(pause: Yield) -> None:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        for _ in range(100):
            pause()
        at_work -= 1

    await asyncio.gather(*(decoder.in_thread(work) for _ in range(5)))
    assert most == 1


async def test_a_thread_whose_caller_has_gone_stops_at_its_next_pause() -> None:
    decoder = ReplyDecoder(OPENAI_REPLY)
    begun, over = threading.Event(), threading.Event()

    def work(pause: Yield) -> None:
        begun.set()
        try:
            while True:
                pause()
        except ReplyError:
            over.set()
            raise

    call = asyncio.ensure_future(decoder.in_thread(work))
    await asyncio.to_thread(begun.wait, 60)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await asyncio.to_thread(over.wait, 60)


async def test_a_thread_whose_caller_waits_goes_on() -> None:
    def work(pause: Yield) -> str:
        pause()
        return "done"

    assert await ReplyDecoder(OPENAI_REPLY).in_thread(work) == "done"
