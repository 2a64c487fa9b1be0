"""The fixture ``async_benchmark`` in real runs of pytest."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from aembed.bench.micro.cost import COUNTED
from aembed.bench.pytest_plugin.counting import OperationCounts
from aembed.bench.pytest_plugin.judging import judge
from aembed.bench.pytest_plugin.records import CountRecord, RecordFileError, read, update
from aembed.bench.pytest_plugin.setting import python_version, setting_name
from tests.bench.plugin_project import COMMAND, INI, MEASURED, environment, made, pytest_in


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return made(tmp_path)


def run_pytest(project: Path, *options: str, failed: int = 0, **variables: str) -> str:
    done = pytest_in(project, *options, **variables)
    assert done.returncode == (1 if failed else 0), done.stdout + done.stderr
    assert not failed or f"{failed} failed" in done.stdout, done.stdout
    return done.stdout


def recorded(project: Path) -> dict[str, dict[str, float | None]]:
    records = read(project / "test_it.counts.json")
    return {test: next(iter(settings.values())).counts for test, settings in records.items()}


def test_workers_other_orders_and_other_processes_count_the_same_and_find_a_planted_task(project: Path) -> None:
    assert "5 recorded" in run_pytest(project, "-n2", "--async-benchmark-update", ORDER="5", PYTHONHASHSEED="7")
    counts = recorded(project)
    assert set(counts) == MEASURED
    assert {found["tasks"] for found in counts.values()} == {2}
    assert "5 kept" in run_pytest(project, ORDER="3", PYTHONHASHSEED="11")
    # a worker finds a planted task
    planted = run_pytest(project, "-n1", "-k", "asyncio or anyio", failed=2, TASKS="3")
    assert planted.count("tasks: 2 -> 3 (+1)") == 2
    assert "If the change is intended, run pytest --async-benchmark-update and commit the file." in planted


REPEATED = """
import os, sys, pytest, operations
ends = [int(pytest.main([*sys.argv[1:], "-q", "-k", "not fresh_process", "--async-benchmark-update"]))]
for number in range(20):
    os.environ["ORDER"] = str(number)
    for planted in (0, 1) if number % 4 == 0 else (0,):
        operations.TASKS = 2 + planted
        sys.modules.pop("test_it", None)
        ends.append(int(pytest.main([*sys.argv[1:], "-q", "-k", "not fresh_process"])))
print("ENDS", *ends)
"""


def test_twenty_runs_of_equal_code_pass_and_a_planted_task_is_always_found(project: Path) -> None:
    (project / "repeated.py").write_text(REPEATED)
    command, env = [sys.executable, "repeated.py", *COMMAND], environment()
    done = subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout.splitlines()[-1] == "ENDS 0" + " 0 1 0 0 0" * 5, done.stdout


WRONG_USE = """
import pytest
from operations import operation

def test_without_loop(async_benchmark):
    async_benchmark(operation)

@pytest.mark.asyncio
async def test_on_a_loop(async_benchmark):
    async_benchmark.run(operation)

@pytest.mark.asyncio
async def test_twice(async_benchmark):
    await async_benchmark(operation)
    await async_benchmark(operation)

@pytest.mark.asyncio
async def test_raises(async_benchmark):
    async def fails():
        raise ConnectionError("no such luck")
    await async_benchmark(fails)
