"""The pytest plugin of ``aembed.bench``: its options, its fixture, and the end of a run.

pytest loads this module into every run where aembed is installed, so it lies outside the package and imports nothing of
it: that happens where a test asks for the fixture.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from aembed.bench.pytest_plugin import AsyncBenchmark
    from aembed.bench.pytest_plugin.session import CountedTest

OF_TEST: pytest.StashKey[list[CountedTest]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the fixture ``async_benchmark``."""
    group = parser.getgroup("async benchmark", "exact counts of async operations (aembed.bench)")
    group.addoption(
        "--async-benchmark-update",
        action="store_true",
        help="record the counts of the tests that run, instead of comparing with the recorded ones",
    )
    group.addoption(
        "--async-benchmark-json",
        metavar="FILE",
        type=Path,
        help="also time each operation for half a second, and write FILE in the JSON format of pytest-benchmark",
    )
    parser.addini(
        "async_benchmark_file",
        "file for the counts of all tests, relative to the root directory (default: NAME.counts.json for each NAME.py)",
        default="",
    )


@pytest.fixture
def async_benchmark(request: pytest.FixtureRequest) -> AsyncBenchmark:
    """Counts tasks, callbacks, timers, threads and Python calls of an async operation; fails if they changed."""
    from aembed.bench.pytest_plugin import AsyncBenchmark

    node: pytest.Item = request.node
    results: list[CountedTest] = []
    node.stash[OF_TEST] = results  # anew when a plugin runs a test again
    return AsyncBenchmark(node, results)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach the results of a test to its report, which reaches the main process from any worker."""
    report = yield
    results = item.stash.get(OF_TEST, None)
    if results and call.when == "call":
        from aembed.bench.pytest_plugin.session import packed

        unfit = report.failed and item.config.getoption("async_benchmark_update")
        report.async_benchmark = [] if unfit else packed(results)  # type: ignore[attr-defined]
    return report


class _Run:
    """The results of the run, in the process that has the terminal."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._results: list[Any] = []
        self._lines: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._results += getattr(report, "async_benchmark", ())

    def pytest_sessionfinish(self) -> None:
        if not self._results:
            return
        from aembed.bench.pytest_plugin import session

        results = session.unpacked(self._results)
        session.write_counts(results)
        if file := self._config.getoption("async_benchmark_json"):
            session.export(results, self._config.invocation_params.dir / file)
        self._lines = session.summary(results)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._lines:
            terminalreporter.section("async benchmark")
        for line in self._lines:
            terminalreporter.line(line)


def pytest_configure(config: pytest.Config) -> None:
    """Collect results, except in a worker of xdist."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Run(config))
