"""The mock: the same text, the same vector, everywhere; and bad behaviour exactly as ordered."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from typing import Any

import anyio
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from aembed import (
    BadRequestError,
    ClosedError,
    ConfigError,
    ModelSpec,
    ProviderError,
    RateLimitError,
    Source,
    Vectors,
)
from aembed.providers.mock import ERRORS, MockOptions, MockProvider, open_provider
from tests.loops import run

TEXT_4 = [-0.7753286, 0.56981975, 0.14011961, -0.2335327]
TEXT_4_SEED_7 = [0.7199237, -0.49390113, -0.40181786, -0.2762498]


async def vectors(texts: list[str], **options: Any) -> Vectors:
    return (await MockProvider(MockOptions(**options)).embed(texts, kind="document")).vectors


def embed(texts: list[str], **options: Any) -> Vectors:
    return run(vectors(texts, **options))


def test_vectors_have_not_changed() -> None:
    np.testing.assert_array_equal(embed(["text"], dim=4)[0], np.array(TEXT_4, np.float32))
    np.testing.assert_array_equal(embed(["text"], dim=4, seed=7)[0], np.array(TEXT_4_SEED_7, np.float32))


def test_another_process_gives_the_same() -> None:
    code = (
        "import asyncio; from aembed.providers.mock import *; "
        "print(asyncio.run(MockProvider().embed(['w\\u00f6rld'], kind='query')).vectors.tobytes().hex())"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == embed(["w\u00f6rld"]).tobytes().hex()


@given(st.lists(st.text(min_size=1), min_size=1, max_size=5), st.integers(2, 2000), st.integers(0, 2**40))
def test_rows_have_unit_length_and_do_not_depend_on_their_company(texts: list[str], dim: int, seed: int) -> None:
    rows = embed(texts, dim=dim, seed=seed)
    assert rows.shape == (len(texts), dim)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows.astype(np.float64), axis=1), 1.0, rtol=1e-5)
    np.testing.assert_array_equal(rows[-1:], embed(texts[-1:], dim=dim, seed=seed))


def test_different_texts_are_nearly_orthogonal() -> None:
    rows = embed([f"text {number}" for number in range(200)], dim=512)
    similarities = rows @ rows.T - np.eye(200, dtype=np.float32)
    assert np.abs(similarities).max() < 0.3


def test_another_seed_is_another_model() -> None:
    assert abs(float(embed(["text"])[0] @ embed(["text"], seed=1)[0])) < 0.5


@pytest.mark.virtual_time
async def test_latency_is_as_ordered_and_grows_with_degradation() -> None:
    provider = MockProvider(MockOptions(latency=2.0, degradation=0.5))
    starts = []
    for _ in range(3):
        await provider.embed(["text"], kind="query")
        starts.append(anyio.current_time())
    assert starts == pytest.approx([2.0, 5.0, 9.0])


async def latencies(seed: int) -> list[float]:
    provider = MockProvider(MockOptions(latency=1.0, latency_spread=0.5, seed=seed))
    ends = [0.0]
    for _ in range(50):
        await provider.embed(["text"], kind="query")
        ends.append(anyio.current_time())
    return np.diff(ends).tolist()


def test_spread_latencies_are_seeded_around_their_median() -> None:
    assert run(latencies(1)) == pytest.approx(run(latencies(1)))
    assert run(latencies(1)) != pytest.approx(run(latencies(2)))
    assert 0.8 < np.median(run(latencies(1))) < 1.25


async def failures(**options: Any) -> list[str | None]:
    provider = MockProvider(MockOptions(**options))
    seen: list[str | None] = []
    for _ in range(400):
        try:
            await provider.embed(["text"], kind="query")
        except ProviderError as error:
            seen.append(type(error).__name__)
        else:
            seen.append(None)
    return seen


async def test_errors_come_at_their_rate_with_their_kinds_and_from_the_seed() -> None:
    counts = Counter(await failures(error_rate=0.5, error_kinds=("connect", "timeout")))
    assert counts.keys() == {None, "ConnectError", "RequestTimeoutError"}
    assert all(60 < count < 260 for count in counts.values())
    assert await failures(error_rate=0.5) == await failures(error_rate=0.5)
    assert await failures(error_rate=0.5) != await failures(error_rate=0.5, seed=1)
    assert set(await failures(error_rate=1.0)) == {"OverloadedError"}


@pytest.mark.parametrize("kind", ERRORS)
async def test_every_kind_of_error_is_its_own(kind: Any) -> None:
    provider = MockProvider(MockOptions(error_rate=1.0, error_kinds=(kind,)))
    with pytest.raises(type(ERRORS[kind]())):
        await provider.embed(["text"], kind="query")


@pytest.mark.virtual_time
async def test_a_quota_is_kept_as_a_strict_server_keeps_it() -> None:
    provider = MockProvider(MockOptions(requests_per_minute=2))
    for _ in range(2):
        await provider.embed(["text"], kind="query")
    with pytest.raises(RateLimitError) as caught:
        await provider.embed(["text"], kind="query")
    assert caught.value.retry_after == pytest.approx(30.0)
    await anyio.sleep(caught.value.retry_after or 0)
    await provider.embed(["text"], kind="query")


@pytest.mark.virtual_time
async def test_a_rejected_request_costs_nothing() -> None:
    provider = MockProvider(MockOptions(requests_per_minute=60, tokens_per_minute=10))
    await provider.embed(["x" * 36], kind="query")  # 10 tokens
    for _ in range(100):
        with pytest.raises(RateLimitError):
            await provider.embed(["text"], kind="query")
    await anyio.sleep(60.0)
    await provider.embed(["text"], kind="query")


async def test_a_request_above_a_minutes_quota_is_rejected_for_good() -> None:
    provider = MockProvider(MockOptions(tokens_per_minute=10))
    with pytest.raises(BadRequestError, match="more than the mock's quota"):
        await provider.embed(["x" * 1000], kind="query")


async def test_requests_are_counted_and_a_closed_mock_answers_nothing() -> None:
    provider = MockProvider()
    await provider.embed(["text"], kind="query")
    assert provider.requests == 1
    await provider.aclose()
    with pytest.raises(ClosedError):
        await provider.embed(["text"], kind="query")


@pytest.mark.parametrize(
    "options",
    [{"dim": 0}, {"latency": -1}, {"error_rate": 1.1}, {"error_kinds": ("boredom",)}, {"tokens_per_minute": 0}],
    ids=repr,
)
def test_options_out_of_range_are_rejected(options: Any) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        MockOptions(**options)


async def test_options_left_out_have_their_default() -> None:
    """A patient timeout where there is a latency to wait for, and none where the answer is there at once."""
    provider = MockProvider()
    assert provider.spec == ModelSpec(name="mock", provider="mock", dim=128, max_batch_texts=2048, timeout=None)
    assert MockProvider(MockOptions(latency=0.1)).spec.timeout == 30.0
    texts = ["12345678", "1"]
    reply = await provider.embed(texts, kind="document")
    assert reply.tokens == 9 // 4 + 2
    assert provider.options.error_rate == provider.options.latency == 0


@pytest.mark.virtual_time
async def test_the_first_request_takes_the_latency_and_each_more_a_share_of_it() -> None:
    provider = MockProvider(MockOptions(latency=1.0, degradation=0.5))
    ends = []
    for _ in range(3):
        await provider.embed(["text"], kind="query")
        ends.append(anyio.current_time())
    assert ends == pytest.approx([1.0, 2.5, 4.5])


@pytest.mark.virtual_time
async def test_quotas_refill_to_the_minute_and_no_more() -> None:
    """The longer of two waits is reported, and a request that is let in pays both."""
    provider = MockProvider(MockOptions(requests_per_minute=1, tokens_per_minute=120))
    await anyio.sleep(600.0)
    await provider.embed(["x" * 236], kind="query")  # 60 tokens
    with pytest.raises(RateLimitError) as caught:
        await provider.embed(["x" * 476], kind="query")  # 120 tokens
    assert caught.value.retry_after == pytest.approx(60.0)
    assert (caught.value.status, str(caught.value).partition(" [")[0]) == (429, "the mock's quota is used up")
    await anyio.sleep(30.0)
    with pytest.raises(RateLimitError) as caught:
        await provider.embed(["x" * 236], kind="query")
    assert caught.value.retry_after == pytest.approx(30.0)
    with pytest.raises(BadRequestError, match="a request of 121 tokens is more"):
        await provider.embed(["x" * 480], kind="query")


@pytest.mark.parametrize(
    ("kind", "status"),
    [("authentication", 401), ("bad_request", 400), ("overloaded", 503), ("rate_limit", 429), ("timeout", 408)],
)
async def test_errors_have_the_status_of_real_ones(kind: Any, status: int) -> None:
    assert ERRORS[kind]().status == status


@pytest.mark.parametrize("dim", [1024, 1025, 4096])
def test_wide_vectors_are_of_unit_length_too(dim: int) -> None:
    rows = embed([f"text {number}" for number in range(50)], dim=dim).astype(np.float64)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, rtol=2e-7)


@pytest.mark.parametrize("name", ["model", "base_url", "api_key"])
async def test_options_that_the_mock_does_not_take(name: str) -> None:
    given: dict[str, Any] = {name: SecretStr("k") if name == "api_key" else "x"}
    with pytest.raises(ConfigError, match=f"^the mock provider takes no {name}; leave it out$"):
        await open_provider(Source(provider="mock", **given))
