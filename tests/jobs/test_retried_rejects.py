"""Rejected rows are embedded again, and put in their places."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aembed import Config
from aembed.jobs import (
    JobChangedError,
    JobInputError,
    read_record,
    retry_rejects,
)
from tests.jobs.conftest import records
from tests.jobs.outputs import FORMATS, job, vectors_of, write
from tests.jobs.provider import Remembers


@pytest.mark.parametrize("output", FORMATS)
async def test_rejected_rows_are_put_in_their_places(output: str) -> None:
    write("one", "unspeakable", "", "four", "unspeakable too")
    await job(output)

    provider = Remembers(speaks=True)
    report = await retry_rejects(output, model=provider, config=Config())
    assert provider.asked == ["unspeakable", "unspeakable too"]
    assert (report.rejected, report.reused, report.rows) == (1, 2, 5)
    whole = f"whole-{output}"
    await job(whole, Remembers(speaks=True))
    np.testing.assert_array_equal(vectors_of(output), vectors_of(whole))
    assert records(f"{output}.rejects.jsonl") == records(f"{whole}.rejects.jsonl")
    assert (await job(output)).was_complete


@pytest.mark.parametrize("output", FORMATS)
async def test_an_output_without_a_row_to_retry_is_left_alone(output: str) -> None:
    """A text that is blank is rejected whatever the model does."""
    write("one", "", "three")
    await job(output)
    before = {path.name: path.read_bytes() for path in Path.cwd().iterdir()}
    times = {path.name: path.stat().st_mtime_ns for path in Path.cwd().iterdir()}
    provider = Remembers(speaks=True)
    report = await retry_rejects(output, model=provider, config=Config())
    assert (report.was_complete, report.rejected, report.embedded, provider.asked) == (True, 1, 2, [])
    assert {path.name: path.read_bytes() for path in Path.cwd().iterdir()} == before
    assert {path.name: path.stat().st_mtime_ns for path in Path.cwd().iterdir()} == times


async def test_rejected_rows_of_another_input_or_model() -> None:
    write("one", "unspeakable")
    await job("v.npy")
    with pytest.raises(JobChangedError, match="cannot be retried"):
        await retry_rejects("v.npy", model=Remembers(dim=16), config=Config())
    write("one", "else")
    with pytest.raises(JobChangedError, match="the input has changed"):
        await retry_rejects("v.npy", model=Remembers(), config=Config())


async def test_rejected_rows_of_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    import io
    import sys

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"one\nunspeakable\n")))
    await job("v.npy", source="-")
    with pytest.raises(JobInputError, match="does not name files"):
        await retry_rejects("v.npy", model=Remembers(), config=Config())


async def test_overlong_texts_are_retried_truncated() -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra local")
    write("short", "word " * 500)
    await job("v.npy", "local")
    assert np.isnan(np.load("v.npy")[1]).all()
    report = await retry_rejects("v.npy", overlong="truncate", config=Config())
    assert (report.rejected, report.truncated) == (0, 1)
    assert not np.isnan(np.load("v.npy")).any()
    assert (await retry_rejects("v.npy", overlong="truncate", config=Config())).was_complete
    assert read_record("v.npy").retried == ["truncate"]
    assert (await job("v.npy", "local")).was_complete
