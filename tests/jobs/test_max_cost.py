"""A job stops before it costs more than ``max_cost``."""

from __future__ import annotations

import pytest

from aembed.jobs import (
    JobBudgetError,
    JobStoppedError,
)
from tests.jobs.outputs import job, write
from tests.jobs.provider import Remembers


async def test_job_stops_before_its_cost_passes_the_limit() -> None:
    write(*(f"{'word ' * 40}{i}" for i in range(40)))
    first = Remembers(price=1e6)  # a dollar a token
    with pytest.raises(JobStoppedError, match=r"would pass max_cost=\$1000 .* rows are done") as caught:
        await job("v.npy", first, max_cost=1000)
    assert isinstance(caught.value.__cause__, JobBudgetError)
    assert 0 < caught.value.done < 40
    billed = (await Remembers(price=1e6).count(first.asked)) * 1.0
    assert billed <= 1000
    second = Remembers(price=1e6)
    report = await job("v.npy", second, max_cost=1e9)
    assert set(first.asked).isdisjoint(second.asked)
    assert report.resumed == caught.value.done


async def test_cost_of_earlier_runs_counts() -> None:
    write(*(f"{'word ' * 40}{i}" for i in range(40)))
    first, second = Remembers(price=1e6), Remembers(price=1e6)
    for provider in (first, second):
        with pytest.raises(JobStoppedError):
            await job("v.npy", provider, max_cost=1000)
    assert first.asked
    assert second.asked == []


async def test_cost_limit_that_nothing_can_be_compared_with() -> None:
    from aembed import ConfigError

    write("one")
    with pytest.raises(ConfigError, match="price of test:remembers is not known"):
        await job("v.npy", max_cost=1)
    with pytest.raises(ConfigError, match="positive"):
        await job("v.npy", Remembers(price=1.0), max_cost=0)
