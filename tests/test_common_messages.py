"""The messages that the page on errors explains are those that aembed raises: each is provoked here."""

from __future__ import annotations

import asyncio
import gc
import pickle
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from aembed import (
    Config,
    EmbedderFactory,
    Limits,
    RateLimitError,
    Reply,
    RetryPolicy,
    SyncEmbedder,
)
from aembed.providers._extra import load_package
from aembed.testing import LoopbackServer, ScriptedProvider, VirtualTimeLoop
from tests.documents import ROOT

REMOTE: dict[str, Any] = {"base_url": "http://127.0.0.1:9/v1", "api_key": "any"}
ONCE = RetryPolicy(max_attempts=1)


async def option(factory: EmbedderFactory, path: Path) -> None:
    await factory.new_embedder("mock", dimension=3)  # type: ignore[call-arg]


async def provider(factory: EmbedderFactory, path: Path) -> None:
    await factory.new_embedder("opnai:m")


async def key(factory: EmbedderFactory, path: Path) -> None:
    await factory.new_embedder("openai")


async def extra(factory: EmbedderFactory, path: Path) -> None:
    load_package("no_such_package", extra="local")


async def plain_http(factory: EmbedderFactory, path: Path) -> None:
    await factory.new_embedder("openai:m", base_url="http://example.com/v1", api_key="any")


async def untrusted(factory: EmbedderFactory, path: Path) -> None:
    (path / "aembed.toml").write_text('[profiles.p]\nmodel = "openai:m"\nbase_url = "https://example.com"\n')
    Config.load()


async def limits(factory: EmbedderFactory, path: Path) -> None:
    for number in (10, 20):
        await factory.new_embedder("openai:m", limits=Limits(requests_per_minute=number), **REMOTE)


async def unopened(factory: EmbedderFactory, path: Path) -> None:
    embedder = factory.new_embedder("mock")
    try:
        await embedder.embed_query("text")  # type: ignore[attr-defined]
    finally:
        await embedder


async def other_loop(factory: EmbedderFactory, path: Path) -> None:
    embedder = await factory.new_embedder("mock")
    await embedder.embed_query("text")

    def elsewhere() -> None:
        asyncio.run(query())

    async def query() -> None:
        await embedder.embed_query("text")

    await asyncio.to_thread(elsewhere)


async def own_thread(factory: EmbedderFactory, path: Path) -> None:
    class Calling(ScriptedProvider):
        async def embed(self, texts: Any, /, *, kind: Any) -> Reply:
            embedder.embed_query("text")
            raise AssertionError

    with SyncEmbedder(Calling(), config=Config()) as embedder:
        embedder.embed_query("text")


async def closed(factory: EmbedderFactory, path: Path) -> None:
    embedder = await factory.new_embedder("mock")
    await embedder.aclose()
    await embedder.embed_query("text")


async def never_closed(factory: EmbedderFactory, path: Path) -> None:
    await EmbedderFactory(Config()).new_embedder("mock")
    with pytest.warns(ResourceWarning) as seen:
        gc.collect()
    raise RuntimeError(str(seen.pop(ResourceWarning).message))


async def pickled(factory: EmbedderFactory, path: Path) -> None:
    pickle.dumps(await factory.new_embedder("mock"))


async def one_string(factory: EmbedderFactory, path: Path) -> None:
    await (await factory.new_embedder("mock")).embed_documents("text")


async def blank(factory: EmbedderFactory, path: Path) -> None:
    await (await factory.new_embedder("mock")).embed_documents(["text", " "])


async def number(factory: EmbedderFactory, path: Path) -> None:
    await (await factory.new_embedder("mock")).embed_documents(["text", 3])  # type: ignore[list-item]


async def rejected_key(factory: EmbedderFactory, path: Path) -> None:
    async with LoopbackServer(dim=8, api_key="right") as server:
        await (await factory.new_embedder("openai:m", base_url=server.base_url, api_key="wrong")).embed_query("text")


