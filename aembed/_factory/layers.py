"""The layers of an embedder. The only place that puts them in order."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import NamedTuple

from aembed._call_runner import Deadlines
from aembed._engine.engine import Engine
from aembed._engine.layer import Layer
from aembed._engine.listeners import Listener
from aembed._gate import Gate
from aembed._settings.options import Options
from aembed._settings.policies import MergePolicy
from aembed._sharing.cache import Cache
from aembed._sharing.cache_key import CacheKeys
from aembed._sharing.cache_layer import CacheLayer
from aembed._sharing.micro_batcher import MicroBatcher
from aembed._types import Provider

QUERY_DEADLINE_S = 30.0
"""People wait for a query: this is longer than a request may take, and shorter than an outage may last."""


class Layers(NamedTuple):
    """``top`` is where a call enters."""

    top: Layer
    engine: Engine
    sharing: tuple[MicroBatcher | CacheLayer, ...]
    identity: str
    """Digest of everything that decides a vector."""

    async def aclose(self) -> None:
        """End the work that layers do for calls that have left, from the top down."""
        async with AsyncExitStack() as stack:
            for layer in self.sharing:
                stack.push_async_callback(layer.aclose)


def stacked(
    provider: Provider,
    gate: Gate,
    settings: Options,
    listeners: Sequence[Listener],
    cache: Cache | None,
    *,
    name: str | None,
) -> Layers:
    """Cache layer -> micro-batcher -> engine (-> gate -> provider); the first two only if the settings ask for them."""
    engine = Engine(provider, gate, settings, listeners, name=name)
    top: Layer = engine
    sharing: list[MicroBatcher | CacheLayer] = []
    if settings.merge:
        policy = settings.merge if isinstance(settings.merge, MergePolicy) else MergePolicy()
        top = batcher = MicroBatcher(policy, engine)
        sharing.append(batcher)
    keys = CacheKeys(provider.spec, settings, type(provider).__qualname__)
    if cache is not None:
        top = cached = CacheLayer(cache, keys, top, engine)
        sharing.append(cached)
    return Layers(top, engine, tuple(sharing), keys.model)


def deadlines(settings: Options) -> Deadlines:
    """Seconds that a call of each kind may take, by default."""
    own = settings.deadline
    return {"document": own, "query": own if "deadline" in settings.model_fields_set else QUERY_DEADLINE_S}
