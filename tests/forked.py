"""Programs in processes of their own, which need not import the package: each is a fork of one that has done so."""

from __future__ import annotations

import atexit
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, Protocol

ROOT = Path(__file__).parents[1]
MODULES = [
    *("aembed.cli.app", "aembed.cli.bench", "aembed.providers.mock", "anyio._backends._asyncio", "uvloop"),
    *("numpy.random", "numpy.fft", "matplotlib.backends.backend_svg", "pyarrow.parquet"),
    *("rich.status", "rich.progress", "rich.markdown", "typer.rich_utils", "pydantic.plugin._loader", "email.parser"),
]
"""What a command imports at once, or first needs when it runs."""


class Process(Protocol):
    """What tests use of a ``subprocess.Popen``."""

    pid: int

    def send_signal(self, sig: int, /) -> None: ...
    def wait(self, timeout: float | None = None) -> int: ...


class Fork:
    """A program that runs."""

    def __init__(self, answers: int) -> None:
        self._answers = answers
        self.pid = int.from_bytes(os.read(answers, 4))
        assert self.pid, "the process that forks has ended"

    def send_signal(self, sig: int, /) -> None:
        os.kill(self.pid, sig)

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, or the negative number of the signal that ended it."""
        if not select.select([self._answers], [], [], timeout)[0]:
            self.send_signal(signal.SIGKILL)
            raise subprocess.TimeoutExpired([str(self.pid)], timeout or 0)
        code = int.from_bytes(os.read(self._answers, 4), signed=True)
        os.close(self._answers)
        return code


def start(
    program: str,
    *arguments: str,
    stdin: int | IO[bytes],
    stdout: int | IO[bytes],
    stderr: int | IO[bytes],
    cwd: Path | None = None,
    env: dict[str, str] | None = None,
) -> Process:
    """Run ``python -c program arguments``."""
    environment = dict(os.environ if env is None else env)
    if sys.platform != "linux":
        command = [sys.executable, "-c", program, *arguments]
        return subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=stderr, cwd=cwd, env=environment)
    request = {
        "program": program,
        "arguments": arguments,
        "directory": str(cwd or Path.cwd()),
        "environment": environment,
    }
    answers, told = os.pipe()
    streams = [each if isinstance(each, int) else each.fileno() for each in (stdin, stdout, stderr)]
    socket.send_fds(_server(), [json.dumps(request).encode()], [*streams, told])
    os.close(told)
    return Fork(answers)


def run(
    program: str,
    *arguments: str,
    cwd: Path | None = None,
    env: dict[str, str] | None = None,
    encoding: str = "utf-8",
    timeout: float = 300,
) -> subprocess.CompletedProcess[str]:
    """Its exit code and what it printed."""
    with open(os.devnull, "rb") as nothing, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = start(program, *arguments, stdin=nothing, stdout=out, stderr=err, cwd=cwd, env=env)
        code = process.wait(timeout)
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read().decode(encoding))
    return subprocess.CompletedProcess([program, *arguments], code, *said)


@functools.cache
def _server() -> socket.socket:
    """A process for as long as this one lives."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        source = (ROOT / "tests" / "fork_server.py").read_text(encoding="utf-8")
        subprocess.run(
            [sys.executable, "-X", "utf8", "-c", source, str(theirs.fileno()), *MODULES],
            cwd=ROOT,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # the threads of others
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            check=True,
        )
    atexit.register(ours.close)  # which ends it
    return ours
