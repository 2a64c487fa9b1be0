"""Compact vectors: their values, their cost in search, and rejected input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_st

from aembed import EmbedderFactory, InputError, Vectors, quantize

FAQ = [
    (
        "when does the library open on Saturday",
        "At weekends the reading rooms welcome visitors from ten in the morning.",
    ),
    ("can I return a book to another branch", "Loans may be handed in at any of our twelve houses in the city."),
    ("what does a lost library card cost", "Replacing your reader's pass takes a fee of five euros."),
    ("how do I extend a loan", "Log in and press renew; the new due date is four weeks from today."),
    ("is there wifi in the reading room", "Guests get wireless internet free of charge with the code on the wall."),
    (
        "my sourdough does not rise",
        "A starter that is cold or hungry makes little gas; feed it and keep it at 26 degrees.",
    ),
    ("how long should bread cool before slicing", "Leave the loaf on a rack for an hour, or the crumb turns gummy."),
    ("substitute for eggs in a cake", "A mashed banana or ground flax with water binds the batter as well."),
    ("why did my sauce curdle", "Dairy splits when it is heated too fast or meets acid; stir it in off the stove."),
    (
        "freeze cooked rice",
        "Portion it while it is fresh, chill it at once, and it keeps two months at minus eighteen.",
    ),
    (
        "chain keeps slipping when I pedal hard",
        "Worn sprockets let the links jump under load; replace cassette and chain.",
    ),
    ("tyre pressure for a road bike", "Narrow tubes want six to eight bars, a heavy rider the upper end."),
    ("brakes squeal in the rain", "Clean the rims and sand the pads lightly; toe-in stops the noise."),
    ("how often to oil a bicycle chain", "Lubricate the links every two hundred kilometres, and after each wet ride."),
    ("bike saddle hurts", "Lower the nose a little and check that your sit bones rest on the wide part."),
    (
        "leaves of my basil turn yellow",
        "Too much water starves the roots of air; let the pot dry before the next watering.",
    ),
    ("when to prune roses", "Cut them back when the forsythia blooms, above a bud that faces outward."),
    ("slugs are eating my lettuce", "Collect the snails at dusk, and ring the bed with copper tape or grit."),
    ("how deep to plant tulip bulbs", "Set them three times as deep as they are tall, with the tip upward."),
    ("compost heap smells bad", "It lacks air and dry matter; turn it and mix in straw or cardboard."),
    (
        "reset my router to factory settings",
        "Hold a pin in the small hole at the back for ten seconds until the lights blink.",
    ),
    ("laptop battery drains overnight", "Sleep still uses power; choose hibernate, and switch off wake on network."),
    ("how do I recover a deleted photo", "Look into the bin of the gallery, where pictures stay for thirty days."),
    (
        "printer prints blank pages",
        "The nozzles have dried up: run the cleaning program twice, then change the cartridge.",
    ),
    ("phone is too slow after the update", "Empty the cache, restart it, and give it a night to rebuild its index."),
    (
        "visa for a stay of three weeks in Japan",
        "Tourists of many countries may enter without one for up to ninety days.",
    ),
    (
        "how much luggage may I take on the train",
        "Two large cases and a handbag ride for free, as long as you carry them yourself.",
    ),
    ("missed my connecting flight", "If both legs are on one ticket, the airline books you onto its next departure."),
    ("is tap water safe in Vienna", "It comes from Alpine springs, and you can drink it anywhere in the city."),
    ("tipping in a restaurant in Germany", "Round up, or add five to ten percent when you pay the waiter."),
]
"""Questions, each with the answer that belongs to it; the others of its theme are near misses."""


async def embedded(factory: EmbedderFactory) -> tuple[Vectors, Vectors]:
    pytest.importorskip("onnxruntime", reason="needs the extra local")
    embedder = await factory.new_embedder("local")
    questions = [await embedder.embed_query(question) for question, _ in FAQ]
    return np.stack(questions), await embedder.embed_documents([answer for _, answer in FAQ])


def ranked(scores: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.intp]]:
    """Answers for each question, best first."""
    return np.argsort(-scores, axis=1, kind="stable")


def right(ranking: np.ndarray[Any, Any]) -> float:
    return float((ranking[:, 0] == np.arange(len(FAQ))).mean())


async def test_search_is_as_good_as_before(factory: EmbedderFactory) -> None:
    """Each against float32 on the same questions. Bounds: the measured values (in comments) less a question or two."""
    queries, answers = await embedded(factory)
    full = ranked(queries @ answers.T)
    assert right(full) >= 0.75, "else there is nothing to lose"  # 0.83

    half = ranked(quantize(queries, "float16").astype(np.float32) @ quantize(answers, "float16").astype(np.float32).T)
    assert (half[:, :5] == full[:, :5]).all()

    limit = np.abs(answers).max(axis=0)
    apart = quantize(queries, "int8").astype(np.int32) @ quantize(answers, "int8").T.astype(np.int32)
    calibrated = (queries * limit / 127) @ quantize(answers, "int8", limit=limit).T.astype(np.float32)
    for scores in (apart, calibrated):
        assert (ranked(scores)[:, 0] == full[:, 0]).mean() >= 0.95  # 1.00
        assert overlap(ranked(scores), full, 5) >= 0.95  # 1.00

    bits, asked = quantize(answers, "binary"), quantize(queries, "binary")
    distances = np.bitwise_count(asked[:, None] ^ bits).sum(axis=2, dtype=np.int32)
    alone = ranked(-distances)
    assert overlap(alone, full, 5) >= 0.6  # 0.65
    candidates = alone[:, :10]
    signs = np.unpackbits(bits, axis=-1, count=answers.shape[1]).astype(np.float32)
    by_signs = rescored(candidates, queries @ signs.T)
    assert (by_signs[:, 0] == full[:, 0]).mean() >= 0.8  # 0.87
    by_vectors = rescored(candidates, queries @ answers.T)
    assert (by_vectors[:, 0] == full[:, 0]).mean() >= 0.95  # 1.00


def overlap(ranking: np.ndarray[Any, Any], full: np.ndarray[Any, Any], k: int) -> float:
    """Share of the best ``k`` that are among the best ``k`` of float32."""
    return float(np.mean([len(set(a[:k]) & set(b[:k])) / k for a, b in zip(ranking, full, strict=True)]))


def rescored(candidates: np.ndarray[Any, Any], scores: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The candidates of each question, best first by ``scores``."""
    order = np.argsort(-np.take_along_axis(scores, candidates, axis=1), axis=1, kind="stable")
    return np.take_along_axis(candidates, order, axis=1)


