"""Owner of everything that lives longer than a call: embedders, providers and the gates of their accounts."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, Unpack

import anyio.to_thread
from pydantic import SecretStr

from aembed._cache import Cache
from aembed._calls import Calls
from aembed._embedder import QUERY_DEADLINE_S, Deadlines, Embedder
from aembed._engine import Engine
from aembed._errors import AembedError, ClosedError, ConfigError
from aembed._events import Event
from aembed._fan_out import one_error
from aembed._gate import Gate
from aembed._home import Home, running_loop
from aembed._identity import Identity
from aembed._input import check_grace
from aembed._listeners import check_listener
from aembed._memo import Memo
from aembed._merge import Merge
from aembed._registry import Registry
from aembed._settings.config import Config, EmbedderOptions, Limits, MergePolicy, Options, resolve
from aembed._settings.http import HttpSettings
from aembed._settings.keys import find_key
from aembed._stopwatch import Stopwatch
from aembed._types import Health, ModelSpec, Provider, Source, Store, Transport
from aembed._wire.access import SecretHeaders, SecretText

if TYPE_CHECKING:
    from aembed._wire.http import HttpTransport

Account = tuple[str, str | None, str | None] | int
"""Whose it is: provider, base_url and a hash of the key; or the identity of a provider handed in."""

QuotaGroup: TypeAlias = tuple[Account, str | None]
"""What draws on one quota: all models of an account, or one of them."""

Place: TypeAlias = str | Path | int
"""Where vectors are kept: ``"memory"``, a file, or the identity of a store handed in."""


class _Open(NamedTuple):
    """An embedder that is not closed."""

    provider: Provider
    calls: Calls
    name: str | None
    """As its model was named: ``"provider:model"``, or a profile."""


class EmbedderFactory:
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
        self._listeners = tuple(listeners)
        for listener in self._listeners:
            check_listener(listener)
        self._registry = registry or Registry()
        self._gates: dict[QuotaGroup, tuple[Gate, Limits]] = {}
        self._embedders: dict[Embedder, _Open] = {}
        self._transports: dict[tuple[Account, HttpSettings], HttpTransport] = {}
        self._caches: dict[Place, Cache] = {}
        self._closed = False
        self._home = Home(self._is_busy)

    def __repr__(self) -> str:
        return f"<EmbedderFactory embedders={len(self._embedders)} {'closed' if self._closed else 'open'}>"

    async def __aenter__(self) -> EmbedderFactory:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def new_embedder(
        self, model: str | Provider | None = None, /, **options: Unpack[EmbedderOptions]
    ) -> Embedder:
        """Open a model: ``"provider:model"``, a profile's name, a :class:`Provider`; nothing for the default.

        A provider handed in is closed with the last embedder that uses it.

        Raises:
            ConfigError: unknown model, unknown or invalid option, missing key.
            MissingExtraError: the provider needs packages that are not installed.
        """
        options = _masked(options)
        self._check_open()
        running_loop("an EmbedderFactory")
        config = await self._load()
        if model is None:
            model = config.model
        if not isinstance(model, str):
            _check_instance(model, options)
            _, settings = resolve(config, "", options)
            return self._build(model, id(model), settings, await self._cache(settings.cache))
        name, settings = resolve(config, model, options)
        source, account = await self._source(name, settings)
        get_opener = partial(self._registry.get, source.provider, also=config.profiles)
        loaded = self._registry.is_loaded(source.provider)
        opener = get_opener() if loaded else await anyio.to_thread.run_sync(get_opener)
        cache = await self._cache(settings.cache)
        provider = await opener(source)
        try:
            return self._build(provider, account, settings, cache, model)
        except AembedError:
            await provider.aclose()
            raise

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

        async def open_and_ask(name: str) -> None:
            watch = Stopwatch()
            try:
                async with await self.new_embedder(name) as embedder:
                    await ask(name, embedder)
            except AembedError as error:
                answers[name] = Health(ok=False, latency=watch.elapsed(), error=error)

        with one_error():
            async with anyio.create_task_group() as tasks:
                seen: Counter[str] = Counter()
                for embedder, opened in self._embedders.items():
                    model = f"{embedder.spec.provider}:{embedder.spec.name}"
                    name = opened.name if opened.name and opened.name in config.profiles else model
                    seen[name] += 1
                    tasks.start_soon(ask, name if seen[name] == 1 else f"{name} #{seen[name]}", embedder)
                names = set(config.profiles) | ({config.model} if "model" in config.model_fields_set else set())
                names -= seen.keys() | {opened.name for opened in self._embedders.values()}
                if not names and not self._embedders:
                    names = {config.model}
                for name in names:
                    tasks.start_soon(open_and_ask, name)
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
            with one_error():
                async with anyio.create_task_group() as tasks:
                    for opened in self._embedders.values():
                        tasks.start_soon(opened.calls.drain, grace)

    async def _load(self) -> Config:
        if self._config is None:
            self._config = await anyio.to_thread.run_sync(Config.load)
        return self._config

    async def _source(self, name: str, settings: Options) -> tuple[Source, Account]:
        provider, _, model = name.partition(":")
        key = find_key(provider, settings)
        if callable(key):
            key = await anyio.to_thread.run_sync(key)
        account = _account(provider, settings.base_url, key)
        source = Source(
            provider=provider,
            model=model or None,
            base_url=settings.base_url,
            api_key=key,
            headers=SecretHeaders(settings.headers),
            dimensions=settings.dimensions,
            batch_size=settings.batch_size,
            overlong=settings.overlong,
            strict=settings.strict,
            options=settings.provider_options,
            open_transport=partial(self._transport, account, settings.http),
        )
        return source, account

    def _transport(self, account: Account, http: HttpSettings) -> Transport:
        """One for each account and way to connect. It is closed with the factory."""
        from aembed._wire.http import HttpTransport

        if (account, http) not in self._transports:
            self._transports[account, http] = HttpTransport(http)
        return self._transports[account, http]

    def _is_busy(self) -> bool:
        """Calls are under way, or what they have left at a gate."""
        calls = any(opened.calls.under_way for opened in self._embedders.values())
        return calls or any(gate.in_flight or gate.waiting for gate, _ in self._gates.values())

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("this factory is closed; make a new one")

    async def _cache(self, place: bool | str | Path | Store) -> Cache | None:
        """The one for that place: memory, a file, or a store handed in."""
        if place is False:
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
        name: str | None = None,
    ) -> Embedder:
        """Put the layers in order: facade -> memo -> merge -> engine -> gate -> provider. The only place that does."""
        self._check_open()  # it may have been closed while the provider was opened
        group = _quota_group(account, provider.spec)
        gate = self._gate(group, provider.spec, settings.limits)
        engine = Engine(provider, gate, settings, self._listeners)
        run = engine.run
        layers: list[Merge | Memo] = []
        if settings.merge:
            policy = settings.merge if isinstance(settings.merge, MergePolicy) else MergePolicy()
            merge = Merge(policy, run, spec=lambda: engine.spec, counts=engine.counts)
            run = merge.run
            layers.append(merge)
        if cache is not None:
            identity = Identity(provider.spec, settings, type(provider).__qualname__)
            memo = Memo(cache, identity, run, spec=lambda: engine.spec, counts=engine.counts, emit=engine.emit)
            run = memo.run
            layers.append(memo)

        async def release() -> None:
            del self._embedders[embedder]
            async with AsyncExitStack() as stack:
                if not any(other.provider is provider for other in self._embedders.values()):
                    if isinstance(account, int):
                        self._gates.pop(group, None)
                    stack.push_async_callback(provider.aclose)
                for layer in layers:
                    stack.push_async_callback(layer.aclose)

        calls = Calls(f"the embedder of {provider.spec.provider}:{provider.spec.name}", self._home)
        embedder = Embedder(engine, run, calls, _deadlines(settings), release)
        self._embedders[embedder] = _Open(provider, calls, name)
        return embedder

    def _gate(self, group: QuotaGroup, spec: ModelSpec, limits: Limits) -> Gate:
        known = self._gates.get(group)
        if known is None:
            gate = Gate(
                limits.max_concurrency or spec.max_concurrency,
                _with_defaults(limits, spec),
                adaptive=spec.adaptive and limits.max_concurrency is None,
                per_input=spec.quota_unit == "input",
            )
            self._gates[group] = gate, limits
            return gate
        gate, agreed = known
        if limits not in (agreed, Limits()):
            whose = group[1] or "this account"
            raise ConfigError(f"limits: {whose} already runs with {agreed!r}, not {limits!r}; give the same")
        return gate


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


def _masked(options: EmbedderOptions) -> EmbedderOptions:
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
    if not isinstance(model, Provider):
        raise ConfigError(f"model is a {type(model).__name__}; give 'provider:model' or a Provider")
    for name in ("base_url", "api_key", "api_key_file", "headers", "dimensions", "overlong", "provider_options"):
        if name in options:
            raise ConfigError(f"{name} cannot be given with a Provider instance; configure the instance itself")


def _with_defaults(limits: Limits, spec: ModelSpec) -> Limits:
    """The user's word, else what the provider documents."""
    return Limits(
        requests_per_minute=limits.requests_per_minute or spec.requests_per_minute,
        tokens_per_minute=limits.tokens_per_minute or spec.tokens_per_minute,
        inputs_per_minute=limits.inputs_per_minute or spec.inputs_per_minute,
    )


def _account(provider: str, base_url: str | None, key: SecretStr | None) -> Account:
    digest = None if key is None else hashlib.sha256(key.get_secret_value().encode()).hexdigest()
    return provider, base_url, digest


def _quota_group(account: Account, spec: ModelSpec) -> QuotaGroup:
    return account, spec.name if spec.quota_scope == "model" else None
