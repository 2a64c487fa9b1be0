"""The one loop thread of a process.

It starts with the first call. Before a fork its loop ends, unless calls are in flight: the child then inherits no
half-open loop, and each process starts another thread with its next call. If calls are in flight, the loop continues in
the parent, and the child is cut off from all that was open on it. At interpreter exit everything open is closed.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures.thread  # noqa: F401  # its hooks for forks hold a lock that the end of a loop needs: see _hook
import os
import threading
from collections.abc import Coroutine, Iterable
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from aembed._accounts import Accounts
from aembed._errors import AembedError, ClosedError, EventLoopError
from aembed._sync.thread import JOIN_S, LoopThread, ThreadCall

T = TypeVar("T")


class Closable(Protocol):
    """An embedder that is open on the loop."""

    async def aclose(self, *, grace: float | None = ...) -> None: ...


class ProcessLoop:
    """The loop thread of this process, and the embedders open on it."""

    def __init__(self) -> None:
        self.forks = 0
        """Number of forks, from the process that made the first call down to this one."""
        self.last_cut = 0
        """The last of these forks with calls in flight: nothing opened before it can be used in this process."""
        self.lock = threading.RLock()
        """Held by the thread that forks, so that no other thread holds it in the child, where it would stay held."""
        self.accounts = Accounts()
        """Those of the open embedders, and what their gates have learnt."""
        self._current: LoopThread | None = None
        self._open: set[Closable] = set()
        self._dropped: list[Closable] = []
        """Embedders to close, whose owner was garbage collected."""
        self._inherited: list[LoopThread] = []
        """Loops of parents: collecting one would close file descriptors that the parent uses."""
        self._has_hooks = False
        self._is_over = False

    def begin(self, call: ThreadCall[Any]) -> None:
        """Submit a call. Started by the first one.

        Raises:
            EventLoopError: called on the loop thread.
            ClosedError: the interpreter is exiting.
        """
        try:
            while not call.submit(self._thread()):
                pass
        except BaseException:
            if call.is_submitted:  # Ctrl-C came before the loop was woken, perhaps
                call.cancel()
            else:
                call.discard()
            raise

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end. Ctrl-C cancels it and waits for its end; a second Ctrl-C does not wait."""
        call = ThreadCall(coroutine)
        try:
            self.begin(call)
            call.wait()
        except BaseException:
            if call.is_submitted:
                call.cancel()
                call.wait()
            raise
        return call.result()

    def add(self, thing: Closable) -> None:
        """Close it at interpreter exit."""
        self._open.add(thing)

    def remove(self, thing: Closable) -> None:
        """It is closed."""
        self._open.discard(thing)

    def drop(self, thing: Closable) -> None:
        """Close it soon. Called by the garbage collector in any thread: takes no lock, and waits for nothing."""
        self._open.discard(thing)
        self._dropped.append(thing)
        if self._current is not None:
            self._current.do(self._close_dropped)

    def _thread(self) -> LoopThread:
        current = self._current
        if current is None or current.is_ending:
            current = self._start()
        if current.is_current:
            raise EventLoopError(
                "a SyncEmbedder was called on its own event loop thread, by a listener or a provider: it would wait "
                "for itself. Use an Embedder there."
            )
        return current

    def _start(self) -> LoopThread:
        with self.lock:
            if self._current is None or self._current.is_ending:
                if self._is_over:
                    raise ClosedError("the interpreter is exiting. Join the threads of SyncEmbedders before.")
                self._hook()
                if self._current is not None:  # open embedders belong to that loop until it has ended
                    self._current.join()
                self._current = LoopThread()
                self._current.do(self._close_dropped)
            return self._current

    def _close_dropped(self) -> None:
        thread = self._current
        while thread is not None and self._dropped:
            closing = ThreadCall(self._dropped.pop().aclose())
            if not closing.submit(thread):
                closing.discard()

    def _hook(self) -> None:
        """Once, and last: hooks run in reverse order, so ours run before others close or lock anything.

        At exit that is the check for open factories, which are made before their first call; before a fork, the lock of
        :mod:`concurrent.futures`, which the end of a loop takes to shut down its executor.
        """
        if self._has_hooks:
            return
        self._has_hooks = True
        atexit.register(self._at_exit)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self._before_fork, after_in_parent=self.lock.release, after_in_child=self._in_child
            )

    def _before_fork(self) -> None:
        self.lock.acquire()
        if self._current is not None and self._current.end_if_idle():
            self._current = None

    def _in_child(self) -> None:
        self.forks += 1
        self._open.clear()
        self._dropped.clear()
        if self._current is not None:
            self.last_cut = self.forks
            self.accounts = Accounts()  # the others count requests that this process never sees end
            self._inherited.append(self._current)
            self._current = None
        self.lock.release()

    def _at_exit(self) -> None:
        things = [*self._open, *self._dropped]
        if things:
            closing = ThreadCall(_close(things))
            self.begin(closing)
            closing.wait_for(JOIN_S)
        self._is_over = True
        if self._current is not None:
            self._current.end()


async def _close(things: Iterable[Closable]) -> None:
    """Threads that run on at interpreter exit are daemons, and their calls are not waited for."""

    async def close(thing: Closable) -> None:
        with suppress(AembedError):
            await thing.aclose(grace=0)

    await asyncio.gather(*map(close, things))


loop = ProcessLoop()
"""Shared by every :class:`SyncEmbedder` of the process."""
