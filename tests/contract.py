"""The contract of every provider: one suite, written against the public API alone.

    @pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
    async def test_my_provider(rule: Rule) -> None:
        await rule(open_my_provider)

Each rule opens a new provider, through a function without arguments, and closes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeAlias, get_args

import numpy as np

from aembed import Config, EmbedderFactory, Kind, ModelSpec, Provider, Reply, Vectors

Open: TypeAlias = Callable[[], Awaitable[Provider]]
Rule: TypeAlias = Callable[[Open], Awaitable[None]]

TEXTS = [
    "The gate lets in one request at a time.",
    "Ein Satz mit Umlauten: \u00e4\u00f6\u00fc.",
    "\u4f60\u597d\uff0c\u4e16\u754c",
    "emoji \U0001f600 and accents \u00e9\u00e8",
    "a",
    "word " * 40,
]
KINDS: tuple[Kind, ...] = get_args(Kind)

RULES: list[Rule] = []


def rule(check: Rule) -> Rule:
    RULES.append(check)
    return check


@asynccontextmanager
async def opened(open_provider: Open) -> AsyncGenerator[Provider]:
    provider = await open_provider()
    try:
        yield provider
    finally:
        await provider.aclose()


def assert_same(one: Vectors, other: Vectors, why: str) -> None:
    """The same direction: models may round differently from batch to batch."""
    similarity = np.vecdot(one, other) / np.linalg.norm(one, axis=-1) / np.linalg.norm(other, axis=-1)
    assert np.min(similarity) > 0.98, f"{why}: similarity {np.min(similarity):.3f}"


def assert_rows(reply: Reply, texts: Sequence[str], spec: ModelSpec) -> None:
    vectors = np.asarray(reply.vectors)
    assert vectors.ndim == 2, f"vectors have {vectors.ndim} dimensions, not 2"
    assert len(vectors) == len(texts), f"{len(vectors)} rows for {len(texts)} texts"
    assert spec.dim in (None, vectors.shape[1]), f"rows of {vectors.shape[1]} where spec.dim is {spec.dim}"
    assert vectors.dtype == np.float32, f"dtype is {vectors.dtype}, not float32"
    assert np.isfinite(vectors).all(), "a number is NaN or infinite"
    assert vectors.any(axis=1).all(), "a row is all zeros"


@rule
async def has_the_three_members(open_provider: Open) -> None:
    async with opened(open_provider) as provider:
        assert isinstance(provider, Provider)


@rule
async def its_spec_makes_sense(open_provider: Open) -> None:
    async with opened(open_provider) as provider:
        spec = provider.spec
        assert isinstance(spec, ModelSpec)
        assert spec.name
        assert spec.provider
        caps = [spec.dim, spec.max_batch_texts, spec.max_batch_tokens, spec.max_text_tokens, spec.max_concurrency]
        assert all(cap is None or cap > 0 for cap in caps), f"a cap of {spec} is not positive"
        assert spec.timeout is None or spec.timeout > 0


@rule
async def answers_one_good_row_per_text(open_provider: Open) -> None:
    async with opened(open_provider) as provider:
        for kind in KINDS:
            for texts in (TEXTS, TEXTS[:1]):
                assert_rows(await provider.embed(texts, kind=kind), texts, provider.spec)


@rule
async def takes_any_sequence(open_provider: Open) -> None:
    async with opened(open_provider) as provider:
        assert_rows(await provider.embed(tuple(TEXTS), kind="document"), TEXTS, provider.spec)


@rule
async def takes_as_many_texts_as_it_says(open_provider: Open) -> None:
    async with opened(open_provider) as provider:
        texts = ["text"] * min(provider.spec.max_batch_texts or 100, 500)
        assert_rows(await provider.embed(texts, kind="document"), texts, provider.spec)


@rule
async def keeps_the_order_of_the_texts(open_provider: Open) -> None:
    async with opened(open_provider) as provider:
        forth = (await provider.embed(TEXTS, kind="document")).vectors
        back = (await provider.embed(TEXTS[::-1], kind="document")).vectors
        assert_same(forth, back[::-1], "the reversed texts have other vectors")


@rule
async def a_text_has_the_same_vector_in_any_company(open_provider: Open) -> None:
    async with opened(open_provider) as provider:
        together = (await provider.embed(TEXTS, kind="document")).vectors
        for text, vector in zip(TEXTS, together, strict=True):
            alone = (await provider.embed([text], kind="document")).vectors
            assert_same(alone[0], vector, "a text alone has another vector")


@rule
async def tells_texts_apart(open_provider: Open) -> None:
    async with opened(open_provider) as provider:
        vectors = (await provider.embed(TEXTS, kind="document")).vectors
        assert len(np.unique(vectors, axis=0)) == len(TEXTS), "two texts have the same vector"


@rule
async def gives_its_arrays_away(open_provider: Open) -> None:
    async with opened(open_provider) as provider:
        first = (await provider.embed(TEXTS, kind="document")).vectors
        kept = first.copy()
        if first.flags.writeable:
            first[:] = 0.0
        second = (await provider.embed(TEXTS, kind="document")).vectors
        assert_same(kept, second, "writing to one reply changed the next")


@rule
async def counts_tokens_or_says_nothing(open_provider: Open) -> None:
    async with opened(open_provider) as provider:
        reply = await provider.embed(TEXTS, kind="document")
        assert reply.tokens is None or reply.tokens > 0
        assert not reply.truncated, "none of these texts needs to be cut"


@rule
async def serves_many_at_once(open_provider: Open) -> None:
    async with opened(open_provider) as provider:
        expected = (await provider.embed(TEXTS, kind="document")).vectors
        replies = await asyncio.gather(*(provider.embed(TEXTS, kind=KINDS[i % 2]) for i in range(8)))
        for reply in replies[KINDS.index("document") :: 2]:
            assert_same(reply.vectors, expected, "another answer while serving others")


@rule
async def works_on_after_a_cancellation(open_provider: Open) -> None:
    async with opened(open_provider) as provider:
        before = asyncio.all_tasks()
        call = asyncio.create_task(provider.embed(TEXTS, kind="document"))
        await asyncio.wait([call], timeout=0)
        call.cancel()
        await asyncio.wait([call])
        assert asyncio.all_tasks() == before, "a task is left behind"
        assert_rows(await provider.embed(TEXTS, kind="document"), TEXTS, provider.spec)


@rule
async def closes_as_often_as_asked(open_provider: Open) -> None:
    async with opened(open_provider) as provider:
        await provider.aclose()


@rule
async def serves_an_embedder(open_provider: Open) -> None:
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(await open_provider(), batch_size=2)
        vectors = await embedder.embed_documents(TEXTS)
        assert vectors.shape == (len(TEXTS), await embedder.get_dimension())
        assert (await embedder.embed_query(TEXTS[0])).shape == vectors.shape[1:]
        result = await embedder.embed(TEXTS)
        assert result.ok
        assert_same(result.vectors, vectors, "the same texts have other vectors")
        assert (await embedder.check_health()).ok
