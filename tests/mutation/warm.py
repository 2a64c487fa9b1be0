"""A pytest plugin: tests are collected once, and run in copies of the process, each with a change of functions."""

from __future__ import annotations

import gc
import json
import os
import sys
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path
from types import FunctionType

import pytest

from tests.mutation.forks import NOT_HERE, connection, copied, is_server
from tests.mutation.swap import swapped

DURATIONS = "durations.json"
FAILED = "failed.json"
"""Written by a copy: the tests that failed with its change."""
_durations: defaultdict[str, float] = defaultdict(float)
_costs: dict[str, float] = {}
"""Seconds of processor time, that of ended child processes included: other programs do not lengthen them."""
_failed: set[str] = set()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    before = sum(os.times()[:4])
    try:
        return (yield)
    finally:
        _costs[item.nodeid] = sum(os.times()[:4]) - before


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _durations[report.nodeid] += report.duration
    if report.failed:
        _failed.add(report.nodeid)


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Nothing is run in this process itself."""
    here = Path.cwd()  # tests change it
    if not is_server():  # measured, without a change
        result = yield
        (here / DURATIONS).write_text(json.dumps([_durations, _costs]), encoding="utf-8")
        return result
    requests = connection()
    gc.unfreeze()
    functions = [each for each in gc.get_objects() if type(each) is FunctionType]
    gc.freeze()
    items = {item.nodeid: item for item in session.items}
    session.items = []
    requests.send(_of_others(here))
    while (request := requests.recv()) is not None:
        if (code := copied(request)) is None:
            code = 1
            try:
                session.items = [items[test] for test in request.tests if test in items]
                if request.path and not swapped(here / request.path, request.before, request.after, functions):
                    code = NOT_HERE
                else:
                    yield
                    code = 1 if session.testsfailed else 0
            finally:
                (here / FAILED).write_text(json.dumps(sorted(_failed)), encoding="utf-8")
                os._exit(code)
        requests.send(code)
    return (yield)


def _of_others(here: Path) -> list[str]:
    """Modules that are imported and lie elsewhere: none of them imports what is changed."""
    files = {name: getattr(module, "__file__", None) or "" for name, module in sys.modules.items()}
    return [name for name, file in files.items() if name != "__main__" and not file.startswith(f"{here}/")]
