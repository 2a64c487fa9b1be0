"""The cost of the generator itself."""

from __future__ import annotations

import asyncio

import pytest

from aembed.bench.load import validity
from aembed.bench.load.validity import generator_cost


@pytest.mark.virtual_time
async def test_the_cost_of_a_request_is_seen_in_three_short_bursts() -> None:
    begun = asyncio.get_running_loop().time()
    await generator_cost()
    took = validity.CALIBRATION_REQUESTS * validity.CALIBRATION_SPACING_NS / 1e9
    assert asyncio.get_running_loop().time() - begun == pytest.approx(3 * took, abs=0.05)
    assert 3 * took < 1
