"""Requests to a scripted provider, and its expected answers."""

from __future__ import annotations

from collections.abc import Sequence

from aembed import ModelSpec, RetryPolicy, Vectors
from aembed.providers.mock import MockOptions, MockProvider
from aembed.testing import ScriptedProvider

TEXTS = [f"text {number}" for number in range(12)]
PAIRS = ModelSpec(name="pairs", provider="scripted", dim=8, max_batch_texts=2)
ONCE = RetryPolicy(max_attempts=1)


async def expected(texts: Sequence[str], dim: int = 8) -> Vectors:
    """Answer of every scripted provider of this dimension, unless its script says otherwise."""
    return (await MockProvider(MockOptions(dim=dim)).embed(texts, kind="document")).vectors


def sent(provider: ScriptedProvider) -> list[str]:
    return [text for call in provider.calls for text in call.texts]


def batches(provider: ScriptedProvider) -> list[tuple[str, ...]]:
    return [call.texts for call in provider.calls]
