"""Objectives decided on given response times, and runs that a sequential test stops."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aembed.bench import Goal
from aembed.bench.load.abort import SequentialTest
from aembed.bench.load.objectives import judged
from aembed.bench.load.record import Record
from aembed.bench.load.run import RunResult
from aembed.bench.load.summary import Tally, traffic, windows
from aembed.bench.model.objectives import Judgement
from aembed.bench.rows.columns import FAILED, OK, Rows
from aembed.bench.settings import RunSettings

ABORT_SECONDS = 300
"""Length of a run that may be stopped."""
ABORT_ERROR = 0.01
"""Share of the runs exactly at their limit that may be stopped, as ``--abort`` states it."""


def rows(latencies: NDArray[np.float64], rate: float = 100.0, times: NDArray[np.float64] | None = None) -> Rows:
    """Answers after ``latencies`` seconds at ``times``, or at a constant rate; ``inf`` failed."""
    times = np.arange(len(latencies)) / rate if times is None else times
    intended = np.rint(times * 1e9).astype(np.int64)
    failed = np.isinf(latencies)
    took = np.rint(np.where(failed, 0.001, latencies) * 1e9).astype(np.int64)
    return Rows(
        intended=intended, started=intended, done=intended + took, outcome=np.where(failed, FAILED, OK).astype(np.int64)
    )


def decided(
    latencies: NDArray[np.float64], slo: str, rate: float = 100.0, times: NDArray[np.float64] | None = None
) -> tuple[Judgement, ...]:
    """The decisions on ``slo``, of a run of these response times."""
    chosen = rows(latencies, rate, times)
    seconds = len(latencies) / rate if times is None else float(times[-1])
    result = RunResult(
        record=Record(1),
        origin=0,
        seconds=seconds,
        interrupted=False,
        ignored_cancellation=0,
        peak_in_flight=1,
        peak_backlog=0,
        failures=(),
    )
    result.__dict__["rows"] = chosen
    seen = traffic(Tally.of(chosen), seconds=seconds, peak_in_flight=1, peak_backlog=0, failures=())
    return judged(result, seen, windows(chosen, seconds=seconds, width=1.0), RunSettings(slo=slo), open_loop=True)


def is_stopped(latencies: NDArray[np.float64], goal: Goal) -> bool:
    """A run of five minutes, over which the requests come evenly, is stopped before its end."""
    test, each = SequentialTest(goal, ABORT_ERROR), len(latencies) // ABORT_SECONDS
    for bad in (latencies > goal.limit).reshape(ABORT_SECONDS, each).sum(axis=1):
        test.add(int(bad), each)
        if test.is_broken():
            return True
    return False
