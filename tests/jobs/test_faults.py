"""Jobs interrupted, killed, or out of disk, and journals damaged: nothing is lost, and next to nothing paid twice."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import anyio
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aembed import AuthenticationError, Config, EmbedderFactory, Kind, Limits, OverloadedError, Reply, RetryPolicy
from aembed.jobs import JobChangedError, JobProgress, JobStoppedError, run
from aembed.jobs.directory import JobDirectory
from aembed.testing import LoopbackServer
from aembed.testing.server.request_handler import RequestHandler
from tests.full_disk import small_files
from tests.jobs import kills
from tests.jobs.conftest import REJECTED, expected, mock_vectors, records
from tests.jobs.provider import Remembers
from tests.loops import run as run_on_a_loop

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs signals")

AHEAD = 2
"""Chunks that are begun while all slots are taken."""


# --- 61: Ctrl-C


async def test_fault_61_cancelled_job_keeps_finished_rows(rows: str) -> None:
    first = Remembers(good=3)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_job, rows, first)
        await first.stuck.wait()
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert len(first.asked) > 4
    second = Remembers()
    report = await _job(rows, second)
    assert report.resumed >= len(first.asked)
    assert set(first.asked).isdisjoint(second.asked)
    np.testing.assert_array_equal(np.load("v.npy"), await expected())


@pytest.mark.parametrize("output", ["v.jsonl", "v.parquet"])
async def test_fault_61_output_left_half_written_is_not_written_to_later(output: str) -> None:
    """pyarrow completes a file that was left open when it collects it, and shows the traceback to the user."""
    if output.endswith(".parquet"):
        pytest.importorskip("pyarrow", reason="needs the extra parquet")
    Path("t.txt").write_text("".join(f"line {i}\n" for i in range(20_000)))
    with anyio.CancelScope() as scope:

        def leave(now: JobProgress) -> None:
            if now.phase == "writing":
                scope.cancel()

        await run("t.txt", output, model="mock", dimensions=256, config=Config(), on_progress=leave)
    assert scope.cancelled_caught
    gc.collect()
    report = await run("t.txt", output, model="mock", dimensions=256, config=Config())
    assert report.resumed == 20_000


async def _job(rows: str, provider: Remembers) -> Any:
    return await run(rows, "v.npy", model=provider, id_column="id", config=Config(), limits=Limits(max_concurrency=1))


@posix
def test_fault_61_ctrl_c_reports_the_finished_rows_and_the_same_command_resumes() -> None:
    """A model whose second request takes forever gets through six texts in three runs."""
    pytest.importorskip("typer", reason="needs the extra cli")
    from tests.cli.terminal import Terminal

    Path("aembed.toml").write_text(
        '[profiles.tired]\nmodel = "mock"\nbatch_size = 2\ntimeout = 86400.0\nlimits = { max_concurrency = 1 }\n'
        "provider_options = { latency = 0.001, degradation = 1e9 }\n"
    )
    Path("t.txt").write_text("".join(f"line {i}\n" for i in range(6)))
    for done in (2, 4):
        terminal = Terminal("embed", "t.txt", "-o", "v.npy", "-m", "tired")
        terminal.show(f"{done}/6")
        terminal.type(b"\x03")
        assert terminal.leave() == 130
        assert f"interrupted; {done} of 6 rows are done: run the same command again to resume" in terminal.screen
        assert "Traceback" not in terminal.screen
        assert not Path("v.npy").exists()
    terminal = Terminal("embed", "t.txt", "-o", "v.npy", "-m", "tired")
    assert terminal.leave() == 0
    assert "4 rows from earlier runs" in terminal.screen
    np.testing.assert_array_equal(
        np.load("v.npy"), run_on_a_loop(mock_vectors([f"line {i}" for i in range(6)], dim=128))
    )
    assert not Path("v.npy.job").exists()


# --- 62: SIGKILL


@posix
@pytest.mark.parametrize(
    ("output", "count"), [("v.npy", 12), ("v.jsonl", 12), ("v.parquet", 12)], ids=["npy", "jsonl", "parquet"]
)
def test_fault_62_killed_anywhere_and_resumed(output: str, count: int, tmp_path: Path) -> None:
    """The output equals that of an uninterrupted job, and only texts in flight are billed twice."""
    if output.endswith(".parquet"):
        pytest.importorskip("pyarrow", reason="needs the extra parquet")
    found = _kill(tmp_path, output, count, seed=62)
    assert sum(job["kills"] for job in found["jobs"]) >= count
    for job in found["jobs"]:
        assert (job["ended"], job["same"], job["same_rejects"], job["left"]) == (True, True, True, [])
        assert set(job["billed"]) == set(found["once"])
        again = len(job["billed"]) - len(found["once"])
        assert again <= job["kills"] * (kills.SLOTS + AHEAD) * kills.BATCH


@posix
@pytest.mark.parametrize("output", ["v.npy", "v.jsonl", "v.parquet"])
@pytest.mark.parametrize("mode", ["files", "shards", "pieces"])
def test_fault_124_killed_with_several_files_with_shards_and_with_pieces(
    output: str, mode: str, tmp_path: Path
) -> None:
    if output.endswith(".parquet"):
        pytest.importorskip("pyarrow", reason="needs the extra parquet")
    if mode == "pieces" and output == "v.npy":
        pytest.skip("pieces need columns")
    found = _kill(tmp_path, output, 6, mode, seed=124)
    for job in found["jobs"]:
        assert (job["ended"], job["same"], job["same_rejects"], job["left"]) == (True, True, True, [])
        assert set(job["billed"]) == set(found["once"])
        again = len(job["billed"]) - len(found["once"])
        assert again <= job["kills"] * (kills.SLOTS + AHEAD) * kills.BATCH


@posix
def test_fault_62_killed_while_the_machine_loses_the_last_writes(tmp_path: Path) -> None:
    for job in _kill(tmp_path, "v.npy", 15, "damage", seed=63)["jobs"]:
        assert (job["ended"], job["same"], job["same_rejects"], job["left"]) == (True, True, True, [])


@posix
@pytest.mark.parametrize(
    ("mode", "output"),
    [
        ("update", "v.npy"),
        ("update", "v.parquet"),
        ("keep", "v.npy"),
        ("keep", "v.jsonl"),
        ("keep", "v.parquet"),
        ("several", "v.jsonl"),
        ("retry", "v.npy"),
        ("retry", "v.jsonl"),
    ],
)
def test_fault_124_killed_anywhere_and_resumed(mode: str, output: str, tmp_path: Path) -> None:
    """Updates, several outputs and retried rejects end as without a kill, and pay for nothing twice."""
    if output.endswith(".parquet"):
        pytest.importorskip("pyarrow", reason="needs the extra parquet")
    found = _kill(tmp_path, output, 8, mode, seed=124)
    assert sum(job["kills"] for job in found["jobs"]) >= 8
    for job in found["jobs"]:
        assert (job["ended"], job["same"], job["same_rejects"], job["left"]) == (True, True, True, [])
        assert set(job["billed"]) == set(found["once"])
        again = len(job["billed"]) - len(found["once"])
        assert again <= job["kills"] * (kills.SLOTS + AHEAD) * kills.BATCH
    if mode in {"update", "keep"}:
        assert len(found["once"]) < kills.ROWS // 2 + 5
    if mode == "retry":
        assert all("unspeakable" in text for text in found["once"])


def _kill(place: Path, output: str, count: int, *options: str, seed: int) -> Any:
    program = [sys.executable, "-W", "error", kills.__file__, str(place), output, str(count), str(seed), *options]
    ended = subprocess.run(program, capture_output=True, check=True, timeout=600)
    return json.loads(ended.stdout)


@pytest.mark.one_loop
@posix
async def test_fault_62_command_killed_by_the_request_it_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server kills its client in the moment a request comes in, and counts its answers."""
    pytest.importorskip("typer", reason="needs the extra cli")
    texts = [f"line {i}" for i in range(60)]
    Path("t.txt").write_text("\n".join(texts))
    lot, slots, batch = Random(62), 3, 5
    victim: list[asyncio.subprocess.Process] = []
    arrived: list[int] = []
    answer = RequestHandler.answer

    def deadly(handler: RequestHandler, request: Any, number: int, now: float) -> Any:
        arrived.append(number)
        if victim and len(arrived) == fatal:
            victim[0].kill()
        return answer(handler, request, number, now)

    monkeypatch.setattr(RequestHandler, "answer", deadly)
    async with LoopbackServer("openai", dim=8) as server:
        Path("aembed.toml").write_text(
            f'[profiles.here]\nmodel = "openai:any"\nbase_url = "{server.base_url}"\ndimensions = 8\n'
            f"batch_size = {batch}\nlimits = {{ max_concurrency = {slots} }}\n"
        )
        monkeypatch.setenv("AEMBED_CONFIG", "aembed.toml")
        command = [sys.executable, "-c", "from aembed.cli import main; main()"]
        died = 0
        for _ in range(3):
            arrived.clear()
            fatal = lot.randrange(1, 5)
            process = await asyncio.create_subprocess_exec(*command, "embed", "t.txt", "-o", "v.npy", "-m", "here")
            victim[:] = [process]
            died += await process.wait() == -signal.SIGKILL
        victim.clear()
        process = await asyncio.create_subprocess_exec(*command, "embed", "t.txt", "-o", "v.npy", "-m", "here")
        assert await process.wait() == 0
        billed = server.counters.inputs
    assert died == 3
    assert len(texts) <= billed <= len(texts) + died * (slots + AHEAD) * batch
    async with LoopbackServer("openai", dim=8) as server, EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder("openai:any", base_url=server.base_url, dimensions=8)
        np.testing.assert_array_equal(np.load("v.npy"), await embedder.embed_documents(texts))


