"""Nothing else is sent until the first request of a job is answered: what is wrong with its settings costs one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest

from aembed import BadRequestError, Kind, ModelSpec, Reply, jobs
from aembed.jobs import JobStoppedError
from aembed.providers.mock import MockOptions, MockProvider


class Counted:
    """Requests of one text, answered when nothing else can be sent."""

    def __init__(self, *, wrong: bool) -> None:
        self.spec = ModelSpec(name="counted", provider="test", dim=8, max_batch_texts=1)
        self.asked = self.in_flight = 0
        self.at_once: list[int] = []
        self._wrong = wrong
        self._mock = MockProvider(MockOptions(dim=8))

    async def embed(self, texts: Sequence[str], /, *, kind: Kind) -> Reply:
        self.asked += 1
        self.in_flight += 1
        try:
            await anyio.wait_all_tasks_blocked()
            self.at_once.append(self.in_flight)
            if self._wrong:
                raise BadRequestError("task 'retreival' is unknown", status=422)
            return await self._mock.embed(texts, kind=kind)
        finally:
            self.in_flight -= 1

    async def aclose(self) -> None:
        """There is nothing to close."""


async def test_a_wrong_setting_costs_one_request() -> None:
    Path("rows.txt").write_text("\n".join(map(str, range(20))))
    provider = Counted(wrong=True)
    with pytest.raises((BadRequestError, JobStoppedError), match="retreival"):
        await jobs.run("rows.txt", "v.npy", model=provider)
    assert provider.asked == 1


async def test_after_the_first_answer_requests_are_sent_side_by_side() -> None:
    Path("rows.txt").write_text("\n".join(map(str, range(20))))
    provider = Counted(wrong=False)
    report = await jobs.run("rows.txt", "v.npy", model=provider)
    assert report.embedded == provider.asked == 20
    assert provider.at_once[0] == 1
    assert max(provider.at_once[1:]) > 1
