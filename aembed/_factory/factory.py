"""The factory of embedders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from types import TracebackType
from typing import Unpack
from weakref import finalize

import anyio
import anyio.to_thread

from aembed._accounts import AccountId, Accounts, has_owner, label_of, quota_group
from aembed._call_runner import CallRunner
from aembed._embedder import Embedder
from aembed._engine.listeners import Listener, check_listener
from aembed._errors import ClosedError, EventLoopError
from aembed._events import Event
from aembed._factory.caches import Caches
from aembed._factory.choice import check_config, check_instance, masked, named_by
from aembed._factory.embedders import OpenEmbedder, OpenEmbedders, warn_of_open
from aembed._factory.health import check_all
from aembed._factory.layers import deadlines, stacked
from aembed._factory.providers import Providers
from aembed._groups import first_error
from aembed._input import check_grace
from aembed._lifecycle import ActiveCalls, Bound, LoopAffinity
from aembed._opening import UnopenedEmbedder
from aembed._registry import Registry
from aembed._results import Health
from aembed._settings.base import named_in_errors
from aembed._settings.config import Config, check_model, resolve
from aembed._settings.options import EmbedderOptions, Options
from aembed._sharing.cache import Cache
from aembed._statistics import FactoryStatistics
from aembed._totals import EmbedderTotals
from aembed._types import Provider
from aembed._unclosed import MadeAt


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
        check_config(config)
        self._config = config
        self._registry = registry or Registry()
        self._listeners: list[Listener] = []
        self._accounts = Accounts()
        self._shared_accounts: Accounts | None = None
        """Accounts that have an owner, if other factories draw on them too: those of SyncEmbedders."""
        self._embedders = OpenEmbedders()
        self._providers = Providers(self._registry, self._embedders)
        self._caches = Caches()
        self._totals = EmbedderTotals()
        finalize(self, warn_of_open, self._embedders.names, MadeAt())
        self._closed = False
        self._has_one_embedder = False
        """Made by :func:`new_embedder` for one embedder, and closes with it."""
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

    def add_listener(self, listener: Listener) -> None:
        """Let ``listener`` receive the events of every embedder, open ones included, from now on.

        A listener with a method ``factory_made`` is called with this factory.

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
        asks the default model. A model that cannot even be opened is unhealthy, with the reason as its error. Several
        embedders of a name are listed as ``"name"``, ``"name #2"``, and so on. ``timeout`` is that of each request, in
        seconds.

        Raises:
            ConfigError: the configuration itself cannot be read.
        """
        return await check_all(await self._load(), self._embedders, self.new_embedder, timeout)

    async def aclose(self, *, grace: float | None = 10.0) -> None:
        """Close the embedders, newest first, after their calls have ended. Closing twice is fine.

        Calls that take longer than ``grace`` seconds are cancelled, and raise :class:`ClosedError`. ``None``: wait for
        ever.
        """
        grace = check_grace(grace)
        self._closed = True
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._caches.aclose)
            stack.push_async_callback(self._providers.aclose)
            for embedder in self._embedders:
                stack.push_async_callback(embedder.aclose, grace=grace)
            with first_error():
                async with anyio.create_task_group() as tasks:
                    for _, opened in self._embedders.snapshot():
                        tasks.start_soon(opened.calls.drain, grace)

    async def _new_embedder(self, model: str | Provider | None, options: EmbedderOptions) -> Embedder:
        self._check_open()
        EventLoopError.unless_running("an EmbedderFactory")
        config = await self._load()
        is_default = model is None
        if model is None:
            model = config.model
        if not isinstance(model, str):
            check_instance(model, options)
            _, settings = resolve(config, "", options)
            label = f"the embedder of {type(model).__name__}"
            cache = await self._caches.open(settings.cache)
            return self._build(model, account=id(model), settings=settings, cache=cache, label=label)
        check_model(config, model, self._registry.names())
        name, settings = resolve(config, model, options, self._registry)
        label = f"profile {model!r}" if model in config.profiles else f"new_embedder({model!r})"
        with named_in_errors(named_by(config, model, is_default=is_default)):
            download = config.may_download(None if is_default else model)
            prepared = await self._providers.prepare(config, name, settings, download=download)
            account, settings = prepared.account, prepared.settings
            cache = await self._caches.open(settings.cache)
            build = partial(self._build, account=account, settings=settings, cache=cache, label=label, name=model)
            return await self._providers.open(prepared, build)

    async def _only_embedder(self, model: str | Provider | None, options: EmbedderOptions) -> Embedder:
        self._has_one_embedder = True
        try:
            return await self._new_embedder(model, options)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self.aclose()
            raise

    def _build(
        self,
        provider: Provider,
        *,
        account: AccountId,
        settings: Options,
        cache: Cache | None,
        label: str,
        name: str | None = None,
    ) -> Embedder:
        self._check_open()  # it may have been closed while the provider was opened
        group, member = quota_group(account, provider.spec), object()
        accounts = self._shared_accounts if self._shared_accounts and has_owner(account) else self._accounts
        gate = accounts.join(member, label, group, provider.spec, settings.limits)
        layers = stacked(provider, gate, settings, self._listeners, cache, name=name)
        engine = layers.engine

        async def release() -> None:
            self._totals.closed(embedder)
            engine.close()
            self._embedders.remove(embedder)
            accounts.leave(member, group)
            async with AsyncExitStack() as stack:
                if self._has_one_embedder:
                    stack.push_async_callback(self.aclose)
                stack.push_async_callback(self._providers.leave, provider)
                stack.push_async_callback(layers.aclose)

        calls = ActiveCalls(f"the embedder of {provider.spec.provider}:{provider.spec.name}", self._home)
        runner = CallRunner(engine, layers.top, calls, deadlines(settings), cached=cache is not None)
        embedder = Embedder(engine, runner, calls, release, identity=layers.identity)
        self._embedders.add(embedder, OpenEmbedder(provider, calls, name, member))
        self._totals.opened(embedder, engine.recorder.about["embedder"], label_of(group))
        return embedder

    async def _load(self) -> Config:
        if self._config is None:
            self._config = await anyio.to_thread.run_sync(Config.load)
        return self._config

    def _is_busy(self) -> bool:
        """Calls are in flight, or have left requests at a gate."""
        accounts = (self._accounts, self._shared_accounts)
        return bool(self._embedders.calls) or any(each.is_busy for each in accounts if each is not None)

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("this factory is closed; make a new one")


def new_embedder(
    model: str | Provider | None = None, /, *, config: Config | None = None, **options: Unpack[EmbedderOptions]
) -> UnopenedEmbedder:
    """Open one model with its own factory: ``async with aembed.new_embedder("openai:m") as embedder``.

    Also ``embedder = await aembed.new_embedder(...)``. Closing the embedder closes its cache and connections too. A
    program with several models makes an :class:`EmbedderFactory`: its embedders share quotas, connections and caches.
    Model, options and errors are those of :meth:`EmbedderFactory.new_embedder`; ``config`` is that of the factory.
    """
    return UnopenedEmbedder(EmbedderFactory(config)._only_embedder(model, masked(options)))


def new_embedder_among(
    accounts: Accounts, model: str | Provider | None, config: Config | None, options: EmbedderOptions
) -> UnopenedEmbedder:
    """Open an embedder like :func:`new_embedder`; all embedders of ``accounts`` share a gate."""
    factory = EmbedderFactory(config)
    factory._shared_accounts = accounts
    return UnopenedEmbedder(factory._only_embedder(model, masked(options)))
