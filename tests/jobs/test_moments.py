"""Moments of a job as its listener sees them: what is counted, and when it is reported."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from aembed.jobs.monitor import PROGRESS_INTERVAL_S, Monitor
from aembed.jobs.progress import JobProgress
from aembed.jobs.survey import Survey

CALM: dict[str, Any] = {"retries": 0, "refusals": 0, "waiting_for": "", "paused": 0.0}


def monitor(*, listener: Any = None, **moment: Any) -> Monitor:
    """In the middle of a job of 100 rows, of which 3 cannot be embedded."""
    made = Monitor(listener)
    made.phase = "embedding"
    made.survey = Survey()
    made.survey.rows, made.survey.faulty = 100, 3
    at(made, **moment)
    return made


def at(made: Monitor, *, done: int = 40, rejected: int = 2, tokens: int | None = 500, **statistics: Any) -> JobProgress:
    made.ledger = SimpleNamespace(  # type: ignore[assignment]
        done=done, rejected=rejected, tokens=tokens, earlier=SimpleNamespace(total=15)
    )
    made.embedder = SimpleNamespace(  # type: ignore[assignment]
        statistics=lambda: SimpleNamespace(**CALM | statistics),
        spec=SimpleNamespace(cost=lambda tokens: None if tokens is None else tokens / 1000),
    )
    return made._progress()


def test_before_the_model_is_open_nothing_is_known() -> None:
    assert Monitor(None)._progress() == JobProgress()


def test_a_row_that_cannot_be_embedded_is_rejected_before_any_is_sent() -> None:
    made = Monitor(None)
    made.survey.rows, made.survey.faulty = 7, 2
    assert made._progress() == JobProgress(rows=7, rejected=2)


def test_counts_are_of_all_runs() -> None:
    made = monitor()
    expected = replace(
        JobProgress(), phase="embedding", rows=100, done=40, resumed=15, rejected=3 + 2, tokens=500, cost=0.5
    )
    assert made._progress() == expected
    assert at(made, tokens=None) == replace(expected, tokens=None, cost=None)
    assert at(made, waiting_for="tokens", paused=2.5) == replace(expected, waiting_for="tokens", paused=2.5)


def test_rows_written_are_counted_while_the_output_is_written() -> None:
    made = monitor(done=100)
    made.phase, made.written = "writing", 64
    assert made._progress().done == 64


def test_retries_and_rejections_are_those_since_a_row_was_done() -> None:
    made = monitor(retries=5, refusals=2)
    told = [
        at(made, done=done, retries=retries, refusals=refusals)
        for done, retries, refusals in [(40, 6, 2), (40, 8, 3), (41, 8, 3), (41, 8, 3), (41, 9, 4)]
    ]
    assert [(moment.retries, moment.limited) for moment in told] == [
        (1, False),
        (3, True),
        (0, False),
        (0, False),
        (1, True),
    ]


@pytest.mark.virtual_time
async def test_a_listener_is_told_at_once_then_now_and_then_and_at_the_end() -> None:
    times: list[float] = []
    made = Monitor(lambda now: times.append(anyio.current_time() - began))
    began = anyio.current_time()
    async with made.telling():
        await anyio.sleep(2.5 * PROGRESS_INTERVAL_S)
    assert times == pytest.approx([0.0, 0.2, 0.4, 0.5])


@pytest.mark.virtual_time
@pytest.mark.parametrize("fails", ["at the end", "on the way"])
async def test_a_listener_that_fails_ends_the_job_with_its_error(fails: str) -> None:
    calls: list[JobProgress] = []

    def listener(now: JobProgress) -> None:
        calls.append(now)
        if len(calls) == (3 if fails == "at the end" else 2):
            raise LookupError("the display is gone")

    with pytest.raises(LookupError, match="the display is gone"):
        async with Monitor(listener).telling():
            await anyio.sleep(1.5 * PROGRESS_INTERVAL_S if fails == "at the end" else 60)
    assert anyio.current_time() < 60
    await anyio.sleep(1)  # no cancellation is left behind
