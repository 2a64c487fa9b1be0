"""Making things: factories, embedders, settings, lookups."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from aembed import Config, EmbedderFactory, Limits, Profile, Provider, Registry, RetryPolicy, Source, bench
from aembed.providers.mock import MockProvider

SETTINGS = {
    "model": "main",
    "timeout": 20.0,
    "retry": {"max_attempts": 4},
    "profiles": {
        "main": {"model": "openai:text-embedding-3-small", "dimensions": 256, "limits": {"requests_per_minute": 3000}},
        "small": {"model": "mock", "dimensions": 64},
    },
}


def at_once(call: Callable[[], Any], check: Callable[[Any], bool]) -> bench.Subject:
    """A subject for code without await."""

    async def made() -> Any:
        return call()

    return bench.Subject(made, lambda result: None if check(result) else f"not as expected: {result!r}")


@bench.scenario
async def new_factory(_: Any) -> AsyncIterator[bench.Subject]:
    config = Config()
    yield at_once(lambda: EmbedderFactory(config), lambda made: "open" in repr(made))


@bench.scenario
async def new_embedder(_: Any) -> AsyncIterator[bench.Subject]:
    """On the mock, and closed again, so that the factory does not grow."""
    async with EmbedderFactory(Config()) as factory:

        async def made() -> str:
            opened = await factory.new_embedder("mock")
            await opened.aclose()
            return opened.spec.provider

        yield bench.Subject(made, lambda name: None if name == "mock" else name)


@bench.scenario
async def validate_config(_: Any) -> AsyncIterator[bench.Subject]:
    """A file's worth of settings: two profiles, limits, retries."""
    yield at_once(lambda: Config.model_validate(SETTINGS), lambda config: len(config.profiles) == 2)


@bench.scenario
async def validate_options(_: Any) -> AsyncIterator[bench.Subject]:
    """Options of one embedder."""

    def made() -> Profile:
        return Profile(
            model="openai:m",
            dimensions=256,
            limits=Limits(requests_per_minute=3000, tokens_per_minute=1e6, max_concurrency=32),
            retry=RetryPolicy(max_attempts=3),
        )

    yield at_once(made, lambda profile: profile.limits.max_concurrency == 32)


@bench.scenario
async def config_defaults(_: Any) -> AsyncIterator[bench.Subject]:
    yield at_once(Config, lambda config: config.model == "local")


@bench.scenario(providers=[10, 100, 1_000, 10_000])
async def registry_lookup(case: Any) -> AsyncIterator[bench.Subject]:
    """Flat, however many there are."""
    registry = Registry()

    async def opener(_: Source) -> Provider:
        return MockProvider()

    for number in range(case.providers):
        registry.register(f"p{number}", opener)
    yield at_once(lambda: registry.get(f"p{case.providers // 2}"), lambda found: found is opener)


@bench.scenario
async def available_providers(_: Any) -> AsyncIterator[bench.Subject]:
    factory = EmbedderFactory(Config())
    yield at_once(factory.available_providers, lambda names: "openai" in names)


@bench.scenario
async def check_health(_: Any) -> AsyncIterator[bench.Subject]:
    """The life of one embedder, on the mock."""
    async with EmbedderFactory(Config()) as factory:
        await factory.new_embedder("mock")
        yield bench.Subject(factory.check_health, lambda found: None if found["mock:mock"].ok else "unhealthy")