async def test_fault_62_killed_when_all_was_in_place(rows: str) -> None:
    """Only a journal remains, which says that the job is complete: nothing is requested again."""
    await _begin(rows)
    journal = Path("v.npy.job/journal")
    provider = Remembers()
    keep = Path("journal-kept")

    unlink = JobDirectory.unlink

    def copy_first(directory: JobDirectory, *names: str) -> None:
        if "journal" in names:
            shutil.copy(journal, keep)
        unlink(directory, *names)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JobDirectory, "unlink", copy_first)
        await _job(rows, Remembers())
    journal.parent.mkdir()
    keep.rename(journal)
    report = await _job(rows, provider)
    assert provider.asked == []
    assert (report.rejected, report.rows, report.resumed) == (4, 30, 30)
    assert not journal.parent.exists()
    np.testing.assert_array_equal(np.load("v.npy"), await expected())


# --- 63: disk full, torn tail


async def _begin(rows: str) -> Remembers:
    provider = Remembers(good=4, failure=AuthenticationError("the key is rejected"))
    with pytest.raises(JobStoppedError):
        await _job(rows, provider)
    return provider


@posix
async def test_fault_63_full_disk_ends_the_job_and_it_resumes() -> None:
    texts = [f"line {i}" for i in range(500)]
    Path("t.txt").write_text("\n".join(texts))
    first, second = Remembers(batch=20, dim=64), Remembers(batch=20, dim=64)
    with small_files(80_000), pytest.raises(JobStoppedError, match=r"cannot be written: .*free some space") as caught:
        await run("t.txt", "v.npy", model=first, config=Config(), limits=Limits(max_concurrency=1))
    assert isinstance(caught.value.__cause__, OSError)
    kept = caught.value.done
    assert 200 <= kept < 500
    report = await run("t.txt", "v.npy", model=second, config=Config(), limits=Limits(max_concurrency=1))
    assert report.resumed == kept
    assert len(second.asked) == 500 - kept
    assert len(first.asked) <= kept + 20 * (1 + AHEAD)
    np.testing.assert_array_equal(np.load("v.npy"), await mock_vectors(texts, 64))


