"""Jobs from Python: outputs, rejected rows, rejected arguments, and progress that is kept."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import anyio
import anyio.lowlevel
import numpy as np
import pytest
from numpy.typing import NDArray

from aembed import Config, ConfigError, EmbedderFactory, Vectors
from aembed.jobs import JobInputError, JobOutputError, JobProgress, OpenInput, run
from tests.jobs.conftest import REJECTED, expected, mock_vectors, records
from tests.jobs.one_job import job
from tests.jobs.provider import Remembers


async def test_npy_has_a_row_for_each_of_the_input(rows: str) -> None:
    report = await run(Path(rows), Path("v.npy"), model=Remembers(price=2.0), id_column="id", config=Config())
    vectors = np.load("v.npy", mmap_mode="r")
    assert (vectors.dtype, vectors.shape) == (np.float32, (30, 8))
    np.testing.assert_array_equal(vectors, await expected())
    assert (report.rows, report.embedded, report.rejected, report.resumed) == (30, 26, 4, 0)
    assert (report.model, report.dim, report.output) == ("test:remembers", 8, "v.npy")
    assert report.tokens
    assert report.cost == pytest.approx(report.tokens * 2e-6)
    assert sorted(path.name for path in Path.cwd().iterdir()) == [
        rows,
        "v.npy",
        "v.npy.json",
        "v.npy.keys",
        "v.npy.rejects.jsonl",
    ]


async def test_jsonl_has_the_rows_with_their_vectors(rows: str) -> None:
    await job(rows, "v.jsonl")
    kept = [i for i in range(30) if i not in REJECTED]
    found = records("v.jsonl")
    assert [(row["id"], row["text"], row["group"]) for row in found] == [(f"id-{i}", f"row {i}", i % 3) for i in kept]
    vectors = np.array([row["vector"] for row in found], np.float32)
    np.testing.assert_array_equal(vectors, (await expected())[kept])


async def test_rejects_say_which_row_and_why(rows: str) -> None:
    report = await job(rows, "v.npy")
    assert report.rejects is not None
    found = records(str(report.rejects))
    assert [(row["row"], row["id"], row["error"]) for row in found] == [
        (6, "id-5", "InputError"),
        (12, "id-11", "BadTextError"),
        (18, None, "InputError"),
        (24, "id-3", "InputError"),
    ]
    reasons = [row["message"] for row in found]
    assert "empty or blank" in reasons[0]
    assert reasons[1].startswith("the text is rejected")
    assert "not valid JSON" in reasons[2]
    assert "earlier row" in reasons[3]
    assert "unspeakable" not in Path(report.rejects).read_text(), "no text is written there"


async def test_rejects_of_an_earlier_run_do_not_stay(rows: str) -> None:
    await job(rows, "v.npy")
    assert Path("v.npy.rejects.jsonl").exists()
    Path("few.jsonl").write_text('{"text": "one"}\n')
    report = await job("few.jsonl", "v.npy", force=True)
    assert report.rejects is None
    assert not Path("v.npy.rejects.jsonl").exists()


async def test_row_without_an_id_column_is_called_by_its_number() -> None:
    Path("t.txt").write_text("one\n\nthree\n")
    report = await job("t.txt", "v.jsonl")
    assert report.blank == 1
    assert [(row["id"], row["text"]) for row in records("v.jsonl")] == [(1, "one"), (3, "three")]


async def test_only_rows_that_cannot_be_embedded_after_the_first() -> None:
    """A chunk without a text is not a request."""
    Path("r.jsonl").write_text('{"text": "one"}\n' + '{"text": ""}\n' * 20_000)
    provider = Remembers()
    report = await job("r.jsonl", "v.npy", provider)
    assert (report.rejected, report.requests, provider.asked) == (20_000, 1, ["one"])
    assert np.isnan(np.load("v.npy")[1:]).all()


async def test_an_open_embedder_stays_open(rows: str) -> None:
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(Remembers())
        await run(rows, "v.npy", model=embedder)
        assert (await embedder.embed_query("still there")).shape == (8,)
        with pytest.raises(ConfigError, match="normalize: give options to new_embedder"):
            await run(rows, "w.npy", model=embedder, normalize=True)


async def test_an_open_input_stays_open(rows: str) -> None:
    with Path(rows).open("rb") as file:
        report = await run(
            OpenInput("mine", file), "v.npy", model=Remembers(), input_format="jsonl", id_column="id", config=Config()
        )
        assert report.rejected == 4
        assert not file.closed


async def test_progress_is_reported_from_beginning_to_end(rows: str) -> None:
    told: list[JobProgress] = []
    await job(rows, "v.jsonl", on_progress=told.append)
    assert (told[0].phase, told[0].rows, told[0].done) == ("opening", 0, 0)
    last = told[-1]
    assert (last.phase, last.rows, last.done, last.rejected) == ("writing", 30, 30, 4)
    assert last.tokens


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        ("", {}, "is empty"),
        ("\n \n", {}, "only blank lines"),
        ('{"text": ""}\n[1]\n', {}, "no row can be embedded; row 1: 'text' is empty"),
        ('{"text": "a", "id": 1}\n' * 3, {"id_column": "id"}, "2 of 3 rows repeat an id of column 'id'"),
        ('{"text": "a", "vector": 1}\n', {"output": "v.jsonl"}, "has a column 'vector' already"),
        ('{"text": "a"}\n', {"output": "v.jsonl", "vector_column": "id"}, "has a column 'id' already"),
        ('{"text": "a"}\n', {"input_format": "text", "text_column": "text"}, "which has no columns"),
    ],
)
async def test_input_that_cannot_be_used(content: str, options: dict[str, str], words: str) -> None:
    Path("r.jsonl").write_text(content)
    provider = Remembers()
    with pytest.raises(JobInputError, match=re.escape(words)):
        await job("r.jsonl", provider=provider, **{"output": "v.npy", **options})
    assert provider.asked == []
    assert [path.name for path in Path.cwd().iterdir()] == ["r.jsonl"]


async def test_model_is_opened_before_the_input_is_read() -> None:
    phases: list[str] = []
    with pytest.raises(ConfigError, match="did you mean 'openai'"):
        await run(
            "none.jsonl", "v.npy", model="opnai:x", config=Config(), on_progress=lambda now: phases.append(now.phase)
        )
    assert set(phases) == {"opening"}


async def test_json_that_is_not_jsonl() -> None:
    Path("r.json").write_text("[]")
    with pytest.raises(JobInputError, match=r"name it \.jsonl"):
        await job("r.json", "v.npy")


async def test_two_processes_on_one_output(rows: str) -> None:
    first = Remembers(good=1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(job, rows, "v.npy", first)
        await first.stuck.wait()
        with pytest.raises(JobOutputError, match=r"another process is at work on v\.npy"):
            await job(rows, "v.npy")
        tasks.cancel_scope.cancel()


async def test_chunks_are_cut_to_the_tokens_of_a_request() -> None:
    Path("t.txt").write_text("".join(f"{'word ' * 40}{i}\n" for i in range(20)))
    provider = Remembers(batch=100)
    provider.spec = replace(provider.spec, max_batch_tokens=110)
    report = await job("t.txt", "v.npy", provider)
    assert report.requests == 10
    np.testing.assert_array_equal(np.load("v.npy"), await mock_vectors([f"{'word ' * 40}{i}" for i in range(20)]))


async def test_the_report_waits_until_the_cache_has_everything(rows: str) -> None:
    class Late:
        """It takes nothing, and not before the output is in its place."""

        dropped = 0

        async def get_many(self, keys: Sequence[bytes], dim: int | None) -> tuple[NDArray[np.intp], Vectors]:
            return np.empty(0, np.intp), np.empty((0, dim or 0), np.float32)

        async def put_many(self, keys: Sequence[bytes], vectors: Vectors) -> None:
            while not Path("v.npy").exists():
                await anyio.lowlevel.checkpoint()
            self.dropped += len(keys)

        async def aclose(self) -> None:
            """There is nothing to close."""

    report = await job(rows, "v.npy", cache=Late())
    assert report.cache_dropped == report.embedded


async def test_the_report_counts_the_rows_that_the_cache_failed_to_store(rows: str) -> None:
    class Full:
        async def get_many(self, keys: Sequence[bytes], dim: int | None) -> tuple[NDArray[np.intp], Vectors]:
            return np.empty(0, np.intp), np.empty((0, dim or 0), np.float32)

        async def put_many(self, keys: Sequence[bytes], vectors: Vectors) -> None:
            raise OSError(28, "no space left on device")

        async def aclose(self) -> None:
            """There is nothing to close."""

    report = await job(rows, "v.npy", cache=Full())
    assert report.cache_failures == report.embedded
