"""A stopped job resumes with the same input and settings, and with no others."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aembed import AuthenticationError, Config, Limits, OverloadedError, Profile, RequestTimeoutError, RetryPolicy
from aembed.jobs import JobChangedError, JobInputError, JobStoppedError, run
from tests.jobs.conftest import expected
from tests.jobs.one_job import job
from tests.jobs.provider import Remembers

ONE_AT_A_TIME = Limits(max_concurrency=1)


async def stopped(rows: str, output: str = "v.npy", *, good: int = 3, **options: Any) -> Remembers:
    """A job that the provider ended after ``good`` requests."""
    provider = Remembers(good=good, failure=AuthenticationError("the key is rejected"))
    with pytest.raises(JobStoppedError) as caught:
        await job(rows, output, provider, limits=ONE_AT_A_TIME, **options)
    assert isinstance(caught.value.__cause__, AuthenticationError)
    faulty = caught.value.done - len(provider.asked)
    assert (faulty, caught.value.rows) == ({1: 0, 3: 2}[good], 30), "rows 5 and 11 are done, and were not embedded"
    assert f"{caught.value.done} of 30 rows are done" in str(caught.value)
    return provider


@pytest.mark.parametrize("output", ["v.npy", "v.jsonl"])
async def test_finished_rows_are_not_sent_again(rows: str, output: str) -> None:
    await job(rows, f"whole-{output}")
    first = await stopped(rows, output, good=1)
    second = Remembers()
    report = await job(rows, output, second)
    assert report.resumed == len(first.asked) == 4
    assert set(first.asked).isdisjoint(second.asked)
    assert len(first.asked) + len(second.asked) == 26
    assert Path(output).read_bytes() == Path(f"whole-{output}").read_bytes()
    rejects = f"{output}.rejects.jsonl"
    assert Path(rejects).read_bytes() == Path(f"whole-{rejects}").read_bytes()
    assert not Path(f"{output}.job").exists()


async def test_error_before_anything_is_done_leaves_nothing(rows: str) -> None:
    provider = Remembers(good=0, failure=AuthenticationError("the key is rejected"))
    with pytest.raises(AuthenticationError):
        await job(rows, "v.npy", provider)
    assert [path.name for path in Path.cwd().iterdir()] == [rows]


async def test_timeout_is_no_error_of_the_disk(rows: str) -> None:
    provider = Remembers(good=0, failure=RequestTimeoutError("no answer"))
    with pytest.raises(RequestTimeoutError, match="no answer"):
        await job(rows, "v.npy", provider, retry=RetryPolicy(max_attempts=1))


async def test_server_that_stays_down_ends_the_job(rows: str) -> None:
    provider = Remembers(good=2, failure=OverloadedError("busy", status=503))
    with pytest.raises(JobStoppedError, match="busy"):
        await job(rows, "v.npy", provider, limits=ONE_AT_A_TIME, retry=RetryPolicy(max_attempts=1))


async def test_a_job_resumes_with_another_batch_size(rows: str) -> None:
    first = await stopped(rows)
    second = Remembers(batch=7)
    await job(rows, "v.npy", second)
    np.testing.assert_array_equal(np.load("v.npy"), await expected())
    assert set(first.asked).isdisjoint(second.asked)


def change_input(rows: str) -> dict[str, Any]:
    Path(rows).write_text(Path(rows).read_text().replace("row 29", "row 99"))
    return {}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (change_input, "the input has changed (30 rows then, 30 now)"),
        (lambda rows: {"text_column": "id"}, "text_column was 'text' and is 'id'"),
        (lambda rows: {"normalize": True}, "normalize was not set and is True"),
        (lambda rows: {"output": "v.npy", "other": True}, "model was 'test:remembers' and is 'mock:mock'"),
        (lambda rows: {"dims": 16}, "dimensions was 8 and is 16"),
    ],
    ids=["input", "column", "option", "model", "dimensions"],
)
async def test_changed_input_or_settings_are_rejected(
    rows: str, change: Callable[[str], dict[str, Any]], words: str
) -> None:
    await stopped(rows)
    options = change(rows)
    provider: Any = Remembers()
    if options.pop("other", False):
        provider = "mock"
    dims = options.pop("dims", None)
    if dims is not None:
        provider, options = "mock", {"dimensions": dims}
    options.pop("output", None)
    with pytest.raises(JobChangedError, match=re.escape(words)) as caught:
        await run(rows, "v.npy", model=provider, id_column="id", config=Config(), **options)
    assert "delete" in str(caught.value)
    assert Path("v.npy.job/journal").exists(), "the paid work stays"


async def test_profile_and_provider_options_are_settings(rows: str) -> None:
    def config(**options: Any) -> Config:
        fails = {"dim": 8, "error_rate": 0.3, "error_kinds": ["authentication"]}  # from the fourth request on
        known: dict[str, Any] = {"provider_options": fails, "batch_size": 4, "limits": ONE_AT_A_TIME}
        return Config(profiles={"p": Profile(model="mock", **known | options)})

    with pytest.raises(JobStoppedError):
        await run(rows, "v.npy", model="p", id_column="id", config=config())
    with pytest.raises(JobChangedError, match=r"overlong was 'error' and is 'truncate'") as caught:
        await run(
            rows, "v.npy", model="p", id_column="id", config=config(overlong="truncate", provider_options={"dim": 8})
        )
    assert re.search(r"provider_options was '\w{16}' and is '\w{16}'", str(caught.value))


async def test_input_touched_but_not_changed_is_no_change(rows: str) -> None:
    class Touches(Remembers):
        async def embed(self, texts: Any, /, *, kind: Any) -> Any:
            os.utime(rows, ns=(1, 1))
            return await super().embed(texts, kind=kind)

    assert (await job(rows, "v.npy", Touches())).rejected == 4


async def test_input_changed_under_the_job_is_rejected_at_its_end(rows: str) -> None:
    class Changes(Remembers):
        async def embed(self, texts: Any, /, *, kind: Any) -> Any:
            change_input(rows)
            return await super().embed(texts, kind=kind)

    with pytest.raises(JobInputError, match="was changed while it was read"):
        await job(rows, "v.npy", Changes())
    assert [path.name for path in Path.cwd().iterdir()] == [rows], "nobody knows what it was made from"
