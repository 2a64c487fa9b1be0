"""An embedder over a loopback server, with every layer at work."""

from __future__ import annotations

from typing import Any

from aembed import Embedder, EmbedderFactory, Limits
from aembed.testing import LoopbackServer
from tests.faults.privacy import KEY


async def opened(factory: EmbedderFactory, server: LoopbackServer, **options: Any) -> Embedder:
    given = {"base_url": server.base_url, "api_key": KEY, "limits": Limits(max_concurrency=2), **options}
    return await factory.new_embedder("openai:m", **given)
