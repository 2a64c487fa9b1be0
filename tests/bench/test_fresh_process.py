"""Both ends of a fresh process, without starting one: the lines that are exchanged, the environment, and the end."""

from __future__ import annotations

import asyncio
import io
import json
import os
import runpy
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import anyio
import pytest

import aembed
from aembed.bench import Subject
from aembed.bench.compare import process_side
from aembed.bench.compare.process_side import ProcessSide
from aembed.bench.micro import child
from aembed.bench.micro import process as room
from aembed.bench.micro.blocks import Timing, measure
from aembed.bench.micro.frozen_clock import FrozenClockLoop
from aembed.bench.micro.process import Process, alone, process
from aembed.bench.subject import SubjectError
from tests.bench.ended import Ended

SCENARIO = """
import os
from aembed import bench

calls = []

async def noisy():
    os.write(1, b"noise on the output")
    calls.append(len(calls))

async def seen(subject, add):
    return [add, *calls]
"""


@pytest.fixture
def job(tmp_path: Path) -> dict[str, Any]:
    file = tmp_path / "noisy_scenarios.py"
    file.write_text(SCENARIO, encoding="utf-8")
    return {"target": f"{file}:noisy", "parameters": {}, "tree": str(tmp_path), "loop": "asyncio"}


def test_the_main_program_gives_its_answers_and_nothing_else_to_its_output(
    job: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    asked = [job, ["aembed_bench_noisy_scenarios:seen", {"add": 7}], ["aembed_bench_noisy_scenarios:seen", {"add": 8}]]
    done: list[str] = []
    monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{json.dumps(each)}\n" for each in asked)))
    monkeypatch.setattr(child, "put_runner_in_place", lambda: done.append("runner"))
    monkeypatch.setattr(
        child, "gc", SimpleNamespace(collect=lambda: done.append("collect"), freeze=lambda: done.append("freeze"))
    )
    output = os.dup(1)
    try:
        child.main()
    finally:
        os.dup2(output, 1)
        os.close(output)
    told, noise = capfd.readouterr()
    assert told == "1\n[7,0]\n[8,0]\n", "the modules of the tree; one call to see that the subject is right"
    assert noise == "noise on the output"
    assert done == ["runner", "collect", "freeze"]


def test_an_answer_is_sent_at_once(job: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The parent waits for it before it asks again."""
    reader, writer = os.pipe()
    found: list[bytes] = []

    class Asked:
        def readline(self) -> str:
            return json.dumps(job)

        def __iter__(self) -> Iterator[str]:
            found.append(os.read(reader, 1000))
            yield '["aembed_bench_noisy_scenarios:seen", {"add": 7}]'
            found.append(os.read(reader, 1000))

    monkeypatch.setattr(sys, "stdin", Asked())
    monkeypatch.setattr(child, "put_runner_in_place", lambda: None)
    output, errors = os.dup(1), os.dup(2)
    try:
        os.dup2(writer, 1)
        os.set_blocking(reader, False)
        child.main()
    finally:
        for saved, place in ((output, 1), (errors, 2)):
            os.dup2(saved, place)
            os.close(saved)
        os.close(writer)
        os.close(reader)
    assert found == [b"1\n", b"[7,0]\n"]


def test_the_file_is_the_main_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads its job first, and here there is none."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    output = os.dup(1)
    try:
        with pytest.raises(json.JSONDecodeError):
            runpy.run_path(child.__file__, run_name="__main__")
    finally:
        os.dup2(output, 1)
        os.close(output)


def test_the_runner_of_this_revision_takes_the_place_of_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    other = ModuleType("aembed.bench")
    monkeypatch.setitem(sys.modules, "aembed.bench", other)
    monkeypatch.setattr(aembed, "bench", other)
    child.put_runner_in_place()
    module = sys.modules["aembed.bench"]
    assert module is aembed.bench is not other
    assert module.__path__ == [str(Path(child.__file__).parents[1])]
    assert callable(module.load)


def test_modules_of_a_tree_are_its_own_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither those of an environment that lies in it, nor the runner's."""
    files = [tmp_path / place for place in ("a.py", "b/c.py", "venv/site-packages/d.py")]
    modules = {str(file): SimpleNamespace(__file__=str(file)) for file in (*files, child.RUNNER / "load" / "run.py")}
    monkeypatch.setattr(child, "sys", SimpleNamespace(modules=modules | {"built in": SimpleNamespace()}))
    assert child.loaded_from(str(tmp_path)) == 2
    assert child.loaded_from(str(child.RUNNER.parent)) == 0


def test_each_kind_of_loop_has_its_factory() -> None:
    assert child.loop_factory("asyncio") is asyncio.new_event_loop
    assert child.loop_factory("frozen") is FrozenClockLoop
    assert child.loop_factory("any other") is asyncio.new_event_loop


def test_a_tree_comes_first_and_then_what_this_process_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", ["", "/there"])
    monkeypatch.setattr(os, "environ", {"HOME": "/home"})
    found = room._environment("/tree", 0)
    path = os.pathsep.join(("/tree", "/tree/src", str(Path.cwd()), "/there"))
    assert found == {"HOME": "/home", "PYTHONHASHSEED": "0", "PYTHONPATH": path}
    assert room._environment(None, None) == {"HOME": "/home", "PYTHONPATH": f"{Path.cwd()}{os.pathsep}/there"}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux pins a process to a core")
def test_a_process_is_pinned_to_the_last_core_of_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    pinned: list[tuple[int, set[int]]] = []

    def affinity(pid: int) -> set[int]:
        assert pid == 0
        return {1, 3, 2}

    monkeypatch.setattr(os, "sched_getaffinity", affinity)
    monkeypatch.setattr(os, "sched_setaffinity", lambda pid, cores: pinned.append((pid, cores)))
    room.pin(77)
    assert pinned == [(77, {3})]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The process that is started, and how: set ``child`` before."""
    told: dict[str, Any] = {}

    async def start(*command: str, **options: Any) -> Any:
        told.update(options, command=command)
        return told["child"]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", start)
    monkeypatch.setattr(room, "pin", lambda pid: told.setdefault("pinned", pid))
    return told


@pytest.mark.virtual_time
async def test_a_process_is_asked_line_by_line_and_ends_with_its_block(started: dict[str, Any]) -> None:
    made = started["child"] = Ended(b"3\n[1.5,2,null]\n")
    async with process("file.py:name", {"n": 1}, loop="frozen", tree="/tree", hash_seed=5) as there:
        timing = await there.ask(measure, Timing, {"operations": 9}, 1.0)
    assert timing == Timing(1.5, 2.0)
    job = {"target": "file.py:name", "parameters": {"n": 1}, "tree": "/tree", "loop": "frozen"}
    assert [json.loads(line) for line in made.asked] == [job, ["aembed.bench.micro.blocks:measure", {"operations": 9}]]
    assert all(line.endswith(b"\n") for line in made.asked)
    assert made.history == [("closed", 0.0), ("waited", 0.0)]
    assert started["command"][1:] == ("-P", str(Path(child.__file__)))
    assert (started["start_new_session"], "pinned" in started) == (True, False)
    assert started["env"]["PYTHONHASHSEED"] == "5"
    assert started["env"]["PYTHONPATH"].startswith(f"/tree{os.pathsep}")
    assert started["limit"] > 1 << 30


@pytest.mark.virtual_time
async def test_a_process_that_does_not_heed_the_end_is_killed_after_two_seconds(started: dict[str, Any]) -> None:
    made = started["child"] = Ended(b"null\n", heeds=False)
    async with process("file.py:name", {}, loop="asyncio", pinned=True):
        pass
    assert started["pinned"] == 77
    assert made.history == [("closed", 0.0), ("killed", 2.0), ("waited", 2.0)]


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("errors", "told"),
    [
        (b"", "side: it ended with exit code 7"),
        (b"aembed.bench.subject.SubjectError: it is wrong\n", "side: it is wrong"),
        (b"Traceback\nKeyError: 'a'\n", "side: KeyError: 'a'"),
    ],
)
async def test_a_process_that_ends_is_named_with_its_last_words(errors: bytes, told: str) -> None:
    made = Ended()
    made.kill()
    file = io.BytesIO()
    file.write(errors)
    with pytest.raises(SubjectError) as raised:
        await Process("side: ", made, file).say("anything", 1.0)  # type: ignore[arg-type]
    assert str(raised.value) == told


@pytest.mark.virtual_time
async def test_a_process_that_loads_nothing_of_its_tree_is_no_side(started: dict[str, Any]) -> None:
    started["child"] = Ended(b"0\n")
    with pytest.raises(SubjectError, match=r"^before: file\.py:name loads nothing from /tree: both sides would run"):
        async with process("file.py:name", {}, loop="asyncio", tree="/tree", label="before"):
            pass


@pytest.mark.virtual_time
async def test_what_is_measured_here_was_right_once_and_is_cancelled_if_it_takes_too_long() -> None:
    calls: list[str] = []

    async def call() -> None:
        calls.append("call")

    async def waits(subject: Subject, number: int) -> int:
        calls.append("measure")
        try:
            await anyio.sleep(number)
        except asyncio.CancelledError:
            calls.append("cancelled")
            raise
        return number

    assert await alone(call, waits, int, options={"number": 4}, patience=5) == 4
    assert calls == ["call", "measure"]
    with pytest.raises(SubjectError, match="no answer within 5 s"):
        await alone(call, waits, int, options={"number": 6}, patience=5)
    await anyio.lowlevel.checkpoint()
    assert calls[2:] == ["call", "measure", "cancelled"]


@pytest.mark.virtual_time
async def test_an_error_of_aembed_is_raised_as_it_is_and_any_other_named() -> None:
    async def fails(subject: Subject, kind: int) -> int:
        raise aembed.InputError("no such thing") if kind else KeyError("a")

    with pytest.raises(aembed.InputError, match="no such thing"):
        await alone(anyio.lowlevel.checkpoint, fails, int, options={"kind": 1})
    with pytest.raises(SubjectError, match="KeyError: 'a'"):
        await alone(anyio.lowlevel.checkpoint, fails, int, options={"kind": 0})


async def test_a_side_waits_a_minute_and_ten_times_as_long_as_its_operations_took(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits: list[float] = []
    opened: dict[str, Any] = {}
    timings = iter([Timing(2e9, 0), Timing(1e9, 0), Timing(1e9, 0)])

    async def ask(_: object, answer: object, options: dict[str, int], patience: float) -> Timing:
        waits.append(patience)
        return next(timings)

    @asynccontextmanager
    async def started(*given: Any, **options: Any) -> AsyncIterator[Any]:
        opened.update(options, given=given)
        yield SimpleNamespace(ask=ask)

    monkeypatch.setattr(process_side, "process", started)
    side = ProcessSide(label="side", target="file.py:name", parameters={"n": 1}, tree="/tree", loop="asyncio")
    async with side.open(seed=4) as runs:
        for operations in (4, 1, 3):
            await runs.block(operations)
    assert waits == [60.0, 60.0 + 10 * 0.5, 60.0 + 10 * 3 * 1.0]
    assert opened == {
        "given": ("file.py:name", {"n": 1}),
        "label": "side",
        "loop": "asyncio",
        "tree": "/tree",
        "hash_seed": 5,
        "patience": 60.0,
        "pinned": True,
    }
