"""The facade: one model, ready to embed."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, TypeVar, overload

import anyio

from aembed._call_runner import CallRunner
from aembed._engine.call import NONE_REJECTED, EmbedCall
from aembed._engine.engine import Engine
from aembed._engine.listeners import Listener
from aembed._engine.proof import PROBE
from aembed._engine.timeout import Stopwatch
from aembed._errors import AembedError, InputError
from aembed._input import (
    check_grace,
    check_on_error,
    check_out,
    check_seconds,
    check_source,
    check_text,
    check_texts,
    sort_texts,
)
from aembed._lifecycle import ActiveCalls, Bound
from aembed._progress import OnProgress, guarded
from aembed._results import EmbedResult, Health
from aembed._statistics import Statistics
from aembed._stream import DocumentStream, StreamTasks, chunking
from aembed._types import Kind, ModelSpec, OnError, TextSize, Vector, Vectors

T = TypeVar("T")


class Embedder(Bound):
    """Embeds texts with one model. Made by :meth:`EmbedderFactory.new_embedder`; safe for any number of tasks.

    The factory and its embedders are bound to one event loop, the first that calls them. When that loop is closed, or
    in a forked process, the next one takes over; a second loop at the same time gets an :class:`EventLoopError`.

    Every method that takes texts raises :class:`InputError` for a bare ``str``, an item that is no ``str``, or a blank
    text, with its index, before anything is sent; and :class:`ClosedError` after :meth:`aclose`.
    """

    def __init__(
        self,
        engine: Engine,
        runner: CallRunner,
        calls: ActiveCalls,
        close: Callable[[], Awaitable[None]],
        *,
        identity: str,
    ) -> None:
        self._engine = engine
        self._listeners = engine.recorder.listeners
        self._runner = runner
        self._calls = calls
        self._close = close
        self._identity = identity
        self._closing = False
        self._ended = anyio.Event()

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
        """Properties of the model. ``dim`` is filled in by the first reply if the provider does not know it."""
        return self._engine.spec

    @property
    def dimension(self) -> int | None:
        """Length of this model's vectors; ``None`` until the provider or a reply has shown it. Sends nothing."""
        return self.spec.dim

    @property
    def server(self) -> str | None:
        """Host name of the provider's server, with its port where that is unusual; ``None`` for a model in this
        process."""
        host, port = self._engine.recorder.about["server"], self._engine.recorder.about["port"]
        return host if host is None or port in {80, 443} else f"{host}:{port}"

    @property
    def is_available(self) -> bool:
        """False while the account's circuit breaker is open, so that a call would only wait. Sends nothing.

        True again when the next call may be the probe that closes it: a service that gets no calls while it is
        unavailable does not stay so.
        """
        return self._engine.gate.is_available

    @property
    def identity(self) -> str:
        """Digest of everything that decides a vector, except the text, its kind and ``overlong``: vectors with the same
        digest can be compared. It covers provider, base_url, model, revision, dimensions and options."""
        return self._identity

    async def embed_query(self, text: str, *, deadline: float | None = None) -> Vector:
        """One query -> float32 vector of shape ``(dim,)``. Overtakes documents that wait on the same account.

        ``deadline`` is the total time in seconds, waiting and retries included: if not given, that of the embedder's
        options; if these say nothing, 30 s.

        Raises:
            InputError: the text is blank or no string.
            ProviderError: the provider failed, after retries.
            DeadlineError: the deadline passed; it names the last failure, which is its ``__cause__``.
        """
        active = self._calls if self._listeners.emit is None else self._runner.observed("embed_query", "query", text)
        with active as observed:
            text = check_text(text)
            if deadline is not None:
                deadline = check_seconds(deadline, "deadline")
            call = await self._runner.finish(EmbedCall([text], "query"), deadline, observed=observed)
            row: Vector = call.vectors(self.spec.dim)[0]
            return row

    async def embed_queries(self, texts: Iterable[str], *, deadline: float | None = None) -> Vectors:
        """Several queries -> float32 array of shape ``(n, dim)``, in input order. Else like :meth:`embed_query`.

        Raises:
            InputError: a text is wrong.
            ProviderError, DeadlineError: as :meth:`embed_query`; their ``partial`` holds the vectors delivered.
        """
        active = self._calls if self._listeners.emit is None else self._runner.observed("embed_queries", "query", texts)
        with active as observed:
            deadline = check_seconds(deadline, "deadline")
            call = await self._runner.finish(EmbedCall(check_texts(texts), "query"), deadline, observed=observed)
            return call.vectors(self.spec.dim)

    async def embed_documents(
        self,
        texts: Iterable[str],
        *,
        out: Vectors | None = None,
        deadline: float | None = None,
        progress: OnProgress | None = None,
    ) -> Vectors:
        """Documents -> float32 array of shape ``(n, dim)``, in input order.

        ``out``, a C-contiguous float32 array (or memmap) of that shape, is filled and returned. ``deadline`` is the
        total time in seconds; not given: that of the embedder's options, if any. ``progress`` is called on the event
        loop with the number of texts that have ended since its last call: ``progress=bar.update`` with tqdm. An error
        that it raises is logged, and the call continues.

        Raises:
            InputError: a text or ``out`` is wrong.
            ProviderError: the first failure, after retries; its ``partial`` holds the vectors delivered.
            DeadlineError: the deadline passed; its ``partial`` holds the vectors delivered.
        """
        active = (
            self._calls if self._listeners.emit is None else self._runner.observed("embed_documents", "document", texts)
        )
        with active as observed:
            deadline = check_seconds(deadline, "deadline")
            items = check_texts(texts)
            if out is not None:
                check_out(out, len(items), await self._runner.dimension(observed))
            call = EmbedCall(items, "document", out=out)
            if progress is not None:
                call.on_ended = guarded(progress)
            await self._runner.finish(call, deadline, observed=observed)
            return call.vectors(self.spec.dim)

    async def embed(
        self,
        texts: Iterable[str],
        *,
        kind: Kind = "document",
        on_error: OnError = "raise",
        deadline: float | None = None,
        progress: OnProgress | None = None,
    ) -> EmbedResult:
        """Like :meth:`embed_documents`, with failures, usage and time of the call.

        ``on_error="return"`` raises neither for a text nor at the deadline: ``failures[index]`` is the error, and the
        row is NaN. A text that is blank, or no ``str``, fails alone like any other. Errors that every further request
        would meet (a rejected key, a spent account) are raised all the same, with the partial result. ``deadline`` is
        the total time in seconds, waiting and retries included; not given: that of the embedder's options, else 30 s
        for queries. ``progress`` as for :meth:`embed_documents`; failed texts count as well.

        Raises:
            InputError, ProviderError: as :meth:`embed_documents`.
            DeadlineError: with ``on_error="raise"``; its ``partial`` holds the finished texts.
        """
        active = self._calls if self._listeners.emit is None else self._runner.observed("embed", kind, texts)
        with active as observed:
            if kind not in ("document", "query"):
                raise InputError(f"kind is {kind!r}; it must be 'document' or 'query'")
            check_on_error(on_error)
            deadline = check_seconds(deadline, "deadline")
            items, rejected = (check_texts(texts), NONE_REJECTED) if on_error == "raise" else sort_texts(texts)
            call = EmbedCall(items, kind, on_error, rejected=rejected)
            if progress is not None:
                call.on_ended = guarded(progress)
                if rejected:
                    call.on_ended(len(rejected))
            await self._runner.finish(call, deadline, observed=observed)
            return call.result(self.spec)

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
        each (default: what suits the model). Items are taken only as fast as chunks are read. Leaving the block
        cancels the requests in flight; it may be left early, in any way and from any task.

        ``on_error="raise"``: an error carries the index of the text in the input, its ``partial`` is that of its
        chunk, and it ends the stream. ``"return"``: ``Chunk.failures`` holds the error of each text without
        a vector; only errors that every further request would meet are raised.
        """
        items = check_source(items, "items")
        check_on_error(on_error)
        size, window = chunking(self._engine.effective_spec(), chunk_size, self._engine.gate.most_at_once)
        embed = partial(self._embed_chunk, on_error=on_error)
        return DocumentStream(StreamTasks(embed, items, text, size=size, window=window))

    async def get_dimension(self) -> int:
        """Length of this model's vectors. Asks the provider once, if it is not known beforehand."""
        active = self._calls if self._listeners.emit is None else self._runner.observed("get_dimension", "query", ())
        with active as observed:
            return await self._runner.dimension(observed)

    def measure(self, texts: Iterable[str]) -> list[TextSize]:
        """Tokens of each text, and the pieces of a text that is too long; sends nothing.

        Exact for models in this process, whose tokenizer is here; estimated from lengths for others. Blocks for about
        a second per million characters, so call it in a thread. Any thread may.

        Raises:
            InputError: a text is blank or no string.
        """
        return self._engine.measure(check_texts(texts))

    async def check_health(self, *, timeout: float | None = 5.0) -> Health:
        """Send one tiny request and report the outcome; never raises an :class:`AembedError`.

        It is not retried, except after a 429, and gives up after ``timeout`` seconds. ``latency`` is the time it took.
        """
        timeout = check_seconds(timeout, "timeout")
        watch = Stopwatch()
        error = None
        try:
            active = (
                self._calls if self._listeners.emit is None else self._runner.observed("check_health", "query", PROBE)
            )
            with active as observed:
                await self._runner.check(timeout, observed)
        except AembedError as failure:
            error = failure
        return Health(ok=error is None, latency=watch.elapsed(), error=error)

    def add_listener(self, listener: Listener) -> None:
        """Let ``listener`` receive the events of this embedder from now on, after those it has.

        Raises:
            ConfigError: it cannot be called, or is an async function.
        """
        self._engine.add_listener(listener)

    def statistics(self) -> Statistics:
        """A snapshot of the counters."""
        return self._engine.statistics()

    async def aclose(self, *, grace: float | None = 10.0) -> None:
        """Reject new calls, wait for those in flight, and close the provider. Closing twice is fine: both wait.

        Calls that take longer than ``grace`` seconds are cancelled, and raise :class:`ClosedError`. ``None``: wait for
        ever.
        """
        if self._closing:
            await self._ended.wait()
            return
        self._closing = True
        try:
            await self._calls.drain(check_grace(grace))
        finally:
            try:
                with anyio.CancelScope(shield=True):
                    await self._close()
            finally:
                self._ended.set()

    async def _embed_chunk(self, texts: Sequence[str], on_error: OnError) -> tuple[Vectors, Mapping[int, AembedError]]:
        result = await self.embed(texts, on_error=on_error)
        return result.vectors, result.failures
