"""A/B comparisons of real processes, which behave and misbehave."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from aembed import InputError
from aembed.bench.compare import contest as contest_room
from aembed.bench.compare import interleave, process_side
from aembed.bench.compare.changes import Comparison
from aembed.bench.compare.contest import Contest, ab, ab_revision
from aembed.bench.compare.process_side import ProcessSide
from aembed.bench.compare.worktree import worktree
from aembed.bench.micro import blocks, child
from aembed.bench.micro import process as fresh_process
from aembed.bench.subject import SubjectError


async def test_ctrl_c_ends_a_pair_that_is_under_way(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = asyncio.Event()
    monkeypatch.setattr(fresh_process, "EXIT_GRACE_S", 0.1)
    monkeypatch.setattr(fresh_process, "pin", lambda pid: stop.set())
    side = ProcessSide(label="stuck", target=f"{file}:stuck")
    result = await ab([Contest(name="planted", before=side, after=side)], stop=stop)
    assert (result.changes, result.exit_code) == ((), 3)
    assert psutil.Process().children() == []


SCENARIO = """
import asyncio, sys, threading
from aembed import bench

async def quick():
    return sum(range(10))

async def slow():
    return sum(range(20_000))

async def waits():
    await asyncio.to_thread(threading.Event().wait, 0.001)

async def broken():
    raise KeyError("planted")

async def stuck():
    await asyncio.Event().wait()

async def ends():
    sys.exit(7)

@bench.scenario(size=[1, 2])
async def wrong(case):
    print("noise on stdout is not an answer")
    yield bench.Subject(quick, lambda result: f"size {case.size} is wrong")

