"""Jobs killed at any moment, and resumed: nothing is lost, and next to nothing is paid twice."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from aembed import Config, EmbedderFactory
from aembed.jobs.directory import JobDirectory
from aembed.testing import LoopbackServer
from aembed.testing.server.request_handler import RequestHandler
from tests.jobs import kills
from tests.jobs.conftest import expected
from tests.jobs.interrupted import AHEAD, posix, run_job, stopped_job
from tests.jobs.provider import Remembers

KILLS = 8
"""The fewest of each kind of job."""
SEED = 62
MODES = ["plain", "files", "shards", "pieces", "update", "keep", "retry", "several"]


@posix
@pytest.mark.parametrize("output", ["v.npy", "v.jsonl", "v.parquet"])
def test_fault_62_124_killed_anywhere_and_resumed(output: str, tmp_path: Path) -> None:
    """Each kind of job ends as it would without a kill, and only texts in flight are billed twice."""
    if output.endswith(".parquet"):
        pytest.importorskip("pyarrow", reason="needs the extra parquet")
    modes = [mode for mode in MODES if mode != "pieces" or output != "v.npy"]  # pieces need columns
    results = _kill(tmp_path, output, *modes)
    for mode, found in results.items():
        assert sum(job["kills"] for job in found["jobs"]) >= KILLS, mode
        for job in found["jobs"]:
            _check_whole(job, mode)
            assert set(job["billed"]) == set(found["once"]), mode
            again = len(job["billed"]) - len(found["once"])
            assert again <= job["kills"] * (kills.SLOTS + AHEAD) * kills.BATCH, mode
    assert len(results["update"]["once"]) < kills.ROWS // 2 + 5
    assert len(results["keep"]["once"]) < kills.ROWS // 2 + 5
    assert all("unspeakable" in text for text in results["retry"]["once"])


@posix
def test_fault_62_killed_while_the_machine_loses_the_last_writes(tmp_path: Path) -> None:
    for job in _kill(tmp_path, "v.npy", "damage", count=15)["damage"]["jobs"]:
        _check_whole(job, "damage")


def _check_whole(job: Any, mode: str) -> None:
    found = job["ended"], job["same"], job["same_rejects"], job["left"]
    assert found == (True, True, True, []), f"{mode}: {job}"


def _kill(place: Path, output: str, *modes: str, count: int = KILLS) -> Any:
    """Results by mode, with at least so many kills of each."""
    program = [sys.executable, "-W", "error", kills.__file__, str(place), output, str(count), str(SEED), *modes]
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
        for _ in range(2):
            arrived.clear()
            fatal = lot.randrange(1, 5)
            process = await asyncio.create_subprocess_exec(*command, "embed", "t.txt", "-o", "v.npy", "-m", "here")
            victim[:] = [process]
            died += await process.wait() == -signal.SIGKILL
        victim.clear()
        process = await asyncio.create_subprocess_exec(*command, "embed", "t.txt", "-o", "v.npy", "-m", "here")
        assert await process.wait() == 0
        billed = server.counters.inputs
    assert died == 2
    assert len(texts) <= billed <= len(texts) + died * (slots + AHEAD) * batch
    async with LoopbackServer("openai", dim=8) as server, EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder("openai:any", base_url=server.base_url, dimensions=8)
        np.testing.assert_array_equal(np.load("v.npy"), await embedder.embed_documents(texts))


async def test_fault_62_killed_when_all_was_in_place(rows: str) -> None:
    """Only a journal remains, which says that the job is complete: nothing is requested again."""
    await stopped_job(rows)
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
        await run_job(rows, Remembers())
    journal.parent.mkdir()
    keep.rename(journal)
    report = await run_job(rows, provider)
    assert provider.asked == []
    assert (report.rejected, report.rows, report.resumed) == (4, 30, 30)
    assert not journal.parent.exists()
    np.testing.assert_array_equal(np.load("v.npy"), await expected())
