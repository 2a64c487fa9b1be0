"""The object that tests call."""

from __future__ import annotations

import asyncio
import re
import tomllib
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from aembed.bench.micro.frozen_clock import FrozenClockLoop
from aembed.bench.micro.process import alone
from aembed.bench.model.one_at_a_time import Cost
from aembed.bench.opening import opened
from aembed.bench.pytest_plugin.counting import MOST_PASSES, OperationCounts, measure
from aembed.bench.pytest_plugin.judging import CountJudgement, judge
from aembed.bench.pytest_plugin.records import CountRecord, RecordFileError, read
from aembed.bench.pytest_plugin.session import CountedTest
from aembed.bench.pytest_plugin.setting import python_version, setting_name
from aembed.bench.scenario import Case, Scenario, Target

ATTEMPTS = 3
"""Measurements before a changed count fails the test: a change in the code is in all of them."""
TIMED_S = 0.5
"""Seconds that operations are timed for the export."""


class AsyncBenchmark:
    """Counts what one async operation asks of asyncio and Python, and fails the test if that changed.

    ``await async_benchmark(call)`` counts on the loop of the test; ``async_benchmark.run(call)`` is for synchronous
    tests, and uses a loop whose clock runs only while it waits. A :func:`aembed.bench.scenario` is counted in a fresh
    process with a fixed hash seed.
    """

    def __init__(self, node: pytest.Item, results: list[CountedTest]) -> None:
        config = node.config
        self._results = results
        self._update = bool(config.getoption("async_benchmark_update"))
        self._timed = TIMED_S if config.getoption("async_benchmark_json") else 0.0
        self._own = _project(config.rootpath)
        chain = [part.name for part in node.listchain() if isinstance(part, (pytest.Class, pytest.Item))]
        place = node.path.relative_to(config.rootpath) if node.path.is_relative_to(config.rootpath) else node.path
        self._test = "::".join((place.as_posix(), *chain))
        shared: str = config.getini("async_benchmark_file")
        self._file = config.rootpath / shared if shared else node.path.with_suffix(".counts.json")
        self._key = self._test if shared else "::".join(chain)
        self._shown = shared or self._file.name

    def __call__(
        self, target: Target, *, name: str = "", operations: int = 10, warm: int = 20
    ) -> Coroutine[Any, Any, Cost]:
        """Count ``operations`` on the running loop, after ``warm`` that do not count; the result is per operation.

        ``name`` distinguishes several measurements in one test. An exception of the operation is raised as it is.
        """
        if not _loop_runs():
            pytest.fail(
                "no asyncio event loop runs in this test: async_benchmark(...) needs one. "
                "In a synchronous test write async_benchmark.run(...).",
                pytrace=False,
            )
        return self._judged(target, name, operations, warm)

    def run(self, target: Target, *, name: str = "", operations: int = 10, warm: int = 20) -> Cost:
        """The same in a synchronous test, on a new loop."""
        if _loop_runs():
            pytest.fail(
                "an asyncio event loop runs already: async_benchmark.run(...) starts one. "
                "In an async test write await async_benchmark(...).",
                pytrace=False,
            )
        with asyncio.Runner(loop_factory=FrozenClockLoop) as runner:
            return runner.run(self._judged(target, name, operations, warm))

    async def _judged(self, target: Target, name: str, operations: int, warm: int) -> Cost:
        key, test = (f"{known} {name}".rstrip() for known in (self._key, self._test))
        if any(result.test == test for result in self._results):
            pytest.fail(f'{test} is measured twice. Give each measurement a name, as in name="insert".', pytrace=False)
        measured, judged = await self._measured_and_judged(target, key, test, operations, warm)
        record = CountRecord(python_version(), self._dependencies(measured), measured.counts)
        setting = setting_name(measured.loop)
        self._results.append(
            CountedTest(test, key, str(self._file), setting, record, judged.outcome, judged.text, measured.seconds)
        )
        if judged.outcome in {"changed", "missing"}:
            pytest.fail(judged.text, pytrace=False)
        exact = None not in measured.counts.values()
        return Cost(operations=operations, exact=exact, allocations=None, **measured.passes[-1])

    async def _measured_and_judged(
        self, target: Target, key: str, test: str, operations: int, warm: int
    ) -> tuple[OperationCounts, CountJudgement]:
        """Measured again after a changed count: an accident of one measurement must not fail the test."""
        passes = MOST_PASSES if self._update else 2
        options = {"operations": operations, "warm": warm, "passes": passes, "timed": self._timed}
        attempt = 1
        while True:
            measured = await _measured(target, options)
            judged = self._judge(key, test, measured)
            if judged.outcome != "changed" or attempt == ATTEMPTS:
                return measured, judged
            attempt += 1

    def _judge(self, key: str, test: str, measured: OperationCounts) -> CountJudgement:
        try:
            records = read(self._file).get(key, {})
        except RecordFileError as error:
            pytest.fail(str(error), pytrace=False)
        if self._update:
            varies = [name for name, count in measured.counts.items() if count is None]
            return CountJudgement(
                "recorded", f"{test}: {', '.join(varies)} vary between passes: not judged" if varies else ""
            )
        return judge(test, self._shown, records, measured, self._own)

    def _dependencies(self, measured: OperationCounts) -> dict[str, str]:
        return {name: version for name, version in measured.packages.items() if name != self._own}


async def _measured(target: Target, options: dict[str, int | float]) -> OperationCounts:
    """A scenario in a fresh process, anything else here."""
    if isinstance(target, (Case, Scenario)):
        return await alone(target, measure, OperationCounts, options=options, loop="frozen", hash_seed=0)
    async with opened(target) as subject:
        return await measure(subject, **options)  # type: ignore[arg-type]  # whole numbers but for the seconds


def _loop_runs() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _project(root: Path) -> str:
    """Name of the distribution in ``root``, empty if there is none."""
    file = root / "pyproject.toml"
    project = tomllib.loads(file.read_text(encoding="utf-8")).get("project", {}) if file.is_file() else {}
    return re.sub(r"[-_.]+", "-", str(project.get("name", ""))).lower()
