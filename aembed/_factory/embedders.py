"""The open embedders of a factory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from aembed._embedder import Embedder
from aembed._lifecycle import ActiveCalls
from aembed._types import Provider
from aembed._unclosed import MadeAt


class OpenEmbedder(NamedTuple):
    """Facts that a factory keeps of an embedder that is not closed."""

    provider: Provider
    calls: ActiveCalls
    name: str | None
    """The model as the caller named it: ``"provider:model"``, or a profile; ``None`` for a provider handed in."""
    member: object
    """Its identity among the embedders that share a gate."""


class OpenEmbedders:
    """Oldest first."""

    def __init__(self) -> None:
        self.names: dict[object, str] = {}
        """Models of open embedders. It leads nowhere back to the factory, whose garbage collection it outlives."""
        self._open: dict[Embedder, OpenEmbedder] = {}

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Embedder]:
        return iter(self._open)

    def __getitem__(self, embedder: Embedder) -> OpenEmbedder:
        return self._open[embedder]

    def snapshot(self) -> list[tuple[Embedder, OpenEmbedder]]:
        """The open ones, and the facts of each. Any thread may ask."""
        return list(self._open.items())

    @property
    def calls(self) -> int:
        """Calls in flight."""
        return sum(opened.calls.under_way for opened in self._open.values())

    def add(self, embedder: Embedder, opened: OpenEmbedder) -> None:
        self._open[embedder] = opened
        self.names[opened.member] = f"{embedder.spec.provider}:{embedder.spec.name}"

    def remove(self, embedder: Embedder) -> None:
        del self.names[self._open.pop(embedder).member]

    def uses(self, provider: Provider) -> bool:
        """True if an open embedder has this provider."""
        return any(opened.provider is provider for opened in self._open.values())


def warn_of_open(names: Mapping[object, str], made_at: MadeAt) -> None:
    """The factory was collected, or the program ends."""
    if names:
        made_at.warn(
            f"never closed: the embedder of {', '.join(sorted(set(names.values())))}. "
            "Use 'async with' with the embedder or its factory, or await aclose()"
        )
