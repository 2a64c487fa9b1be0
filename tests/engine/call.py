"""One call to a scripted provider."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from aembed import Config, EmbedderFactory, EmbedResult, Reply, RetryPolicy
from aembed.testing import ScriptedProvider
from tests import scripted

TEXTS = scripted.TEXTS[:6]
AT_ONCE = RetryPolicy(initial_delay=1e-6)
NAN = Reply(np.full((2, 8), np.nan, np.float32))


async def embed(provider: ScriptedProvider, texts: Sequence[str], **options: Any) -> EmbedResult:
    """One call, with its failures returned."""
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(provider, **{"retry": AT_ONCE, **options})
        return await embedder.embed(texts, on_error="return")
