"""Stalls and their causes: from clocks that say what happened. What needs a machine is among the tests of truth."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
import time
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import anyio
import pytest

from aembed.bench.load.lag import BEAT, STDLIB, Beat, Pulse, Watchdog, explain, line_of
from aembed.bench.model.under_load import Cause

MS = 1_000_000
START = 1_000 * MS


def late(cpu: int = 0, queued: int = 0) -> Pulse:
    """A beat that came 100 ms late, and what the clocks counted meanwhile, in ms."""
    return Pulse(gaps=[(Beat(START, 0, 0), Beat(START + 110 * MS, cpu * MS, queued * MS))])


@pytest.mark.parametrize(
    ("pulse", "cause"),
    [
        (late(cpu=100), "cpu"),
        (late(cpu=40, queued=30), "cpu"),
        (late(cpu=3), "blocked"),
        (late(queued=100), "descheduled"),
        (late(cpu=30, queued=60), "descheduled"),
    ],
)
def test_the_cause_of_a_stall(pulse: Pulse, cause: Cause) -> None:
    (stall,) = explain(pulse, origin=0, is_reported=True)
    assert stall.cause == cause
    assert (stall.at, stall.seconds) == pytest.approx((1.01, 0.1))
    assert explain(pulse, origin=0, is_reported=False)[0].cause == "unknown"


def test_a_process_that_was_stopped_is_the_machine() -> None:
    """The thread neither ran nor waited, and neither did the watchdog."""
    pulse = late(cpu=2)
    pulse.stops.append((START + 8 * MS, START + 105 * MS))
    (stall,) = explain(pulse, origin=START, is_reported=True)
    assert (stall.cause, stall.line) == ("descheduled", None)
    assert stall.queued == pytest.approx(0.097)
    pulse.stops[:] = [(START - 500 * MS, START)]  # another time
    assert explain(pulse, origin=START, is_reported=True)[0].cause == "blocked"


def test_a_stall_that_was_over_before_the_run_is_none_of_it() -> None:
    """The subject was opened, and its modules were imported."""
    pulse = late(cpu=100)
    ((_, after),) = pulse.gaps
    assert explain(pulse, origin=after.wall, is_reported=True) == ()
    assert len(explain(pulse, origin=after.wall - MS, is_reported=True)) == 1


def test_the_line_is_that_of_the_stall() -> None:
    pulse = late(cpu=100)
    pulse.lines += [(START - MS, "before"), (START + 50 * MS, "mine.py:7 in f"), (START + 900 * MS, "after")]
    assert explain(pulse, origin=0, is_reported=True)[0].line == "mine.py:7 in f"
    pulse.collections.append((START + 20 * MS, START + 90 * MS))
    assert explain(pulse, origin=0, is_reported=True)[0].line == "garbage collection"


def test_lines_are_those_outside_the_standard_library() -> None:
    """The line that made a thread wait inside ``threading`` is named."""
    ready, over = threading.Event(), threading.Event()

    def waits() -> None:
        ready.set()
        over.wait()

    thread = threading.Thread(target=waits)
    thread.start()
    ready.wait()
    line = line_of(sys._current_frames()[thread.ident or 0])
    over.set()
    thread.join()
    assert "test_lag.py" in line
    assert line.endswith("in waits")
    assert line_of(None) == "unknown"


@pytest.mark.virtual_time
async def test_a_watched_loop_is_measured_from_beat_to_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clocks that follow virtual time: every figure is exact."""
    loop = asyncio.get_running_loop()
    clocks = SimpleNamespace(
        perf_counter_ns=lambda: round(loop.time() * 1e9), thread_time_ns=lambda: round(loop.time() * 1e9 / 4)
    )
    monkeypatch.setattr(sys.modules[Watchdog.__module__], "time", clocks)
    with Watchdog() as watchdog:
        await anyio.sleep(5.5 * BEAT)
        clocks.perf_counter_ns = lambda: round(loop.time() * 1e9) + 100 * MS  # the last look comes late
    use = watchdog.use()
    assert use.pings == 6  # five beats, and the look at the end
    assert (use.seconds, use.cpu) == pytest.approx((5.5 * BEAT + 0.1, 5.5 * BEAT / 4))
    assert use.slowest_ping == pytest.approx(0.1 - BEAT / 2)
    (stall,) = watchdog.stalls(0)
    assert stall.seconds == pytest.approx(use.slowest_ping)


