"""Vectors of an earlier output, and rows kept of it, are read some rows at a time."""

from __future__ import annotations

import numpy as np
import pytest

from aembed.jobs import keeping, reuse
from tests.jobs.conftest import mock_vectors
from tests.jobs.outputs import FORMATS, job, vectors_of, write
from tests.jobs.provider import Remembers

TEXTS = [f"row {number}" for number in range(11)]


@pytest.mark.parametrize("output", FORMATS)
@pytest.mark.parametrize("rows_at_once", [16, 24, 2048])
async def test_every_row_has_its_own_vector_again(
    output: str, rows_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reuse, "ROWS_AT_ONCE", rows_at_once)
    write(*TEXTS)
    await job(output)
    provider, turned = Remembers(), TEXTS[::-1]
    write(*turned, "new")
    report = await job(output, provider, update=True)
    assert (provider.asked, report.reused) == (["new"], len(TEXTS))
    np.testing.assert_array_equal(vectors_of(output).astype(np.float32), await mock_vectors([*turned, "new"]))


@pytest.mark.parametrize("output", FORMATS)
@pytest.mark.parametrize("rows_at_once", [2, 64])
async def test_kept_rows_follow_in_their_order(output: str, rows_at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "ROWS_AT_ONCE", rows_at_once)
    monkeypatch.setattr(keeping, "COMPARED_KEYS", 2)
    write(*TEXTS)
    await job(output)
    write(*TEXTS[3:6], "new")
    report = await job(output, update=True, keep=True)
    assert report.kept == len(TEXTS) - 3
    expected = [*TEXTS[3:6], "new", *TEXTS[:3], *TEXTS[6:]]
    np.testing.assert_array_equal(vectors_of(output).astype(np.float32), await mock_vectors(expected))
