"""The fixture ``async_benchmark`` and its counts, in the run of this test."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Iterable
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import anyio
import pytest

from aembed.bench import Subject
from aembed.bench.micro.cost import COUNTED
from aembed.bench.model.one_at_a_time import Cost
from aembed.bench.pytest_plugin import counting, fixture, setting
from aembed.bench.pytest_plugin.counting import OperationCounts, measure
from aembed.bench.pytest_plugin.fixture import AsyncBenchmark
from aembed.bench.pytest_plugin.records import CountRecord, read
from aembed.bench.pytest_plugin.session import CountedTest, export, packed, summary, unpacked, write_counts
from aembed.bench.pytest_plugin.setting import called_packages, loop_name, python_version, setting_name
from aembed.testing import VirtualTimeLoop
from tests.bench import scenarios


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few packages: to look through all of them takes a second."""
    monkeypatch.setattr(setting, "_distributions", lambda: {"numpy": ["NumPy"], "aembed": ["aembed"]})
    monkeypatch.setattr(setting, "version", lambda name: f"{name} 1")


@pytest.mark.parametrize(
    ("totals", "fewest", "asked"),
    [
        ([4, 4], 2, 2),
        ([4, 4, 4], 3, 3),
        ([4, 6, 4, 4, 4], 2, 5),
        ([4, 4, 6, 4, 4], 3, 5),
        ([4] * 6, 6, 6),
    ],
)
async def test_passes_that_differ_are_repeated_to_five(
    totals: list[int], fewest: int, asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each asks for its operations, and the first for more to warm up than the others."""
    seen, passes = iter(totals), list[tuple[int, int]]()

    async def count(_subject: object, operations: int, warm: int) -> dict[str, int]:
        passes.append((operations, warm))
        return dict.fromkeys(COUNTED, next(seen))

    monkeypatch.setattr(counting, "count", count)
    found = await measure(Subject(anyio.lowlevel.checkpoint), 2, 7, fewest, 0.0)
    assert passes == [(2, 7), *[(2, 1)] * (asked - 1)]
    assert [each["tasks"] for each in found.passes] == [total / 2 for total in totals]
    assert found.seconds == ()
    assert found.counts == dict.fromkeys(COUNTED, 2.0 if len(set(totals)) == 1 else None)
    assert found.values("tasks") == sorted({total / 2 for total in totals})


async def test_the_packages_that_an_operation_calls_are_named_and_another_profiler_goes_on() -> None:
    def profiler(_frame: FrameType, _event: str, _argument: object) -> None: ...

    before = sys.getprofile()
    sys.setprofile(profiler)
    try:
        names = await counting._modules(Subject(anyio.lowlevel.checkpoint))
        after = sys.getprofile()
    finally:
        sys.setprofile(before)
    assert after is profiler
    assert any(name.startswith("anyio") for name in names)
    assert await counting._modules(Subject(scenarios.nothing)) == set()


@pytest.mark.parametrize(("each", "timed", "rounds"), [(1.0, 0.0, 0), (1.0, 3.0, 5), (1.0, 7.0, 7), (0.001, 9.0, 1000)])
async def test_operations_are_timed_for_so_long_and_five_times_at_least(
    each: float, timed: float, rounds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [10.0]

    async def call() -> None:
        clock[0] += each

    monkeypatch.setattr(counting, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    found = await counting._times(Subject(call), timed)
    assert found == pytest.approx([each] * rounds)


class Node:
    """A test of a project, as pytest describes it."""

    def __init__(self, root: Path, *, update: bool = False, times: bool = False, shared: str = "") -> None:
        options = {"async_benchmark_update": update, "async_benchmark_json": root / "times.json" if times else None}
        self.config = SimpleNamespace(rootpath=root, getoption=options.__getitem__, getini=lambda _: shared)
        self.path = root / "tests" / "test_it.py"

    def listchain(self) -> list[object]:
        of_class, item = object.__new__(pytest.Class), object.__new__(pytest.Function)
        of_class.name, item.name = "TestIt", "test_one"
        return [object(), of_class, item]


@pytest.fixture
def results() -> list[CountedTest]:
    return []


def benchmark(node: Node, results: list[CountedTest]) -> AsyncBenchmark:
    return AsyncBenchmark(node, results)  # type: ignore[arg-type]


async def tasks(number: int = 2) -> None:
    await asyncio.gather(*(asyncio.create_task(scenarios.nothing()) for _ in range(number)))


async def more_tasks() -> None:
    await tasks(3)


def test_counts_are_recorded_kept_and_compared(tmp_path: Path, results: list[CountedTest]) -> None:
    (tmp_path / "tests").mkdir()
    counted = benchmark(Node(tmp_path, update=True), results).run(tasks)
    assert isinstance(counted, Cost)
    assert (counted.operations, counted.exact, counted.tasks, counted.allocations) == (10, True, 2.0, None)
    (recorded,) = results
    assert (recorded.test, recorded.key) == ("tests/test_it.py::TestIt::test_one", "TestIt::test_one")
    assert (recorded.outcome, recorded.text, recorded.seconds) == ("recorded", "", ())
    assert recorded.file == str(tmp_path / "tests" / "test_it.counts.json")
    assert recorded.setting == setting_name("FrozenClockLoop")
    write_counts(unpacked(packed(results)))  # type: ignore[arg-type]
    assert read(Path(recorded.file)) == {recorded.key: {recorded.setting: recorded.record}}
    again: list[CountedTest] = []
    assert benchmark(Node(tmp_path), again).run(tasks).tasks == 2.0
    assert (again[0].outcome, again[0].record) == ("kept", recorded.record)
    with pytest.raises(pytest.fail.Exception, match="test_one is measured twice"):
        benchmark(Node(tmp_path), again).run(tasks, name="")
    with pytest.raises(pytest.fail.Exception, match=r"tasks: 2 -> 3 \(\+1\)"):
        benchmark(Node(tmp_path), []).run(more_tasks)


def test_a_test_without_a_record_fails_and_says_how_to_make_one(tmp_path: Path, results: list[CountedTest]) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"test_one two has no recorded counts in counts/all\.json"):
        benchmark(Node(tmp_path, shared="counts/all.json"), results).run(tasks, name="two", operations=1, warm=0)
    (missing,) = results
    assert (missing.outcome, missing.key) == ("missing", "tests/test_it.py::TestIt::test_one two")
    assert missing.file == str(tmp_path / "counts" / "all.json")


@pytest.mark.parametrize(("differ", "attempts", "outcome"), [(2, 3, "kept"), (3, 3, "changed"), (0, 1, "kept")])
async def test_a_changed_count_is_measured_three_times_before_it_fails(
    differ: int,
    attempts: int,
    outcome: str,
    tmp_path: Path,
    results: list[CountedTest],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[dict[str, int | float]] = []

    async def measured(_target: object, options: dict[str, int | float]) -> OperationCounts:
        asked.append(options)
        counts = dict.fromkeys(COUNTED, 1.0) | {"tasks": 9.0 if len(asked) <= differ else 1.0}
        return OperationCounts((counts,), "loop", {"mine": "1", "other": "2"}, ())

    (tmp_path / "pyproject.toml").write_text('[project]\nname = "Mine"\n')
    monkeypatch.setattr(fixture, "_measured", measured)
    record = CountRecord(python_version(), {}, dict.fromkeys(COUNTED, 1.0))
    monkeypatch.setattr(fixture, "read", lambda _: {"TestIt::test_one": {setting_name("loop"): record}})
    one = benchmark(Node(tmp_path, times=True), results)
    if outcome == "changed":
        with pytest.raises(pytest.fail.Exception, match="tasks: 1 -> 9"):
            await one(tasks)
    else:
        assert (await one(tasks)).exact
    assert asked == [{"operations": 10, "warm": 20, "passes": 2, "timed": 0.5}] * attempts
    assert (results[0].outcome, results[0].record.packages) == (outcome, {"other": "2"})


async def test_counts_that_vary_are_recorded_as_such(
    tmp_path: Path, results: list[CountedTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    passes: list[Any] = []

    async def measured(_target: object, options: dict[str, int | float]) -> OperationCounts:
        passes.append(options["passes"])
        same = dict.fromkeys(COUNTED, 1.0)
        return OperationCounts((same, same | {"calls": 2.0}), "loop", {}, (0.25,))

    monkeypatch.setattr(fixture, "_measured", measured)
    assert not (await benchmark(Node(tmp_path, update=True), results)(tasks)).exact
    assert passes == [5]
    assert results[0].text.endswith("test_one: calls vary between passes: not judged")
    assert results[0].seconds == (0.25,)


async def test_a_scenario_is_counted_in_a_process_and_anything_else_here(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    async def alone(target: object, measured: object, answer: object, **options: Any) -> str:
        asked.update(options, target=target, measured=measured, answer=answer)
        return "counted there"

    monkeypatch.setattr(fixture, "alone", alone)
    options: dict[str, int | float] = {"operations": 1, "warm": 0, "passes": 1, "timed": 0.0}
    for target in (scenarios.leaks, scenarios.leaks.cases()[0]):
        there: Any = await fixture._measured(target, options)
        assert there == "counted there"
    assert asked == {
        "target": scenarios.leaks.cases()[0],
        "measured": measure,
        "answer": OperationCounts,
        "options": options,
        "loop": "frozen",
        "hash_seed": 0,
    }
    here = await fixture._measured(tasks, options)
    assert (here.loop, len(here.passes), here.counts["tasks"]) == (loop_name(asyncio.get_running_loop()), 1, 2)


@pytest.mark.parametrize(
    ("text", "name"),
    [('[project]\nname = "My_App.x--y"\n', "my-app-x-y"), ("[tool]\n", ""), (None, "")],
)
def test_a_project_has_the_name_of_its_distribution(text: str | None, name: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "pyproject.toml").write_text(text)
    assert fixture._project(tmp_path) == name


def test_the_setting_names_python_system_and_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    with asyncio.Runner(debug=True) as runner:
        assert loop_name(runner.get_loop()) == "asyncio in debug mode"
    loop = VirtualTimeLoop()
    loop.set_debug(False)
    assert loop_name(loop) == "VirtualTimeLoop"
    packages = called_packages(["numpy.linalg", "no_such"], loop)
    loop.close()
    assert packages == {"aembed": "aembed 1", "numpy": "NumPy 1"}
    assert setting_name("x").endswith(f" {sys.version_info[0]}.{sys.version_info[1]}, {sys.platform}, x")
    plain = python_version()
    monkeypatch.setattr(sys, "flags", SimpleNamespace(optimize=2))
    assert python_version() == f"{plain.partition(' ')[0]} -OO"


def result(test: str, outcome: Any, text: str = "", seconds: Iterable[float] = ()) -> CountedTest:
    record = CountRecord("3.11", {}, {"tasks": 1.0})
    return CountedTest(test, test, "counts.json", "here", record, outcome, text, tuple(seconds))


def test_a_run_is_summed_up_in_the_order_of_its_tests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [
        result("b", "recorded", "b varies"),
        result("a", "kept", "silent"),
        result("c", "not judged", "another setting"),
        result("a", "changed", "it changed"),
        result("d", "recorded", seconds=[0.1, 0.2]),
    ]
    found = unpacked(packed(made))  # type: ignore[arg-type]
    assert [(each.test, each.outcome) for each in found][:2] == [("a", "changed"), ("b", "recorded")]
    assert summary(found) == [
        "measured 4: 1 changed, 1 not judged, 2 recorded",
        "b varies",
        "another setting",
        "recorded in counts.json",
    ]
    monkeypatch.chdir(tmp_path)
    write_counts(found)
    assert set(read(tmp_path / "counts.json")) == {"b", "d"}
    written: list[Any] = []
    monkeypatch.setattr(sys.modules[CountedTest.__module__], "write_times", lambda *given: written.append(given))
    export(found, tmp_path / "times.json")
    assert written == [(tmp_path / "times.json", [("d", (0.1, 0.2), {"tasks": 1.0})])]
    assert gc.isenabled()
