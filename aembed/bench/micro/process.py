"""Fresh processes: no memory layout, hash seed or warm cache of one decides the result."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, TypeAlias, TypeVar

import msgspec

from aembed import AembedError
from aembed.bench.discovery import fresh_case
from aembed.bench.model.result import Parameter
from aembed.bench.opening import opened
from aembed.bench.scenario import Target
from aembed.bench.subject import SubjectError, one

T = TypeVar("T")
LoopName: TypeAlias = Literal["asyncio", "uvloop", "frozen"]
MeasureOptions: TypeAlias = Mapping[str, int | float]
MEASUREMENT_TIMEOUT_S = 300.0
"""Seconds for a whole measurement in one process."""
EXIT_GRACE_S = 2.0
"""Seconds a process gets to end."""


async def alone(
    target: Target,
    measure: Callable[..., Awaitable[T]],
    answer: type[T],
    *,
    options: MeasureOptions,
    loop: LoopName = "asyncio",
    hash_seed: int | None = None,
    patience: float = MEASUREMENT_TIMEOUT_S,
) -> T:
    """The answer of ``measure(subject, **options)`` in a fresh process. A bare callable is bound to this one: here.

    Raises SubjectError if the subject fails, or does not answer within ``patience`` seconds.
    """
    case = fresh_case(target)
    if case is None:
        return await _here(target, measure, options, patience)
    async with process(
        case.scenario.target, case.parameters, loop=loop, hash_seed=hash_seed, patience=patience
    ) as started:
        return await started.ask(measure, answer, options, patience)


async def _here(target: Target, measure: Callable[..., Awaitable[T]], options: MeasureOptions, patience: float) -> T:
    async def run() -> T:
        async with opened(target) as subject:
            await one(subject)
            return await measure(subject, **options)

    task = asyncio.create_task(run())
    try:
        await asyncio.wait([task], timeout=patience)
    finally:
        ended = task.done()
        task.cancel()
    if not ended:
        raise SubjectError(f"no answer within {patience:g} s")
    error = task.exception()
    if isinstance(error, Exception) and not isinstance(error, AembedError):
        raise SubjectError(f"{type(error).__name__}: {error}") from error
    return task.result()


@dataclass(frozen=True, slots=True)
class Process:
    """One that has set up its subject."""

    label: str
    process: asyncio.subprocess.Process
    errors: IO[bytes]

    async def ask(
        self, measure: Callable[..., Awaitable[T]], answer: type[T], options: MeasureOptions, patience: float
    ) -> T:
        """The answer of ``measure``, a function of a module, in this process. Raises SubjectError."""
        function = f"{measure.__module__}:{measure.__name__}"
        return msgspec.json.decode(await self.say((function, options), patience), type=answer)

    async def say(self, what: object, patience: float) -> bytes:
        """A line of JSON for a line of JSON."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            async with asyncio.timeout(patience):
                self.process.stdin.write(msgspec.json.encode(what) + b"\n")
                answer = await self.process.stdout.readline()
        except TimeoutError:
            raise SubjectError(f"{self.label}no answer within {patience:g} s") from None
        if not answer:
            await self.process.wait()
            self.errors.seek(0)
            last = self.errors.read().decode(errors="replace").strip().rpartition("\n")[2]
            ours = f"{SubjectError.__module__}.{SubjectError.__name__}: "
            told = last.removeprefix(ours) or f"it ended with exit code {self.process.returncode}"
            raise SubjectError(self.label + told)
        return answer


@asynccontextmanager
async def process(
    target: str,
    parameters: Mapping[str, Parameter],
    *,
    loop: str,
    label: str = "",
    tree: str | None = None,
    hash_seed: int | None = None,
    patience: float = MEASUREMENT_TIMEOUT_S,
    pinned: bool = False,
) -> AsyncIterator[Process]:
    """One that has set up ``target``, with the packages of ``tree`` before all others; it ends with the block.

    It has a separate process group: the parent handles Ctrl-C.
    """
    pipe = asyncio.subprocess.PIPE
    with tempfile.TemporaryFile() as errors:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", str(Path(__file__).with_name("child.py"))),
            stdin=pipe,
            stdout=pipe,
            stderr=errors,
            env=_environment(tree, hash_seed),
            limit=sys.maxsize,  # an answer is one line, however long
            start_new_session=True,
        )
        try:
            if pinned:
                pin(child.pid)
            started = Process(label and f"{label}: ", child, errors)
            job = {"target": target, "parameters": parameters, "tree": tree, "loop": loop}
            if await started.say(job, patience) == b"0\n":
                raise SubjectError(
                    f"{started.label}{target} loads nothing from {tree}: both sides would run the same code. Move the "
                    "measured code into a module of the repository, and import it in the scenario"
                )
            yield started
        finally:
            await _end(child)


def _environment(tree: str | None, hash_seed: int | None) -> dict[str, str]:
    """The tree comes first, then what this process finds."""
    places = [tree, f"{tree}/src"] if tree else []
    places += [place or os.getcwd() for place in sys.path]
    seed = {} if hash_seed is None else {"PYTHONHASHSEED": str(hash_seed)}
    return {**os.environ, **seed, "PYTHONPATH": os.pathsep.join(places)}


def pin(pid: int) -> None:
    """To the last core this process may use, where the system can do that."""
    if sys.platform == "linux":
        with suppress(ProcessLookupError):  # it ended already, and its traceback says why
            os.sched_setaffinity(pid, {max(os.sched_getaffinity(0))})


async def _end(child: asyncio.subprocess.Process) -> None:
    """Closing its input is the signal; a process that does not heed it is killed."""
    assert child.stdin is not None
    child.stdin.close()
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(EXIT_GRACE_S):
                await child.wait()
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
