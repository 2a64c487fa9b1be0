"""Texts beyond the model's length: rejected, truncated, or averaged from their pieces; never silently."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed import Config, EmbedderFactory, EmbedResult, Kind, ModelSpec, OverloadedError, Reply, TextTooLongError
from aembed._engine import overlong
from aembed._engine.plan import estimate_tokens
from aembed.testing import ScriptedProvider

limits = st.none() | st.integers(1, 50)
texts_ = st.text("ab \u00e4\u4e16", min_size=2, max_size=300).filter(str.strip)
LONG = " ".join(f"word{number}" for number in range(100))


class Strict(ScriptedProvider):
    """Takes texts of up to ``longest`` characters."""

    def __init__(self, longest: int, spec: ModelSpec, **options: Any) -> None:
        super().__init__(spec=spec, **options)
        self.longest = longest

    async def embed(self, texts: Sequence[str], /, *, kind: Kind) -> Reply:
        reply = await super().embed(texts, kind=kind)
        for index, text in enumerate(texts):
            if len(text) > self.longest:
                raise TextTooLongError("too long", index=index)
        return reply


async def embed(provider: ScriptedProvider, texts: Sequence[str], how: Any, **options: Any) -> EmbedResult:
    async with EmbedderFactory(Config(overlong=how)) as factory:
        embedder = await factory.new_embedder(provider)
        return await embedder.embed(texts, **{"on_error": "return", **options})


@given(texts_, limits)
def test_a_head_is_a_shorter_beginning(text: str, limit: int | None) -> None:
    head = overlong.head(text, limit)
    assert text.startswith(head)
    assert 0 < len(head) < len(text)


def test_a_head_ends_with_a_whole_word() -> None:
    text = "one two three four five"
    kept = overlong.head(text, 4).split()
    assert kept == text.split()[: len(kept)]
    assert overlong.head(LONG, 50).split()[-1] in LONG.split()


@given(texts_, limits)
def test_pieces_are_the_whole_text_but_for_blanks(text: str, limit: int | None) -> None:
    pieces = overlong.pieces(text, limit)
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert all(len(piece) < len(text) and piece.strip() for piece in pieces)


def test_pieces_are_cut_between_words_and_about_as_long_as_may_be() -> None:
    pieces = overlong.pieces(LONG, 40)
    assert {word for piece in pieces for word in piece.split()} == set(LONG.split())
    assert all(estimate_tokens(piece) <= 40 for piece in pieces)


def test_the_average_is_weighted_by_length_and_keeps_unit_length() -> None:
    unit = np.eye(3, dtype=np.float32)[:2]
    average = overlong.average(unit, ["a" * 300, "b" * 100])
    assert average.shape == (1, 3)
    assert np.linalg.norm(average) == pytest.approx(1.0)
    assert average[0, 0] / average[0, 1] == pytest.approx(76 / 26)
    assert overlong.average(2 * unit, ["a", "b"])[0].tolist() == [1.0, 1.0, 0.0]


@pytest.mark.parametrize("known", [None, 50], ids=["limit unknown", "limit known"])
@pytest.mark.parametrize("company", [["short"], []], ids=["beside another", "alone"])
async def test_error_fails_the_text_alone(known: int | None, company: list[str]) -> None:
    spec = ModelSpec(name="strict", dim=8, max_text_tokens=known)
    result = await embed(Strict(100, spec), [*company, LONG, *company], "error")
    assert list(result.failures) == [len(company)]
    assert isinstance(result.failures[len(company)], TextTooLongError)
    assert result.failures[len(company)].index == len(company)


@pytest.mark.parametrize("known", [None, 50], ids=["limit unknown", "limit known"])
async def test_truncate_keeps_the_head_and_says_so(known: int | None) -> None:
    provider = Strict(100, ModelSpec(name="strict", dim=8, max_text_tokens=known))
    result = await embed(provider, ["short", LONG], "truncate")
    assert result.ok
    assert result.truncated == (1,)
    kept = min((text for call in provider.calls for text in call.texts if text != "short"), key=len)
    assert LONG.startswith(kept)
    assert 20 < len(kept) <= 100


@pytest.mark.parametrize("known", [None, 25], ids=["limit unknown", "limit known"])
async def test_split_averages_the_pieces(known: int | None) -> None:
    provider = Strict(100, ModelSpec(name="strict", dim=8, max_text_tokens=known))
    result = await embed(provider, ["short", LONG], "split")
    assert result.ok
    assert result.truncated == ()
    assert np.linalg.norm(result.vectors[1]) == pytest.approx(1.0, abs=1e-5)
    answered = [text for call in provider.calls for text in call.texts if all(len(t) <= 100 for t in call.texts)]
    assert {word for text in answered for word in text.split()} == {"short", *LONG.split()}
    assert result.usage.requests == len(provider.calls)


@pytest.mark.parametrize("how", ["truncate", "split"])
async def test_a_text_that_is_rejected_at_any_length_fails(how: Any) -> None:
    result = await embed(Strict(0, ModelSpec(name="strict", dim=8)), [LONG, LONG], how)
    assert {index: error.index for index, error in result.failures.items()} == {0: 0, 1: 1}
    assert result.not_attempted == ()


async def test_a_piece_that_fails_fails_its_text() -> None:
    class Picky(Strict):
        async def embed(self, texts: Sequence[str], /, *, kind: Kind) -> Reply:
            reply = await super().embed(texts, kind=kind)
            if any("word99" in text for text in texts):
                raise OverloadedError("no", retryable=False)
            return reply

    result = await embed(Picky(100, ModelSpec(name="picky", dim=8)), [LONG, "short"], "split")
    assert {index: type(error) for index, error in result.failures.items()} == {0: OverloadedError}
    assert np.isnan(result.vectors).all(axis=1).tolist() == [True, False]


@pytest.mark.parametrize("how", ["truncate", "split"])
async def test_a_text_of_the_shortest_length_is_still_cut(how: str) -> None:
    for length, is_cut in ((overlong.MIN_CUT_CHARACTERS - 1, False), (overlong.MIN_CUT_CHARACTERS, True)):
        provider = Strict(12, ModelSpec(name="strict", dim=8))
        result = await embed(provider, ["x" * length], how)
        assert result.ok is is_cut
        if not is_cut:
            assert [call.texts for call in provider.calls] == [("x" * length,)]


SIX = "one two three four five six"
"""About seven tokens."""


@pytest.mark.parametrize(
    ("limit", "head", "pieces", "fits"),
    [
        (None, "one two three four", ["one two three ", "four five six"], True),
        (1, "one", ["one ", "two ", "thre", "e fo", "ur ", "five", " six"], False),
        (2, "one", ["one ", "two ", "three ", "four ", "five ", "six"], False),
        (4, "one two", ["one two three ", "four five six"], False),
        (5, "one two three", ["one two three ", "four five six"], False),
        (6, "one two three four", ["one two three ", "four five six"], False),
        (7, "one two three four", ["one two three ", "four five six"], False),
        (8, "one two three four", ["one two three ", "four five six"], True),
        (100, "one two three four", ["one two three ", "four five six"], True),
    ],
)
def test_heads_and_pieces_of_six_words(limit: int | None, head: str, pieces: list[str], fits: bool) -> None:
    assert overlong.head(SIX, limit) == head
    assert overlong.pieces(SIX, limit) == pieces
    size = overlong.estimated_size(SIX, limit)
    assert [SIX[start:stop] for start, stop in size.pieces] == ([SIX] if fits else pieces)
    assert (size.tokens, size.unknown, size.exact) == (7, 0, False)


def test_without_blanks_it_is_cut_anywhere() -> None:
    assert (overlong.head("abcdefghij", None), overlong.pieces("abcdefghij", None)) == ("abcdefgh", ["abcde", "fghij"])
    assert (overlong.head(" ab", None), overlong.head("ab", None)) == (" a", "a")


@pytest.mark.parametrize(("length", "is_unit"), [(1.0009, True), (1.0012, False)])
def test_lengths_that_are_about_one_are_one(length: float, is_unit: bool) -> None:
    vectors = np.eye(2, dtype=np.float32) * np.float32(length)
    average = overlong.average(vectors, ["a", "b"])
    assert np.linalg.norm(average) == pytest.approx(1.0 if is_unit else length / np.sqrt(2), abs=1e-5)