@bench.scenario
async def package():
    import planted
    return planted.work()
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Scenarios; and comparisons so short that only gross differences show, which is all these tests look at."""
    monkeypatch.setattr(blocks, "BLOCK", 1e-4)
    monkeypatch.setattr(interleave, "WARM_UP_S", 1e-3)
    monkeypatch.setattr(interleave, "ROUNDS", 3)
    monkeypatch.setattr(contest_room, "FEWEST_PAIRS", 3)
    monkeypatch.setattr(contest_room, "MOST_PAIRS", 3)
    path = tmp_path / "planted_scenarios.py"
    path.write_text(SCENARIO, encoding="utf-8")
    return path


async def compare(file: Path, before: str, after: str, **parameters: int) -> Comparison:
    def side(name: str) -> ProcessSide:
        return ProcessSide(label=name, target=f"{file}:{name}", parameters=parameters)

    return await ab([Contest(name="planted", before=side(before), after=side(after))])


@pytest.mark.one_loop
async def test_fresh_processes_tell_a_slow_operation_from_a_quick_one(file: Path) -> None:
    result = await compare(file, "quick", "slow")
    (change,) = result.changes
    assert (change.finding, result.exit_code, result.before, result.after) == ("regressed", 1, "quick", "slow")
    assert change.change is not None
    assert change.change.value > 10


@pytest.mark.one_loop
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts the waits of a thread")
async def test_an_operation_in_a_thread_waits_and_one_that_computes_does_not(file: Path) -> None:
    sides = [ProcessSide(label=name, target=f"{file}:{name}") for name in ("quick", "waits")]
    quick, waits = [await interleave.measure_pair(side, side, 0) for side in sides]
    assert (quick.busy, waits.busy) == (True, False)


@pytest.mark.one_loop
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("broken", "broken: KeyError: 'planted'"),
        ("ends", "ends: it ended with exit code 7"),
        ("nowhere", "has no 'nowhere'"),
    ],
)
async def test_a_side_that_fails_is_named_and_nothing_is_judged(file: Path, name: str, why: str) -> None:
    result = await compare(file, "quick", name)
    assert result.changes == ()
    assert result.exit_code == 3
    assert why in result.unjudged[0]


@pytest.mark.one_loop
@pytest.mark.skipif(sys.platform == "win32", reason="no process groups on this system")
async def test_a_process_has_its_own_group_so_that_ctrl_c_is_for_the_parent(file: Path) -> None:
    async with fresh_process.process(f"{file}:quick", {}, loop="asyncio") as started:
        pid = started.process.pid
        assert os.getpgid(pid) == pid


@pytest.mark.one_loop
async def test_wrong_results_are_not_timed(file: Path) -> None:
    result = await compare(file, "wrong", "wrong", size=2)
    assert result.unjudged == ("planted: wrong: wrong result: size 2 is wrong",)


async def test_a_side_that_never_answers_is_given_up(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_side, "ANSWER_TIMEOUT_S", 0.5)
    monkeypatch.setattr(fresh_process, "EXIT_GRACE_S", 0.1)
    result = await compare(file, "stuck", "quick")
    assert result.unjudged == ("planted: stuck: no answer within 0.5 s",)


async def test_nothing_is_left_running_by_a_comparison_that_is_cancelled(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = asyncio.Event()
    monkeypatch.setattr(fresh_process, "EXIT_GRACE_S", 0.1)
    monkeypatch.setattr(fresh_process, "pin", lambda pid: started.set())
    comparison = asyncio.create_task(compare(file, "stuck", "quick"))
    await started.wait()
    assert len(psutil.Process().children()) == 1
    comparison.cancel()
    with pytest.raises(asyncio.CancelledError):
        await comparison
    assert psutil.Process().children() == []


async def test_a_child_answers_lines_with_times(file: Path) -> None:
    """It runs in this process; the other tests start one for it."""
    said: list[Any] = []
    job = {"target": f"{file}:quick", "parameters": {}, "tree": str(file.parent)}
    asked = [json.dumps(["aembed.bench.micro.blocks:measure", {"operations": n}]) for n in (1, 3)]
    await child.serve(job, asked, said.append)
    assert said[0] >= 1  # the scenarios themselves
    assert [type(each) for each in said[1:]] == [blocks.Timing] * 2
    with pytest.raises(SubjectError, match="wrong result: size 1 is wrong"):
        await child.serve({**job, "target": f"{file}:wrong", "parameters": {"size": 1}, "tree": None}, [], print)


def git(*arguments: str) -> None:
    who = ("-c", "user.name=someone", "-c", "user.email=someone@example.org", "-c", "init.defaultBranch=main")
    subprocess.run(["git", *who, *arguments], check=True, capture_output=True)  # noqa: S607


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git tree whose package became much slower after its only commit."""
    top = tmp_path / "tree"
    package = top / "planted" / "__init__.py"
    package.parent.mkdir(parents=True)
    package.write_text("def work(): return sum(range(10))\n", encoding="utf-8")
    monkeypatch.chdir(top)
    git("init", "-q", ".")
    git("add", ".")
    git("commit", "-q", "-m", "fast")
    package.write_text("def work(): return sum(range(20_000))\n", encoding="utf-8")
    return top


@pytest.mark.one_loop
async def test_the_working_tree_is_compared_with_a_revision(file: Path, tree: Path) -> None:
    result = await ab_revision(f"{file}:package", "HEAD")
    (change,) = result.changes
    assert (change.name, change.finding) == ("package", "regressed")
    assert (result.before, result.after) == ("HEAD", "working tree")
    assert not (tree / ".git" / "worktrees").exists()


@pytest.mark.one_loop
async def test_a_tree_of_which_nothing_is_loaded_is_not_compared(file: Path, tree: Path) -> None:
    result = await ab_revision(f"{file}:quick", "HEAD")
    assert "loads nothing from" in result.unjudged[0]


def test_a_revision_that_is_not_there_is_named(tree: Path) -> None:
    with pytest.raises(InputError, match=r"git rev-parse failed: .*Needed a single revision"), worktree("nowhere"):
        pass


def test_without_git_there_is_no_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match="needs git"), worktree("HEAD"):
        pass


def test_a_checkout_is_removed_even_after_a_failure(tree: Path) -> None:
    with suppress(KeyError), worktree("HEAD") as (there, top):
        found = (there / "planted" / "__init__.py").read_text(encoding="utf-8")
        raise KeyError
    assert (found, top) == ("def work(): return sum(range(10))\n", tree)
    assert not there.exists()
    assert not (tree / ".git" / "worktrees").exists()


def test_a_repository_of_the_environment_is_not_taken_for_that_of_the_directory(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git sets it for a hook."""
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    with worktree("HEAD") as (_, top):
        assert top == tree