@posix
async def test_fault_63_disk_full_while_the_output_is_put_together(rows: str) -> None:
    first, second = Remembers(batch=100), Remembers()
    with small_files(1500), pytest.raises(JobStoppedError, match="30 of 30 rows are done"):
        await run(rows, "v.jsonl", model=first, id_column="id", config=Config())
    await run(rows, "v.jsonl", model=second, id_column="id", config=Config())
    assert second.asked == []
    assert len(records("v.jsonl")) == 26


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    file=st.sampled_from(["journal", "vectors.npy"]),
    at=st.floats(0, 1, exclude_max=True),
    damage=st.sampled_from(["cut", "flip", "zeros"]),
)
def test_fault_63_damage_is_found_by_checksum(rows: str, file: str, at: float, damage: str) -> None:
    """The output is right wherever the damage is, and intact batches are not requested again."""
    shutil.rmtree("v.npy.job", ignore_errors=True)
    Path("v.npy").unlink(missing_ok=True)
    first, second = run_on_a_loop(_begin(rows)), Remembers()
    path = Path("v.npy.job") / file
    content = bytearray(path.read_bytes())
    place = int(at * len(content))
    if damage == "cut":
        del content[place:]
    elif damage == "flip":
        content[place] ^= 0x20
    else:
        content[place:] = bytes(len(content) - place)
    path.write_bytes(content)
    try:
        run_on_a_loop(_job(rows, second))
    except JobChangedError as error:
        head = content.index(b"\n") if b"\n" in content else len(content)
        assert file == "journal"
        assert place <= head
        assert "damaged" in str(error)
        return
    np.testing.assert_array_equal(np.load("v.npy"), run_on_a_loop(expected()))
    twice = Counter(first.asked) & Counter(second.asked)
    if damage == "flip":
        assert twice.total() <= 4, "one chunk at most"


