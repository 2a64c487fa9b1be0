"""What users hold: one model, ready to embed."""

from __future__ import annotations

import time
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping
from functools import partial
from types import TracebackType
from typing import Any, TypeVar, overload

import anyio

from aembed._calls import Calls
from aembed._engine import Engine
from aembed._errors import AembedError, InputError
from aembed._events import Statistics
from aembed._home import Home
from aembed._input import check_on_error, check_out, check_seconds, check_source, check_text, check_texts, sort_texts
from aembed._job import NONE_REJECTED, Job, Run
from aembed._stream import DocumentStream, Work
from aembed._types import EmbedResult, Health, Kind, ModelSpec, OnError, Vector, Vectors

T = TypeVar("T")

PROBE = "How long is a vector of this model?"
STREAM_CHUNK = 256
"""Texts in a chunk of a stream where a request may carry more or fewer than suits a reader."""


class Embedder:
    """Embeds texts with one model. Made by :meth:`EmbedderFactory.new_embedder`; safe for any number of tasks.

    The factory and its embedders live on one event loop at a time, the first that calls them. When that one is closed,
    or in a forked process, the next may go on; on two loops at once the second gets an :class:`EventLoopError`.

    Every method that takes texts raises :class:`InputError` for a bare ``str``, an item that is no ``str``, or a blank
    text, with its index, before anything is sent; and :class:`ClosedError` after :meth:`aclose`.
    """

    def __init__(
        self, engine: Engine, run: Run, deadline: float | None, home: Home, close: Callable[[], Awaitable[None]]
    ) -> None:
        self._engine = engine
        self._run = run
        self._deadline = deadline
        self._close = close
        self._ended = anyio.Event()
        self._calls = Calls(f"the embedder of {self.spec.provider}:{self.spec.name}", home)

    def __repr__(self) -> str:
        state = "closed" if self._calls.closed else repr(self._engine.gate)
        return f"<Embedder {self.spec.provider}:{self.spec.name} dim={self.spec.dim} {state}>"

    async def __aenter__(self) -> Embedder:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    @property
    def spec(self) -> ModelSpec:
        """What is known of the model. ``dim`` is filled in by the first reply, if the provider does not know it."""
        return self._engine.spec

    async def embed_query(self, text: str) -> Vector:
        """One query -> float32 vector of shape ``(dim,)``. Overtakes documents that wait on the same account.

        Raises:
            InputError: the text is blank or no string.
            ProviderError: the provider did not deliver, after retries.
        """
        text = check_text(text)
        with self._calls:
            job = await self._finish(Job([text], "query"))
            row: Vector = job.vectors(self.spec.dim)[0]
            return row

    async def embed_documents(self, texts: Iterable[str], *, out: Vectors | None = None) -> Vectors:
        """Documents -> float32 array of shape ``(n, dim)``, in input order.

        ``out``, a C-contiguous float32 array (or memmap) of that shape, is filled and returned.

        Raises:
            InputError: a text or ``out`` is wrong.
            ProviderError: the first failure, after retries; its ``partial`` holds what was delivered.
        """
        items = check_texts(texts)
        with self._calls:
            if out is not None:
                check_out(out, len(items), await self._dimension())
            job = await self._finish(Job(items, "document", out=out))
            return job.vectors(self.spec.dim)

    async def embed(
        self,
        texts: Iterable[str],
        *,
        kind: Kind = "document",
        on_error: OnError = "raise",
        deadline: float | None = None,
    ) -> EmbedResult:
        """Like :meth:`embed_documents`, with everything there is to know about the call.

        ``on_error="return"`` raises for no text and no timeout: ``failures[index]`` says what happened and the row is
        NaN. A text that is blank, or no ``str``, fails alone like any other. What no other request could survive (a
        rejected key, a spent account) is raised all the same, with the partial result. ``deadline`` is the total time
        in seconds, waiting and retries included.

        Raises:
            InputError, ProviderError: as :meth:`embed_documents`.
            DeadlineError: with ``on_error="raise"``; its ``partial`` holds what was finished.
        """
        if kind not in ("document", "query"):
            raise InputError(f"kind is {kind!r}; it must be 'document' or 'query'")
        check_on_error(on_error)
        deadline = check_seconds(deadline, "deadline")
        items, rejected = (check_texts(texts), NONE_REJECTED) if on_error == "raise" else sort_texts(texts)
        with self._calls:
            job = await self._finish(Job(items, kind, on_error, rejected=rejected), deadline)
            return job.result(self.spec.dim, self.spec.price)

    @overload
    def stream_documents(
        self,
        items: Iterable[str] | AsyncIterable[str],
        *,
        text: None = None,
        on_error: OnError = "raise",
        chunk_size: int | None = None,
    ) -> DocumentStream[str]: ...

    @overload
    def stream_documents(
        self,
        items: Iterable[T] | AsyncIterable[T],
        *,
        text: Callable[[T], str],
        on_error: OnError = "raise",
        chunk_size: int | None = None,
    ) -> DocumentStream[T]: ...

    def stream_documents(
        self,
        items: Iterable[Any] | AsyncIterable[Any],
        *,
        text: Callable[[Any], str] | None = None,
        on_error: OnError = "raise",
        chunk_size: int | None = None,
    ) -> DocumentStream[Any]:
        """Embed any number of documents in bounded memory: ``async with ... as chunks: async for chunk in chunks``.

        ``items`` are texts, or anything that ``text`` makes a text of. Chunks come in input order, ``chunk_size`` items
        each (default: what suits the model). Items are taken only as fast as chunks are read. Leaving the block cancels
        what is under way; it may be left early, in any way and from any task.

        ``on_error="raise"``: an error carries the index of the text in the input, its ``partial`` is that of its
        chunk, and it ends the stream. ``"return"``: ``Chunk.failures`` holds what happened to each text without a
        vector; only what no other request could survive is raised.
        """
        items = check_source(items, "items")
        check_on_error(on_error)
        if chunk_size is not None and chunk_size < 1:
            raise InputError(f"chunk_size is {chunk_size}; it must be 1 or more")
        spec = self.spec
        size = chunk_size or max(STREAM_CHUNK, spec.max_batch_texts or 0)
        window = 1 + max(1, self._engine.gate.account.concurrency.most * (spec.max_batch_texts or size) // size)
        embed = partial(self._embed_chunk, on_error=on_error)
        return DocumentStream(Work(embed, items, text, size=size, window=window))

    async def get_dimension(self) -> int:
        """Length of this model's vectors. Asks the provider once, if it is not known beforehand."""
        with self._calls:
            return await self._dimension()

    async def check_health(self) -> Health:
        """Send one tiny request and say how it went; never raises an :class:`AembedError`.

        It is not retried, except when the provider says that it was too fast.
        """
        started = time.perf_counter()
        error = None
        try:
            with self._calls:
                probe = Job([PROBE], "query")
                probe.is_probe = True
                await self._finish(probe, ask=self._engine.run)  # not of the cache, whose health it is not
        except AembedError as failure:
            error = failure
        return Health(ok=error is None, latency=time.perf_counter() - started, error=error)

    def statistics(self) -> Statistics:
        """A snapshot of the counters."""
        return self._engine.statistics()

    async def aclose(self) -> None:
        """Refuse new calls, wait for those under way, and close the provider. Closing twice is fine: both wait."""
        if self._calls.closed:
            await self._ended.wait()
            return
        try:
            await self._calls.drain()
        finally:
            try:
                with anyio.CancelScope(shield=True):
                    await self._close()
            finally:
                self._ended.set()

    async def _finish(self, job: Job, deadline: float | None = None, ask: Run | None = None) -> Job:
        """Run a call to its end, or to that of its time. Raises the error that stopped it, with the partial result."""
        run = ask or self._run
        deadline = deadline if deadline is not None else self._deadline
        if deadline is None:
            await run(job)
        else:
            with anyio.move_on_after(deadline) as scope:
                await run(job)
            if scope.cancelled_caught:
                job.expire(deadline)
        if job.error is not None:
            job.error.partial = job.result(self.spec.dim, self.spec.price)
            raise job.error
        return job

    async def _embed_chunk(self, texts: list[str], on_error: OnError) -> tuple[Vectors, Mapping[int, AembedError]]:
        result = await self.embed(texts, on_error=on_error)
        return result.vectors, result.failures

    async def _dimension(self) -> int:
        if self.spec.dim is None:
            await self._finish(Job([PROBE], "query"), ask=self._engine.run)
        dim = self.spec.dim
        assert dim is not None, "the engine learns the dimension from every reply"
        return dim
