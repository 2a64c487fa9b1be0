"""Owner of everything that lives longer than a call: embedders, providers and the gates of their accounts."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, Unpack
from weakref import WeakValueDictionary, finalize

import anyio
import anyio.to_thread
from pydantic import SecretStr

from aembed._accounts import Account, Accounts, account_of, label_of, quota_group
from aembed._embedder import QUERY_DEADLINE_S, Deadlines, Embedder
from aembed._engine.engine import Engine
from aembed._engine.layer import Layer
from aembed._engine.listeners import Listener, check_listener
from aembed._engine.timeout import Stopwatch
from aembed._errors import AembedError, ClosedError, ConfigError
from aembed._events import Event, FactoryStatistics
from aembed._groups import first_error
from aembed._input import check_grace
from aembed._lifecycle import ActiveCalls, Bound, LoopAffinity, running_loop
from aembed._opening import UnopenedEmbedder
from aembed._registry import Registry
from aembed._settings.base import named_in_errors
from aembed._settings.config import Config, check_model, find_vendor, resolve
from aembed._settings.http import HttpSettings
from aembed._settings.keyring import KeyRing
from aembed._settings.keys import find_endpoint
from aembed._settings.options import AskKey, EmbedderOptions, Options
from aembed._settings.policies import MergePolicy
from aembed._settings.secrets import SecretHeaders, SecretText, in_clear
from aembed._settings.vendors import Vendor
from aembed._shared_models import IN_PROCESS, SharedModels
from aembed._sharing.cache import Cache
from aembed._sharing.cache_key import CacheKeys
from aembed._sharing.cache_layer import CacheLayer
from aembed._sharing.micro_batcher import MicroBatcher
from aembed._totals import Totals
from aembed._types import Health, ModelSpec, Provider, Source, Store
from aembed._wire.transport import Transport

if TYPE_CHECKING:
    from aembed._wire.http import HttpTransport

Place: TypeAlias = str | Path | int
"""Where vectors are kept: ``"memory"``, a file, or the identity of a store handed in."""


class _Open(NamedTuple):
    """An embedder that is not closed."""

    provider: Provider
    calls: ActiveCalls
    name: str | None
    """As its model was named: ``"provider:model"``, or a profile."""


class EmbedderFactory(Bound):
    """Makes embedders, and closes them with itself. Constructing it does no I/O.

    ``listeners`` get every event of every embedder, before its own ``on_event``.

    Without a ``config`` the environment and ``aembed.toml`` are read when the first embedder is made. Embedders of the
    same account (provider, base_url, key) share one gate, so that together they keep its quota; where the provider
    counts each model for itself (``ModelSpec.quota_scope``), those of the same model do.
    """

    def __init__(
        self,
        config: Config | None = None,
        *,
        registry: Registry | None = None,
        listeners: Iterable[Callable[[Event], object]] = (),
    ) -> None:
        _check_config(config)
        self._config = config
        self._listeners: list[Listener] = []
        self._registry = registry or Registry()
        self._accounts = Accounts()
        self._models = SharedModels()
        self._keyrings: WeakValueDictionary[AskKey, KeyRing] = WeakValueDictionary()
        self._embedders: dict[Embedder, _Open] = {}
        self._names: dict[object, str] = {}
        """Of open embedders. Nothing here leads back to the factory, so that its end can be seen."""
        finalize(self, _warn_of_open, self._names, os.getpid())
        self._transports: dict[tuple[Account, HttpSettings], HttpTransport] = {}
        self._caches: dict[Place, Cache] = {}
        self._totals = Totals()
        self._closed = False
        self._has_one_embedder = False
        """Made by :func:`new_embedder`, for one embedder, with which it closes."""
        self._home = LoopAffinity(self._is_busy)
        for listener in listeners:
            self.add_listener(listener)

    def __repr__(self) -> str:
        return f"<EmbedderFactory embedders={len(self._embedders)} {'closed' if self._closed else 'open'}>"

    async def __aenter__(self) -> EmbedderFactory:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def new_embedder(
        self, model: str | Provider | None = None, /, **options: Unpack[EmbedderOptions]
    ) -> UnopenedEmbedder:
        """Open a model: ``"provider:model"``, a profile's name, a :class:`Provider`; nothing for the default.

        ``await`` it, or enter it: ``async with factory.new_embedder("search") as embedder`` closes the embedder at the
        end of the block. A provider handed in is closed with the last embedder that uses it.

        Raises:
            ConfigError: unknown model, unknown or invalid option, missing key.
            MissingExtraError: the provider needs packages that are not installed.
        """
        return UnopenedEmbedder(self._new_embedder(model, masked(options)))

    async def _new_embedder(self, model: str | Provider | None, options: EmbedderOptions) -> Embedder:
        self._check_open()
        running_loop("an EmbedderFactory")
        config = await self._load()
        is_default = model is None
        if model is None:
            model = config.model
        if not isinstance(model, str):
            _check_instance(model, options)
            _, settings = resolve(config, "", options)
            label = f"the embedder of {type(model).__name__}"
            return self._build(model, id(model), settings, await self._cache(settings.cache), label=label)
        check_model(config, model, self._registry.names())
        name, settings = resolve(config, model, options, self._registry)
        label = f"profile {model!r}" if model in config.profiles else f"new_embedder({model!r})"
        with named_in_errors(_where(config, model, is_default=is_default)):
            return await self._open(config, name, settings, label, model)

    async def _only_embedder(self, model: str | Provider | None, options: EmbedderOptions) -> Embedder:
        self._has_one_embedder = True
        try:
            return await self._new_embedder(model, options)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self.aclose()
            raise

    async def _open(self, config: Config, name: str, settings: Options, label: str, model: str) -> Embedder:
        provider_name = name.partition(":")[0]
        get_opener = partial(self._registry.get, provider_name, name, also=config.profiles)
        loaded = self._registry.is_loaded(provider_name)
        opener = get_opener() if loaded else await anyio.to_thread.run_sync(get_opener)
        source, account, settings = await self._source(name, settings, find_vendor(self._registry, provider_name))
        cache = await self._cache(settings.cache)
        if getattr(opener, "__module__", "") not in IN_PROCESS:
            return await self._built(await opener(source), account, settings, cache, label=label, name=model)
        async with self._models.opening:
            provider = await self._models.open(source, opener)
            return await self._built(provider, account, settings, cache, label=label, name=model)

    async def _built(
        self, provider: Provider, account: Account, settings: Options, cache: Cache | None, *, label: str, name: str
    ) -> Embedder:
        try:
            return self._build(provider, account, settings, cache, label=label, name=name)
        except AembedError:
            if not self._is_used(provider):
                self._models.forget(provider)
                await provider.aclose()
            raise

    def _is_used(self, provider: Provider) -> bool:
        return any(opened.provider is provider for opened in self._embedders.values())

    def add_listener(self, listener: Listener) -> None:
        """Let ``listener`` hear every embedder, open ones included, from now on.

        A listener with a method ``factory_made`` is handed this factory.

        Raises:
            ConfigError: it cannot be called, or is an async function.
        """
        check_listener(listener)
        self._listeners.append(listener)
        for embedder in self._embedders:
            embedder.add_listener(listener)
        if (made := getattr(listener, "factory_made", None)) is not None:
            made(self)

    def statistics(self) -> FactoryStatistics:
        """Counters of all its embedders, closed ones included, and the state of their gates. Any thread may ask."""
        return FactoryStatistics(embedders=self._totals.statistics(), accounts=self._accounts.statistics())

    def available_providers(self) -> tuple[str, ...]:
        """Names that work before the colon of ``"provider:model"``, sorted."""
        return self._registry.names()

    async def check_health(self, *, timeout: float | None = 5.0) -> Mapping[str, Health]:
        """Send one tiny request to every open embedder and configured profile, all at once, and each once.

        A profile that is open is asked through its embedder, under its name. With nothing open and nothing configured,
        asks the default model. A model that cannot even be opened is unhealthy, and says why. Several embedders of a
        name are told apart as ``"name"``, ``"name #2"``, and so on. ``timeout`` is that of each request, in seconds.

        Raises:
            ConfigError: the configuration itself cannot be read.
        """
        config = await self._load()
        answers: dict[str, Health] = {}

        async def ask(name: str, embedder: Embedder) -> None:
            answers[name] = await embedder.check_health(timeout=timeout)

        async with AsyncExitStack() as stack:
            there: dict[str, Embedder] = {}
            seen: Counter[str] = Counter()
            for embedder, opened in self._embedders.items():
                model = f"{embedder.spec.provider}:{embedder.spec.name}"
                name = opened.name if opened.name and opened.name in config.profiles else model
                seen[name] += 1
                there[name if seen[name] == 1 else f"{name} #{seen[name]}"] = embedder
            names = set(config.profiles) | ({config.model} if "model" in config.model_fields_set else set())
            names -= seen.keys() | {opened.name for opened in self._embedders.values()}
            if not names and not self._embedders:
                names = {config.model}
            for name in sorted(names):
                watch = Stopwatch()
                try:  # one after the other, and open until all have answered: what contradicts another always does
                    there[name] = await stack.enter_async_context(self.new_embedder(name))
                except AembedError as error:
                    answers[name] = Health(ok=False, latency=watch.elapsed(), error=error)
            with first_error():
                async with anyio.create_task_group() as tasks:
                    for name, embedder in there.items():
                        tasks.start_soon(ask, name, embedder)
        return answers

    async def aclose(self, *, grace: float | None = 10.0) -> None:
        """Close the embedders, newest first, after their calls have ended. Closing twice is fine.

        Calls that take longer than ``grace`` seconds are cancelled, and raise :class:`ClosedError`. ``None``: wait for
        ever.
        """
        grace = check_grace(grace)
        self._closed = True
        async with AsyncExitStack() as stack:
            for cache in self._caches.values():
                stack.push_async_callback(cache.aclose)
            for transport in self._transports.values():
                stack.push_async_callback(transport.aclose)
            for embedder in self._embedders:
                stack.push_async_callback(embedder.aclose, grace=grace)
            with first_error():
                async with anyio.create_task_group() as tasks:
                    for opened in self._embedders.values():
                        tasks.start_soon(opened.calls.drain, grace)

    async def _load(self) -> Config:
        if self._config is None:
            self._config = await anyio.to_thread.run_sync(Config.load)
        return self._config

    async def _source(self, name: str, settings: Options, vendor: Vendor) -> tuple[Source, Account, Options]:
        """What the provider is opened with, whose account it is, and the settings with the address that holds."""
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

    def _transport(self, account: Account, http: HttpSettings) -> Transport:
        """One for each account and way to connect. It is closed with the factory."""
        from aembed._wire.http import HttpTransport

        if (account, http) not in self._transports:
            self._transports[account, http] = HttpTransport(http)
        return self._transports[account, http]

    def _is_busy(self) -> bool:
        """Calls are under way, or what they have left at a gate."""
        calls = any(opened.calls.under_way for opened in self._embedders.values())
        return calls or self._accounts.is_busy

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("this factory is closed; make a new one")

    async def _cache(self, place: bool | str | Path | Store | None) -> Cache | None:
        """The one for that place: memory, a file, or a store handed in."""
        if place is False or place is None:
            return None
        key, store = _store(place)
        cache = self._caches.setdefault(key, Cache(store, owned=store is not place))
        try:
            await cache.open()
        finally:
            if self._closed:
                await cache.aclose()
        return cache

    def _build(
        self,
        provider: Provider,
        account: Account,
        settings: Options,
        cache: Cache | None,
        *,
        label: str,
        name: str | None = None,
    ) -> Embedder:
        """The only place that puts the layers in order: cache layer -> micro-batcher -> engine -> gate -> provider."""
        self._check_open()  # it may have been closed while the provider was opened
        group, member = quota_group(account, provider.spec), object()
        gate = self._accounts.join(member, label, group, provider.spec, settings.limits)
        engine = Engine(provider, gate, settings, self._listeners, name=name)
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

        async def release() -> None:
            self._totals.closed(embedder)
            engine.close()
            del self._embedders[embedder], self._names[member]
            self._accounts.leave(member, group)
            async with AsyncExitStack() as stack:
                if self._has_one_embedder:
                    stack.push_async_callback(self.aclose)
                if not self._is_used(provider):
                    self._models.forget(provider)
                    stack.push_async_callback(provider.aclose)
                for layer in sharing:
                    stack.push_async_callback(layer.aclose)

        calls = ActiveCalls(f"the embedder of {provider.spec.provider}:{provider.spec.name}", self._home)
        embedder = Embedder(
            engine, top, calls, _deadlines(settings), release, identity=keys.model, cached=cache is not None
        )
        self._embedders[embedder] = _Open(provider, calls, name)
        self._totals.opened(embedder, engine.recorder.about["embedder"], label_of(group))
        self._names[member] = f"{provider.spec.provider}:{provider.spec.name}"
        return embedder


def new_embedder(
    model: str | Provider | None = None, /, *, config: Config | None = None, **options: Unpack[EmbedderOptions]
) -> UnopenedEmbedder:
    """Open one model with a factory of its own: ``async with aembed.new_embedder("openai:m") as embedder``.

    Also ``embedder = await aembed.new_embedder(...)``. Closing the embedder closes its cache and connections too. A
    program with several models makes an :class:`EmbedderFactory`: its embedders share quotas, connections and caches.
    Model, options and errors are those of :meth:`EmbedderFactory.new_embedder`; ``config`` is that of the factory.
    """
    return UnopenedEmbedder(EmbedderFactory(config)._only_embedder(model, masked(options)))


def _store(place: Literal[True] | str | Path | Store) -> tuple[Place, Store]:
    """What tells the place from others, and the store that is there, not opened yet."""
    from aembed.stores import MemoryStore, SQLiteStore

    if place is True:
        return "memory", MemoryStore()
    if isinstance(place, (str, Path)):
        file = SQLiteStore(place)
        return file.path, file
    return id(place), place


def _deadlines(settings: Options) -> Deadlines:
    own = settings.deadline
    return {"document": own, "query": own if "deadline" in settings.model_fields_set else QUERY_DEADLINE_S}


def masked(options: EmbedderOptions) -> EmbedderOptions:
    """The same, in a form that shows no key where a traceback shows local variables."""
    masked = options.copy()
    key, headers = options.get("api_key"), options.get("headers")
    if isinstance(key, str):
        masked["api_key"] = SecretStr(key)
    if isinstance(headers, dict):
        masked["headers"] = SecretHeaders(headers)
    url = options.get("base_url")
    if isinstance(url, str):
        masked["base_url"] = SecretText(url)  # it may wrongly hold a password, and is about to be refused for it
    return masked


def _check_config(config: object) -> None:
    if isinstance(config, str):
        raise ConfigError(f"config is the string {config!r}; give the model to new_embedder({config!r}) instead")
    if config is not None and not isinstance(config, Config):
        raise ConfigError(f"config is a {type(config).__name__}; give a Config, or leave it out to read one")


def _check_instance(model: object, options: Mapping[str, object]) -> None:
    if isinstance(model, type):
        raise ConfigError(f"model is the class {model.__name__}; give an instance of it: {model.__name__}(...)")
    if not isinstance(model, Provider):
        wanted = "give 'provider:model' or a Provider, an object with spec, embed and aclose"
        raise ConfigError(f"model is a {type(model).__name__}; {wanted}")
    if not isinstance(model.spec, ModelSpec):
        raise ConfigError(f"{type(model).__name__}.spec is a {type(model.spec).__name__}; give an aembed.ModelSpec")
    for name in ("base_url", "api_key", "api_key_file", "headers", "dimensions", "overlong", "provider_options"):
        if name in options:
            raise ConfigError(f"{name} cannot be given with a Provider instance; configure the instance itself")


def _where(config: Config, model: str, *, is_default: bool) -> str:
    """What has chosen the model, unless the caller did: then the call itself says so."""
    if model in config.profiles:
        return ", ".join(filter(None, [f"profile {model!r}", config.origin("profiles", model)]))
    return config.origin("model") if is_default else ""


def _warn_of_open(names: Mapping[object, str], process: int) -> None:
    """The factory is gone, or the program ends. A forked child need not close what is its parent's."""
    if names and os.getpid() == process:
        warnings.warn(
            f"never closed: the embedder of {', '.join(sorted(set(names.values())))}. "
            "Use 'async with' with the embedder or its factory, or await aclose()",
            ResourceWarning,
            stacklevel=2,
        )
