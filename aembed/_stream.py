"""Streams: any iterable of items in, ordered chunks out, a bounded number of them in flight.

A stream is an object that owns tasks, and not a generator: no task group and no cancel scope is open while its reader
does something else. A scope that is open across a ``yield`` belongs to the task that opened it, and would be left in
another task whenever the event loop, a web framework or the garbage collector closes the generator around it.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Any, Generic, TypeAlias, TypeVar

import anyio

from aembed._errors import AembedError, EventLoopError, InputError
from aembed._lifecycle import Bound
from aembed._results import Chunk, ItemT
from aembed._types import ModelSpec, Vectors
from aembed._unclosed import MadeAt

T = TypeVar("T")

Embed: TypeAlias = Callable[[Sequence[str]], Awaitable[tuple[Vectors, Mapping[int, AembedError]]]]
"""Texts -> their vectors, and the failures by position."""

CHUNK_ITEMS = 256
"""Items in a chunk, at least: small enough to arrive soon, large enough that its cost is that of its vectors."""


class DocumentStream(Bound, Generic[ItemT]):
    """Chunks of embedded documents, in input order: ``async with ... as chunks: async for chunk in chunks``.

    It may be read, and closed, from any task of its event loop. A read that is cancelled loses no chunk. Leaving the
    block, or :meth:`aclose`, cancels the chunks in flight and waits for their end; after that the iteration is over.
    """

    def __init__(self, work: StreamTasks[ItemT]) -> None:
        self._work = work
        self._turn = asyncio.Lock()
        self._made_at = MadeAt()
        self._abandoned: weakref.finalize[[MadeAt], DocumentStream[ItemT]] | None = None

    async def __aenter__(self) -> DocumentStream[ItemT]:
        self._start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> DocumentStream[ItemT]:
        return self

    async def __anext__(self) -> Chunk[ItemT]:
        async with self._turn:
            self._start()
            try:
                chunk = await self._work.next_chunk()
            except Exception:  # of the source, of `text` or of a call  # one error ends the stream
                await self.aclose()
                raise
            if chunk is None:
                await self.aclose()
                raise StopAsyncIteration
            return chunk

    async def aclose(self) -> None:
        """Cancel the chunks in flight and wait for their end. Closing twice is fine: both wait."""
        if self._abandoned is not None:
            self._abandoned.detach()
        await self._work.end()

    def _start(self) -> None:
        if self._abandoned is None:
            self._work.start()
            self._abandoned = weakref.finalize(self, self._work.abandon, self._made_at)
            self._abandoned.atexit = False


class StreamTasks(Generic[T]):
    """The tasks of a stream: one reads the source, and one embeds each chunk. None of them refers to the stream."""

    def __init__(
        self,
        embed: Embed,
        items: Iterable[T] | AsyncIterable[T],
        text: Callable[[T], str] | None,
        *,
        size: int,
        window: int,
    ) -> None:
        self._embed = embed
        self._items = items
        self._text = text
        self._size = size
        self._room = asyncio.Semaphore(window)
        self._ahead: asyncio.Queue[asyncio.Task[Chunk[T]] | None] = asyncio.Queue()
        """Chunks that have not been read, in input order; ``None`` after the last, to wake a reader."""
        self._head: asyncio.Task[Chunk[T]] | None = None
        """The chunk that is read: it stays until it has been delivered."""
        self._tasks: set[asyncio.Task[Any]] = set()
        self._feeder: asyncio.Task[None] | None = None
        self._ended = False

    def start(self) -> None:
        """Begin to read the source."""
        if not self._ended:
            EventLoopError.unless_running("a stream of documents")
            self._feeder = self._begin(self._feed())
            self._feeder.add_done_callback(lambda _: self._ahead.put_nowait(None))

    async def next_chunk(self) -> Chunk[T] | None:
        """The chunk whose turn it is; ``None`` after the last, or once the stream has ended."""
        if self._head is None and not self._is_drained():
            self._head = await self._ahead.get()
        if self._head is not None and not self._head.done():
            await asyncio.wait([self._head])
        if self._ended or self._feeder is None:
            return None
        if self._head is None:
            self._feeder.result()  # the error of the source, if it had one
            return None
        chunk = self._head.result()
        self._head = None
        self._room.release()
        return chunk

    async def end(self) -> None:
        """Cancel all tasks and wait for them."""
        self._cancel()
        ending = self._tasks - {asyncio.current_task()}
        if ending:
            with anyio.CancelScope(shield=True):
                await asyncio.wait(ending)

    def abandon(self, made_at: MadeAt) -> None:
        """The stream was garbage-collected without being closed. This may run in any thread."""
        loop = None if self._feeder is None else self._feeder.get_loop()
        if loop is None or loop.is_closed() or not self._tasks:
            return
        loop.call_soon_threadsafe(self._cancel)
        made_at.warn("never closed: a stream of documents, left before its end. Use 'async with', or await aclose()")

    def _is_drained(self) -> bool:
        return self._ended or (self._feeder is not None and self._feeder.done() and self._ahead.empty())

    def _cancel(self) -> None:
        self._ended = True
        for task in self._tasks:
            task.cancel()

    def _begin(self, coroutine: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        """Mark its error as retrieved: the reader raises it, unless the reader has left."""
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()

    async def _feed(self) -> None:
        """An error of the source, or of ``text``, comes in its turn: after the items before it."""
        start = 0
        items: list[T] = []
        texts: list[Any] = []
        async with aclosing(_iterate(self._items)) as source:
            try:
                await self._room.acquire()
                async for item in source:
                    texts.append(item if self._text is None else self._text(item))
                    items.append(item)
                    if len(items) == self._size:
                        self._send(start, items, texts)
                        start += len(items)
                        items, texts = [], []
                        await asyncio.sleep(0)  # a source that never waits leaves others their turn
                        await self._room.acquire()
            except Exception:  # of the source, or of `text`  # raised again below
                self._send(start, items, texts[: len(items)])
                raise
            self._send(start, items, texts)

    def _send(self, start: int, items: list[T], texts: list[Any]) -> None:
        if items:
            self._ahead.put_nowait(self._begin(embed_chunk(self._embed, start, items, texts)))


async def embed_chunk(embed: Embed, start: int, items: Sequence[T], texts: Sequence[str]) -> Chunk[T]:
    """One chunk, whose errors name a text by its place in the input: ``start`` is the place of the first."""
    try:
        vectors, failures = await embed(texts)
    except AembedError as error:
        _shift([error], start)
        raise
    _shift(failures.values(), start)
    return Chunk(start, items, texts, vectors, failures)


def chunking(spec: ModelSpec, chunk_size: int | None, requests_at_once: int) -> tuple[int, int]:
    """Items in a chunk, and the number of chunks taken ahead: enough to keep all requests busy, and one more."""
    if chunk_size is not None and chunk_size < 1:
        raise InputError(f"chunk_size is {chunk_size}; it must be 1 or more")
    size = chunk_size or max(CHUNK_ITEMS, spec.max_batch_texts or 0)
    return size, 1 + max(1, requests_at_once * (spec.max_batch_texts or size) // size)


def _shift(errors: Iterable[AembedError], start: int) -> None:
    for error in {id(error): error for error in errors}.values():
        if error.index is not None:
            error.index += start


async def _iterate(items: Iterable[T] | AsyncIterable[T]) -> AsyncGenerator[T, None]:
    if isinstance(items, AsyncIterable):
        try:
            async for item in items:
                yield item
        finally:
            if isinstance(items, AsyncGenerator):  # items were taken ahead, so that its next one is not the reader's
                with anyio.CancelScope(shield=True):
                    await items.aclose()
    else:
        for item in items:
            yield item
