"""A job over a small file, and the vectors of its output."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aembed import Config
from aembed.jobs import (
    JobReport,
    run,
)
from tests.jobs.conftest import records
from tests.jobs.provider import Remembers

FORMATS = ["v.npy", "v.jsonl", "v.parquet"]


async def job(output: Any, provider: Any = None, source: str = "r.jsonl", **options: Any) -> JobReport:
    if "parquet" in str(output):
        pytest.importorskip("pyarrow", reason="needs the extra parquet")
    if source == "rows.jsonl":
        options.setdefault("id_column", "id")
    return await run(source, output, model=provider or Remembers(), config=Config(), **options)


def write(*texts: str, name: str = "r.jsonl") -> None:
    Path(name).write_text("".join(json.dumps({"key": f"k{i}", "text": text}) + "\n" for i, text in enumerate(texts)))


def vectors_of(output: str) -> Any:
    if output.endswith(".npy"):
        return np.load(output)
    if output.endswith(".jsonl"):
        return np.array([row["vector"] for row in records(output)])
    import pyarrow.parquet as pq

    return np.stack(pq.read_table(output)["vector"].to_numpy(zero_copy_only=False))
