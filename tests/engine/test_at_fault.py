"""Whose fault it is: a text's, a batch's, or that of the whole call."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from aembed import (
    AembedError,
    AuthenticationError,
    BadRequestError,
    BadTextError,
    BatchTooLargeError,
    ClosedError,
    Config,
    ConfigError,
    ConnectError,
    EmbedderFactory,
    Kind,
    Limits,
    Reply,
)
from aembed.testing import ScriptedProvider
from tests.engine.call import TEXTS, embed
from tests.scripted import PAIRS


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("bad", [[0], [5], [1, 2], [0, 3, 5], [0, 1, 2, 3, 4, 5]])
async def test_rejected_texts_are_found_and_the_others_delivered(bad: list[int], named: bool) -> None:
    class Pointing(ScriptedProvider):
        """Says which text it was, if it is asked to."""

        async def embed(self, texts: Sequence[str], /, *, kind: Kind) -> Reply:
            try:
                return await super().embed(texts, kind=kind)
            except BadTextError as error:
                if named:
                    error.index = next(i for i, text in enumerate(texts) if TEXTS.index(text) in bad)
                raise

    provider = Pointing(refused={TEXTS[i]: BadTextError("no") for i in bad})
    result = await embed(provider, TEXTS)
    assert sorted(result.failures) == bad
    assert [error.index for _, error in sorted(result.failures.items())] == bad
    assert np.flatnonzero(np.isnan(result.vectors).all(axis=1)).tolist() == bad
    if named:
        assert len(provider.calls) <= len(bad) + 1


async def test_a_batch_may_hold_any_number_of_culprits() -> None:
    class Strict(ScriptedProvider):
        async def embed(self, texts: Sequence[str], /, *, kind: Kind) -> Reply:
            if "bad" in texts:
                raise BadTextError("no", index=texts.index("bad"))
            return await super().embed(texts, kind=kind)

    result = await embed(Strict(), ["bad", "good"] * 500)
    assert sorted(result.failures) == list(range(0, 1000, 2))


@pytest.mark.parametrize("index", [-1, 99])
async def test_a_culprit_that_is_not_in_the_batch_is_looked_for(index: int) -> None:
    provider = ScriptedProvider(refused={TEXTS[4]: BadTextError("no", index=index)})
    result = await embed(provider, TEXTS)
    assert {i: error.index for i, error in result.failures.items()} == {4: 4}


async def test_a_batch_that_is_too_large_goes_in_halves() -> None:
    provider = ScriptedProvider([BatchTooLargeError("too much")])
    assert (await embed(provider, TEXTS)).ok
    assert [len(call.texts) for call in provider.calls] == [6, 3, 3]


async def test_a_text_that_is_too_large_alone_fails_alone() -> None:
    result = await embed(ScriptedProvider(refused={TEXTS[2]: BatchTooLargeError("too much")}), TEXTS)
    assert list(result.failures) == [2]


async def test_a_fatal_error_stops_the_call_and_the_rest_is_not_sent() -> None:
    provider = ScriptedProvider([None, AuthenticationError("who are you")], spec=PAIRS)
    with pytest.raises(AuthenticationError) as caught:
        await embed(provider, TEXTS, limits=Limits(max_concurrency=1))
    partial = caught.value.partial
    assert partial is not None
    assert not np.isnan(partial.vectors[:2]).any()
    assert (list(partial.failures), partial.not_attempted) == ([2, 3], (4, 5))
    assert len(provider.calls) == 2


@pytest.mark.parametrize("error", [ConfigError("ca_file cannot be read"), ClosedError("closed")], ids=repr)
async def test_a_wrong_setting_is_no_fault_of_a_text(error: AembedError) -> None:
    with pytest.raises(type(error)) as caught:
        await embed(ScriptedProvider([error]), TEXTS[:1])
    assert caught.value.index is None


async def test_a_server_that_is_not_trusted_is_no_fault_of_a_text() -> None:
    result = await embed(ScriptedProvider([ConnectError("no trusted TLS", retryable=False)]), TEXTS[:1])
    assert result.failures[0].index is None


@pytest.mark.virtual_time
async def test_siblings_in_flight_of_a_failed_batch_finish_and_those_that_wait_are_not_sent() -> None:
    provider = ScriptedProvider([1.0, 5.0, 5.0], spec=PAIRS, refused={TEXTS[0]: BadRequestError("no")})
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(provider)
        with pytest.raises(BadRequestError) as caught:
            await embedder.embed_documents(TEXTS)
    partial = caught.value.partial
    assert partial is not None
    assert not np.isnan(partial.vectors[2:4]).any()
    assert (list(partial.failures), partial.not_attempted) == ([0, 1], (4, 5))
    assert len(provider.calls) == 2
