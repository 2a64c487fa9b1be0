"""A/B comparisons: false alarms and power on simulated machines, and real processes that behave and misbehave."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from aembed import InputError
from aembed.bench.compare import contest as contest_room
from aembed.bench.compare import interleave, process_side
from aembed.bench.compare.changes import Change, Comparison
from aembed.bench.compare.contest import Contest, ab, ab_revision
from aembed.bench.compare.process_side import ProcessSide
from aembed.bench.compare.worktree import worktree
from aembed.bench.micro import blocks, child
from aembed.bench.micro import process as fresh_process
from aembed.bench.subject import SubjectError
from tests.bench.simulated import Machine, SimulatedSide

OPERATIONS = [2e-6, 50e-6, 1e-3]
RUNS = 100


async def simulated(seconds: float, slowdown: float, runs: int) -> Counter[str]:
    """Findings of so many comparisons."""
    findings: Counter[str] = Counter()
    for seed in range(runs):
        machine = Machine(seed)
        before = SimulatedSide("before", seconds, machine)
        after = SimulatedSide("after", seconds * (1 + slowdown), machine)
        result = await ab([Contest(name="operation", before=before, after=after)])
        findings[result.changes[0].finding] += 1
    return findings


@pytest.mark.virtual_time
@pytest.mark.parametrize("seconds", OPERATIONS)
async def test_the_same_code_raises_at_most_one_alarm_in_a_hundred(seconds: float) -> None:
    findings = await simulated(seconds, 0.0, RUNS)
    assert findings["regressed"] + findings["improved"] <= 1
    assert findings["same"] >= 95


@pytest.mark.virtual_time
@pytest.mark.parametrize("seconds", OPERATIONS)
@pytest.mark.parametrize(("slowdown", "found"), [(0.05, 80), (0.1, 99), (0.2, 100)])
async def test_a_planted_slowdown_is_found(seconds: float, slowdown: float, found: int) -> None:
    assert (await simulated(seconds, slowdown, RUNS))["regressed"] >= found


@pytest.mark.virtual_time
async def test_a_speed_up_is_an_improvement() -> None:
    findings = await simulated(50e-6, -0.1, 20)
    assert findings == {"improved": 20}


@pytest.mark.virtual_time
async def test_operations_that_wait_are_judged_by_the_clock_on_the_wall() -> None:
    machine = Machine(0)
    side = SimulatedSide("before", 1e-3, machine, waits=1)
    computes = replace(side, waits=0)
    metrics = [
        (await ab([Contest(name="operation", before=before, after=after)])).changes[0].metric
        for before, after in [(computes, computes), (side, side), (computes, side)]
    ]
    assert metrics == ["CPU time", "time", "time"]


@pytest.mark.virtual_time
async def test_noise_is_met_with_more_pairs_and_then_with_honesty() -> None:
    machine = Machine(1)
    noisy = SimulatedSide("before", 1e-3, machine, spread=0.2)
    seen: list[Change] = []
    result = await ab([Contest(name="operation", before=noisy, after=noisy)], progress=seen.append)
    (change,) = result.changes
    assert (change.finding, change.pairs, result.exit_code) == ("inconclusive", contest_room.MOST_PAIRS, 3)
    assert change.detectable is not None
    assert change.detectable > 0.1
    assert [each.pairs for each in seen] == list(range(2, contest_room.MOST_PAIRS + 1))


@pytest.mark.virtual_time
async def test_no_budget_still_gives_the_fewest_pairs_that_can_say_anything() -> None:
    noisy = SimulatedSide("before", 1e-3, Machine(1), spread=0.2)
    result = await ab([Contest(name="operation", before=noisy, after=noisy)], budget=0)
    assert result.changes[0].pairs == contest_room.FEWEST_PAIRS


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("pairs", "slowdown", "spread", "finding", "code"),
    [
        (2, 0.2, 0.01, "inconclusive", 3),  # sure as it looks, two pairs are too few
        (6, 0.2, 0.01, "regressed", 1),
        (6, 0.0, 0.01, "same", 3),  # two benchmarks were asked for and one came: no all-clear
        (9, 0.0, 0.2, "inconclusive", 3),
    ],
)
async def test_rounds_measured_until_ctrl_c_are_judged(
    pairs: int, slowdown: float, spread: float, finding: str, code: int
) -> None:
    stop = asyncio.Event()
    before = SimulatedSide("before", 1e-3, Machine(1), spread=spread)
    contest = Contest(name="operation", before=before, after=replace(before, seconds=1e-3 * (1 + slowdown)))

    def tell(change: Change) -> None:
        if change.pairs == pairs:
            stop.set()

    result = await ab([contest, replace(contest, name="another")], progress=tell, stop=stop)
    assert (result.interrupted, result.exit_code) == (True, code)
    (change,) = result.changes
    assert (change.pairs, change.finding) == (pairs, finding)
    assert result.unjudged == ("another: interrupted before its first pair of processes was measured",)
    assert "interrupted" in result.notes[0]


async def test_ctrl_c_ends_a_pair_that_is_under_way(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = asyncio.Event()
    monkeypatch.setattr(fresh_process, "EXIT_GRACE_S", 0.1)
    monkeypatch.setattr(fresh_process, "pin", lambda pid: stop.set())
    side = ProcessSide(label="stuck", target=f"{file}:stuck")
    result = await ab([Contest(name="planted", before=side, after=side)], stop=stop)
    assert (result.changes, result.exit_code) == ((), 3)
    assert psutil.Process().children() == []


async def test_nothing_to_compare_is_reported() -> None:
    with pytest.raises(InputError, match="give at least one contest"):
        await ab([])


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
    asked = [json.dumps(["aembed.bench.micro.blocks", {"operations": n}]) for n in (1, 3)]
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
