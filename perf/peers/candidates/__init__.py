"""The clients that are compared. Every file has the same three functions, and imports its library in the first of them.

``opened(base_url, in_flight)`` opens a client, as its documentation says to for many requests at once;
``query(client, text)`` gives one vector of float32; ``documents(client, texts)`` one array for all texts, asked for in
batches of ``BATCH`` with ``in_flight`` of them under way.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, cast

from numpy import float32
from numpy.typing import NDArray


class Candidate(Protocol):
    """A module of this package."""

    def opened(self, base_url: str, in_flight: int) -> AbstractAsyncContextManager[Any]: ...

    async def query(self, client: Any, text: str) -> NDArray[float32]: ...

    async def documents(self, client: Any, texts: Sequence[str]) -> NDArray[float32]: ...


@dataclass(frozen=True, slots=True)
class Entry:
    """Settings of a candidate. ``share`` is the part of the work it gets, ``rounds`` the most rounds, for slow ones."""

    module: str
    loop: str = "uvloop"
    share: float = 1.0
    rounds: int = 1000

    def load(self) -> Candidate:
        return cast(Candidate, import_module(f"{__name__}.{self.module}"))


CANDIDATES = {
    "hand-rolled protocol": Entry("hand_rolled"),
    "aiohttp, scanned": Entry("aiohttp_scanned"),
    "aiohttp": Entry("raw_aiohttp"),
    "aiohttp (asyncio)": Entry("raw_aiohttp", loop="asyncio"),
    "httpx": Entry("raw_httpx"),
    "pyreqwest": Entry("pyreqwest_client"),
    "aembed": Entry("aembed_embedder"),
    "aembed (asyncio)": Entry("aembed_embedder", loop="asyncio"),
    "baseten": Entry("baseten"),
    "openai": Entry("openai_sdk"),
    "openai, base64": Entry("openai_base64"),
    "langchain-openai": Entry("langchain"),
    "pydantic-ai": Entry("pydantic_ai_embeddings"),
    "litellm": Entry("litellm_sdk", share=0.1, rounds=2),
}
