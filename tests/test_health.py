"""A health check: one tiny request, an answer within the timeout, and each model once."""

from __future__ import annotations

import anyio
import pytest

from aembed import (
    ClosedError,
    Config,
    DeadlineError,
    EmbedderFactory,
    InputError,
    OverloadedError,
    Profile,
    RateLimitError,
)
from aembed.testing import ScriptedProvider


@pytest.mark.virtual_time
async def test_a_hung_server_is_unhealthy_after_the_timeout(factory: EmbedderFactory) -> None:
    embedder = await factory.new_embedder(ScriptedProvider(latency=3600.0))
    for timeout in (5.0, 0.5):
        health = await (embedder.check_health() if timeout == 5.0 else embedder.check_health(timeout=timeout))
        assert not health.ok
        assert health.latency == pytest.approx(timeout)
        assert isinstance(health.error, DeadlineError)
        assert f"timeout of {timeout} s" in str(health.error)


@pytest.mark.virtual_time
async def test_a_429_is_not_waited_out(factory: EmbedderFactory) -> None:
    embedder = await factory.new_embedder(ScriptedProvider([RateLimitError("too fast", retry_after=60.0)]))
    health = await embedder.check_health()
    assert not health.ok
    assert health.latency < 1.0, "the pause is longer than the timeout"
    assert health.error is not None
    assert "too fast" in str(health.error)


@pytest.mark.virtual_time
async def test_latency_is_the_time_it_took(factory: EmbedderFactory) -> None:
    scripts = {2.0: ScriptedProvider(latency=2.0), 1.0: ScriptedProvider([RateLimitError("no", retry_after=1.0)])}
    for seconds, provider in scripts.items():
        health = await (await factory.new_embedder(provider)).check_health()
        assert health.ok
        assert health.latency == pytest.approx(seconds, abs=0.2)


@pytest.mark.virtual_time
async def test_without_a_timeout_it_waits(factory: EmbedderFactory) -> None:
    embedder = await factory.new_embedder(ScriptedProvider(latency=600.0), timeout=None)
    assert (await embedder.check_health(timeout=None)).ok
    with pytest.raises(InputError, match="timeout is 0"):
        await embedder.check_health(timeout=0)


@pytest.mark.virtual_time
async def test_all_are_asked_at_once_within_the_timeout() -> None:
    async with EmbedderFactory(Config()) as factory:
        for latency in (3600.0, 1.0, 3600.0):
            await factory.new_embedder(ScriptedProvider(latency=latency))
        health = await factory.check_health(timeout=2.0)
        assert anyio.current_time() == pytest.approx(2.0)
    assert {name: answer.ok for name, answer in health.items()} == {
        "scripted:scripted": False,
        "scripted:scripted #2": True,
        "scripted:scripted #3": False,
    }


async def test_an_open_profile_is_asked_once() -> None:
    profiles = {"search": Profile(model="mock"), "other": Profile(model="mock")}
    async with EmbedderFactory(Config(profiles=profiles)) as factory:
        embedder = await factory.new_embedder("search", dimensions=3)
        assert set(await factory.check_health()) == {"search", "other"}
        assert embedder.statistics().requests == 1
        await factory.new_embedder("search")
        assert set(await factory.check_health()) == {"search", "search #2", "other"}


async def test_the_default_model_is_asked_once_if_it_is_open() -> None:
    async with EmbedderFactory(Config(model="mock")) as factory:
        await factory.new_embedder()
        assert list(await factory.check_health()) == ["mock:mock"]


async def test_a_closed_embedder_is_not_healthy(factory: EmbedderFactory) -> None:
    embedder = await factory.new_embedder("mock")
    await embedder.aclose()
    assert isinstance((await embedder.check_health()).error, ClosedError)


async def test_a_failing_server_is_asked_once(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider([OverloadedError("busy")] * 9)
    assert not (await (await factory.new_embedder(provider)).check_health()).ok
    assert len(provider.calls) == 1
