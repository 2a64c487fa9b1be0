"""Input that grows while a job runs, or between two runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aembed import AuthenticationError, Config, EmbedderFactory, Limits
from aembed.jobs import JobChangedError, JobStoppedError, run
from aembed.jobs.reading import Reading
from aembed.jobs.source import open_source
from aembed.jobs.survey import Survey, take_survey
from tests.jobs.conftest import mock_vectors, records
from tests.jobs.provider import Remembers
from tests.jobs.written import write


class Appends(Remembers):
    """Appends rows to the input while it is asked."""

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(**options)
        self._name = name

    async def embed(self, texts: Any, /, *, kind: Any) -> Any:
        with Path(self._name).open("a") as file:
            file.write("late\n" * 100)
        return await super().embed(texts, kind=kind)


@pytest.mark.parametrize("output", ["v.npy", "v.jsonl"])
async def test_fault_117_job_ends_with_the_rows_it_surveyed(output: str) -> None:
    write("t.txt", *(f"row {i}" for i in range(20)))
    report = await run("t.txt", output, model=Appends("t.txt"), config=Config())
    assert (report.rows, report.grown) == (20, True)
    found = np.load(output) if output == "v.npy" else np.array([row["vector"] for row in records(output)], np.float32)
    np.testing.assert_array_equal(found, await mock_vectors([f"row {i}" for i in range(20)]))
    write("t.txt", "one")
    assert not (await run("t.txt", f"w-{output}", model=Remembers(), config=Config())).grown


@pytest.mark.parametrize("name", ["t.txt", "t.csv", "t.jsonl"])
async def test_fault_117_line_that_is_being_written_is_left_to_the_next_run(name: str) -> None:
    lines = (
        ["text", "one", "two, and mo", "re"] if name != "t.jsonl" else ["", '{"text": "one"}', '{"text": "tw', 'o"}']
    )
    Path(name).write_text("\n".join(lines[:3]).lstrip())
    async with EmbedderFactory(Config()) as factory, open_source(name, Reading()) as source:
        with Path(name).open("a") as file:
            file.write(lines[3] + "\n")
        survey = Survey()
        await take_survey(survey, source, await factory.new_embedder(Remembers()))
        texts = [row.text for block in source.blocks() for row in block.rows]
        assert texts[-1] == "one"
        assert (survey.rows, survey.faulty) == (len(texts), 0)
        assert source.has_grown()


async def test_fault_117_stopped_job_resumes_though_its_input_has_grown() -> None:
    write("t.txt", *(f"row {i}" for i in range(20)))
    first = Appends("t.txt", good=3, failure=AuthenticationError("the key is rejected"))
    limits = Limits(max_concurrency=1)
    with pytest.raises(JobStoppedError):
        await run("t.txt", "v.npy", model=first, config=Config(), limits=limits)
    second = Appends("unread.txt")
    report = await run("t.txt", "v.npy", model=second, config=Config())
    assert (report.rows, report.resumed, report.grown) == (20, len(first.asked), True)
    assert set(first.asked).isdisjoint(second.asked)
    assert "late" not in second.asked


async def test_fault_117_input_that_changed_and_grew_is_another_input() -> None:
    write("t.txt", *(f"row {i}" for i in range(20)))
    first = Remembers(good=3, failure=AuthenticationError("the key is rejected"))
    with pytest.raises(JobStoppedError):
        await run("t.txt", "v.npy", model=first, config=Config(), limits=Limits(max_concurrency=1))
    write("t.txt", *(f"other {i}" for i in range(30)))
    with pytest.raises(JobChangedError, match="the input has changed"):
        await run("t.txt", "v.npy", model=Remembers(), config=Config())
