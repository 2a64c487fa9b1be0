"""Outputs that exist already: the same job again, further outputs, other precisions, and their records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aembed import Config, EmbedderFactory, quantize
from aembed.jobs import (
    JobChangedError,
    JobOutputError,
    open_like,
    read_record,
)
from tests.jobs.conftest import expected
from tests.jobs.outputs import FORMATS, job, vectors_of, write
from tests.jobs.provider import Remembers


@pytest.mark.parametrize("output", FORMATS)
async def test_fault_123_finished_job_does_nothing(output: str, rows: str) -> None:
    first = await job(output, source=rows)
    before = Path(output).stat().st_mtime_ns
    provider = Remembers()
    again = await job(output, provider, source=rows)
    assert provider.asked == []
    assert Path(output).stat().st_mtime_ns == before
    assert (again.was_complete, again.rows, again.rejected, again.tokens) == (True, 30, 4, first.tokens)
    forced = Remembers()
    assert not (await job(output, forced, source=rows, force=True)).was_complete
    assert len(forced.asked) == 26


@pytest.mark.parametrize("output", FORMATS)
async def test_fault_123_another_input_is_paid_for_only_if_asked(output: str) -> None:
    write("one", "four", "five")
    await job(output)
    before = Path(output).read_bytes()
    write("one", "two", "", "one", "three")
    provider = Remembers()
    with pytest.raises(JobChangedError, match=r"input has changed since .*4 rows .*again: .*update=True.*force=True"):
        await job(output, provider)
    assert provider.asked == []
    assert Path(output).read_bytes() == before
    assert not Path(f"{output}.job").exists()
    await job(output, provider, update=True)
    write("four", "one")
    await job(output, provider, force=True)
    assert provider.asked == ["two", "three", "four", "one"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"provider": Remembers(dim=16)}, "the model's files or the provider's options have changed"),
        ({"provider": "mock"}, "model was 'test:remembers' and is 'mock:mock'"),
        ({"normalize": True}, "normalize was not set and is True"),
    ],
)
async def test_fault_123_another_model_replaces_an_output_only_by_force(options: dict[str, Any], words: str) -> None:
    write("one", "")
    await job("v.npy")
    with pytest.raises(JobChangedError, match=rf"otherwise \({words}\), and 1 row .*another output.*force=True"):
        await job("v.npy", **options)
    assert (await job("v.npy", force=True, **options)).embedded == 1


async def test_fault_123_output_that_vectors_cannot_be_taken_from_is_kept(rows: str) -> None:
    await job("v.npy", source=rows, dtype="int8")
    with pytest.raises(JobChangedError, match="dtype was 'int8' and is 'float32'"):
        await job("v.npy", source=rows)


@pytest.mark.parametrize("output", FORMATS)
async def test_output_that_was_changed_is_not_replaced(output: str, rows: str) -> None:
    await job(output, source=rows)
    content = bytearray(Path(output).read_bytes())
    content[-3] ^= 1
    Path(output).write_bytes(content)
    with pytest.raises(JobOutputError, match=r"did not write it, or it was changed since; .*force"):
        await job(output, source=rows)
    assert Path(output).read_bytes() == content
    await job(output, source=rows, force=True)


@pytest.mark.parametrize("output", FORMATS)
async def test_output_that_was_moved_is_still_ours(output: str, rows: str) -> None:
    """Its time says nothing then; its content does."""
    await job(output, source=rows)
    content = Path(output).read_bytes()
    Path(output).unlink()
    Path(output).write_bytes(content)
    assert (await job(output, source=rows)).was_complete


async def test_several_outputs_are_made_at_once(rows: str) -> None:
    provider = Remembers()
    report = await job(FORMATS, provider, source=rows)
    assert len(provider.asked) == 26
    assert report.outputs == tuple(FORMATS)
    wanted = (await expected())[~np.isnan(await expected())[:, 0]]
    for output in FORMATS[1:]:
        np.testing.assert_array_equal(vectors_of(output).astype(np.float32), wanted)
    np.testing.assert_array_equal(np.load("v.npy"), await expected())
    assert len({Path(f"{output}.rejects.jsonl").read_text() for output in FORMATS}) == 1
    again = Remembers()
    assert (await job(FORMATS, again, source=rows)).was_complete
    assert not Path("v.npy.job").exists()


@pytest.mark.parametrize("first", FORMATS)
@pytest.mark.parametrize("further", ["w.npy", "w.jsonl", "w.parquet"])
async def test_further_output_costs_no_request(first: str, further: str, rows: str) -> None:
    await job(first, source=rows)
    provider = Remembers()
    before = Path(first).read_bytes()
    report = await job([first, further], provider, source=rows)
    assert provider.asked == []
    assert Path(first).read_bytes() == before
    assert (report.rejected, report.requests) == (4, 0)
    await job(f"whole-{further}", source=rows)
    np.testing.assert_array_equal(vectors_of(further), vectors_of(f"whole-{further}"))
    rejects = [Path(f"{output}.rejects.jsonl").read_text() for output in (further, f"whole-{further}")]
    assert rejects[0] == rejects[1]


@pytest.mark.parametrize("dtype", ["float16", "int8", "binary"])
async def test_other_precision_of_a_complete_job_costs_nothing(dtype: Any, rows: str) -> None:
    await job("v.npy", source=rows)
    provider = Remembers()
    for output in ("small.npy", "small.jsonl", "small.parquet"):
        await job([output, "v.npy"], provider, source=rows, dtype=dtype)
    assert provider.asked == []
    np.testing.assert_array_equal(np.load("v.npy"), await expected())
    whole = await expected()
    good = ~np.isnan(whole[:, 0])
    stored = quantize(whole[good], dtype)
    np.testing.assert_array_equal(np.load("small.npy")[good], stored)
    np.testing.assert_array_equal(vectors_of("small.parquet"), stored)
    np.testing.assert_array_equal(vectors_of("small.jsonl").astype(stored.dtype), stored)
    assert read_record("small.parquet").dtype == dtype


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        ([], "there is no output"),
        (["v.npy", "v.npy"], "is written for v.npy and for v.npy"),
        (["v.npy", "v.npy.rejects.jsonl"], "is written for v.npy and for v.npy.rejects.jsonl"),
    ],
)
async def test_outputs_that_get_in_each_others_way(outputs: Sequence[str], words: str) -> None:
    write("one")
    with pytest.raises(JobOutputError, match=words):
        await job(outputs)


@pytest.mark.parametrize("output", FORMATS)
async def test_record_says_how_an_output_was_made(output: str, rows: str) -> None:
    await job(output, source=rows, id_column="id")
    record = read_record(output)
    assert (record.model, record.dim, record.rows, record.rejected) == ("test:remembers", 8, 30, 4)
    assert record.settings["text_column"] == "text"
    async with EmbedderFactory(Config()) as factory:
        assert (await factory.new_embedder(Remembers())).identity == record.identity


async def test_record_of_something_else() -> None:
    np.save("v.npy", np.zeros((1, 8)))
    Path("v.npy.json").write_text('{"mine": 1}')
    for name, words in (("v.npy", "does not say how"), ("none.npy", "does not exist"), ("t.txt", "does not end in")):
        with pytest.raises(JobOutputError, match=words):
            read_record(name)


async def test_the_model_of_an_output_for_its_queries() -> None:
    write("one")
    await job("v.npy", "mock", dimensions=12)
    async with open_like("v.npy", config=Config()) as embedder:
        assert (await embedder.embed_query("where?")).shape == (12,)