async def test_fault_63_torn_tail_costs_one_chunk(rows: str) -> None:
    first, second = await _begin(rows), Remembers()
    journal = Path("v.npy.job/journal")
    os.truncate(journal, journal.stat().st_size - 2)
    await _job(rows, second)
    assert len(set(first.asked) & set(second.asked)) == 4
    np.testing.assert_array_equal(np.load("v.npy"), await expected())


# --- 84: a text that makes the server fail


@pytest.mark.parametrize("bad", [{7}, {0, 6}, {1, 2, 5, 9, 29}, {29}], ids=str)
@pytest.mark.parametrize("batch", [1, 7, 8, 100])
async def test_fault_84_texts_that_make_the_server_fail_are_listed_and_the_job_continues(
    rows: str, bad: set[int], batch: int
) -> None:
    """Also two in the halves of one batch, and one that is a batch by itself."""

    class Crashing(Remembers):
        async def embed(self, texts: Sequence[str], /, *, kind: Kind) -> Reply:
            if not {f"row {number}" for number in bad}.isdisjoint(texts):
                raise OverloadedError("the server crashed", status=500)
            return await super().embed(texts, kind=kind)

    retry = RetryPolicy(max_attempts=2, initial_delay=1e-3)
    report = await run(rows, "v.npy", model=Crashing(batch=batch), id_column="id", config=Config(), retry=retry)
    assert report.rejects is not None
    rejects = {reject["row"] - 1: reject["error"] for reject in records(str(report.rejects))}
    assert sorted(rejects) == sorted({*REJECTED, *bad})
    assert {rejects[row] for row in bad - set(REJECTED)} == {"OverloadedError"}
    vectors = np.load("v.npy")
    good = [row for row in range(30) if row not in rejects]
    np.testing.assert_array_equal(vectors[good], await mock_vectors([f"row {row}" for row in good]))