async def no_connection(factory: EmbedderFactory, path: Path) -> None:
    await (await factory.new_embedder("openai:m", retry=ONCE, **REMOTE)).embed_query("text")


async def timeout(factory: EmbedderFactory, path: Path) -> None:
    slow = await factory.new_embedder("mock", provider_options={"latency": 60}, timeout=1, retry=ONCE)
    await slow.embed_query("text")


async def deadline(factory: EmbedderFactory, path: Path) -> None:
    await (await factory.new_embedder("mock", provider_options={"latency": 60})).embed_query("text", deadline=1)


async def long_pause(factory: EmbedderFactory, path: Path) -> None:
    provider = ScriptedProvider([RateLimitError("too fast", retry_after=600.0)])
    await (await factory.new_embedder(provider)).embed_query("text")


async def deadline_in_a_pause(factory: EmbedderFactory, path: Path) -> None:
    embedder = await factory.new_embedder(ScriptedProvider([RateLimitError("slow down", retry_after=60.0)]))
    await embedder.embed_query("text")


async def in_a_long_pause(factory: EmbedderFactory, path: Path) -> None:
    provider = ScriptedProvider([RateLimitError("too fast", retry_after=600.0)])
    embedder = await factory.new_embedder(provider)
    with pytest.raises(RateLimitError):
        await embedder.embed_query("text")
    await embedder.embed_query("text")


async def too_few_rows(factory: EmbedderFactory, path: Path) -> None:
    class Dropping(ScriptedProvider):
        async def embed(self, texts: Any, /, *, kind: Any) -> Reply:
            reply = await super().embed(texts, kind=kind)
            return Reply(reply.vectors[1:])

    await (await factory.new_embedder(Dropping(), retry=ONCE)).embed_documents(["one", "two"])


PROVOKED: dict[str, Callable[[EmbedderFactory, Path], Awaitable[None]]] = {
    "unknown option": option,
    "unknown provider": provider,
    "needs an api_key": key,
    "this model needs the package": extra,
    "a key over plain http": plain_http,
    "a file found in the working directory": untrusted,
    "this account already runs with": limits,
    "cannot use": unopened,
    "is bound to another event loop": other_loop,
    "a SyncEmbedder was called": own_thread,
    "is closed": closed,
    "never closed": never_closed,
    "belongs to this process": pickled,
    "is a single str": one_string,
    "the text is empty or blank": blank,
    "expected str": number,
    "rejected: ...": rejected_key,
    "no connection to": no_connection,
    "did not answer within": timeout,
    "the call cannot finish": deadline_in_a_pause,
    "the call did not finish": deadline,
    "retry after 10 min": long_pause,
    "the provider allows no request": in_a_long_pause,
    "answered with an array": too_few_rows,
}
"""Beginning of a message of the page -> what raises it."""


OVER_A_SOCKET = {"rejected: ...", "no connection to"}
"""Those that a virtual clock would overtake."""


def explained() -> list[str]:
    """The first column of the table "Common messages"."""
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    return re.findall(r"^\| `(.+?)` \|", page.partition("## Common messages")[2], re.MULTILINE)


def test_every_message_of_the_page_is_provoked() -> None:
    assert {text for text in explained() if not any(text.startswith(start) for start in PROVOKED)} == set()
    assert len(explained()) == len(PROVOKED)


@pytest.mark.parametrize("start", PROVOKED)
def test_a_message_is_the_one_that_is_raised(start: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (shown,) = [text for text in explained() if text.startswith(start)]
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    async def provoke() -> None:
        async with EmbedderFactory(Config()) as factory:
            await PROVOKED[start](factory, tmp_path)

    loop = None if start in OVER_A_SOCKET else VirtualTimeLoop
    with asyncio.Runner(loop_factory=loop) as runner, pytest.raises(Exception, match=pattern(shown)):
        runner.run(provoke())


def pattern(shown: str) -> str:
    """``...`` matches anything."""
    return ".*".join(map(re.escape, shown.split(" ... ")))
