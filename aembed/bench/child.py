"""Measurements in fresh processes: no memory layout, hash seed or warm cache of one decides the result.

The parent sends a job as a line of JSON and reads one line of JSON back. What the subject prints goes to stderr.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

import msgspec

from aembed import AembedError
from aembed.bench.result import Parameter
from aembed.bench.scenario import Case, Scenario, Subject, Target, find, only_case, opened
from aembed.bench.still import StillLoop

T = TypeVar("T")
Loop: TypeAlias = Literal["asyncio", "uvloop", "still"]
PATIENCE = 300.0
"""Seconds for a whole measurement in one process."""


class SubjectError(AembedError):
    """The subject failed where one result is needed; the message holds the last line of its traceback."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One measurement of one case."""

    room: str
    """The module whose ``measure(subject, **options)`` is run."""
    target: str
    parameters: Mapping[str, Parameter]
    options: Mapping[str, int | float]
    loop: Loop
    path: Sequence[str]
    """``sys.path`` of the parent, so that the child finds the same modules."""


def fresh_case(target: Target) -> Case | None:
    """The case, if another process can find it: one of a scenario that stands in a file or module."""
    case = only_case(target) if isinstance(target, Scenario) else target
    if not isinstance(case, Case) or "<" in case.scenario.target:
        return None
    return case


async def alone(
    target: Target,
    measure: Callable[..., Awaitable[T]],
    answer: type[T],
    *,
    options: Mapping[str, int | float],
    times: int = 1,
    loop: Loop = "asyncio",
    hash_seed: int | None = None,
    patience: float = PATIENCE,
) -> list[T]:
    """What ``measure(subject, **options)`` answers in ``times`` fresh processes.

    A bare callable is bound to this process, and measured here, once.
    Raises SubjectError if the subject fails, or does not answer within ``patience`` seconds.
    """
    case = fresh_case(target)
    if case is None:
        return [await _here(target, measure, patience, options)]
    job = Job(
        room=measure.__module__,
        target=case.scenario.target,
        parameters=case.parameters,
        options=options,
        loop=loop,
        path=[place or str(Path.cwd()) for place in sys.path],
    )
    return [await _in_child(job, answer, patience, hash_seed) for _ in range(times)]


async def _here(
    target: Target, measure: Callable[..., Awaitable[T]], patience: float, options: Mapping[str, int | float]
) -> T:
    async def run() -> T:
        async with opened(target) as subject:
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


async def _in_child(job: Job, answer: type[T], patience: float, hash_seed: int | None) -> T:
    pipe = asyncio.subprocess.PIPE
    seed = {} if hash_seed is None else {"PYTHONHASHSEED": str(hash_seed)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "aembed.bench.child"), stdin=pipe, stdout=pipe, stderr=pipe, env={**os.environ, **seed}
    )
    try:
        async with asyncio.timeout(patience):
            out, errors = await process.communicate(msgspec.json.encode(job))
    except TimeoutError:
        raise SubjectError(f"no answer from a fresh process within {patience:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise SubjectError(errors.decode(errors="replace").strip().rpartition("\n")[2])
    return msgspec.json.decode(out, type=answer)


async def answer_to(job: Job) -> object:
    """In the child."""
    room = importlib.import_module(job.room)
    (scenario,) = find(job.target)
    async with opened(scenario.case(**job.parameters)) as subject:
        return await room.measure(subject, **job.options)


async def one(subject: Subject) -> None:
    """One call whose result must be right. Raises SubjectError."""
    result = await subject.call()
    if subject.validate and (problem := subject.validate(result)):
        raise SubjectError(f"wrong result: {problem}")


def _loop_factory(loop: Loop) -> Callable[[], asyncio.AbstractEventLoop] | None:
    if loop == "uvloop":
        factory: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module("uvloop").new_event_loop
        return factory
    return StillLoop if loop == "still" else None


def main() -> None:
    """Answer the job on stdin."""
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    out = os.dup(1)
    os.dup2(2, 1)
    sys.path[:] = job.path
    with asyncio.Runner(loop_factory=_loop_factory(job.loop)) as runner:
        answer = runner.run(answer_to(job))
    with os.fdopen(out, "wb") as stream:
        stream.write(msgspec.json.encode(answer))


if __name__ == "__main__":
    main()
