"""A provider in a registry, for tests of factories."""

from __future__ import annotations

from aembed import (
    Config,
    EmbedderFactory,
    Provider,
    Registry,
    Source,
)
from aembed.testing import ScriptedProvider

KEY = "sk-nobody-may-see-this"


class Shop:
    """A registry with one provider, which records its sources."""

    def __init__(self) -> None:
        self.sources: list[Source] = []
        self.providers: list[ScriptedProvider] = []
        self.registry = Registry()
        self.registry.register("shop", self.open)

    async def open(self, source: Source) -> Provider:
        self.sources.append(source)
        self.providers.append(ScriptedProvider(latency=1.0))
        return self.providers[-1]

    def factory(self, config: Config | None = None) -> EmbedderFactory:
        return EmbedderFactory(config or Config(), registry=self.registry)
