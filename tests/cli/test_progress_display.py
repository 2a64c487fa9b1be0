"""The progress of a job on standard error: rate, time left, bar and lines."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("typer", reason="needs the extra cli")
from rich.console import Console

from aembed.cli import progress
from aembed.cli.progress import ProgressBar, ProgressDisplay, ProgressLines, duration, show_progress, spent, waiting
from aembed.jobs import JobProgress

ERASED = "\x1b[2K"
"""Sent to a terminal to erase a line."""


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (61, "1 min 01 s"),
        (3599, "59 min 59 s"),
        (3660, "1 h 01 min"),
    ],
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        ({}, ""),
        ({"tokens": 1}, "1 tokens"),
        ({"tokens": 1500, "cost": 0.5, "rejected": 2000}, "1,500 tokens, $0.5000, 2,000 rejected"),
        ({"cost": 0.0}, ""),
        ({"rejected": 1}, "1 rejected"),
    ],
)
def test_tokens_and_cost_spent(moment: dict[str, Any], said: str) -> None:
    assert spent(JobProgress(**moment)) == said


def test_only_embedding_waits() -> None:
    waits = JobProgress(paused=5.0, waiting_for="inputs")
    assert waiting(waits) == ""
    assert waiting(replace(waits, phase="embedding")) == "server not answering, retrying in 5 s"
    assert waiting(replace(waits, phase="embedding", paused=0.0)) == "waiting for the limit of inputs per minute"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_rate_is_that_of_ten_seconds_of_this_phase() -> None:
    clock = Clock()
    progress = ProgressDisplay(clock)
    assert progress.rate == 0.0
    rates = []
    for second in range(1, 31):
        clock.now = float(second)
        progress(JobProgress(phase="embedding", rows=1000, done=2 * second if second <= 15 else 30))
        rates.append(progress.rate)
    assert rates[1:15] == [2.0] * 14
    assert rates[19:25] == pytest.approx([1.0, 0.8, 0.6, 0.4, 0.2, 0.0])
    clock.now = 31.0
    progress(JobProgress(phase="writing", rows=1000, done=0))
    assert progress.rate == 0.0
    clock.now = 32.0
    progress(JobProgress(phase="writing", rows=1000, done=500))
    assert progress.rate == 500.0


@pytest.mark.parametrize(
    ("moment", "parts"),
    [
        ({"phase": "opening"}, ["opening"]),
        ({"phase": "reading", "rows": 1500, "done": 3}, ["reading", "1,500 rows"]),
        ({"phase": "embedding"}, ["embedding"]),
        (
            {"phase": "embedding", "rows": 2000, "done": 1000, "tokens": 5},
            ["embedding  50%", "1,000/2,000", "500 rows/s", "2 s left", "5 tokens"],
        ),
    ],
)
def test_parts_of_a_moment(moment: dict[str, Any], parts: list[str]) -> None:
    clock = Clock()
    progress = ProgressDisplay(clock)
    progress(JobProgress(phase=moment["phase"]))
    clock.now = 2.0
    progress(JobProgress(**moment))
    assert [part for part in progress.parts() if part] == parts


@pytest.mark.parametrize(
    ("done", "width", "line"),
    [
        (1000, 50, "embedding  50%  1,000/2,000"),
        (1000, 49, "embedding  50%  1,000/2,000  ##########----------"),
        (1000, 48, "embedding  50%  1,000/2,000"),
        (2000, 60, "embedding 100%  2,000/2,000  ####################"),
        (0, 60, "embedding   0%  0/2,000  --------------------"),
        (1000, 14, "embedding  50%"),
        (1000, 13, ""),
        (1000, 27, "embedding  50%  1,000/2,000"),
        (1000, 26, "embedding  50%"),
    ],
)
def test_the_bar_takes_the_room_there_is(done: int, width: int, line: str) -> None:
    bar = ProgressBar(Clock())
    bar(JobProgress(phase="embedding", rows=2000, done=done))
    screen = io.StringIO()
    Console(file=screen, width=width, force_terminal=False).print(bar)
    if width == 50:
        line += "  ##########----------"
    assert screen.getvalue().rstrip("\n") == line


@pytest.mark.parametrize("as_json", [False, True])
def test_a_line_every_half_minute(as_json: bool) -> None:
    clock, stream = Clock(), io.StringIO()
    lines = ProgressLines(stream, as_json=as_json, clock=clock)
    counts = []
    for now in (29.9, 30.0, 45.0, 59.9, 60.0, 100.0, 129.9, 130.0):
        clock.now = now
        lines(JobProgress(phase="reading", rows=10))
        counts.append(stream.getvalue().count("\n"))
    assert counts == [0, 1, 1, 1, 2, 3, 3, 4]
    first = stream.getvalue().splitlines()[0]
    if as_json:
        assert json.loads(first)["rows"] == 10
    else:
        assert first == "aembed: reading, 10 rows"


def test_the_bar_stays_when_the_job_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    monkeypatch.setattr(progress, "Console", lambda **_: console)
    with show_progress("bar") as shown:
        shown(JobProgress(phase="embedding", rows=4, done=4))
    file = console.file
    assert isinstance(file, io.StringIO)
    *_, written = file.getvalue().rpartition(ERASED)
    assert "4/4" in written
