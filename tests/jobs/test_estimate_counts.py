"""Estimates where the model's tokenizer is in this process: exact counts, long texts, and the pace of a sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from aembed import Config, TextSize
from aembed.jobs.estimate import CALIBRATED_TOKENS, _calibrate, _Count, plan
from aembed.jobs.rows import Row, RowBlock
from aembed.jobs.survey import Survey
from tests.jobs.provider import Remembers
from tests.jobs.written import write

LIMIT = 10


class Tokenizes(Remembers):
    """A token for each character, in this process."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.spec = replace(self.spec, max_text_tokens=LIMIT)

    def measure(self, texts: Sequence[str], /) -> list[TextSize]:
        return [TextSize(len(text), 0, [(0, len(text))]) for text in texts]


@pytest.mark.parametrize(
    ("overlong", "rejected", "truncated", "tokens", "requests"),
    [("error", 1, 0, 3 + 10, 1), ("truncate", 0, 1, 3 + 10 + 10, 2), ("split", 0, 0, 3 + 10 + 11, 2)],
)
async def test_long_texts_are_counted_as_they_would_be_embedded(
    overlong: Any, rejected: int, truncated: int, tokens: int, requests: int
) -> None:
    source = write("t.txt", "abc", "d" * LIMIT, "e" * (LIMIT + 1))
    found = await plan(source, model=Tokenizes(batch=2, price=3.0), config=Config(overlong=overlong))
    assert (found.rows, found.rejected, found.truncated) == (3, rejected, truncated)
    assert (found.exact, found.tokens, found.requests) == (True, tokens, requests)
    assert found.cost == pytest.approx(3e-6 * tokens)
    assert found.bound_by == "machine"
    assert found.seconds is not None


async def test_where_nothing_can_be_embedded_no_pace_is_measured() -> None:
    provider = Tokenizes()
    found = await plan(write("t.txt", "e" * 99), model=provider, config=Config())
    assert (found.rejected, found.tokens, found.seconds, found.bound_by) == (1, 0, None, "")
    assert provider.asked == []


class Blocks:
    """An input in blocks of texts of so many characters."""

    def __init__(self, *blocks: Sequence[int]) -> None:
        self._blocks = blocks

    def blocks(self) -> Any:
        for number, lengths in enumerate(self._blocks):
            yield RowBlock(100 * number, [Row(0, 0, "x" * length, {}) for length in lengths])


def sampled(*blocks: Sequence[int]) -> list[int]:
    embedder: Any = SimpleNamespace(
        spec=replace(Tokenizes().spec, max_text_tokens=None, max_batch_texts=None), measure=Tokenizes().measure
    )
    found: Any = SimpleNamespace(tokens=0, requests=0, exact=False)
    count = _Count(found, embedder, "error")
    source: Any = Blocks(*blocks)
    for _ in count.all(source, Survey()):
        pass
    assert found.tokens == sum(map(sum, blocks))
    return [len(text) for text in count.sample]


def test_the_sample_is_about_a_second_of_work_from_several_blocks() -> None:
    whole, quarter = CALIBRATED_TOKENS, CALIBRATED_TOKENS // 4
    assert sampled([5, 6], [7]) == [5, 6, 7]
    assert sampled([whole], [1]) == [whole]
    assert sampled([whole + 1, 3]) == [3], "a text beyond the sample is left out, and those after it are not"
    assert sampled([whole - 1], [1], [1]) == [whole - 1, 1]
    assert sampled([10], [quarter + 1, quarter, 1]) == [10, quarter], "a later block fills a quarter at most"
    assert sampled([10], *[[quarter]] * 9) == [10, *[quarter] * 3]
    assert sampled([10], [quarter - 1, 2, 1]) == [10, quarter - 1, 1]


async def test_the_pace_of_the_sample_is_that_of_all() -> None:
    """Its first text is embedded once before: the first run of a model is slower."""
    asked: list[list[str]] = []

    def embedder(tokens: int | None) -> Any:
        async def embed(texts: list[str], **options: Any) -> Any:
            asked.append(texts)
            return SimpleNamespace(elapsed=0.5, usage=SimpleNamespace(tokens=tokens))

        return SimpleNamespace(embed=embed)

    assert await _calibrate(8000, embedder(100), ["a", "b"]) == 40.0
    assert asked == [["a"], ["a", "b"]]
    assert await _calibrate(8000, embedder(None), ["a"]) == await _calibrate(8000, embedder(1), ["a"]) == 4000.0
