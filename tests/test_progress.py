"""The progress callback of a long call counts every text once, and cannot break the call."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from aembed import BadTextError, Config, EmbedderFactory, InputError, ProviderError, SyncEmbedder
from aembed.testing import ScriptedProvider

TEXTS = [f"text {number}" for number in range(25)]


@pytest.mark.parametrize("layers", [{}, {"cache": True}, {"merge": True}, {"cache": True, "merge": True}])
@pytest.mark.parametrize("texts", [TEXTS, [*TEXTS, *TEXTS[:7], "text 3"]], ids=["distinct", "repeated"])
async def test_each_text_counts_once(factory: EmbedderFactory, layers: dict[str, Any], texts: list[str]) -> None:
    embedder = await factory.new_embedder("mock", batch_size=10, **layers)
    counted: list[int] = []
    await embedder.embed_documents(texts, progress=counted.append)
    assert sum(counted) == len(texts)
    assert len(counted) == 3
    counted.clear()
    await embedder.embed_documents(texts, progress=counted.append)
    assert sum(counted) == len(texts)


async def test_failed_and_rejected_texts_count_as_well(factory: EmbedderFactory) -> None:
    embedder = await factory.new_embedder(ScriptedProvider(refused={"text 7": BadTextError("no")}))
    counted: list[int] = []
    result = await embedder.embed([*TEXTS, " "], on_error="return", progress=counted.append)
    assert sorted(result.failures) == [7, 25]
    assert sum(counted) == 26


async def test_an_error_of_the_callback_is_logged_once_and_costs_no_vector(
    factory: EmbedderFactory, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[int] = []

    def broken(texts: int) -> None:
        calls.append(texts)
        raise ZeroDivisionError

    embedder = await factory.new_embedder("mock", batch_size=10)
    with caplog.at_level(logging.ERROR, "aembed"):
        vectors = await embedder.embed_documents(TEXTS, progress=broken)
    assert vectors.shape == (25, 128)
    assert calls == [10]
    assert [type(record.exc_info and record.exc_info[1]) for record in caplog.records] == [ZeroDivisionError]


async def test_a_call_that_fails_has_reported_the_texts_before(factory: EmbedderFactory) -> None:
    embedder = await factory.new_embedder(ScriptedProvider(refused={"text 24": BadTextError("no")}), batch_size=5)
    counted: list[int] = []
    with pytest.raises(ProviderError) as caught:
        await embedder.embed_documents(TEXTS, progress=counted.append)
    partial = caught.value.partial
    assert partial is not None
    assert sum(counted) == 25 - len(partial.not_attempted)


async def test_a_callback_of_the_wrong_kind_is_an_input_error(factory: EmbedderFactory) -> None:
    async def report(texts: int) -> None: ...

    embedder = await factory.new_embedder("mock")
    for wrong, named in ((7, "int"), (report, "async function")):
        with pytest.raises(InputError, match=named):
            await embedder.embed_documents(TEXTS, progress=wrong)  # type: ignore[arg-type]
    assert embedder.statistics().requests == 0


def test_a_synchronous_embedder_reports_too() -> None:
    counted: list[int] = []
    with SyncEmbedder("mock", config=Config(), batch_size=10) as embedder:
        embedder.embed_documents(TEXTS, progress=counted.append)
        embedder.embed(TEXTS, progress=counted.append)
    assert sum(counted) == 50
