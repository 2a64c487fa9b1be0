"""A worker of a run, served in the loop of the test: the messages to it, and its answers."""

from __future__ import annotations

import asyncio
import ctypes
import io
import os
import runpy
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import IO, Any

import msgspec
import numpy as np
import pytest

from aembed.bench.load.processes import worker
from aembed.bench.load.processes.measure import Plan, job_of
from aembed.bench.load.processes.messages import (
    Done,
    FromWorker,
    Go,
    Ready,
    Stop,
    line,
    packed,
    receive,
    unpacked,
)
from aembed.bench.settings import RunSettings
from tests.bench import scenarios
from tests.bench.test_processes import replace_done

linux = pytest.mark.skipif(sys.platform == "win32", reason="loops of Windows read no pipes")
TWO = np.array([0, 10_000_000])


class Answers:
    """The output of a worker, as far as it was flushed."""

    def __init__(self) -> None:
        self._written = self.sent = b""
        self.ready = asyncio.Event()

    def write(self, data: bytes) -> None:
        self._written += data

    def flush(self) -> None:
        self.sent, self._written = self.sent + self._written, b""
        self.ready.set()


@asynccontextmanager
async def served(
    seconds: float, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Answers, asyncio.Task[None], IO[bytes]]]:
    """A worker in this loop that is ready, and its input."""
    reader, writer = os.pipe()
    monkeypatch.setattr(sys, "stdin", os.fdopen(reader, "rb"))
    [case] = scenarios.ten_ms.cases()
    job = job_of(case, Plan(name="", seconds=seconds, seed=5, times=TWO), RunSettings(), 0, TWO)
    answers = Answers()
    serving = asyncio.create_task(worker._serve(answers))  # type: ignore[arg-type]
    os.write(writer, line(job) + packed([TWO]))
    await answers.ready.wait()
    with os.fdopen(writer, "wb", buffering=0) as there:
        yield answers, serving, there


@linux
@pytest.mark.one_loop
async def test_a_worker_is_ready_goes_and_gives_its_result(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(0.02, monkeypatch) as (answers, serving, there):
        assert answers.sent == line(Ready())
        origin = time.perf_counter_ns() + 1_000_000
        there.write(line(Go(origin)) + line(Go(origin + 10**15)))
        await serving
    stream = asyncio.StreamReader()
    stream.feed_data(answers.sent)
    stream.feed_eof()
    assert await receive(stream, FromWorker) == Ready()
    done = await receive(stream, FromWorker)
    assert isinstance(done, Done)
    assert (done.rows, done.columns, done.size, done.interrupted) == (2, 4, 64, False)
    table = unpacked(await stream.readexactly(done.size), done.columns)
    assert table[0].tolist() == TWO.tolist()
    assert table.shape == (4, 2)
    assert await receive(stream, FromWorker) is None


@linux
@pytest.mark.one_loop
async def test_a_worker_that_is_stopped_gives_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(60.0, monkeypatch) as (answers, serving, there):
        there.write(line(Go(time.perf_counter_ns())) + line(Stop()))
        await serving
    (done,) = [msgspec.json.decode(each, type=FromWorker) for each in answers.sent.split(b"\n")[1:2]]
    assert isinstance(done, Done)
    assert done.interrupted


@linux
@pytest.mark.one_loop
async def test_a_worker_whose_parent_is_gone_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(60.0, monkeypatch) as (answers, serving, there):
        there.close()
        with pytest.raises(asyncio.CancelledError):
            await serving
    assert answers.sent == line(Ready())


@linux
@pytest.mark.one_loop
async def test_a_worker_that_is_given_nothing_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(writer)
    monkeypatch.setattr(sys, "stdin", os.fdopen(reader, "rb"))
    answers = io.BytesIO()
    await worker._serve(answers)
    assert answers.getvalue() == b""


def test_prints_of_a_subject_are_no_messages(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    loops: list[type] = []

    async def serve(answers: Any) -> None:
        loops.append(type(asyncio.get_running_loop()))
        os.write(1, b"noise")
        answers.write(b"message")

    monkeypatch.setattr(worker, "_serve", serve)
    monkeypatch.setattr(worker, "_die_with_parent", lambda: os.write(2, b"dies with its parent; "))
    monkeypatch.setattr(sys, "argv", ["worker", "asyncio:new_event_loop"])
    output = os.dup(1)
    try:
        worker.main()
    finally:
        os.dup2(output, 1)
        os.close(output)
    assert capfd.readouterr() == ("message", "dies with its parent; noise")
    assert issubclass(loops[0], asyncio.BaseEventLoop)


def test_the_file_of_a_worker_is_its_main_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace())
    monkeypatch.setattr(sys, "argv", ["worker", "no_such_module:loop"])
    output = os.dup(1)
    try:
        with pytest.raises(ModuleNotFoundError, match="no_such_module"):
            runpy.run_path(worker.__file__, run_name="__main__")
    finally:
        os.dup2(output, 1)
        os.close(output)


@pytest.mark.skipif(sys.platform != "linux", reason="an option of Linux")
def test_a_worker_asks_to_be_killed_with_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace(prctl=lambda *given: asked.append(given)))
    worker._die_with_parent()
    assert asked == [(1, signal.SIGKILL)]
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace())
    worker._die_with_parent()


def test_a_message_names_the_bytes_that_follow() -> None:
    assert replace_done(rows=3, columns=6).size == 144
    assert unpacked(packed([TWO, TWO + 1]), 2).tolist() == [TWO.tolist(), (TWO + 1).tolist()]
