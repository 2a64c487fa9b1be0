"""An update embeds new texts only, and leaves the rest of the output as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aembed import Limits
from aembed.jobs import (
    Dtype,
    JobChangedError,
    JobOutputError,
    JobStoppedError,
)
from tests.jobs.conftest import mock_vectors, records
from tests.jobs.outputs import FORMATS, job, vectors_of, write
from tests.jobs.provider import Remembers


@pytest.mark.parametrize("output", FORMATS)
async def test_update_embeds_only_new_texts(output: str) -> None:
    write("one", "two", "", "unspeakable", "three", "four")
    await job(output, id_column="key")
    write("zero", "four", "one", "unspeakable", "", "changed", "three")
    provider = Remembers()
    report = await job(output, provider, id_column="key", update=True)
    assert provider.asked == ["zero", "changed"]
    assert (report.rows, report.rejected, report.reused, report.embedded) == (7, 2, 4, 5)
    whole = f"whole-{output}"
    await job(whole, id_column="key")
    np.testing.assert_array_equal(vectors_of(output), vectors_of(whole))
    assert records(f"{output}.rejects.jsonl") == records(f"{whole}.rejects.jsonl")
    if not output.endswith(".npy"):
        assert Path(output).stat().st_size  # the rows, too, are those of the input
    again = Remembers()
    assert (await job(output, again, id_column="key", update=True)).was_complete
    assert again.asked == []


@pytest.mark.parametrize("dtype", ["float16", "int8", "binary"])
@pytest.mark.parametrize("output", FORMATS)
async def test_update_leaves_the_rest_as_it_is_stored(output: str, dtype: Dtype) -> None:
    write("one", "two", "three")
    await job(output, dtype=dtype)
    before = vectors_of(output)
    write("three", "new", "one")
    await job(output, dtype=dtype, update=True)
    after = vectors_of(output)
    np.testing.assert_array_equal(after[[0, 2]], before[[2, 0]])
    assert len(after) == 3


async def test_update_of_nothing_is_a_job() -> None:
    write("one")
    provider = Remembers()
    await job("v.npy", provider, update=True)
    assert provider.asked == ["one"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"provider": Remembers(dim=16)}, "the model's files or the provider's options have changed"),
        ({"normalize": True}, "normalize was not set and is True"),
        ({"dtype": "int8"}, "dtype was 'float32' and is 'int8'"),
        ({"provider": "mock"}, "model was 'test:remembers' and is 'mock:mock'"),
    ],
)
async def test_update_with_another_model_is_rejected(options: dict[str, Any], words: str) -> None:
    write("one")
    await job("v.npy")
    write("one", "two")
    with pytest.raises(JobChangedError, match=words):
        await job("v.npy", **options, update=True)
    assert np.load("v.npy").shape == (1, 8)


async def test_update_of_a_foreign_file() -> None:
    write("one")
    np.save("v.npy", np.zeros((1, 8), np.float32))
    with pytest.raises(JobOutputError, match="did not write it"):
        await job("v.npy", update=True)


async def test_stopped_update_is_resumed() -> None:
    from aembed import AuthenticationError

    write(*(f"row {i}" for i in range(20)))
    await job("v.npy")
    write(*(f"row {i}" for i in range(10, 40)))
    first = Remembers(good=2, failure=AuthenticationError("the key is rejected"))
    with pytest.raises(JobStoppedError):
        await job("v.npy", first, update=True, limits=Limits(max_concurrency=1))
    second = Remembers()
    report = await job("v.npy", second, update=True)
    assert set(first.asked).isdisjoint(second.asked)
    assert len(first.asked) + len(second.asked) == 20
    assert report.resumed
    np.testing.assert_array_equal(np.load("v.npy"), await mock_vectors([f"row {i}" for i in range(10, 40)]))
