"""The loop of a process: it starts when it is needed, and closes what is open before a fork, on request and at exit."""

from __future__ import annotations

import atexit
import inspect
import os
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from aembed import ClosedError
from aembed._sync.process import ProcessLoop
from aembed._sync.thread import JOIN_S, LoopThread, ThreadCall


@pytest.fixture
def process() -> Iterator[ProcessLoop]:
    """One without the hooks of a real process."""
    made = ProcessLoop()
    made._has_hooks = True
    yield made
    for thread in (made._current, *made._inherited):
        if thread is not None:
            thread.end()


class Thing:
    """An embedder, as far as it is closed."""

    def __init__(self, error: Exception | None = None) -> None:
        self.graces: list[float | None] = []
        self.closed = threading.Event()
        self.closing: Coroutine[Any, Any, None] | None = None
        self._error = error

    def aclose(self, *, grace: float | None = 10.0) -> Coroutine[Any, Any, None]:
        self.closing = self._close(grace)
        return self.closing

    async def _close(self, grace: float | None) -> None:
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        self.graces.append(grace)
        self.closed.set()
        if self._error is not None:
            raise self._error


async def seven() -> int:
    return 7


def current(process: ProcessLoop) -> LoopThread:
    assert process.run(seven()) == 7
    assert process._current is not None
    return process._current


def busy(process: ProcessLoop) -> ThreadCall[None]:
    """A call in flight until its thread ends."""
    call = ThreadCall(anyio.sleep_forever())
    process.begin(call)
    return call


def test_nothing_runs_before_the_first_call() -> None:
    process = ProcessLoop()
    assert (process._current, process.forks, process.last_cut) == (None, 0, 0)


def test_calls_share_a_thread_until_it_ends(process: ProcessLoop) -> None:
    thread = current(process)
    assert current(process) is thread
    thread.end()
    assert current(process) is not thread


