"""A loop thread and the calls on it: how each begins, and every way in which it ends."""

from __future__ import annotations

import asyncio
import inspect
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import anyio.lowlevel
import pytest

from aembed import ClosedError
from aembed._sync.thread import LoopThread, ThreadCall


@pytest.fixture
def thread() -> Iterator[LoopThread]:
    made = LoopThread()
    yield made
    made.end()
    assert not made._thread.is_alive()


async def seven() -> int:
    return 7


class Waiting:
    """A call that waits until it is let go, and notes when it has begun and that it has ended."""

    def __init__(self) -> None:
        self.has_begun = threading.Event()
        self.has_ended = False
        self._go = asyncio.Event()
        self.call = ThreadCall(self._wait())

    async def _wait(self) -> int:
        self.has_begun.set()
        try:
            await self._go.wait()
        finally:
            for _ in range(20):
                await anyio.lowlevel.cancel_shielded_checkpoint()
            self.has_ended = True
        return 7

    def begin(self, thread: LoopThread) -> ThreadCall[int]:
        assert self.call.submit(thread)
        assert self.has_begun.wait(60)
        return self.call

    def let_go(self, thread: LoopThread) -> None:
        thread.do(self._go.set)


class Held:
    """``with``: the loop runs nothing else meanwhile."""

    def __init__(self, thread: LoopThread) -> None:
        self._thread, self._held, self._go = thread, threading.Event(), threading.Event()

    def _hold(self) -> None:
        self._held.set()
        self._go.wait(60)

    def __enter__(self) -> None:
        self._thread.do(self._hold)
        assert self._held.wait(60)

    def __exit__(self, *_: object) -> None:
        self._go.set()


def is_closed(call: ThreadCall[Any]) -> bool:
    return inspect.getcoroutinestate(call._coroutine) == inspect.CORO_CLOSED


def test_a_call_has_a_result_and_is_in_flight_no_longer(thread: LoopThread) -> None:
    call = ThreadCall(seven())
    told = [call.is_submitted, call.submit(thread), call.is_submitted]
    assert told == [False, True, True]
    assert call.result() == 7
    assert call.result() == 7
    assert thread.calls == set()


def test_a_call_in_flight_is_waited_for_so_long(thread: LoopThread) -> None:
    waiting = Waiting()
    call = waiting.begin(thread)
    assert thread.calls == {call}
    ended = []
    call.wait_for(0.001)
    ended.append(waiting.has_ended)
    waiting.let_go(thread)
    call.wait_for(60)
    ended.append(waiting.has_ended)
    assert ended == [False, True]
    call.wait()
    assert call.result() == 7


