"""Every input is exactly one of: a row, failed, not attempted."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from aembed import (
    AembedError,
    AuthenticationError,
    BadRequestError,
    BadTextError,
    BatchTooLargeError,
    Config,
    ConnectError,
    EmbedderFactory,
    EmbedResult,
    Limits,
    ModelSpec,
    OverloadedError,
    RateLimitError,
    Reply,
)
from aembed.testing import ScriptedProvider, Step
from tests.loops import run
from tests.scripted import expected

outcomes: st.SearchStrategy[Step] = st.sampled_from(
    [
        None,
        0.3,
        OverloadedError("busy"),
        RateLimitError("slow down", retry_after=2.0),
        ConnectError("lost"),
        BadRequestError("no"),
        BatchTooLargeError("too much"),
        BadTextError("one of them"),
        AuthenticationError("who are you"),
        Reply(np.ones((1, 5), np.float32)),
    ]
)


@given(
    texts=st.lists(st.text("abc\u00e4", min_size=1, max_size=3), max_size=15),
    script=st.lists(outcomes, max_size=12),
    rejected=st.sets(st.text("abc\u00e4", min_size=1, max_size=2), max_size=4),
    batch_size=st.integers(1, 16),
    pads=st.booleans(),
    slots=st.integers(1, 3),
    on_error=st.sampled_from(["raise", "return"]),
    deadline=st.none() | st.floats(0.1, 5.0),
)
def test_every_input_ends_as_exactly_one_of_ok_failed_or_not_attempted(
    texts: list[str],
    script: list[Step],
    rejected: set[str],
    batch_size: int,
    pads: bool,
    slots: int,
    on_error: Any,
    deadline: float | None,
) -> None:
    async def main() -> None:
        spec = ModelSpec(name="model", dim=8, pads=pads, max_batch_tokens=20)
        bad = {text: BadTextError("refused") for text in rejected}
        provider = ScriptedProvider(script, spec=spec, refused=bad, latency=0.2)
        async with EmbedderFactory(Config()) as factory:
            limits = Limits(max_concurrency=slots)
            embedder = await factory.new_embedder(provider, batch_size=batch_size, limits=limits)
            try:
                result: EmbedResult | None = await embedder.embed(texts, on_error=on_error, deadline=deadline)
            except AembedError as error:
                assert on_error == "raise" or error.fatal
                result = error.partial
            statistics = embedder.statistics()
        assert (statistics.in_flight, statistics.waiting, provider.in_flight) == (0, 0, 0)
        assert provider.most_in_flight <= slots
        assert result is not None
        good = np.flatnonzero(np.isfinite(result.vectors).all(axis=1)).tolist()
        assert sorted([*good, *result.failures, *result.not_attempted]) == list(range(len(texts)))
        np.testing.assert_array_equal(result.vectors[good], (await expected(texts))[good])
        assert np.isnan(np.delete(result.vectors, good, axis=0)).all()
        assert all(error.index in (None, index) for index, error in result.failures.items())
        assert result.ok == (len(good) == len(texts))

    run(main())
