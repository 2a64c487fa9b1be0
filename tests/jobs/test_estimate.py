"""Estimates of a job: the counts of the real job, without a request."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from aembed import Config, EmbedderFactory, Limits, estimate_tokens
from aembed.jobs import JobInputError, plan, run
from tests.jobs.provider import Remembers


async def test_plan_counts_the_work_of_the_job(rows: str) -> None:
    provider = Remembers(price=2.0)
    found = await plan(rows, model=provider, id_column="id", config=Config())
    assert provider.asked == []
    assert (found.rows, found.rejected, found.blank, found.dim) == (30, 3, 0, 8)
    texts = [f"row {i}" for i in range(30) if i not in {5, 11, 17, 23}]
    assert found.tokens == sum(map(estimate_tokens, [*texts, "unspeakable"]))
    assert found.cost == pytest.approx(found.tokens * 2e-6)
    assert found.bytes == 30 * 8 * 4
    assert (found.seconds, found.bound_by) == (None, "")
    Path("plain.txt").write_text("\n".join(texts))
    found, report = (
        await plan("plain.txt", model=Remembers(), config=Config()),
        await run("plain.txt", "v.npy", model=Remembers(), config=Config()),
    )
    assert found.requests == report.requests == 7


@pytest.mark.parametrize(
    ("limits", "seconds", "bound_by"),
    [
        (Limits(requests_per_minute=2), 60 * 2.5, "requests"),
        (Limits(requests_per_minute=100, inputs_per_minute=9), 60 * 2.0, "inputs"),
        (Limits(requests_per_minute=7, tokens_per_minute=1000), 0.0, "requests"),
    ],
)
async def test_quota_says_how_long_it_takes_at_least(limits: Limits, seconds: float, bound_by: str) -> None:
    Path("t.txt").write_text("".join(f"line {i}\n" for i in range(27)))
    found = await plan("t.txt", model=Remembers(), config=Config(), limits=limits)
    assert found.seconds == pytest.approx(seconds)
    assert found.bound_by == bound_by


async def test_unknown_dimension_is_shown_as_unknown() -> None:
    Path("t.txt").write_text("one\n")
    provider = Remembers()
    provider.spec = replace(provider.spec, dim=None)
    async with EmbedderFactory(Config()) as factory:
        found = await plan("t.txt", model=await factory.new_embedder(provider))
    assert (found.dim, found.bytes, found.cost) == (None, None, None)
    assert provider.asked == []


async def test_bad_input_is_rejected_as_by_the_job() -> None:
    Path("r.jsonl").write_text('{"text": ""}\n')
    with pytest.raises(JobInputError, match="no row can be embedded"):
        await plan("r.jsonl", model=Remembers(), config=Config())
