"""An embedder that opens when it is awaited, or entered with ``async with``."""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from aembed._embedder import Embedder


class UnopenedEmbedder(Coroutine[Any, Any, Embedder]):
    """``embedder = await opening``, or ``async with opening as embedder``, which closes it at the end of the block.

    It is a coroutine: ``asyncio.create_task`` and ``asyncio.wait_for`` take it, it opens once, and Python warns if it
    is neither awaited nor entered.
    """

    __slots__ = ("_coroutine", "_embedder")

    def __init__(self, coroutine: Coroutine[Any, Any, Embedder]) -> None:
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, Embedder]:
        return self._coroutine.__await__()

    def send(self, value: Any) -> Any:
        return self._coroutine.send(value)

    def throw(self, *error: Any) -> Any:
        return self._coroutine.throw(*error)

    def close(self) -> None:
        self._coroutine.close()

    if not TYPE_CHECKING:  # type checkers report every attribute of an Embedder as missing

        def __getattr__(self, name: str) -> Any:
            message = f"{type(self).__name__!r} object has no attribute {name!r}"
            if name[0] != "_" and hasattr(Embedder, name):
                message = (
                    f"cannot use {name!r}: the embedder is not open. Write 'async with new_embedder(...) as embedder:' "
                    "or 'embedder = await new_embedder(...)'"
                )
            raise AttributeError(message, name=name, obj=self)

    async def __aenter__(self) -> Embedder:
        self._embedder = await self._coroutine
        return self._embedder

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._embedder.aclose()
