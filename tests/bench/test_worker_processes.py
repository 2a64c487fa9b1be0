"""Real processes that offer one load: they start together, and one that stops or dies voids the run."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aembed import bench
from aembed.bench.load import abort
from aembed.bench.load.processes import children
from aembed.bench.load.share import Share
from aembed.bench.rows.columns import RunRows
from aembed.bench.settings import Progress
from aembed.bench.subject import SubjectError
from tests.bench import scenarios
from tests.loops import matrix, run

linux = pytest.mark.skipif(sys.platform != "linux", reason="signals and process files of Linux")


def gone(pid: int) -> bool:
    """The process ends within ten seconds, or has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(10_000))
    finally:
        os.close(descriptor)


def workers_of(parent: int) -> list[int]:
    tasks = Path(f"/proc/{parent}/task").iterdir()
    return [int(pid) for task in tasks for pid in (task / "children").read_text().split()]


@linux
def test_real_processes_start_together_and_keep_one_schedule() -> None:
    """Stopped after a second, as by Ctrl-C: the results up to then are reported, and no process is left."""
    told: list[Progress] = []
    stop, kept = asyncio.Event(), list[RunRows]()

    def progress(now: Progress) -> None:
        told.append(now)
        stop.set()

    before = set(workers_of(os.getpid()))
    arrivals = bench.poisson(rate=200)
    options: Any = {"processes": 2, "keep": kept.append, "stop": stop, "progress": progress}
    report = run(
        bench.load(scenarios.documents.case(batch=1), arrivals=arrivals, duration=30, **options),
        loop_factory=matrix().get("uvloop", asyncio.new_event_loop),
    )
    assert report.interrupted
    assert len(report.processes) == 2
    assert report.traffic is not None
    assert report.work is not None
    assert 100 < report.traffic.offered < 3000
    assert report.work.texts == report.traffic.ok == report.traffic.offered
    [run_rows] = kept
    rows = run_rows.rows
    for share in (Share(0, 2).times(arrivals.times(30)), Share(1, 2).times(arrivals.times(30))):
        mine = rows.intended[np.isin(rows.intended, share)]
        assert np.array_equal(mine, share[: len(mine)]), "up to its end, no request of a process is missing or moved"
    assert np.isin(rows.intended, arrivals.times(30)).all()
    assert (rows.started >= rows.intended).all(), "no process is ahead of the common start"
    assert told[0].offered > 0
    assert set(workers_of(os.getpid())) == before


@linux
def test_a_process_that_stops_or_dies_voids_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "OVERDUE", 0.5)
    monkeypatch.setattr(children, "EXIT_GRACE_S", 0.1)
    before = set(workers_of(os.getpid()))
    case = scenarios.roles.case(place=str(tmp_path))
    report = run(
        bench.load(case, arrivals=bench.constant(rate=30), duration=1, drain=0.5, processes=3),
        loop_factory=asyncio.new_event_loop,
    )
    assert report.verdict.state == "invalid"
    reasons = [reason.partition(": ")[2] for reason in report.verdict.reasons]
    assert any(reason == "it ended during the run: out of memory" for reason in reasons)
    assert any(reason.startswith("no result 0.5 s after the end of the run: it is stopped") for reason in reasons)
    assert sum(not share.valid for share in report.processes) >= 2
    assert report.traffic is not None
    assert report.traffic.offered == 30
    assert report.traffic.unfinished == 20
    assert set(workers_of(os.getpid())) == before


@linux
def test_a_process_that_is_stopped_for_a_while_voids_the_run() -> None:
    [case] = scenarios.pauses.cases()
    report = run(
        bench.load(case, arrivals=bench.constant(rate=40), duration=1.5, processes=2),
        loop_factory=asyncio.new_event_loop,
    )
    assert report.verdict.state == "invalid"
    stood = "process 1 of 2: the machine stopped, or ran other programs"
    assert any(reason.startswith(stood) for reason in report.verdict.reasons), report.verdict.reasons
    assert report.processes[0].valid is False
    assert report.traffic is not None
    assert report.traffic.ok == report.traffic.offered == 60, "its requests were late, none was lost"


@linux
def test_a_subject_that_cannot_be_set_up_is_an_error() -> None:
    before = set(workers_of(os.getpid()))
    with pytest.raises(SubjectError, match=r"process \d of 2: ConnectionError: no such luck"):
        run(
            bench.load(scenarios.cannot_be_set_up, arrivals=bench.constant(rate=10), duration=9, processes=2),
            loop_factory=asyncio.new_event_loop,
        )
    assert set(workers_of(os.getpid())) == before


PARENT = """
import asyncio
from aembed import bench
from tests.bench.scenarios import never
options = {"processes": 2, "progress": lambda _: print("."), "drain": 60}
asyncio.run(bench.load(never, arrivals=bench.constant(rate=10), duration=60, **options))
"""


@linux
def test_no_process_survives_its_parent() -> None:
    """Killed, so that it can end nothing itself; one of its processes is stopped, so that it notices nothing."""
    parent = subprocess.Popen([sys.executable, "-u", "-c", PARENT], stdout=subprocess.PIPE)
    try:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b".\n"
        workers = workers_of(parent.pid)
        assert len(workers) == 2
        os.kill(workers[0], signal.SIGSTOP)
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()  # type: ignore[union-attr]
    assert [gone(pid) for pid in workers] == [True, True]


def test_processes_stop_together_once_an_objective_is_surely_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every request is too slow, and each process sees half of them. On a busy machine the run may be INVALID."""
    monkeypatch.setattr(abort, "FIRST_LOOK_S", 2)
    report = run(
        bench.load(
            scenarios.documents.case(batch=1),
            arrivals=bench.constant(50),
            duration=60,
            processes=2,
            slo="p95=1us",
            abort=True,
        ),
        loop_factory=asyncio.new_event_loop,
    )
    assert report.traffic is not None
    assert report.traffic.seconds < 30
    assert not report.interrupted
    assert report.objectives[0].state in {"broken", "not judged"}
