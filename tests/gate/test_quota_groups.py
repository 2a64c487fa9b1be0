"""Embedders share a gate if, and only if, they share a quota: models with separate quotas have separate gates."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any, Literal

import anyio
import pytest

from aembed import (
    Config,
    ConfigError,
    EmbedderFactory,
    Kind,
    Limits,
    ModelSpec,
    Provider,
    QuotaHints,
    RateLimitError,
    Registry,
    Reply,
    Source,
)
from aembed.testing import Quota, QuotaKeeper, ScriptedProvider
from tests.provider_requests import opened
from tests.wire.fake import Fake

Scope = Literal["account", "model"]
A_MINUTE = {"small": 600, "large": 30}
"""Requests."""


class Cloud:
    """A provider with two models, whose replies report a quota: each model's own, or the account's."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.transports: list[object] = []
        self._keepers: dict[str, QuotaKeeper] = {}
        self.registry = Registry()
        self.registry.register("cloud", self.open)

    async def open(self, source: Source) -> Provider:
        model = source.model or "small"
        assert source.open_transport is not None
        self.transports.append(source.open_transport())
        keeper = self._keepers.setdefault(
            model if self.scope == "model" else "", QuotaKeeper(Quota.per_minute(requests=A_MINUTE[model]))
        )
        return Model(keeper, model, self.scope)


class Model(ScriptedProvider):
    def __init__(self, keeper: QuotaKeeper, name: str, scope: Scope) -> None:
        super().__init__(
            spec=ModelSpec(name=name, provider="cloud", dim=8, max_batch_texts=1, max_concurrency=1, quota_scope=scope)
        )
        self._keeper = keeper

    async def embed(self, texts: Sequence[str], /, *, kind: Kind) -> Reply:
        now = anyio.current_time()
        if wait := self._keeper.take(now):
            raise RateLimitError("too fast", retry_after=wait)
        reply = await super().embed(texts, kind=kind)
        (level,) = self._keeper.levels(now)
        reply.quota = QuotaHints(
            limit_requests=level.limit, remaining_requests=int(level.remaining), reset_requests=level.reset
        )
        return reply


@pytest.fixture
async def cloud(request: pytest.FixtureRequest) -> AsyncGenerator[tuple[Cloud, EmbedderFactory]]:
    cloud = Cloud(request.param)
    async with EmbedderFactory(Config(), registry=cloud.registry) as factory:
        yield cloud, factory


def texts(number: int) -> list[str]:
    return [f"text {n}" for n in range(number)]


apart = pytest.mark.parametrize("cloud", ["model"], indirect=True)
together = pytest.mark.parametrize("cloud", ["account"], indirect=True)


@apart
@pytest.mark.virtual_time
async def test_reports_about_one_model_do_not_narrow_another(cloud: tuple[Cloud, EmbedderFactory]) -> None:
    _, factory = cloud
    large, small = await factory.new_embedder("cloud:large"), await factory.new_embedder("cloud:small")
    took: dict[str, float] = {}

    async def job(name: str, embedder: Any) -> None:
        await embedder.embed_documents(texts(A_MINUTE[name] + 1))
        took[name] = anyio.current_time()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(job, "large", large)
        tasks.start_soon(job, "small", small)
    assert took["small"] < 5.0, "at the other's quota it would have been twenty minutes"
    assert took["large"] == pytest.approx(8.0, abs=0.1), (
        "two seconds for the last, and six for the tenth that is left to queries"
    )
    assert large.statistics().requests_per_minute == A_MINUTE["large"]
    assert small.statistics().requests_per_minute == A_MINUTE["small"]
    assert large.statistics().refusals == small.statistics().refusals == 0


@apart
@pytest.mark.virtual_time
async def test_a_pause_of_one_model_is_not_another_s(cloud: tuple[Cloud, EmbedderFactory]) -> None:
    _, factory = cloud
    large, small = await factory.new_embedder("cloud:large"), await factory.new_embedder("cloud:small")
    large._engine.gate.account.backoff.announced(anyio.current_time(), 50.0, 0.0, probe=False)
    await small.embed_query("text")
    assert anyio.current_time() == 0.0
    assert (large.statistics().paused, small.statistics().paused) == (50.0, 0.0)
    await large.embed_query("text", deadline=60.0)
    assert anyio.current_time() == 50.0


@apart
@pytest.mark.virtual_time
async def test_embedders_of_one_model_share_its_quota(cloud: tuple[Cloud, EmbedderFactory]) -> None:
    _, factory = cloud
    one, two = [await factory.new_embedder("cloud:large", dimensions=size) for size in (4, 8)]
    async with anyio.create_task_group() as tasks:
        for embedder in (one, two):
            tasks.start_soon(embedder.embed_documents, texts(A_MINUTE["large"]))
    assert anyio.current_time() == pytest.approx(60.0, abs=2.0)
    assert one.statistics().refusals == two.statistics().refusals == 0


@together
@pytest.mark.virtual_time
async def test_models_of_an_account_with_one_quota_share_it(cloud: tuple[Cloud, EmbedderFactory]) -> None:
    _, factory = cloud
    large, small = await factory.new_embedder("cloud:large"), await factory.new_embedder("cloud:small")
    async with anyio.create_task_group() as tasks:
        for embedder in (large, small):
            tasks.start_soon(embedder.embed_documents, texts(A_MINUTE["large"]))
    assert anyio.current_time() == pytest.approx(60.0, abs=2.0)
    assert small.statistics().requests_per_minute == A_MINUTE["large"]
    assert large.statistics().refusals == small.statistics().refusals == 0


@apart
async def test_each_model_has_its_own_limits(cloud: tuple[Cloud, EmbedderFactory]) -> None:
    _, factory = cloud
    large = await factory.new_embedder("cloud:large", limits=Limits(requests_per_minute=3))
    small = await factory.new_embedder("cloud:small", limits=Limits(requests_per_minute=500))
    assert large.statistics().requests_per_minute == 3
    assert small.statistics().requests_per_minute == 500
    with pytest.raises(ConfigError, match=r"limits: large already runs with .*=3.*give the same"):
        await factory.new_embedder("cloud:large", limits=Limits(requests_per_minute=4))


@apart
async def test_connections_stay_the_account_s(cloud: tuple[Cloud, EmbedderFactory]) -> None:
    clouds, factory = cloud
    await factory.new_embedder("cloud:large")
    await factory.new_embedder("cloud:small")
    assert clouds.transports[0] is clouds.transports[1]


@pytest.mark.parametrize(
    ("name", "base_url", "scope"),
    [
        ("openai", None, "model"),
        ("openai:any", "http://localhost:8000/v1", "account"),
        ("azure:deployment", "https://mine.openai.azure.com", "model"),
        ("voyage", None, "model"),
        ("google", None, "model"),
        ("cohere", None, "account"),
        ("mistral", None, "account"),
        ("jina", None, "account"),
        ("ollama:any", None, "account"),
        ("tei", None, "account"),
    ],
)
async def test_quotas_that_providers_document(name: str, base_url: str | None, scope: Scope) -> None:
    provider = await opened(Fake([]), name, base_url=base_url)
    assert provider.spec.quota_scope == scope
