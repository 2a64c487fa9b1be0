"""A version that lives in a process of its own: started, pinned to one core, asked for blocks, ended."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

from aembed import InputError
from aembed.bench.interleave import Runs, SideError, Timing
from aembed.bench.result import Parameter

GRACE = 5.0
"""Seconds a process gets to end."""
PATIENCE = 60.0
"""Seconds a process gets to set up, or to answer beyond what its block should take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSide:
    """A version that fresh processes run: an ``async def`` or a scenario, or a ``command`` that is timed as a whole."""

    label: str
    target: str = ""
    """``file.py:name`` or ``package.module:name``."""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    tree: str | None = None
    """A source tree whose packages come before all others; it is refused if nothing of it is loaded."""
    loop: str = "uvloop" if find_spec("uvloop") else "asyncio"
    python: str = sys.executable

    def __post_init__(self) -> None:
        if bool(self.target) == bool(self.command):
            raise InputError(f"side {self.label!r} needs a target such as 'file.py:name', or a command, and not both")

    @asynccontextmanager
    async def open(self, seed: int) -> AsyncIterator[Runs]:
        """Start the process on one core, and see that it is set up."""
        job = {"target": self.target, "parameters": dict(self.parameters), "command": self.command}
        with tempfile.TemporaryFile() as errors:
            process = await asyncio.create_subprocess_exec(
                *(self.python, "-P", str(Path(__file__).with_name("side.py"))),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                env=self._environment(seed),
            )
            try:
                pin(process.pid)
                running = _Process(self.label, process, errors)
                ready = await running.ask(json.dumps({**job, "tree": self.tree, "loop": self.loop}), PATIENCE)
                if ready["loaded"] == 0:
                    raise SideError(
                        f"{self.label} loaded nothing from {self.tree}: what would be measured is not there"
                    )
                yield running
            finally:
                await end(process)

    def _environment(self, seed: int) -> dict[str, str]:
        """The tree comes first, then what this process finds; another interpreter has its own places."""
        trees = [self.tree, f"{self.tree}/src"] if self.tree else []
        ours = [place or os.getcwd() for place in sys.path] if self.python == sys.executable else []
        return {**os.environ, "PYTHONHASHSEED": str(seed + 1), "PYTHONPATH": os.pathsep.join([*trees, *ours])}


class _Process:
    def __init__(self, label: str, process: asyncio.subprocess.Process, errors: IO[bytes]) -> None:
        self._label = label
        self._process = process
        self._errors = errors
        self._longest = 0.0
        """Seconds an operation took."""

    async def block(self, operations: int) -> Timing:
        answer = await self.ask(str(operations), PATIENCE + 10 * operations * self._longest)
        self._longest = max(self._longest, answer["wall"] / operations / 1e9)
        return Timing(**answer)

    async def ask(self, line: str, patience: float) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(patience):
                self._process.stdin.write(line.encode() + b"\n")
                answer = await self._process.stdout.readline()
        except TimeoutError:
            raise SideError(f"{self._label} did not answer within {patience:.0f} s") from None
        if not answer:
            await self._process.wait()
            self._errors.seek(0)
            last = self._errors.read().decode(errors="replace").strip().rpartition("\n")[2]
            raise SideError(f"{self._label} failed: {last or f'exit code {self._process.returncode}'}")
        return json.loads(answer)


def pin(pid: int) -> None:
    """To the last core this process may use, where the system can do that."""
    if sys.platform == "linux":
        with suppress(ProcessLookupError):  # it ended already, and its traceback says why
            os.sched_setaffinity(pid, {max(os.sched_getaffinity(0))})


async def end(process: asyncio.subprocess.Process) -> None:
    """Closing its input is the signal; a process that does not heed it is killed."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE):
                await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