"""


def test_wrong_use_fails_with_the_remedy_and_records_nothing(project: Path) -> None:
    (project / "test_it.py").write_text(WRONG_USE)
    output = run_pytest(project, "--async-benchmark-update", failed=4)
    assert "write async_benchmark.run(...)" in output
    assert "write await async_benchmark(...)" in output
    assert "Give each measurement a name" in output
    assert "ConnectionError: no such luck" in output
    assert not (project / "test_it.counts.json").exists()


def test_one_file_for_all_tests_and_their_times(project: Path) -> None:
    (project / "pytest.ini").write_text(INI + "async_benchmark_file = counts/all.json\n")
    missing = run_pytest(project, "-k", "test_asyncio", failed=1)
    assert "test_it.py::test_asyncio has no recorded counts in counts/all.json" in missing
    assert "--async-benchmark-update" in missing
    assert not (project / "counts").exists()
    run_pytest(project, "--async-benchmark-update", "-k", "test_asyncio", "--async-benchmark-json", "times.json")
    assert list(read(project / "counts" / "all.json")) == ["test_it.py::test_asyncio"]
    times = json.loads((project / "times.json").read_text())
    assert set(times) == {"machine_info", "commit_info", "benchmarks", "datetime", "version"}
    (one,) = times["benchmarks"]
    assert (one["fullname"], one["extra_info"]["tasks"]) == ("test_it.py::test_asyncio", 2)
    found = one["stats"]
    assert found["min"] <= found["q1"] <= found["median"] <= found["q3"] <= found["max"]
    assert found["ops"] == pytest.approx(1 / found["mean"])


def test_pytest_finds_the_plugin_by_itself() -> None:
    assert [one.name for one in entry_points(group="pytest11") if one.value == "aembed_pytest"] == ["aembed"]


def test_a_run_without_the_fixture_imports_nothing_of_aembed(project: Path) -> None:
    (project / "test_it.py").write_text(
        "import sys\ndef test_it(request):\n    assert 'aembed' not in sys.modules\n"
        "    assert request.config.pluginmanager.has_plugin('aembed_pytest') or 'aembed_pytest' in sys.modules\n"
    )
    assert "async benchmark" not in run_pytest(project)


def measured(counts: Mapping[str, float], *others: Mapping[str, float], **packages: str) -> OperationCounts:
    passes = tuple(dict.fromkeys(COUNTED, 0.0) | dict(found) for found in (counts, *others))
    return OperationCounts(passes, "asyncio", packages, ())


def record_of(found: OperationCounts) -> CountRecord:
    return CountRecord(python_version(), found.packages, found.counts)


def verdict(
    before: CountRecord, after: OperationCounts, setting: str = setting_name("asyncio"), own: str = ""
) -> tuple[str, str]:
    judged = judge("test_it", "counts.json", {setting: before}, after, own)
    return judged.outcome, judged.text


def test_fewer_counts_are_a_change_too() -> None:
    assert verdict(record_of(measured({"timers": 3})), measured({"timers": 2}))[0] == "changed"


def test_another_setting_is_not_judged() -> None:
    outcome, text = verdict(record_of(measured({"tasks": 1})), measured({"tasks": 9}), "CPython 3.99, linux, asyncio")
    assert outcome == "not judged"
    assert "3.99" in text


@pytest.mark.parametrize(
    ("now", "outcome"), [({"anyio": "4.9"}, "not judged"), ({"anyio": "4.8"}, "changed"), ({}, "changed")]
)
def test_counts_that_differ_with_a_version_are_not_judged(now: dict[str, str], outcome: str) -> None:
    before = record_of(measured({"tasks": 1}, anyio="4.8"))
    assert verdict(before, measured({"tasks": 2}, **now))[0] == outcome


def test_the_version_of_the_project_does_not_excuse_a_change() -> None:
    before = record_of(measured({"tasks": 1}, app="1.0"))
    assert verdict(before, measured({"tasks": 2}, app="1.1"), own="app")[0] == "changed"


def test_another_patch_release_of_python_with_equal_counts_is_kept() -> None:
    before = replace_python(record_of(measured({"tasks": 1})))
    assert verdict(before, measured({"tasks": 1}))[0] == "kept"
    assert verdict(before, measured({"tasks": 2}))[0] == "not judged"


def replace_python(record: CountRecord) -> CountRecord:
    return CountRecord("3.0.0", record.packages, record.counts)


def test_passes_that_differ() -> None:
    varying = measured({"calls": 8}, {"calls": 9})
    assert record_of(varying).counts["calls"] is None
    assert verdict(record_of(varying), measured({"calls": 70}))[0] == "kept"
    assert verdict(record_of(measured({"calls": 9})), varying)[0] == "kept"
    outcome, text = verdict(record_of(measured({"calls": 7})), varying)
    assert outcome == "changed"
    assert "calls: 7 -> 8 to 9" in text


def test_an_update_keeps_other_settings_and_tests(tmp_path: Path) -> None:
    file = tmp_path / "counts.json"
    one, two = record_of(measured({"tasks": 1})), record_of(measured({"tasks": 2.5}))
    update(file, {"test_b": {"3.11": one}, "test_a": {"3.11": one}})
    update(file, {"test_b": {"3.12": two}})
    assert read(file) == {"test_a": {"3.11": one}, "test_b": {"3.11": one, "3.12": two}}
    text = file.read_text()
    assert text.index("test_a") < text.index("test_b")
    assert '"tasks": 1,' in text
    assert '"tasks": 2.5,' in text


@pytest.mark.parametrize("content", ["<<<<<<< HEAD", '{"test": 1}', ""])
def test_a_file_that_cannot_be_read_names_the_remedy(tmp_path: Path, content: str) -> None:
    file = tmp_path / "counts.json"
    file.write_text(content)
    with pytest.raises(RecordFileError, match=r"(?s)counts\.json.*Restore the file"):
        read(file)


def test_the_loop_is_part_of_the_setting() -> None:
    judged = judge(
        "t", "f", {setting_name("asyncio"): record_of(measured({}))}, replace(measured({}), loop="uvloop"), ""
    )
    assert judged.outcome == "not judged"
