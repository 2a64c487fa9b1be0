"""The embedders behind an adapter: one for each event loop that calls it, and one for threads without a loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal, Protocol, TypeAlias, cast

import anyio
import anyio.to_thread

from aembed import (
    ConfigError,
    Embedder,
    EmbedderOptions,
    EmbedResult,
    EventLoopError,
    Kind,
    ModelSpec,
    SyncEmbedder,
    Vectors,
    new_embedder,
)

ModelArgument: TypeAlias = str | Embedder | SyncEmbedder | None
"""``"provider:model"``, the name of a profile, an embedder that is open already, or None for the default model."""

OnError: TypeAlias = Literal["raise", "return"]

INLINE_NUMBERS = 20_000
"""Vectors with more numbers become lists in a worker thread: about 2 ms, which an event loop should not lose."""
_SECRETS = frozenset({"api_key", "headers"})


class Embedders:
    """Opens a model at the first call on an event loop, and closes every embedder that it opened.

    Async calls run on the caller's event loop, synchronous ones on the loop thread of :class:`SyncEmbedder`, where
    those of an account share a gate. A loop and the thread know nothing of each other's requests: a program that uses
    both hands in a :class:`SyncEmbedder`, which serves both, or gives limits for half. One handed in stays open.
    """

    def __init__(self, model: ModelArgument, options: EmbedderOptions) -> None:
        if not isinstance(model, str | Embedder | SyncEmbedder | None):
            raise ConfigError(
                f"model is a {type(model).__name__}: give 'provider:model', a profile's name or an Embedder"
            )
        if options and not isinstance(model, str | None):
            raise ConfigError(f"an open embedder takes no options; give {', '.join(options)} where it is opened")
        self._given = model
        self._options = options
        self._owner = _running_loop() if isinstance(model, Embedder) else None
        self._on_loops: list[_OnLoop] = []
        self._blocking: SyncEmbedder | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<Embedders of {self.name}>"

    def __deepcopy__(self, memo: Mapping[int, object]) -> Embedders:
        """Frameworks copy their configuration; connections and quota stay shared."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """In another process the model is opened anew, by name. No key is pickled."""
        return Embedders, (self.saved_model(), self.saved_options())

    @property
    def name(self) -> str:
        """Name for a framework to show: the model as it was given, or that of the embedder."""
        if isinstance(self._given, Embedder | SyncEmbedder):
            return f"{self._given.spec.provider}:{self._given.spec.name}"
        return self._given or "default"

    def saved_model(self) -> str | None:
        """The model's name, for a configuration in a file.

        Raises:
            ConfigError: an open embedder was handed in, which no file can hold.
        """
        if isinstance(self._given, Embedder | SyncEmbedder):
            raise ConfigError("an open embedder cannot be saved or pickled; give the adapter the name of a model")
        return self._given

    def saved_options(self) -> dict[str, Any]:
        """The options without keys and headers, which are to come from the environment or a profile.

        Raises:
            ConfigError: a key was given as a keyword, which is never written anywhere.
        """
        secret = sorted(_SECRETS & self._options.keys())
        if secret:
            raise ConfigError(
                f"{' and '.join(secret)} cannot be saved or pickled; set the provider's variable, or api_key_file="
            )
        return dict(self._options)

    async def embed(
        self, texts: Sequence[str], kind: Kind, *, on_error: Literal["raise", "return"] = "raise"
    ) -> EmbedResult:
        """Embed on the running event loop."""
        if isinstance(self._given, SyncEmbedder):
            return await anyio.to_thread.run_sync(partial(self._given.embed, texts, kind=kind, on_error=on_error))
        embedder = await self.opened()
        assert isinstance(embedder, Embedder), "the other kind is used above"
        return await embedder.embed(texts, kind=kind, on_error=on_error)

    async def spec(self) -> ModelSpec:
        """Facts of the model, which is opened for it."""
        return (await self.opened()).spec

    async def opened(self) -> Embedder | SyncEmbedder:
        """The embedder of the running event loop, or the one that was handed in."""
        if isinstance(self._given, Embedder | SyncEmbedder):
            return self._given
        place = self._place()
        async with place.opening:
            if place.embedder is None:
                place.embedder = await new_embedder(self._given, **self._options)
        return place.embedder

    def embed_blocking(self, texts: Sequence[str], kind: Kind) -> EmbedResult:
        """Embed and block the calling thread until the result is there."""
        if isinstance(self._given, Embedder):
            return self._on_owner(self._given, texts, kind)
        return self.opened_blocking().embed(texts, kind=kind)

    def opened_blocking(self) -> SyncEmbedder:
        """The embedder of threads."""
        if isinstance(self._given, SyncEmbedder):
            return self._given
        with self._lock:
            if self._blocking is None:
                self._blocking = SyncEmbedder(cast("str | None", self._given), **self._options)
            return self._blocking

    async def aclose(self) -> None:
        """Close the embedders of event loops and of threads. Later calls open the model again."""
        with self._lock:
            places, self._on_loops = self._on_loops, []
        for place in places:
            if place.embedder is not None:
                await place.embedder.aclose()
        await anyio.to_thread.run_sync(self.close)

    def close(self) -> None:
        """Close the embedder of threads."""
        with self._lock:
            blocking, self._blocking = self._blocking, None
        if blocking is not None:
            blocking.close()

    def _place(self) -> _OnLoop:
        """The entry of the running loop. An embedder whose loop is closed moves to the running one."""
        loop = EventLoopError.unless_running("an adapter")
        with self._lock:
            for place in self._on_loops:
                if place.loop is loop:
                    return place
            for place in self._on_loops:
                if place.loop.is_closed():
                    place.loop, place.opening = loop, anyio.Lock()
                    return place
            self._on_loops.append(_OnLoop(loop))
            return self._on_loops[-1]

    def _on_owner(self, embedder: Embedder, texts: Sequence[str], kind: Kind) -> EmbedResult:
        loop = self._owner
        if loop is None or loop is _running_loop() or not loop.is_running():
            raise EventLoopError(
                "an Embedder cannot be called synchronously from its own event loop, or without one: call the async "
                "method, or give the adapter the name of a model or a SyncEmbedder"
            )
        return asyncio.run_coroutine_threadsafe(embedder.embed(texts, kind=kind), loop).result()


class _OnLoop:
    """An event loop and its embedder, once it is open."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.opening = anyio.Lock()
        self.embedder: Embedder | None = None


class HasVectors(Protocol):
    """The part of :class:`EmbedResult` that lists are made of."""

    @property
    def vectors(self) -> Vectors: ...


async def as_lists(result: HasVectors) -> list[list[float]]:
    """Rows as lists of Python floats, which most frameworks want; large results become lists in a worker thread."""
    if result.vectors.size <= INLINE_NUMBERS:
        return cast("list[list[float]]", result.vectors.tolist())
    return cast("list[list[float]]", await anyio.to_thread.run_sync(result.vectors.tolist))


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
