"""An embedder for synchronous code."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar, Unpack, overload
from weakref import finalize

from aembed._embedder import Embedder
from aembed._engine.listeners import Listener
from aembed._errors import AembedError, ClosedError, InputError
from aembed._factory import masked, new_embedder_among
from aembed._input import check_on_error, check_source, listed
from aembed._lifecycle import Bound
from aembed._opening import UnopenedEmbedder
from aembed._progress import OnProgress
from aembed._results import EmbedResult, Health
from aembed._settings.config import Config
from aembed._settings.options import EmbedderOptions
from aembed._statistics import Statistics
from aembed._stream import chunking
from aembed._sync.process import loop
from aembed._sync.stream import SyncDocumentStream
from aembed._types import Kind, ModelSpec, OnError, Provider, TextSize, Vector, Vectors
from aembed._unclosed import MadeAt

T = TypeVar("T")


class SyncEmbedder(Bound):
    """Embeds texts with one model, in synchronous code: scripts, notebooks, Django, Flask, Celery.

    Opens the model at once. Safe for any number of threads: they share its quota, cache and micro-batches. All
    SyncEmbedders of a process use one event loop thread, started with the first, and those of an account (provider,
    base_url, key) one gate, so that together they keep its quota. A call blocks its thread until the result is there;
    in a coroutine it blocks the whole event loop, so use an :class:`Embedder` there.

    A forked child (gunicorn with ``preload_app``, Celery, multiprocessing) can use what its parent opened: it makes its
    own connections, and opens the model again if calls were in flight when it was forked. Close it with ``with`` or
    :meth:`close`; otherwise it is closed when it is garbage collected, with a ``ResourceWarning``, or when the
    interpreter exits.

    Model, options and the errors of opening are those of :meth:`EmbedderFactory.new_embedder`, ``config`` is that of
    :class:`EmbedderFactory`. Methods do what those of :class:`Embedder` do, and raise the same errors. Ctrl-C cancels
    the call. Calls on the event loop thread itself (listeners, providers) raise :class:`EventLoopError`.
    """

    def __init__(
        self,
        model: str | Provider | None = None,
        /,
        *,
        config: Config | None = None,
        **options: Unpack[EmbedderOptions],
    ) -> None:
        options = masked(options)
        self._open: Callable[[], UnopenedEmbedder] = lambda: new_embedder_among(loop.accounts, model, config, options)
        self._is_closed = False
        self._made_at = MadeAt()
        self._embedder, self._forks, self._finalizer = self._opened()

    def __repr__(self) -> str:
        embedder = vars(self).get("_embedder")
        return "<SyncEmbedder not open>" if embedder is None else f"<Sync{repr(embedder)[1:]}"

    def __enter__(self) -> SyncEmbedder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def spec(self) -> ModelSpec:
        """Properties of the model. ``dim`` is filled in by the first reply, if the provider does not know it."""
        return self._embedder.spec

    @property
    def dimension(self) -> int | None:
        """Length of this model's vectors; ``None`` until the provider or a reply has shown it. Sends nothing."""
        return self._embedder.dimension

    @property
    def is_available(self) -> bool:
        """False while the account's circuit breaker is open, so that a call would only wait. Sends nothing.

        True again when the next call may be the probe that closes it: a service that gets no calls while it is
        unavailable does not stay so.
        """
        return self._embedder.is_available

    @property
    def identity(self) -> str:
        """Digest of everything that decides a vector, as :attr:`Embedder.identity`."""
        return self._embedder.identity

    def embed_query(self, text: str, *, deadline: float | None = None) -> Vector:
        """One query -> float32 vector of shape ``(dim,)``, as :meth:`Embedder.embed_query`."""
        return loop.run(self._here().embed_query(text, deadline=deadline))

    def embed_queries(self, texts: Iterable[str], *, deadline: float | None = None) -> Vectors:
        """Several queries -> float32 array of shape ``(n, dim)``, as :meth:`Embedder.embed_queries`."""
        return loop.run(self._here().embed_queries(_read(texts), deadline=deadline))

    def embed_documents(
        self,
        texts: Iterable[str],
        *,
        out: Vectors | None = None,
        deadline: float | None = None,
        progress: OnProgress | None = None,
    ) -> Vectors:
        """Documents -> float32 array of shape ``(n, dim)``, as :meth:`Embedder.embed_documents`.

        ``progress`` is called on the event loop thread.
        """
        call = self._here().embed_documents(_read(texts), out=out, deadline=deadline, progress=progress)
        return loop.run(call)

    def embed(
        self,
        texts: Iterable[str],
        *,
        kind: Kind = "document",
        on_error: OnError = "raise",
        deadline: float | None = None,
        progress: OnProgress | None = None,
    ) -> EmbedResult:
        """Vectors, failures, usage and time of one call, as :meth:`Embedder.embed`."""
        embedder, items = self._here(), _read(texts)
        return loop.run(embedder.embed(items, kind=kind, on_error=on_error, deadline=deadline, progress=progress))

    @overload
    def stream_documents(
        self,
        items: Iterable[str],
        *,
        text: None = None,
        on_error: OnError = "raise",
        chunk_size: int | None = None,
    ) -> SyncDocumentStream[str]: ...

    @overload
    def stream_documents(
        self,
        items: Iterable[T],
        *,
        text: Callable[[T], str],
        on_error: OnError = "raise",
        chunk_size: int | None = None,
    ) -> SyncDocumentStream[T]: ...

    def stream_documents(
        self,
        items: Iterable[Any],
        *,
        text: Callable[[Any], str] | None = None,
        on_error: OnError = "raise",
        chunk_size: int | None = None,
    ) -> SyncDocumentStream[Any]:
        """Embed any number of documents in bounded memory: ``for chunk in embedder.stream_documents(items)``.

        Like :meth:`Embedder.stream_documents`. Items are read lazily and in the calling thread, so they may come from a
        database cursor or a query set. The loop may be left at any point.
        """
        items = _readable(check_source(items, "items"))
        check_on_error(on_error)
        embedder = self._here()
        size, window = chunking(self.spec, chunk_size, self.statistics().slots)

        async def embed(texts: Sequence[str]) -> tuple[Vectors, Mapping[int, AembedError]]:
            result = await embedder.embed(texts, on_error=on_error)
            return result.vectors, result.failures

        return SyncDocumentStream(embed, items, text, size=size, window=window)

    def get_dimension(self) -> int:
        """Length of this model's vectors. Asks the provider once, if it is not known beforehand."""
        return loop.run(self._here().get_dimension())

    def measure(self, texts: Iterable[str]) -> list[TextSize]:
        """Tokens of each text, and the pieces of a text that is too long; as :meth:`Embedder.measure`."""
        return self._embedder.measure(texts)

    def check_health(self, *, timeout: float | None = 5.0) -> Health:
        """Send one tiny request and report the outcome, as :meth:`Embedder.check_health`."""
        return loop.run(self._here().check_health(timeout=timeout))

    def add_listener(self, listener: Listener) -> None:
        """Let ``listener`` receive the events of this embedder, on the event loop thread, from now on.

        Raises:
            ConfigError: it cannot be called, or is an async function.
        """
        self._embedder.add_listener(listener)

    def statistics(self) -> Statistics:
        """A snapshot of the counters."""
        return self._embedder.statistics()

    def close(self, *, grace: float | None = 10.0) -> None:
        """Reject new calls, wait for those in flight, and close everything. Closing twice is fine: both wait.

        Calls that take longer than ``grace`` seconds are cancelled, and raise :class:`ClosedError`. ``None``: wait for
        ever.
        """
        self._is_closed = True
        if self._forks >= loop.last_cut:
            loop.run(self._embedder.aclose(grace=grace))
        self._forget()

    def _here(self) -> Embedder:
        """The embedder to use in this process."""
        if self._forks != loop.forks:
            self._adopt()
        return self._embedder

    def _adopt(self) -> None:
        """Use in a forked child what its parent opened; open it again if the fork has cut it off."""
        with loop.lock:
            if self._forks < loop.last_cut:
                if self._is_closed:
                    raise ClosedError("this SyncEmbedder is closed. Make a new one.")
                self._forget()
                self._embedder, self._forks, self._finalizer = self._opened()
            elif self._forks < loop.forks and not self._is_closed:
                self._forks = loop.forks
                loop.add(self._embedder)

    def _opened(self) -> tuple[Embedder, int, finalize[..., Any]]:
        """The embedder, the number of forks before it was opened, and what closes it when this object is collected."""
        forks = loop.forks
        embedder = loop.run(self._open())
        loop.add(embedder)
        finalizer = finalize(self, _abandon, embedder, self._made_at)
        finalizer.atexit = False
        return embedder, forks, finalizer

    def _forget(self) -> None:
        loop.remove(self._embedder)
        self._finalizer.detach()


def _abandon(embedder: Embedder, made_at: MadeAt) -> None:
    """The SyncEmbedder was garbage-collected without being closed. This may run in any thread."""
    loop.drop(embedder)
    made_at.warn(
        f"never closed: the SyncEmbedder of {embedder.spec.provider}:{embedder.spec.name}. Use 'with', or close()"
    )


def _read(texts: Iterable[str]) -> Iterable[str]:
    """The texts as a list, read in the calling thread: a cursor or a query set belongs to it, and may block."""
    if isinstance(texts, AsyncIterable) and isinstance(texts, Iterable):  # Django's query sets are both
        return list(texts)
    return listed(texts)


def _readable(items: Any) -> Any:
    if isinstance(items, AsyncIterable) and not isinstance(items, Iterable):
        raise InputError(f"items is a {type(items).__name__}, an async iterable. Read it with an Embedder.")
    return items
