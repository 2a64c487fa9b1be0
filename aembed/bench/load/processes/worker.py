"""The main program of a process that offers a part of a load: ``python -m aembed.bench.load.processes.worker``.

The job comes in, "ready" goes out, "go" comes in with the common start; then ticks and the result go out. The end of
the input ends the process, and so does the end of its parent, where the system can do that.
"""

from __future__ import annotations

import asyncio
import ctypes
import importlib
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import IO

from aembed.bench.load.processes.job import work_on
from aembed.bench.load.processes.messages import (
    MAX_LINE_BYTES,
    ProcessTask,
    Ready,
    Stop,
    ToWorker,
    line,
    packed,
    receive,
    unpacked,
)

PR_SET_PDEATHSIG = 1
"""Option of Linux' prctl: the signal to a process whose parent dies. A stopped process reads no end of input."""


async def _serve(answers: IO[bytes]) -> None:
    def say(message: object, payload: bytes = b"") -> None:
        answers.write(line(message))
        answers.write(payload)
        answers.flush()

    reader = asyncio.StreamReader(limit=MAX_LINE_BYTES)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    job = await receive(reader, ProcessTask)
    if job is None:
        return
    schedule = unpacked(await reader.readexactly(job.size), 1)[0]
    stop, go, main = asyncio.Event(), loop.create_future(), asyncio.current_task()
    assert main is not None

    async def listen() -> None:
        while (message := await receive(reader, ToWorker)) is not None:
            if isinstance(message, Stop):
                stop.set()
            elif not go.done():
                go.set_result(message.origin)
        main.cancel()  # nothing reads the result any more; the subject is torn down

    async def ready() -> int | None:
        say(Ready())
        origin: int | None = await go
        return origin

    listener = asyncio.create_task(listen())
    done, columns = await work_on(job, schedule, ready=ready, tick=say, stop=stop)
    listener.cancel()
    say(done, packed(columns))


def _die_with_parent() -> None:
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _loop_factory(place: str) -> Callable[[], asyncio.AbstractEventLoop]:
    """Such as ``uvloop:new_event_loop``."""
    module, _, name = place.partition(":")
    factory: Callable[[], asyncio.AbstractEventLoop] = getattr(importlib.import_module(module), name)
    return factory


def main() -> None:
    """Answer the parent."""
    _die_with_parent()
    answers = os.dup(1)
    os.dup2(2, 1)  # prints of the subject are not messages
    with os.fdopen(answers, "wb") as stream, asyncio.Runner(loop_factory=_loop_factory(sys.argv[1])) as runner:
        runner.run(_serve(stream))


if __name__ == "__main__":
    main()
