"""A job all of whose first texts are rejected in the same words: it is the settings that are wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from aembed import AembedError, BadRequestError, BadTextError, Kind, ModelSpec, Reply, TextTooLongError, jobs
from aembed.jobs import JobStoppedError
from aembed.providers.mock import MockOptions, MockProvider


class Rejects:
    """An error for every text but the good ones."""

    def __init__(self, batch: int, error: type[BadTextError] = BadTextError, words: str = "task is unknown") -> None:
        self.spec = ModelSpec(name="rejects", provider="test", dim=8, max_batch_texts=batch)
        self.asked = 0
        self._error, self._words = error, words
        self._mock = MockProvider(MockOptions(dim=8))

    async def embed(self, texts: Sequence[str], /, *, kind: Kind) -> Reply:
        self.asked += 1
        for index, text in enumerate(texts):
            if "good" not in text:
                number = text.rpartition(" ")[2]
                raise self._error(self._words.format(number=number, text=text), index=index)
        return await self._mock.embed(texts, kind=kind)

    async def aclose(self) -> None:
        """There is nothing to close."""


async def run(provider: Rejects, *texts: str) -> jobs.JobReport:
    Path("rows.txt").write_text("\n".join(texts))
    return await jobs.run("rows.txt", "v.npy", model=provider)


MANY = [f"row {number}" for number in range(200)]


@pytest.mark.parametrize("batch", [4, 32, 1000])
@pytest.mark.parametrize("words", ["task is unknown", "input {number}: task is unknown"])
async def test_it_stops_and_says_so(batch: int, words: str) -> None:
    provider = Rejects(batch, words=words)
    with pytest.raises(AembedError, match="texts are all rejected for the same reason, and the job stops") as caught:
        await run(provider, *MANY)
    error = caught.value.__cause__ if isinstance(caught.value, JobStoppedError) else caught.value
    assert isinstance(error, BadRequestError)
    assert "check the model's settings" in str(error)
    assert batch > 4 or provider.asked < 100  # requests in flight, one for each of their texts


async def test_few_texts_say_nothing() -> None:
    report = await run(Rejects(1000), *MANY[:19])
    assert (report.embedded, report.rejected) == (0, 19)


async def test_one_good_text_says_that_the_settings_are_right() -> None:
    report = await run(Rejects(1000), *MANY, "a good one")
    assert (report.embedded, report.rejected) == (1, 200)


@pytest.mark.parametrize(
    ("error", "words"), [(TextTooLongError, "too long"), (BadTextError, "{text} is rejected: {text}")]
)
async def test_texts_that_are_at_fault_themselves(error: type[BadTextError], words: str) -> None:
    letters = [f"{chr(97 + number % 26)}{chr(97 + number // 26)} row" for number in range(100)]
    report = await run(Rejects(8, error, words), *letters)
    assert report.rejected == 100
