"""A job, and its output as a table."""

from __future__ import annotations

from typing import Any

import pytest

from aembed import Config
from aembed.jobs import run


async def job(source: str, output: str, **options: Any) -> None:
    await run(source, output, model="mock", dimensions=8, config=Config(), **options)


def read_table(name: str) -> Any:
    pytest.importorskip("pyarrow", reason="needs the extra parquet")
    import pyarrow.parquet as pq

    return pq.read_table(name)
