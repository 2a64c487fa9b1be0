"""Any iterable of texts in, ordered chunks out, with a bounded number of them under way."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream

from aembed._errors import AembedError
from aembed._fan_out import one_error
from aembed._types import Chunk, Vectors

Embed: TypeAlias = Callable[[list[str]], Awaitable[Vectors]]


@dataclass(slots=True)
class _Pending:
    """A chunk under way. The reader waits for it in its turn."""

    start: int
    texts: list[str]
    vectors: Vectors | None = None
    error: Exception | None = None
    done: anyio.Event = field(default_factory=anyio.Event)


@asynccontextmanager
async def open_stream(
    embed: Embed, texts: Iterable[str] | AsyncIterable[str], *, size: int, window: int
) -> AsyncGenerator[AsyncIterator[Chunk], None]:
    """Embed ``size`` texts at a time; at most ``window`` chunks wait or are under way. Leaving cancels them."""
    send, receive = anyio.create_memory_object_stream[_Pending](window)
    with one_error():
        async with anyio.create_task_group() as tasks:

            async def feed() -> None:
                async with send, aclosing(_chunks(texts, size)) as cut:
                    async for pending in cut:
                        try:
                            await send.send(pending)
                        except anyio.BrokenResourceError:  # the reader has left
                            return
                        if pending.error is None:
                            tasks.start_soon(_fill, embed, pending)
                        else:
                            pending.done.set()

            tasks.start_soon(feed)
            async with receive, aclosing(_read(receive)) as chunks:
                yield chunks
            tasks.cancel_scope.cancel()


async def _chunks(texts: Iterable[str] | AsyncIterable[str], size: int) -> AsyncGenerator[_Pending, None]:
    """An error of the source comes in its turn, after the texts before it."""
    start = 0
    collected: list[str] = []
    error: Exception | None = None
    async with aclosing(_iterate(texts)) as items:
        try:
            async for text in items:
                collected.append(text)
                if len(collected) == size:
                    yield _Pending(start, collected)
                    start += size
                    collected = []
        except Exception as broken:  # noqa: BLE001  # whatever the source raises, the reader is told
            error = broken
    if collected:
        yield _Pending(start, collected)
    if error is not None:
        yield _Pending(start + len(collected), [], error=error)


async def _iterate(texts: Iterable[str] | AsyncIterable[str]) -> AsyncGenerator[str, None]:
    if isinstance(texts, AsyncIterable):
        try:
            async for text in texts:
                yield text
        finally:
            if isinstance(texts, AsyncGenerator):  # texts were taken ahead: nobody can go on with it
                with anyio.CancelScope(shield=True):
                    await texts.aclose()
    else:
        for text in texts:
            yield text


async def _fill(embed: Embed, pending: _Pending) -> None:
    try:
        pending.vectors = await embed(pending.texts)
    except AembedError as error:
        if error.index is not None:
            error.index += pending.start
        pending.error = error
    pending.done.set()


async def _read(receive: MemoryObjectReceiveStream[_Pending]) -> AsyncGenerator[Chunk, None]:
    async for pending in receive:
        await pending.done.wait()
        if pending.error is not None:
            raise pending.error
        assert pending.vectors is not None
        yield Chunk(pending.start, pending.texts, pending.vectors)
