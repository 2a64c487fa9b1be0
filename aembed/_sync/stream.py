"""Chunks of embedded documents for synchronous code, read lazily.

Items are taken from their source in the thread that reads the chunks, never on the event loop: a database cursor or a
query set belongs to a thread, and may block.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from types import TracebackType
from typing import Any, Generic
from weakref import finalize

from aembed._lifecycle import Bound
from aembed._results import Chunk, ItemT
from aembed._stream import Embed, embed_chunk
from aembed._sync.process import loop
from aembed._sync.thread import ThreadCall
from aembed._unclosed import MadeAt


class SyncDocumentStream(Bound, Generic[ItemT]):
    """Chunks in input order: ``for chunk in stream``. For one thread at a time.

    While a chunk is read, the next ones are embedded; the source is read only when the next chunk is asked for. A
    stream may be left at any point: leaving its ``with`` block, :meth:`close`, or dropping it cancels the
    requests in flight; dropping it issues a ``ResourceWarning``.
    """

    def __init__(
        self,
        embed: Embed,
        items: Iterable[ItemT],
        text: Callable[[ItemT], str] | None,
        *,
        size: int,
        window: int,
    ) -> None:
        self._embed = embed
        self._items = iter(items)
        self._text = text
        self._size = size
        self._window = window
        self._start = 0
        self._ahead: deque[ThreadCall[Chunk[ItemT]]] = deque()
        self._error: Exception | None = None
        """Error of the source or of ``text``: raised in its turn, after the items before it."""
        self._is_over = False
        finalize(self, _abandon, self._ahead, MadeAt()).atexit = False

    def __enter__(self) -> SyncDocumentStream[ItemT]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Chunk[ItemT]]:
        return self

    def __next__(self) -> Chunk[ItemT]:
        try:
            while not self._is_over and len(self._ahead) < self._window:
                self._send()
            if self._ahead:
                self._ahead[0].wait()
                return self._ahead.popleft().result()
        except BaseException:  # one error ends the stream, as Ctrl-C does
            self.close()
            raise
        error, self._error = self._error, None
        raise error or StopIteration

    def close(self) -> None:
        """Cancel the requests in flight and wait for their end. Closing twice is fine."""
        self._is_over = True
        calls = list(self._ahead)
        _cancel(self._ahead)
        for call in calls:
            call.wait()

    def _send(self) -> None:
        """Take the items of one chunk, and embed them."""
        items: list[ItemT] = []
        texts: list[Any] = []
        try:
            for item in islice(self._items, self._size):
                texts.append(item if self._text is None else self._text(item))
                items.append(item)
        except Exception as error:  # noqa: BLE001  # any error of the source or of `text` comes after the items before it
            self._error = error
        self._is_over = self._error is not None or len(items) < self._size
        if items:
            call = ThreadCall(embed_chunk(self._embed, self._start, items, texts[: len(items)]))
            loop.begin(call)
            self._ahead.append(call)
            self._start += len(items)


def _abandon(calls: deque[ThreadCall[Any]], made_at: MadeAt) -> None:
    """The stream was garbage-collected without being closed."""
    if calls:
        _cancel(calls)
        made_at.warn("never closed: a stream of documents, left before its end. Use 'with', or close()")


def _cancel(calls: deque[ThreadCall[Any]]) -> None:
    while calls:
        calls.popleft().cancel()
