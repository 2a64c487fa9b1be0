"""The rows a call gives: scaled on request, written in place, checked away from the loop, with no task too many."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from threading import current_thread

import numpy as np
import pytest

from aembed import Kind, ModelSpec, OverloadedError, Reply, ReplyError, Vectors
from aembed._engine.plan import plan
from aembed._types import Batch
from aembed.testing import ScriptedProvider, Step
from tests.engine.call import NAN, TEXTS, embed
from tests.scripted import PAIRS, expected


async def test_one_batch_spawns_no_task_and_many_do() -> None:
    class Counting(ScriptedProvider):
        most_tasks = 0

        async def embed(self, texts: Sequence[str], /, *, kind: Kind) -> Reply:
            self.most_tasks = max(self.most_tasks, len(asyncio.all_tasks()))
            return await super().embed(texts, kind=kind)

    before = len(asyncio.all_tasks())
    one, many = Counting(), Counting(spec=PAIRS)
    await embed(one, TEXTS)
    await embed(many, TEXTS)
    assert one.most_tasks == before
    assert many.most_tasks > before


async def test_an_error_that_is_not_ours_arrives_as_itself_from_many_batches() -> None:
    with pytest.raises(ZeroDivisionError):
        await embed(ScriptedProvider([None, ZeroDivisionError()], spec=PAIRS), TEXTS)


async def test_vectors_are_scaled_to_unit_length_on_request() -> None:
    vectors = np.arange(1, 17, dtype=np.float32).reshape(2, 8)
    vectors.flags.writeable = False
    for normalize in (True, False):
        result = await embed(ScriptedProvider([Reply(vectors)]), TEXTS[:2], normalize=normalize)
        lengths = np.linalg.norm(result.vectors, axis=1)
        assert np.allclose(lengths, 1.0) is normalize


class Writing(ScriptedProvider):
    """Decodes into the rows it is given, as the HTTP providers do."""

    written = 0

    async def embed_into(self, rows: Vectors | None, texts: Sequence[str], /, *, kind: Kind) -> Reply:
        reply = await self.embed(texts, kind=kind)
        if rows is None:
            return reply
        self.written += 1
        rows[:] = reply.vectors
        return Reply(rows, reply.tokens)


@pytest.mark.parametrize("script", [[], [NAN, OverloadedError("busy")]], ids=["well", "after failures"])
@pytest.mark.parametrize("spec", [PAIRS, replace(PAIRS, dim=None), replace(PAIRS, pads=True)], ids=str)
async def test_rows_written_in_place_are_the_same_rows(spec: ModelSpec, script: list[Step]) -> None:
    provider = Writing(script, spec=spec)
    result = await embed(provider, TEXTS)
    np.testing.assert_array_equal(result.vectors, await expected(TEXTS))
    if spec == PAIRS:
        assert provider.written == len(TEXTS) // 2 + len([step for step in script if isinstance(step, Reply)])


async def test_a_provider_may_leave_the_rows_alone() -> None:
    """Its own array is copied to where it belongs."""

    class Reluctant(Writing):
        async def embed_into(self, rows: Vectors | None, texts: Sequence[str], /, *, kind: Kind) -> Reply:
            return await self.embed(texts, kind=kind)

    np.testing.assert_array_equal((await embed(Reluctant(spec=PAIRS), TEXTS)).vectors, await expected(TEXTS))


async def test_rows_that_were_written_but_failed_the_check_hold_nan() -> None:
    result = await embed(Writing([NAN] * 9, spec=PAIRS), TEXTS)
    assert np.isnan(result.vectors).all()
    assert len(result.failures) == len(TEXTS)


async def test_a_large_reply_is_checked_away_from_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    dim = 2**18
    good = np.ones((4, dim), np.float32)
    bad = good.copy()
    bad[3] = np.nan
    spec = ModelSpec(name="wide", dim=dim)
    threads: set[str] = set()

    def watch(rows: Vectors) -> Vectors:
        threads.add(current_thread().name)
        return rows

    monkeypatch.setattr("aembed._engine.check.unit_length", watch)
    assert (await embed(ScriptedProvider([Reply(good)], spec=spec), TEXTS[:4], normalize=True)).ok
    assert current_thread().name not in threads
    assert len(threads) == 1
    assert (await embed(ScriptedProvider([Reply(good[:3].copy())], spec=spec), TEXTS[:3], normalize=True)).ok
    assert current_thread().name in threads
    result = await embed(ScriptedProvider([Reply(bad)] * 4, spec=spec), TEXTS[:4])
    assert {type(error) for error in result.failures.values()} == {ReplyError}


@pytest.mark.parametrize(
    ("texts", "pads", "elsewhere"), [(5000, True, False), (5001, True, True), (5001, False, False)]
)
async def test_many_texts_are_sorted_by_length_away_from_the_loop(
    texts: int, pads: bool, elsewhere: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[str] = []

    def watch(texts: Sequence[str], spec: ModelSpec) -> list[Batch]:
        threads.append(current_thread().name)
        return plan(texts, spec)

    monkeypatch.setattr("aembed._engine.engine.plan", watch)
    provider = ScriptedProvider(spec=ModelSpec(name="padding", dim=2, pads=pads))
    assert (await embed(provider, [str(number) for number in range(texts)])).ok
    assert [name != current_thread().name for name in threads] == [elsewhere]