def test_shapes_and_types() -> None:
    vectors = np.array([[0.5, -1.0, 0.0, 0.25, 1.0, -0.1, 0.1, 0.2, 0.3]], np.float32)
    assert quantize(vectors, "float16").dtype == np.float16
    assert quantize(vectors, "int8").tolist() == [[64, -127, 0, 32, 127, -13, 13, 25, 38]]
    assert quantize(vectors, "binary").tolist() == [[0b10011011, 0b10000000]]
    for precision, dtype, dim in (("float16", np.float16, 9), ("int8", np.int8, 9), ("binary", np.uint8, 2)):
        for given_vectors, shape in ((vectors, (1, dim)), (vectors[0], (dim,)), (vectors[:0], (0, dim))):
            quantized = quantize(given_vectors, precision)  # type: ignore[call-overload]
            assert (quantized.shape, quantized.dtype) == (shape, dtype)


NUMBERS = st.floats(-100, 100, width=32)
ARRAYS = numpy_st.arrays(np.float32, numpy_st.array_shapes(min_dims=2, max_dims=2, max_side=20), elements=NUMBERS)


@given(ARRAYS, st.none() | st.floats(0.125, 1024, width=32))
def test_int8_is_undone_to_half_a_step(vectors: Vectors, limit: float | None) -> None:
    before = vectors.copy()
    most = limit if limit is not None else float(np.abs(vectors).max()) or 1.0
    back = quantize(vectors, "int8", limit=limit) * np.float64(most / 127)
    np.testing.assert_allclose(back, np.clip(vectors, -most, most), atol=most / 127 * 0.501)
    np.testing.assert_array_equal(vectors, before)


def test_the_smallest_numbers_and_limits() -> None:
    tiny = np.array([[1e-45, 0.0]], np.float32)
    assert quantize(tiny, "int8").tolist() == [[127, 0]]
    assert quantize(np.array([[1e30, -1e30]], np.float32), "int8", limit=1e-45).tolist() == [[127, -127]]


@given(ARRAYS)
def test_each_dimension_may_have_its_limit(vectors: Vectors) -> None:
    limit = np.abs(vectors).max(axis=0) + np.float32(0.01)
    back = quantize(vectors, "int8", limit=limit) * (limit / 127)
    np.testing.assert_allclose(back, vectors, atol=float(limit.max()) / 127 * 0.501)


@given(ARRAYS)
def test_bits_are_the_signs(vectors: Vectors) -> None:
    bits = np.unpackbits(quantize(vectors, "binary"), axis=-1, count=vectors.shape[1])
    np.testing.assert_array_equal(bits, vectors > 0)


@given(ARRAYS)
def test_float16_keeps_three_digits(vectors: Vectors) -> None:
    np.testing.assert_allclose(quantize(vectors, "float16"), vectors, rtol=1e-3, atol=1e-7)


GOOD = np.ones((3, 4), np.float32)
HOLED = np.where(np.arange(3)[:, None] == 1, np.nan, GOOD)
REJECTED: Sequence[tuple[object, object, dict[str, Any], str]] = [
    (GOOD, "int4", {}, "precision is 'int4'; it must be one of 'float16', 'int8', 'binary'"),
    (GOOD.tolist(), "int8", {}, "vectors is a list; give a float32 array"),
    (GOOD.astype(np.int8), "binary", {}, "vectors is an array of int8; give a float32 array"),
    (GOOD[None], "int8", {}, r"vectors has shape \(1, 3, 4\); it must be \(n, dim\)"),
    (HOLED, "int8", {}, r"row 1 holds NaN or infinity; leave out the texts that have no vector \[text 1\]"),
    (GOOD * 1e6, "float16", {}, "row 0 has a number beyond 65504"),
    (GOOD, "binary", {"limit": 1.0}, "limit is for precision='int8'; leave it out for 'binary'"),
    (GOOD, "int8", {"limit": 0.0}, "limit must be positive and finite"),
    (GOOD, "int8", {"limit": [1, 2, np.nan, 4]}, "limit must be positive and finite, in each dimension"),
    (GOOD, "int8", {"limit": [1, 2]}, r"limit has shape \(2,\); it must be one number, or 4 for vectors of 4"),
    (GOOD, "int8", {"limit": "wide"}, "limit is 'wide'; it must be a number"),
]


@pytest.mark.parametrize(("vectors", "precision", "options", "message"), REJECTED)
def test_errors_name_the_value(vectors: Any, precision: Any, options: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        quantize(vectors, precision, **options)
