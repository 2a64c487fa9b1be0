"""One side of an A/B comparison: a process that runs blocks of operations as its parent asks for them.

Run as a file, for the revision that is compared may have another ``aembed.bench``, or none, and both sides must be
measured by the same code: this revision's runner is put in place of theirs.
Lines of JSON: a job comes in, then the number of operations of each block; out go what was loaded, and times. Whatever
goes wrong ends the process, and its parent reads the traceback's last line.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import importlib.util
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

RUNNER = Path(__file__).parent


def put_runner_in_place() -> None:
    """``aembed.bench`` is the directory this file lies in, whichever ``aembed`` is imported."""
    name = "aembed.bench"
    spec = importlib.util.spec_from_file_location(
        name, RUNNER / "__init__.py", submodule_search_locations=[str(RUNNER)]
    )
    assert spec is not None
    assert spec.loader is not None
    package = importlib.import_module("aembed")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    package.bench = module  # type: ignore[attr-defined]


@asynccontextmanager
async def subject_of(job: dict[str, Any]) -> AsyncIterator[Any]:
    """The operation, set up: a scenario's, or a command that is run from start to end."""
    from aembed.bench.scenario import Subject, find, opened

    if job["command"]:
        yield Subject(lambda: run(job["command"]))
        return
    (scenario,) = find(job["target"])
    async with opened(scenario.case(**job["parameters"])) as subject:
        yield subject


async def run(command: list[str]) -> None:
    nowhere = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, stdin=nowhere, stdout=nowhere, stderr=nowhere)
    if await process.wait() != 0:
        raise RuntimeError(f"the command ended with exit code {process.returncode}")


def loaded_from(tree: str) -> int:
    """How many modules came from below ``tree``: not the runner's, nor what is installed in an environment there."""
    files = [
        Path(file).resolve() for module in list(sys.modules.values()) if (file := getattr(module, "__file__", None))
    ]
    own = [file for file in files if file.is_relative_to(Path(tree).resolve()) and "site-packages" not in file.parts]
    return sum(not file.is_relative_to(RUNNER) for file in own)


async def serve(job: dict[str, Any], lines: Iterable[str], say: Callable[..., None]) -> None:
    """Answer until the parent closes its end. Nothing else runs meanwhile: waiting for it may block the loop."""
    async with subject_of(job) as subject:
        check(subject, await subject.call())
        say(loaded=loaded_from(job["tree"]) if job["tree"] else None)
        gc.collect()
        gc.freeze()
        for line in lines:
            before = waited()
            wall, cpu, result = await block(subject.call, int(line))
            after = waited()
            check(subject, result)
            say(wall=wall, cpu=cpu, waits=None if before is None or after is None else after - before)


async def block(call: Callable[[], Awaitable[Any]], operations: int) -> tuple[int, int, Any]:
    """Nanoseconds by the clock, and of CPU in this thread."""
    result = None
    cpu, wall = time.thread_time_ns(), time.perf_counter_ns()
    for _ in range(operations):
        result = await call()
    return time.perf_counter_ns() - wall, time.thread_time_ns() - cpu, result


def waited() -> int | None:
    """How often this thread gave up its core of its own will; ``None`` where the system does not count that."""
    if sys.platform != "linux":
        return None
    import resource

    return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw


def check(subject: Any, result: Any) -> None:
    if subject.validate and (problem := subject.validate(result)):
        raise ValueError(f"wrong result: {problem}")


def main() -> None:
    """Answer the parent."""
    answers = os.dup(1)
    os.dup2(2, 1)  # what the subject prints is no answer

    def say(**facts: object) -> None:
        os.write(answers, json.dumps(facts).encode() + b"\n")

    job = json.loads(sys.stdin.readline())
    loop_factory = importlib.import_module("uvloop").new_event_loop if job["loop"] == "uvloop" else None
    put_runner_in_place()
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(serve(job, sys.stdin, say))


if __name__ == "__main__":
    main()
