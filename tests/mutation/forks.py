"""Copies of a process that has imported what tests need: a change costs its tests, and no start of Python."""

from __future__ import annotations

import multiprocessing.connection
import os
import signal
from contextlib import suppress
from dataclasses import dataclass

CONNECTION = "MUTATION_CONNECTION"
"""The variable that gives a server the descriptor of its connection."""
NOT_HERE = 77
"""Exit code of a copy in which the change cannot be made."""


@dataclass(frozen=True, slots=True)
class Request:
    """Some tests, and the change under which they run, if any."""

    tests: tuple[str, ...]
    cpu_limit_s: float
    limit_s: float
    path: str = ""
    """The changed file, from the project's root."""
    before: str = ""
    after: str = ""


def is_server() -> bool:
    return CONNECTION in os.environ


def connection() -> multiprocessing.connection.Connection:
    descriptor = int(os.environ.pop(CONNECTION))
    os.set_inheritable(descriptor, False)
    return multiprocessing.connection.Connection(descriptor)


def copied(request: Request) -> int | None:
    """None in the copy, which has to end itself; here its exit code, below zero the signal that ended it."""
    process = os.fork()
    if process == 0:
        os.setpgid(0, 0)
        signal.setitimer(signal.ITIMER_PROF, request.cpu_limit_s)  # other programs may have the processor
        signal.setitimer(signal.ITIMER_REAL, request.limit_s)
        return None
    _, status = os.waitpid(process, 0)
    with suppress(ProcessLookupError):
        os.killpg(process, signal.SIGKILL)  # what its tests have left running
    return os.waitstatus_to_exitcode(status)
