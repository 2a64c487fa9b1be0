"""What the processes of a run say to each other, both ends without another process."""

from __future__ import annotations

import asyncio
import ctypes
import io
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import IO, Any

import anyio
import msgspec
import numpy as np
import pytest

from aembed.bench.load.processes import children as parent
from aembed.bench.load.processes import worker
from aembed.bench.load.processes.children import Child, Lost, run_all
from aembed.bench.load.processes.measure import Plan, job_of
from aembed.bench.load.processes.messages import (
    Done,
    FromWorker,
    Go,
    Ready,
    Stop,
    Tick,
    line,
    packed,
    receive,
    unpacked,
)
from aembed.bench.load.share import Share
from aembed.bench.rows.columns import Ints
from aembed.bench.settings import RunSettings
from aembed.bench.subject import SubjectError
from tests.bench import scenarios
from tests.bench.ended import Ended
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


@pytest.mark.skipif(sys.platform != "linux", reason="an option of Linux")
def test_a_worker_asks_to_be_killed_with_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace(prctl=lambda *given: asked.append(given)))
    worker._die_with_parent()
    assert asked == [(1, signal.SIGKILL)]
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace())
    worker._die_with_parent()


def child(said: bytes, errors: bytes = b"", *, heeds: bool = True, number: int = 0) -> tuple[Child, Ended]:
    made, file = Ended(said, heeds=heeds), io.BytesIO()
    file.write(errors)
    if heeds:
        made.kill()
    return Child(Share(number, 2), made, file), made  # type: ignore[arg-type]


@pytest.mark.virtual_time
async def test_a_child_gives_its_ticks_and_its_result() -> None:
    table = np.arange(8).reshape(4, 2)
    done = replace_done(rows=2)
    there, process = child(line(Ready()) + line(Tick(3, 2, 1, 0, 0)) + line(done) + packed(list(table)))
    job: Any = {"job": 1}
    await there.set_up(job, b"schedule")
    assert process.asked == [b'{"job":1}\nschedule']
    seen: list[Tick] = []
    found = await there.result(lambda: seen.append(there.tick))
    assert isinstance(found, tuple)
    assert (found[0], found[1].tolist()) == (done, table.tolist())
    assert seen == [Tick(3, 2, 1, 0, 0)]


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("said", "errors", "words"),
    [
        (b"", b"Traceback\nKeyError: 'a'\n", "KeyError: 'a'"),
        (b'{"type":"tick","offered"', b"x", "x"),
        (line(replace_done(rows=2)) + b"half", b"", "exit code 7"),
    ],
)
async def test_a_child_that_ends_early_is_lost_with_its_last_words(said: bytes, errors: bytes, words: str) -> None:
    there, _ = child(said, errors)
    assert await there.result(lambda: None) == Lost(f"it ended during the run: {words}")
    there, _ = child(line(Tick(0, 0, 0, 0, 0)), errors, number=1)
    with pytest.raises(SubjectError, match=f"process 2 of 2: {words}"):
        await there.set_up({}, b"")  # type: ignore[arg-type]


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("heeds", "history"), [(True, ["killed", "closed", "waited"]), (False, ["closed", "killed", "waited"])]
)
async def test_a_child_gets_two_seconds_to_end(heeds: bool, history: list[str]) -> None:
    there, process = child(b"", heeds=heeds)
    await there.end()
    assert [what for what, _ in process.history] == history
    assert process.history[-1][1] == (0.0 if heeds else 2.0)


class Scripted:
    """A child that needs some time for each thing, and notes what it is sent."""

    def __init__(self, *, ready: float = 0.0, done: float = 0.0, error: str = "") -> None:
        self._ready, self._done, self._error = ready, done, error
        self.sent: list[Any] = []
        self.tick = Tick(0, 0, 0, 0, 0)
        self.cancelled = False

    def send(self, message: object) -> None:
        self.sent.append(message)

    async def set_up(self, job: object, schedule: bytes) -> None:
        self.sent.append((job, schedule))
        await anyio.sleep(self._ready)
        if self._error:
            raise SubjectError(self._error)

    async def result(self, ticked: Callable[[], None]) -> tuple[Done, Ints]:
        self.tick = Tick(7, 6, 0, 1, 0, number=1)
        ticked()
        try:
            await anyio.sleep(self._done)
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return replace_done(seconds=self._done), np.empty((4, 0), dtype=np.int64)


