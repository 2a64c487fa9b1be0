"""A job over made-up rows, and one that was interrupted."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from aembed import AuthenticationError, Config, Limits
from aembed.jobs import JobStoppedError, run
from tests.jobs.provider import Remembers

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
AHEAD = 2
"""Chunks that are begun while all slots are taken."""


async def run_job(rows: str, provider: Remembers) -> Any:
    return await run(rows, "v.npy", model=provider, id_column="id", config=Config(), limits=Limits(max_concurrency=1))


async def stopped_job(rows: str) -> Remembers:
    provider = Remembers(good=4, failure=AuthenticationError("the key is rejected"))
    with pytest.raises(JobStoppedError):
        await run_job(rows, provider)
    return provider
