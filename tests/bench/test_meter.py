"""The work of an embedder during a run, and the vectors that count as its answers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from aembed import ModelSpec
from aembed.bench import corpus
from aembed.bench.embedding import Meter, vectors
from aembed.bench.model.work import Work
from aembed.bench.workload import Sizes, Workload

NONE = {
    "texts": 0,
    "tokens": 0,
    "requests": 0,
    "retries": 0,
    "cache_hits": 0,
    "cache_misses": 0,
    "cache_shared": 0,
    "merged_calls": 0,
    "errors": {},
    "requests_per_minute": None,
    "tokens_per_minute": None,
}
BEFORE = {"texts": 5, "requests": 3, "retries": 1, "errors": {"ConnectError": 1, "Timeout": 2}}


class Counting:
    """An embedder with counters that a test sets."""

    def __init__(self, dim: int | None = 3) -> None:
        self.spec = ModelSpec(name="m", provider="p", dim=dim)
        self.server = "api.example"
        self.counters: dict[str, Any] = NONE | BEFORE

    def statistics(self) -> Any:
        return SimpleNamespace(**self.counters)


def worked(embedder: Counting, now: dict[str, Any], *, price: float | None = None, **source: Any) -> Work:
    meter = Meter(embedder, price, **source)  # type: ignore[arg-type]
    meter.start()
    embedder.counters = NONE | now
    return meter.work(2.0)


def test_work_is_what_came_since_the_start() -> None:
    now = {
        "texts": 15,
        "tokens": 50,
        "requests": 9,
        "retries": 3,
        "cache_hits": 4,
        "cache_misses": 10,
        "cache_shared": 2,
        "merged_calls": 7,
        "errors": {"ConnectError": 2, "Timeout": 5, "Other": 2},
        "requests_per_minute": 60.0,
        "tokens_per_minute": 1000.0,
    }
    found = worked(Counting(), now, price=2.0, fixed=["äb", "abcd"])
    assert found == Work(
        model="p:m, 3 dimensions",
        source="the same texts in every call",
        texts=16,
        texts_rate=8.0,
        tokens=50,
        tokens_rate=25.0,
        tokens_from="provider",
        bytes=56,
        bytes_rate=28.0,
        sent=6,
        retries=2,
        cache_hits=4,
        shared=2,
        merged=7,
        repeated=None,
        lengths=None,
        price=2.0,
        cost=1e-4,
        server="api.example",
        cached=True,
        requests_per_minute=60.0,
        tokens_per_minute=1000.0,
        errors={"Timeout": 3, "Other": 2, "ConnectError": 1},
    )
    assert list(found.errors) == ["Timeout", "Other", "ConnectError"]


def test_a_token_is_four_characters_where_the_provider_counts_none() -> None:
    found = worked(Counting(dim=None), BEFORE | {"texts": 15}, fixed=["äbcdef", "ab"])
    assert (found.tokens, found.tokens_from, found.tokens_rate) == (10, "characters", 5.0)
    assert (found.model, found.cached, found.cost, found.bytes) == ("p:m", False, None, 45)
    assert found.errors == {}
    assert worked(Counting(), {"texts": 9}, fixed=[]).bytes == 0


@pytest.mark.parametrize("counter", ["cache_hits", "cache_misses", "cache_shared"])
def test_a_cache_that_was_asked_is_named(counter: str) -> None:
    assert worked(Counting(), {counter: 1}).cached


@pytest.mark.parametrize(("sizes", "said"), [(Sizes(2, 2), "2 per call"), (Sizes(1, 3), "1 to 3 per call")])
def test_texts_that_were_drawn_have_their_source_and_lengths(sizes: Sizes, said: str) -> None:
    embedder, workload = Counting(), Workload(corpus("queries", copies=0.0), sizes)
    next(workload.batches(0))
    meter = Meter(embedder, None, workload=workload)  # type: ignore[arg-type]
    meter.start()
    assert workload.texts == 0, "those from before the start are not counted"
    drawn = [text for _, call in zip(range(10), workload.batches(1), strict=False) for text in call]
    embedder.counters = NONE | {"texts": 5 + len(drawn)}
    found = meter.work(2.0)
    assert found.source == f"{workload.corpus}, {said}"
    assert found.bytes == sum(len(text.encode()) for text in drawn)
    assert found.tokens == round(sum(map(len, drawn)) / 4)
    assert found.lengths == workload.lengths()
    assert found.repeated == workload.repeated


def test_a_workload_of_which_nothing_was_drawn_has_no_bytes() -> None:
    found = worked(Counting(), {"texts": 7}, workload=Workload(corpus("queries"), Sizes(1, 1)))
    assert (found.texts, found.bytes, found.tokens, found.lengths) == (2, 0, 0, None)


def turned(degrees: float) -> NDArray[np.float32]:
    return np.array([[np.cos(np.radians(degrees)), np.sin(np.radians(degrees))]], dtype=np.float32)


@pytest.mark.parametrize(
    ("degrees", "size", "problem"),
    [
        (8.0, 1.0, None),
        (8.0, 5.0, None),
        (8.2, 1.0, "rows that differ from those of the first result"),
        (180.0, 1.0, "rows that differ from those of the first result"),
    ],
)
def test_a_vector_may_be_eight_degrees_off_the_first(degrees: float, size: float, problem: str | None) -> None:
    """Their cosine is 0.99, whatever their length."""
    validate = vectors((1, 2))
    first = turned(0)
    assert validate(first) is None
    first[:] = 0  # it is remembered as it was
    assert validate(turned(degrees) * np.float32(size)) == problem
    assert vectors((1, 2), same=False)(turned(degrees)) is None


@pytest.mark.parametrize(
    ("result", "problem"),
    [
        (np.ones((2, 2), np.float64), "not float32 vectors, but float64"),
        ([1.0], "not float32 vectors, but list"),
        (np.ones(2, np.float32), "shape (2,), not ('any', 2)"),
        (np.ones((1, 3), np.float32), "shape (1, 3), not ('any', 2)"),
        (np.array([[1, np.inf]], np.float32), "numbers that are not finite"),
        (np.array([[1, 1], [0, 0]], np.float32), "a vector of zeros"),
        (np.ones((7, 2), np.float32), None),
    ],
)
def test_what_is_no_answer_is_named(result: Any, problem: str | None) -> None:
    validate = vectors((None, 2))
    assert validate(turned(90)) is None, "any number of rows: the next call has other texts"
    assert validate(result) == problem