def test_the_next_loop_begins_when_the_last_one_has_ended(
    process: ProcessLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Open embedders belong to that one until then."""
    thread = current(process)
    alive: list[bool] = []
    thread.end()
    monkeypatch.setattr(thread, "join", lambda: alive.append(process._current is thread))
    current(process)
    assert alive == [True]


def test_interrupted_before_its_end_a_call_is_cancelled_and_waited_for(
    process: ProcessLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, ended = threading.Event(), []

    async def wait() -> None:
        begun.set()
        try:
            await anyio.sleep_forever()
        finally:
            for _ in range(20):
                await anyio.lowlevel.cancel_shielded_checkpoint()
            ended.append(1)

    wait_until_the_end, interrupts = ThreadCall.wait, [KeyboardInterrupt()]

    def interrupted(call: ThreadCall[Any]) -> None:
        if interrupts:
            assert begun.wait(60)
            raise interrupts.pop()
        wait_until_the_end(call)

    monkeypatch.setattr(ThreadCall, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        process.run(wait())
    assert ended == [1]
    assert process._current is not None
    assert process._current.calls == set()


def test_interrupted_while_it_is_submitted_a_call_is_cancelled(
    process: ProcessLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit = ThreadCall.submit

    def interrupted(call: ThreadCall[Any], thread: LoopThread) -> bool:
        submit(call, thread)
        raise KeyboardInterrupt

    monkeypatch.setattr(ThreadCall, "submit", interrupted)
    call = ThreadCall(anyio.sleep_forever())
    with pytest.raises(KeyboardInterrupt):
        process.begin(call)
    with pytest.raises(ClosedError):
        call.result()


def test_a_call_that_finds_its_loop_ending_goes_to_the_next(
    process: ProcessLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread, submit = current(process), ThreadCall.submit

    def late(call: ThreadCall[Any], to: LoopThread) -> bool:
        if to is thread:
            thread.end()
        return submit(call, to)

    monkeypatch.setattr(ThreadCall, "submit", late)
    assert process.run(seven()) == 7
    assert process._current is not thread


def test_after_the_exit_of_the_interpreter_a_call_is_an_error_and_its_coroutine_closed(process: ProcessLoop) -> None:
    process._at_exit()
    coroutine = seven()
    with pytest.raises(ClosedError, match="interpreter is exiting"):
        process.run(coroutine)
    assert inspect.getcoroutinestate(coroutine) == inspect.CORO_CLOSED
    assert process._current is None


def test_at_exit_all_that_is_open_is_closed_without_grace_and_the_loop_ends(process: ProcessLoop) -> None:
    thread = current(process)
    kept, failing, removed, dropped = Thing(), Thing(ClosedError("no")), Thing(), Thing()
    for thing in (kept, failing, removed):
        process.add(thing)
    process.remove(removed)
    process._dropped.append(dropped)
    process._at_exit()
    assert [thing.graces for thing in (kept, failing, removed, dropped)] == [[0], [0], [], [0]]
    assert not thread._thread.is_alive()


def test_at_exit_what_does_not_close_is_waited_for_ten_seconds(
    process: ProcessLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(ThreadCall, "wait_for", lambda _, seconds: waits.append(seconds))
    process.add(Thing())
    process._at_exit()
    assert waits == [JOIN_S]


def test_what_is_dropped_is_closed_soon(process: ProcessLoop) -> None:
    current(process)
    things = [Thing(), Thing()]
    for thing in things:
        process.add(thing)
        process.drop(thing)
        assert thing.closed.wait(60)
    assert process._open == set()
    assert process._dropped == []


def test_what_is_dropped_while_no_loop_runs_is_closed_by_the_next(process: ProcessLoop) -> None:
    things = [Thing(), Thing()]
    for thing in things:
        process.drop(thing)
    assert not any(thing.closed.is_set() for thing in things)
    current(process)
    assert all(thing.closed.wait(60) for thing in things)


def test_what_is_dropped_while_the_loop_ends_leaves_no_coroutine_behind(process: ProcessLoop) -> None:
    current(process).is_ending = True
    thing = Thing()
    process._dropped.append(thing)
    process._close_dropped()
    assert thing.closing is not None
    assert inspect.getcoroutinestate(thing.closing) == inspect.CORO_CLOSED


@pytest.fixture
def hooks(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Any]]:
    """The hooks of a process, at its exit and around forks."""
    asked: dict[str, list[Any]] = {"exit": [], "fork": []}
    monkeypatch.setattr(atexit, "register", asked["exit"].append)
    monkeypatch.setattr(os, "register_at_fork", lambda **given: asked["fork"].append(given), raising=False)
    return asked


def test_hooks_are_set_once_and_with_the_first_call(hooks: dict[str, list[Any]]) -> None:
    process = ProcessLoop()
    assert hooks == {"exit": [], "fork": []}
    for _ in range(2):
        current(process).end()
    assert hooks["exit"] == [process._at_exit]
    (fork,) = hooks["fork"]
    assert (fork["before"], fork["after_in_child"]) == (process._before_fork, process._in_child)
    fork["before"]()
    fork["after_in_parent"]()
    assert is_free(process.lock)


def test_a_system_without_forks_has_a_hook_at_exit(
    hooks: dict[str, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "register_at_fork")
    process = ProcessLoop()
    current(process).end()
    assert hooks == {"exit": [process._at_exit], "fork": []}


def is_free(lock: Any) -> bool:
    """True if another thread can take it."""
    taken: list[bool] = []

    def take() -> None:
        taken.append(lock.acquire(blocking=False))
        if taken[0]:
            lock.release()

    thread = threading.Thread(target=take)
    thread.start()
    thread.join()
    return taken[0]


def fork(process: ProcessLoop) -> None:
    """Run the hooks of the process that becomes the child."""
    process._before_fork()
    assert not is_free(process.lock)
    process._in_child()
    assert is_free(process.lock)


def start_nothing(_: ProcessLoop) -> None: ...


@pytest.mark.parametrize("start", [start_nothing, current])
def test_an_idle_loop_is_not_taken_into_a_child(process: ProcessLoop, start: Callable[[ProcessLoop], Any]) -> None:
    start(process)
    accounts, (opened, dropped) = process.accounts, (Thing(), Thing())
    process.add(opened)
    process._dropped.append(dropped)
    for forks in (1, 2):
        fork(process)
        assert (process.forks, process.last_cut, process._current, process._inherited) == (forks, 0, None, [])
    assert process.accounts is accounts
    assert (process._open, process._dropped) == (set(), [])
    assert process.run(seven()) == 7


def test_a_busy_loop_is_left_to_the_parent(process: ProcessLoop) -> None:
    fork(process)
    call, thread, accounts = busy(process), process._current, process.accounts
    fork(process)
    assert (process.forks, process.last_cut, process._current) == (2, 2, None)
    assert process._inherited == [thread]
    assert process.accounts is not accounts
    assert process.run(seven()) == 7
    fork(process)
    assert (process.forks, process.last_cut) == (3, 2)
    call.cancel()
    with pytest.raises(ClosedError):
        call.result()
