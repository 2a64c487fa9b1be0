"""Inputs for jobs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aembed import Vectors
from aembed.providers.mock import MockOptions, MockProvider


@pytest.fixture
def rows() -> str:
    """A JSONL file of 30 rows: one without text, one that will be rejected, one that is not JSON, one id twice."""
    lines = [json.dumps({"id": f"id-{i}", "text": f"row {i}", "group": i % 3}) for i in range(30)]
    lines[5] = json.dumps({"id": "id-5", "text": "", "group": 0})
    lines[11] = json.dumps({"id": "id-11", "text": "unspeakable", "group": 1})
    lines[17] = '{"id": "id-17", "text": '
    lines[23] = json.dumps({"id": "id-3", "text": "row 23", "group": 2})
    Path("rows.jsonl").write_text("\n".join(lines) + "\n")
    return "rows.jsonl"


REJECTED = [5, 11, 17, 23]
"""Texts of those rows."""


async def mock_vectors(texts: Sequence[str], dim: int = 8) -> Vectors:
    return (await MockProvider(MockOptions(dim=dim)).embed(texts, kind="document")).vectors


async def expected(count: int = 30) -> Vectors:
    """Content of the ``.npy`` of those rows."""
    vectors = await mock_vectors([f"row {i}" for i in range(count)])
    vectors[REJECTED] = np.nan
    return vectors


def records(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]
