"""Presets of hosts that speak OpenAI's API: address, key, model and caps follow from the name."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from aembed import Config, ConfigError, EmbedderFactory, MissingKeyError, Registry
from aembed._settings.config import find_vendor
from aembed._settings.keys import find_endpoint
from aembed._settings.options import Options
from aembed.http import HttpApi
from aembed.providers import openai_hosts
from aembed.testing import LoopbackServer
from tests.provider_requests import KEY, asked, opened
from tests.wire.fake import Fake, answer

ADDRESSES = {
    "together:org/m": ("TOGETHER_API_KEY", "https://api.together.xyz/v1/embeddings"),
    "fireworks:org/m": ("FIREWORKS_API_KEY", "https://api.fireworks.ai/inference/v1/embeddings"),
    "deepinfra:org/m": ("DEEPINFRA_TOKEN", "https://api.deepinfra.com/v1/openai/embeddings"),
    "nebius:org/m": ("NEBIUS_API_KEY", "https://api.tokenfactory.nebius.com/v1/embeddings"),
    "openrouter:org/m": ("OPENROUTER_API_KEY", "https://openrouter.ai/api/v1/embeddings"),
    "scaleway:m": ("SCW_SECRET_KEY", "https://api.scaleway.ai/v1/embeddings"),
    "siliconflow:org/m": ("SILICONFLOW_API_KEY", "https://api.siliconflow.cn/v1/embeddings"),
    "dashscope": ("DASHSCOPE_API_KEY", "https://dashscope.aliyuncs.com/compatible-mode/v1/embeddings"),
    "huggingface:org/m": (
        "HF_TOKEN",
        "https://router.huggingface.co/hf-inference/models/org/m/pipeline/feature-extraction",
    ),
}
every_host = pytest.mark.parametrize("name", ADDRESSES)
WITH_OPENAIS_API = [name for name in ADDRESSES if not name.startswith("huggingface")]


@every_host
async def test_the_address_follows_from_the_name(name: str) -> None:
    url, body, headers = await asked(name)
    assert url == ADDRESSES[name][1]
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert body.get("input", body.get("inputs")) == ["one", "two"]


@every_host
async def test_without_a_key_its_variable_is_named(name: str) -> None:
    with pytest.raises(MissingKeyError, match=f"needs an api_key; set .*{ADDRESSES[name][0]}"):
        await opened(Fake([]), name, key=None)


@every_host
def test_the_key_of_its_variable_goes_to_its_own_host_alone(name: str) -> None:
    vendor = find_vendor(Registry(), name.partition(":")[0])
    variable, url = ADDRESSES[name]
    environ = {variable: KEY}

    def key_for(base_url: str | None) -> Any:
        found = find_endpoint(vendor, Options(base_url=base_url), environ).key
        assert not callable(found)
        return None if found is None else found.get_secret_value()

    assert key_for(None) == key_for(url) == KEY
    assert key_for("https://other.example/v1") is None
    assert key_for(url.replace("https:", "http:")) is None


@pytest.mark.parametrize("name", WITH_OPENAIS_API)
async def test_vectors_arrive(name: str) -> None:
    async with LoopbackServer("openai", dim=1024, api_key=KEY) as server, EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(name, base_url=server.base_url, api_key=KEY)
        expected = await (await factory.new_embedder("mock", dimensions=1024)).embed_documents(["one", "two"])
        np.testing.assert_array_equal(await embedder.embed_documents(["one", "two"]), expected)


async def test_the_router_of_hugging_face_answers_as_tei_does() -> None:
    fake = Fake([answer([[1.0, 2.0], [3.0, 4.0]])])
    provider = await opened(fake, "huggingface:BAAI/bge-m3")
    reply = await provider.embed(["one", "two"], kind="query")
    np.testing.assert_array_equal(reply.vectors, [[1, 2], [3, 4]])
    assert fake.asked == [{"inputs": ["one", "two"], "truncate": False, "normalize": True}]


async def test_scaleway_is_asked_for_no_base64() -> None:
    _, body, _ = await asked("scaleway:bge-multilingual-gemma2")
    assert body == {"model": "bge-multilingual-gemma2", "input": ["one", "two"]}


@pytest.mark.parametrize(
    ("name", "dim", "texts", "tokens"),
    [
        ("together:intfloat/multilingual-e5-large-instruct", 1024, 128, 514),
        ("fireworks:fireworks/qwen3-embedding-8b", 4096, 128, 32_768),
        ("deepinfra:BAAI/bge-m3", 1024, 1024, 8192),
        ("nebius:BAAI/bge-en-icl", 4096, 128, None),
        ("openrouter:openai/text-embedding-3-small", 1536, 128, 8192),
        ("scaleway:bge-multilingual-gemma2", 3584, 128, None),
        ("siliconflow:BAAI/bge-large-en-v1.5", 1024, 64, 512),
        ("dashscope", 1024, 10, 8192),
        ("dashscope:text-embedding-v2", 1536, 25, 2048),
        ("together:org/unknown", None, 128, None),
    ],
)
async def test_documented_facts(name: str, dim: int | None, texts: int, tokens: int | None) -> None:
    spec = (await opened(Fake([]), name)).spec
    assert (spec.dim, spec.max_batch_texts, spec.max_text_tokens) == (dim, texts, tokens)


@pytest.mark.parametrize(
    ("name", "dimensions", "says"),
    [
        ("deepinfra:BAAI/bge-m3", 2048, "always has 1024"),  # the host would append zeros
        ("dashscope", 100, "has 64, 128, .* or 2048, not 100"),
        ("together:BAAI/bge-base-en-v1.5", 512, "always has 768"),  # an open model without a row
        ("siliconflow:Qwen/Qwen3-Embedding-0.6B", 2048, "has 32 to 1024, not 2048"),
    ],
)
async def test_a_dimension_that_the_model_lacks(name: str, dimensions: int, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        await opened(Fake([]), name, dimensions=dimensions)


async def test_a_text_that_deepinfra_truncates_is_found_out() -> None:
    usage = {"prompt_tokens": 512, "total_tokens": 512}
    body = {"data": [{"index": 0, "embedding": [1.0] * 1024}], "usage": usage}
    provider = await opened(Fake([answer(body)]), "deepinfra:intfloat/multilingual-e5-large")
    with pytest.raises(Exception, match="the server counted 512 tokens"):
        await provider.embed(["a long text"], kind="document")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("togehter:m", "'together'"),
        ("together/org/m", "'together:org/m'"),
        ("text-embedding-v4", "'dashscope:text-embedding-v4'"),
    ],
)
async def test_a_slip_in_the_name(factory: EmbedderFactory, name: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=f"did you mean {meant}"):
        await factory.new_embedder(name)


@every_host
async def test_a_model_is_named_where_there_is_no_default(name: str) -> None:
    provider = name.partition(":")[0]
    if provider != "dashscope":
        with pytest.raises(ConfigError, match=f"name the model: '{provider}:"):
            await opened(Fake([]), provider)


@every_host
def test_the_sources_of_its_facts_are_named(name: str) -> None:
    """Each host has its paragraph of sources, which the page on providers shows below its models."""
    labels = re.findall(r"^- ([^:]+): ", openai_hosts.__doc__ or "", re.MULTILINE)
    host = Registry().get(name.partition(":")[0])
    assert isinstance(host, HttpApi)
    assert len([label for label in labels if label in host.about]) == 1