async def test_a_watched_loop_is_as_before_when_the_block_ends() -> None:
    threads, callbacks = threading.active_count(), list(gc.callbacks)
    with Watchdog():
        assert threading.active_count() == threads + 1
        assert len(gc.callbacks) == len(callbacks) + 1
    assert (threading.active_count(), gc.callbacks) == (threads, callbacks)


async def test_a_long_stall_is_seen_however_the_machine_is() -> None:
    """The loop's thread waits for another thread; that this takes some time is all it needs."""
    over, done = threading.Event(), threading.Event()

    def wait_for_line() -> None:
        while not watchdog.pulse.lines and not done.wait(BEAT):
            pass
        over.set()

    with Watchdog() as watchdog:
        helper = threading.Thread(target=wait_for_line)
        helper.start()
        over.wait(60)
        done.set()
        helper.join()
    assert watchdog.stalls(0)
    assert watchdog.pulse.lines[0][1].endswith("in test_a_long_stall_is_seen_however_the_machine_is")


async def test_a_beat_is_a_stall_from_twenty_milliseconds_late(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [Beat(0, 0, 0)]
    monkeypatch.setattr(Watchdog, "_read", lambda _: clock[-1])
    with Watchdog() as watchdog:
        for took, found in ((10, 0), (29, 0), (30, 1), (31, 2)):
            clock.append(Beat(clock[-1].wall + took * MS, clock[-1].cpu + MS, 0))
            watchdog._look()
            assert len(watchdog.pulse.gaps) == found
        before, after = watchdog.pulse.gaps[0]
        assert after.wall - before.wall == 30 * MS
    use = watchdog.use()
    assert use.seconds == pytest.approx(0.1)
    assert use.cpu == pytest.approx(0.004)
    assert use.slowest_ping == pytest.approx(0.021)


def test_a_collection_is_the_cause_from_half_of_the_stall_on() -> None:
    pulse = late(cpu=100)
    pulse.lines.append((START + 50 * MS, "mine.py:7 in f"))
    pulse.collections.append((START + 20 * MS, START + 69 * MS))
    assert explain(pulse, origin=0, is_reported=True)[0].line == "mine.py:7 in f"
    pulse.collections.append((START + 70 * MS, START + 72 * MS))
    assert explain(pulse, origin=0, is_reported=True)[0].line == "garbage collection"


@pytest.mark.parametrize(("took", "kept"), [(MS, False), (MS + 1, True)])
async def test_collections_longer_than_a_millisecond_are_kept(
    took: int, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([START, START + took])
    watchdog = Watchdog()
    monkeypatch.setattr(time, "perf_counter_ns", lambda: next(clock))
    watchdog._collected("start", {})
    watchdog._collected("stop", {})
    monkeypatch.undo()
    assert watchdog.pulse.collections == ([(START, START + took)] if kept else [])


def frame_in(*files: str) -> FrameType:
    """The innermost frame of functions in these files, the first of which calls the next."""
    inner: Any = sys._getframe
    for number, file in enumerate(reversed(files)):
        names: dict[str, Any] = {"inner": inner}
        exec(compile(f"\n\ndef f{number}(): return inner()", file, "exec"), names)  # noqa: S102
        inner = names[f"f{number}"]
    found: FrameType = inner()
    return found


@pytest.mark.parametrize(
    ("files", "line"),
    [
        (("mine.py",), "mine.py:3 in f0"),
        (("mine.py", f"{STDLIB}/queue.py", "<frozen importlib>"), "mine.py:3 in f2"),
        (
            ("mine.py", f"{STDLIB}/site-packages/theirs.py"),
            "site-packages/theirs.py:3 in f0, called by mine.py:3 in f1",
        ),
        (
            ("mine.py", f"{STDLIB}/site-packages/theirs.py", f"{STDLIB}/queue.py"),
            "theirs.py:3 in f1, called by mine.py:3 in f2",
        ),
    ],
)
def test_installed_packages_are_no_part_of_the_standard_library(files: tuple[str, ...], line: str) -> None:
    assert line_of(frame_in(*files)).endswith(line)


def test_within_the_standard_library_it_is_the_innermost_line() -> None:
    alone = SimpleNamespace(f_code=SimpleNamespace(co_filename=f"{STDLIB}/a.py", co_name="f"), f_lineno=4, f_back=None)
    assert line_of(alone) == f"{STDLIB}/a.py:4 in f"  # type: ignore[arg-type]


@pytest.mark.parametrize(("is_reported", "cpu", "queued"), [(True, 0.03, 0.045), (False, 0.03, None)])
def test_a_stall_in_figures(is_reported: bool, cpu: float, queued: float | None) -> None:
    """110 ms since the last beat, 100 of them too late; 20 ms in which the process was stopped count as queued."""
    pulse = late(cpu=30, queued=25)
    pulse.stops += [(START - 10 * MS, START + 10 * MS), (START + 100 * MS, START + 200 * MS)]
    (stall,) = explain(pulse, origin=START - 990 * MS, is_reported=is_reported)
    assert (stall.at, stall.seconds, stall.cpu) == pytest.approx((1.0, 0.1, cpu))
    assert stall.queued == (None if queued is None else pytest.approx(queued))


def test_looks_at_the_edges_of_a_stall() -> None:
    pulse = late(cpu=100)
    pulse.lines += [(START, "with the beat before"), (START + 110 * MS, "with the late one")]
    assert explain(pulse, origin=0, is_reported=True)[0].line == "with the late one"


async def test_waits_for_a_core_are_known_only_where_the_system_reports_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [Beat(0, 0, 0)]
    monkeypatch.setattr(Watchdog, "_read", lambda _: clock[-1])
    clock[0] = Beat(1_000 * MS, 100 * MS, 50 * MS)
    with Watchdog() as watchdog:
        is_reported = watchdog._schedstat is not None
        clock.append(Beat(3_000 * MS, 600 * MS, 300 * MS))
    use = watchdog.use()
    assert (use.seconds, use.cpu, use.queued) == (2.0, 0.5, 0.25 if is_reported else None)
    watchdog._schedstat = None
    assert watchdog.use().queued is None
    assert [stall.cause for stall in watchdog.stalls(0)] == ["unknown"]


async def test_collections_of_other_threads_are_not_the_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    watchdog = Watchdog()

    def elsewhere() -> None:
        watchdog._collected("start", {})
        watchdog._collection = 0
        watchdog._collected("stop", {})

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert watchdog.pulse.collections == []


@pytest.mark.parametrize(("text", "queued"), [("7 1234 9\n", 1234), (None, 0)])
def test_a_beat_reads_how_long_the_thread_was_kept_from_running(
    text: str | None, queued: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second number of the thread's schedstat, read again from its beginning each time."""
    reader = SimpleNamespace(_schedstat=None)
    if text is not None:
        (tmp_path / "schedstat").write_text(text)
        reader._schedstat = os.open(tmp_path / "schedstat", os.O_RDONLY)
    beats = [Watchdog._read(reader) for _ in range(2)]  # type: ignore[arg-type]
    if reader._schedstat is not None:
        os.close(reader._schedstat)
    assert [beat.queued for beat in beats] == [queued] * 2