async def ran(found: Sequence[Scripted], **options: Any) -> list[Any]:
    jobs: Any = [(number, b"schedule") for number in range(len(found))]
    given: dict[str, Any] = {"patience": 10.0, "stop": None, "progress": None, **options}
    return await run_all(found, jobs, **given)  # type: ignore[arg-type]


@pytest.mark.virtual_time
async def test_all_start_together_when_the_last_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parent, "time", SimpleNamespace(perf_counter_ns=iter([5, 50_000_005, 2_050_000_005]).__next__))
    told: list[tuple[list[int], float]] = []
    pair = Scripted(ready=1, done=3), Scripted(ready=2, done=2)
    results = await ran(pair, progress=lambda ticks, at: told.append(([tick.offered for tick in ticks], at)))
    assert [each.sent for each in pair] == [[(n, b"schedule"), Go(50_000_005)] for n in range(2)]
    assert [done.seconds for done, _ in results] == [3, 2]
    assert told == [([7, 0], 0.0), ([7, 7], 2.0)]
    assert asyncio.get_running_loop().time() == pytest.approx(5, abs=1e-6)


@pytest.mark.virtual_time
async def test_who_gives_no_result_half_a_minute_after_the_end_is_lost() -> None:
    pair = Scripted(done=39.9), Scripted(done=40.1)
    on_time, late = await ran(pair)
    assert on_time[0].seconds == 39.9
    assert late == Lost("no result 30 s after the end of the run: it is stopped, or its event loop is blocked")
    assert (pair[0].cancelled, pair[1].cancelled) == (False, True)


@pytest.mark.virtual_time
async def test_a_stop_is_passed_on_to_all() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(1, stop.set)
    pair = Scripted(done=3), Scripted(done=2)
    assert len(await ran(pair, stop=stop)) == 2
    assert [each.sent[2:] for each in pair] == [[Stop()]] * 2
    early = Scripted(ready=5), Scripted(ready=5)
    assert await ran(early, stop=stop) == []
    assert [len(each.sent) for each in early] == [1, 1]


@pytest.mark.virtual_time
async def test_the_objective_that_is_broken_stops_all_and_is_judged_from_the_counts_of_all() -> None:
    broken, added = asyncio.Event(), list[tuple[Any, int]]()
    abort = SimpleNamespace(tests=SimpleNamespace(broken=broken), add=lambda *given: added.append(given))
    asyncio.get_running_loop().call_later(1, broken.set)
    pair = Scripted(done=3), Scripted(done=2)
    await ran(pair, abort=abort)
    assert added == [([None, None], 0), ([None, None], 1)]
    assert [each.sent[2:] for each in pair] == [[Stop()]] * 2


@pytest.mark.virtual_time
async def test_the_first_subject_that_fails_ends_the_set_up() -> None:
    with pytest.raises(SubjectError, match="no such luck"):
        await ran([Scripted(ready=100), Scripted(ready=1, error="no such luck")])
    assert asyncio.get_running_loop().time() == pytest.approx(1, abs=1e-6)
    assert len(await ran([Scripted(ready=299)])) == 1
    with pytest.raises(SubjectError, match="not all processes set up their subjects within 300 s"):
        await ran([Scripted(ready=301)])


def test_a_message_names_the_bytes_that_follow() -> None:
    assert replace_done(rows=3, columns=6).size == 144
    assert unpacked(packed([TWO, TWO + 1]), 2).tolist() == [TWO.tolist(), (TWO + 1).tolist()]
