"""The main program of a fresh process: set up one subject and measure it as the parent asks.

Run as a file, for the revision that is measured may have another ``aembed.bench``, or none, and all must be measured
by the same code: this revision's runner is put in place of theirs.
Lines of JSON: a job comes in, then for each measurement its function, as ``module:name``, and its options; the number
of modules loaded goes out, then the answers.
Any failure ends the process, and its parent reads the traceback's last line.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import importlib.util
import json
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

RUNNER = Path(__file__).parents[1]


def put_runner_in_place() -> None:
    """``aembed.bench`` is the directory above this file's, whichever ``aembed`` is imported."""
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


def loaded_from(tree: str) -> int:
    """Number of modules loaded from below ``tree``, without the runner's and those of an environment there."""
    files = [
        Path(file).resolve() for module in list(sys.modules.values()) if (file := getattr(module, "__file__", None))
    ]
    own = [file for file in files if file.is_relative_to(Path(tree).resolve()) and "site-packages" not in file.parts]
    return sum(not file.is_relative_to(RUNNER) for file in own)


async def serve(job: dict[str, Any], lines: Iterable[str], say: Callable[[object], None]) -> None:
    """Answer until the parent closes its end. Nothing else runs meanwhile: waiting for it may block the loop."""
    from aembed.bench.discovery import find
    from aembed.bench.opening import opened
    from aembed.bench.subject import one

    (scenario,) = find(job["target"])
    async with opened(scenario.case(**job["parameters"])) as subject:
        await one(subject)
        say(loaded_from(job["tree"]) if job["tree"] else None)
        gc.collect()
        gc.freeze()
        for line in lines:
            function, options = json.loads(line)
            module, name = function.split(":")
            say(await getattr(importlib.import_module(module), name)(subject, **options))


def loop_factory(loop: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The loop factory for ``asyncio.Runner``: "uvloop", "frozen" or "asyncio"."""
    module, factory = {
        "uvloop": ("uvloop", "new_event_loop"),
        "frozen": ("aembed.bench.micro.frozen_clock", "FrozenClockLoop"),
    }.get(loop, ("asyncio", "new_event_loop"))
    made: Callable[[], asyncio.AbstractEventLoop] = getattr(importlib.import_module(module), factory)
    return made


def main() -> None:
    """Answer the parent."""
    import msgspec

    answers = os.dup(1)
    os.dup2(2, 1)  # what the subject prints is not an answer
    with os.fdopen(answers, "wb") as stream:

        def say(answer: object) -> None:
            stream.write(msgspec.json.encode(answer) + b"\n")
            stream.flush()

        job = json.loads(sys.stdin.readline())
        put_runner_in_place()
        with asyncio.Runner(loop_factory=loop_factory(job["loop"])) as runner:
            runner.run(serve(job, sys.stdin, say))


if __name__ == "__main__":
    main()