def test_an_error_is_raised_where_it_is_waited_for_and_logged_nowhere(
    thread: LoopThread, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    call = ThreadCall(fail())
    assert call.submit(thread)
    with pytest.raises(ZeroDivisionError):
        call.result()
    assert thread.end_if_idle()
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_an_error_that_ends_the_program_ends_the_loop_as_well(
    thread: LoopThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even before the caller has noticed that the loop is woken: the call is over, and runs on no other loop."""

    async def leave() -> None:
        raise SystemExit(3)

    wake = thread._wake

    def wake_late() -> None:
        with suppress(RuntimeError):
            wake()
        thread.join()
        wake()

    monkeypatch.setattr(thread, "_wake", wake_late)
    call = ThreadCall(leave())
    assert call.submit(thread)
    with pytest.raises(SystemExit):
        call.result()
    thread.join()
    assert thread.is_ending
    assert thread.loop.is_closed()
    later = ThreadCall(seven())
    assert not later.submit(thread)
    later.discard()


@pytest.mark.parametrize("end", [lambda call, thread: call.cancel(), lambda call, thread: thread.end()])
def test_a_call_that_is_cut_off_ends_in_an_error(
    thread: LoopThread, end: Callable[[ThreadCall[int], LoopThread], None]
) -> None:
    waiting = Waiting()
    call = waiting.begin(thread)
    end(call, thread)
    with pytest.raises(ClosedError, match="Repeat the call"):
        call.result()
    assert waiting.has_ended
    assert thread.calls == set()


def test_a_call_may_be_cancelled_before_its_first_step(thread: LoopThread) -> None:
    call = ThreadCall(seven())
    with Held(thread):
        assert call.submit(thread)
        call.cancel()
    if sys.version_info < (3, 12):
        with pytest.raises(ClosedError, match="Repeat the call"):
            call.result()
    call.wait()
    assert is_closed(call)
    assert thread.calls == set()


def test_a_call_is_cancelled_although_the_loop_was_not_woken_for_it(thread: LoopThread) -> None:
    """Ctrl-C may come between the two."""
    waiting = Waiting()
    thread._is_woken = True
    assert waiting.call.submit(thread)
    waiting.call.cancel()
    with pytest.raises(ClosedError):
        waiting.call.result()
    assert ThreadCall(seven()).submit(thread)


def test_cancelling_a_call_that_is_over_or_never_began_changes_nothing(thread: LoopThread) -> None:
    call, never = ThreadCall(seven()), ThreadCall(seven())
    never.cancel()
    assert call.submit(thread)
    assert call.result() == 7
    call.cancel()
    assert call.result() == 7
    never.discard()
    assert is_closed(never)


async def test_a_call_that_need_not_wait_ends_at_once_where_tasks_can_be_eager() -> None:
    call = ThreadCall(seven())
    call.start(asyncio.get_running_loop())
    assert call._ended.locked() is (sys.version_info < (3, 12))
    await anyio.lowlevel.checkpoint()
    await anyio.lowlevel.checkpoint()
    assert call.result() == 7


def test_an_idle_loop_ends() -> None:
    thread = LoopThread()
    assert not thread.is_ending
    assert thread._thread.daemon
    assert thread.end_if_idle()
    assert thread.loop.is_closed()
    call = ThreadCall(seven())
    assert not call.submit(thread)
    assert (call.is_submitted, thread.calls) == (False, set())
    call.discard()


def test_a_loop_with_a_call_in_flight_goes_on(thread: LoopThread) -> None:
    waiting = Waiting()
    call = waiting.begin(thread)
    assert not thread.end_if_idle()
    assert not thread.is_ending
    waiting.let_go(thread)
    assert call.result() == 7


def test_a_loop_that_does_not_end_in_time_is_said_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aembed._sync.thread.JOIN_S", 0.001)
    thread = LoopThread()
    with Held(thread):
        assert not thread.end_if_idle()
    thread._thread.join()


def on_its_own_thread(thread: LoopThread, ask: Callable[[], bool]) -> bool:
    async def asked() -> bool:
        return ask()

    call = ThreadCall(asked())
    assert call.submit(thread)
    return call.result()


def test_code_on_the_thread_knows_it_and_cannot_end_it(thread: LoopThread) -> None:
    assert not thread.is_current
    assert on_its_own_thread(thread, lambda: thread.is_current)
    assert not on_its_own_thread(thread, thread.end_if_idle)
    assert not thread.is_ending


def test_calls_that_come_together_wake_the_loop_once(thread: LoopThread, monkeypatch: pytest.MonkeyPatch) -> None:
    wake, woken = thread._wake, []

    def counted() -> None:
        woken.append(1)
        wake()

    monkeypatch.setattr(thread, "_wake", counted)
    calls = [ThreadCall(seven()) for _ in range(3)]
    with Held(thread):
        for call in calls:
            assert call.submit(thread)
    assert [call.result() for call in calls] == [7, 7, 7]
    assert len(woken) == 1
    assert on_its_own_thread(thread, lambda: True)
    assert len(woken) == 2


def test_a_call_that_the_loop_never_began_ends_with_it(thread: LoopThread) -> None:
    call = ThreadCall(seven())
    thread.calls.add(call)
    thread.end()
    with pytest.raises(ClosedError, match="its event loop ended"):
        call.result()
    assert is_closed(call)


def test_a_thread_that_cannot_start_leaves_no_loop_open(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[asyncio.AbstractEventLoop] = []
    new_event_loop = asyncio.new_event_loop

    def noted() -> asyncio.AbstractEventLoop:
        made.append(new_event_loop())
        return made[-1]

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(asyncio, "new_event_loop", noted)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError, match="can't start"):
        LoopThread()
    assert [loop.is_closed() for loop in made] == [True]
