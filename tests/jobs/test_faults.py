"""Jobs interrupted, killed, or out of disk, and journals damaged: nothing is lost, and next to nothing paid twice."""

from __future__ import annotations

import gc
import os
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import anyio
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aembed import Config, Kind, Limits, OverloadedError, Reply, RetryPolicy
from aembed.jobs import JobChangedError, JobProgress, JobStoppedError, run
from tests.full_disk import small_files
from tests.jobs.conftest import REJECTED, expected, mock_vectors, records
from tests.jobs.interrupted import AHEAD, posix, run_job, stopped_job
from tests.jobs.provider import Remembers
from tests.loops import run as run_on_a_loop


async def test_fault_61_cancelled_job_keeps_finished_rows(rows: str) -> None:
    first = Remembers(good=3)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run_job, rows, first)
        await first.stuck.wait()
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert len(first.asked) > 4
    second = Remembers()
    report = await run_job(rows, second)
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
    first, second = run_on_a_loop(stopped_job(rows)), Remembers()
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
        run_on_a_loop(run_job(rows, second))
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
    first, second = await stopped_job(rows), Remembers()
    journal = Path("v.npy.job/journal")
    os.truncate(journal, journal.stat().st_size - 2)
    await run_job(rows, second)
    assert len(set(first.asked) & set(second.asked)) == 4
    np.testing.assert_array_equal(np.load("v.npy"), await expected())


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
