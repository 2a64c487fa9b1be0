"""Providers of a factory: each is opened with its account, address and key, and closed with its last embedder."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakValueDictionary

import anyio.to_thread

from aembed._accounts import AccountId, account_of
from aembed._embedder import Embedder
from aembed._errors import AembedError
from aembed._factory.embedders import OpenEmbedders
from aembed._registry import Opener, Registry
from aembed._settings.config import Config, find_vendor
from aembed._settings.http import HttpSettings
from aembed._settings.keyring import KeyRing
from aembed._settings.keys import find_endpoint
from aembed._settings.options import AskKey, Options
from aembed._settings.secrets import in_clear
from aembed._settings.vendors import Vendor
from aembed._shared_models import IN_PROCESS, SharedModels
from aembed._types import Provider, Source
from aembed._wire.transport import Transport

if TYPE_CHECKING:
    from aembed._wire.http import HttpTransport


class Prepared(NamedTuple):
    """Everything that opening a provider needs."""

    opener: Opener
    source: Source
    account: AccountId
    settings: Options
    """The settings of the embedder, with the address in force."""


class Providers:
    """One transport for an account, one keyring for a key function, and each in-process model in memory once."""

    def __init__(self, registry: Registry, embedders: OpenEmbedders) -> None:
        self._registry = registry
        self._embedders = embedders
        self._models = SharedModels()
        self._keyrings: WeakValueDictionary[AskKey, KeyRing] = WeakValueDictionary()
        self._transports: dict[tuple[AccountId, HttpSettings], HttpTransport] = {}

    async def prepare(self, config: Config, name: str, settings: Options, *, download: bool) -> Prepared:
        """Find the opener of ``"provider:model"``, which may import its module, and the key.

        Raises:
            ConfigError: unknown provider, missing or unreadable key, wrong address.
        """
        provider = name.partition(":")[0]
        get_opener = partial(self._registry.get, provider, name, also=config.profiles)
        is_loaded = self._registry.is_loaded(provider)
        opener = get_opener() if is_loaded else await anyio.to_thread.run_sync(get_opener)
        source, account, settings = await self._source(name, settings, find_vendor(self._registry, provider))
        return Prepared(opener, replace(source, download=download), account, settings)

    async def open(self, prepared: Prepared, build: Callable[[Provider], Embedder]) -> Embedder:
        """Open a provider, and build its embedder."""
        if getattr(prepared.opener, "__module__", "") not in IN_PROCESS:
            return await self._built(await prepared.opener(prepared.source), build)
        async with self._models.opening:
            return await self._built(await self._models.open(prepared.source, prepared.opener), build)

    async def leave(self, provider: Provider) -> None:
        """Close a provider that no open embedder uses."""
        if not self._embedders.uses(provider):
            self._models.forget(provider)
            await provider.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        async with AsyncExitStack() as stack:
            for transport in self._transports.values():
                stack.push_async_callback(transport.aclose)

    async def _built(self, provider: Provider, build: Callable[[Provider], Embedder]) -> Embedder:
        try:
            return build(provider)
        except AembedError:
            await self.leave(provider)
            raise

    async def _source(self, name: str, settings: Options, vendor: Vendor) -> tuple[Source, AccountId, Options]:
        provider, _, model = name.partition(":")
        endpoint = find_endpoint(vendor, settings)
        settings = settings.model_copy(update={"base_url": endpoint.base_url})
        keyring, key = None, endpoint.key
        if callable(key):
            keyring = self._keyrings.get(key)
            if keyring is None:
                self._keyrings[key] = keyring = KeyRing(key)
            account = account_of(provider, endpoint.base_url, await keyring.first())
            key = await keyring.get()
        else:
            account = account_of(provider, endpoint.base_url, key)
        source = Source(
            provider=provider,
            model=model or None,
            base_url=settings.base_url,
            api_key=key,
            keys=keyring,
            headers=in_clear(settings.headers),
            dimensions=settings.dimensions,
            batch_size=settings.batch_size,
            overlong=settings.overlong,
            strict=settings.strict,
            options=settings.provider_options,
            open_transport=partial(self._transport, account, settings.http),
        )
        return source, account, settings

    def _transport(self, account: AccountId, http: HttpSettings) -> Transport:
        """One for each account and way to connect."""
        from aembed._wire.http import HttpTransport

        if (account, http) not in self._transports:
            self._transports[account, http] = HttpTransport(http)
        return self._transports[account, http]
